"""What a setting is: a flag, its `PODTICK_` twin, its default, and what it may be.

A flag wins over its twin, an empty variable is as good as none, and every error is found before any is reported.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from stat import S_ISDIR
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Choice = TypeVar("Choice", bound=StrEnum)

_TWIN = "PODTICK_"
# Kubernetes sets these for a Service called `podtick`; nobody meant them as settings.
_SERVICE_LINKS = re.compile(r"PODTICK_(SERVICE_.*|PORT|PORT_.*)")

_DURATION = re.compile(r"([0-9]{1,9})(s|m|h)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_BYTES = re.compile(r"([0-9]{1,15})(B|KiB|MiB|GiB)?")
_FACTOR = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


class SettingsError(Exception):
    """Settings that cannot be used; `errors` has one line for each thing that is wrong."""

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(self.errors))


@dataclass(frozen=True, slots=True)
class Option(Generic[T]):
    """One setting as a user sees it. `usual`: a variable of other programs that stands for `auto`."""

    name: str
    metavar: str
    default: str
    help: str
    read: Callable[[str], T]
    usual: str = ""

    @property
    def flag(self) -> str:
        """Such as `--history-bytes`."""
        return f"--{self.name}"

    @property
    def twin(self) -> str:
        """Such as `PODTICK_HISTORY_BYTES`."""
        return _TWIN + self.name.upper().replace("-", "_")


@dataclass(frozen=True, slots=True)
class Switch:
    """A flag without a value, of one run of a command: it has no twin."""

    name: str
    help: str

    @property
    def flag(self) -> str:
        """Such as `--no-stream`."""
        return f"--{self.name}"


class Values:
    """What each option of a command came to."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getitem__(self, option: Option[T]) -> T:
        value: T = self._values[option.name]
        return value


def read_values(
    options: Sequence[Option[Any]],
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    errors: Iterable[str] = (),
) -> Values:
    """Read every option; `flags` by option name, `errors` what the command line itself had wrong.

    Raises `SettingsError` with everything that is wrong.
    """
    found = list(errors)
    values: dict[str, Any] = {}
    for option in options:
        text, where = _given(option, flags, environ)
        if not text:
            found.append(f"{where} needs a value, such as {option.default}")
            continue
        try:
            values[option.name] = option.read(text)
        except ValueError as error:
            found.append(f"{where}: {error}")
    if found:
        raise SettingsError(found)
    return Values(values)


def unknown_twins(options: Sequence[Option[Any]], environ: Mapping[str, str]) -> list[str]:
    """A line for each `PODTICK_` variable that means nothing, with the one that may have been meant."""
    known = {option.twin.removeprefix(_TWIN): option.twin for option in options}
    lines = []
    for name in sorted(environ):
        bare = name.removeprefix(_TWIN)
        if name.startswith(_TWIN) and bare not in known and not _SERVICE_LINKS.fullmatch(name):
            nearest = get_close_matches(bare, known, n=1)
            hint = f"did you mean {known[nearest[0]]}?" if nearest else "podtick agent --help names those that do"
            lines.append(f"the environment variable {name} sets nothing: {hint}")
    return lines


def _given(option: Option[Any], flags: Mapping[str, str | None], environ: Mapping[str, str]) -> tuple[str, str]:
    """A setting's text, and where it comes from."""
    text, where = option.default, f"{option.flag} (default)"
    if twin := environ.get(option.twin, "").strip():
        text, where = twin, option.twin
    flag = flags.get(option.name)
    if flag is not None:
        text, where = flag.strip(), option.flag
    if option.usual and text == "auto" and (usual := environ.get(option.usual, "").strip()):
        text, where = usual, option.usual
    return text, where


def parse_duration(text: str) -> int:
    """Whole seconds of `90s`, `60m` or `1h`; raises `ValueError`."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no duration: write a number and s, m or h, such as 90s, 60m or 1h")
    return int(match[1]) * _SECONDS[match[2]]


def parse_bytes(text: str) -> int:
    """Bytes of `64MiB`, `1GiB` or a plain number; raises `ValueError`."""
    match = _BYTES.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no size: write a number and KiB, MiB or GiB, such as 64MiB")
    return int(match[1]) * _FACTOR[match[2] or "B"]


def directory(text: str) -> Path:
    """A directory that is there; raises `ValueError`."""
    path = Path(text)
    if not path.is_absolute():
        raise ValueError(f"{text!r} is not an absolute path")
    try:
        is_directory = S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        is_directory = False
    except (OSError, ValueError) as error:  # forbidden, too long, a loop of links, a null byte
        raise ValueError(
            f"{text[:200]!r} cannot be looked at: {getattr(error, 'strerror', 'it has a null byte')}"
        ) from None
    if not is_directory:
        raise ValueError(f"{text!r} is not a directory here; inside a container it must be mounted")
    return path


def file_or_none(text: str) -> Path | None:
    """A file that is there, or `None` for the word `none`; raises `ValueError`."""
    if text == "none":
        return None
    path = Path(text)
    try:
        with path.open("rb") as file:
            file.read(1)
    except (OSError, ValueError) as error:
        raise ValueError(f"{text[:200]!r} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return path


def within(read: Callable[[str], int], least: str, most: str) -> Callable[[str], int]:
    """A reader that takes nothing below or above."""

    def reader(text: str) -> int:
        value = read(text)
        if not read(least) <= value <= read(most):
            raise ValueError(f"{text!r} is out of range: {least} to {most}")
        return value

    return reader


def one_of(choices: type[Choice]) -> Callable[[str], Choice]:
    """A reader of one of these words."""

    def reader(text: str) -> Choice:
        try:
            return choices(text)
        except ValueError:
            raise ValueError(f"{text!r} is none of {', '.join(choices)}") from None

    return reader


def all_or(read: Callable[[str], T]) -> Callable[[str], T | None]:
    """A reader that takes the word `all` too, for `None`."""
    return lambda text: None if text == "all" else read(text)
