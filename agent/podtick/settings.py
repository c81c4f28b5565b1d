"""The agent's settings: a flag each, its `PODTICK_` twin, its default, and what it may be.

A flag wins over its twin, an empty variable is as good as none, and every error is found before any is reported.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from stat import S_ISDIR
from typing import Any, Generic, TypeVar

from podtick.logs import LogFormat, LogLevel
from podtick.serve.exposition.filters import Selection, parse_levels, parse_metrics
from podtick.serve.listen import Address, parse_listen
from podtick.sources.docker.endpoint import DEFAULT_DOCKER_HOST, Endpoint, parse_endpoint

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


class DockerChoice(StrEnum):
    """How the engine was chosen, which decides what its absence means."""

    AUTO = "auto"  # the usual socket, if there is an engine
    CONFIGURED = "configured"  # named by --docker-host or DOCKER_HOST: not ready until it answers
    OFF = "off"


class KubernetesChoice(StrEnum):
    """Whether to talk to an API server."""

    AUTO = "auto"  # inside a cluster only
    OFF = "off"


@dataclass(frozen=True, slots=True)
class DockerHost:
    """The engine to ask; `endpoint` is `None` when it is switched off."""

    choice: DockerChoice
    endpoint: Endpoint | None


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Everything `podtick agent` can be told."""

    listen: Address
    docker: DockerHost
    kubernetes: KubernetesChoice
    proc: Path
    cgroup: Path
    history_seconds: int
    history_bytes: int
    selection: Selection
    log_level: LogLevel
    log_format: LogFormat


@dataclass(frozen=True, slots=True)
class Option(Generic[T]):
    """One setting as a user sees it."""

    name: str
    metavar: str
    default: str
    help: str
    read: Callable[[str], T]

    @property
    def flag(self) -> str:
        """Such as `--history-bytes`."""
        return f"--{self.name}"

    @property
    def twin(self) -> str:
        """Such as `PODTICK_HISTORY_BYTES`."""
        return _TWIN + self.name.upper().replace("-", "_")


def read_settings(
    flags: Mapping[str, str | None], environ: Mapping[str, str], errors: Iterable[str] = ()
) -> AgentSettings:
    """Read every option; `flags` by option name, `errors` what the command line itself had wrong.

    Raises `SettingsError` with everything that is wrong.
    """
    found = list(errors)
    texts: dict[str, str] = {}
    for option in OPTIONS:
        text, where = _given(option, flags, environ)
        texts[option.name] = text
        if not text:
            found.append(f"{where} needs a value, such as {option.default}")
            continue
        try:
            option.read(text)
        except ValueError as error:
            found.append(f"{where}: {error}")
    if found:
        raise SettingsError(found)
    return _assemble(texts)


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """A line for each `PODTICK_` variable that means nothing, with the one that may have been meant."""
    known = {option.twin.removeprefix(_TWIN): option.twin for option in OPTIONS}
    lines = []
    for name in sorted(environ):
        bare = name.removeprefix(_TWIN)
        if name.startswith(_TWIN) and bare not in known and not _SERVICE_LINKS.fullmatch(name):
            nearest = get_close_matches(bare, known, n=1)
            hint = f"did you mean {known[nearest[0]]}?" if nearest else "podtick agent --help names those that do"
            lines.append(f"the environment variable {name} sets nothing: {hint}")
    return lines


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


def _given(option: Option[Any], flags: Mapping[str, str | None], environ: Mapping[str, str]) -> tuple[str, str]:
    """A setting's text, and where it comes from."""
    text, where = option.default, f"{option.flag} (default)"
    if twin := environ.get(option.twin, "").strip():
        text, where = twin, option.twin
    flag = flags.get(option.name)
    if flag is not None:
        text, where = flag.strip(), option.flag
    if option is DOCKER_HOST and text == "auto" and (usual := environ.get("DOCKER_HOST", "").strip()):
        text, where = usual, "DOCKER_HOST"
    return text, where


def _assemble(texts: Mapping[str, str]) -> AgentSettings:
    def value(option: Option[T]) -> T:
        return option.read(texts[option.name])

    return AgentSettings(
        listen=value(LISTEN),
        docker=value(DOCKER_HOST),
        kubernetes=value(KUBERNETES),
        proc=value(PROC),
        cgroup=value(CGROUP),
        history_seconds=value(HISTORY),
        history_bytes=value(HISTORY_BYTES),
        selection=Selection(levels=value(LEVELS), metrics=value(METRICS)),
        log_level=value(LOG_LEVEL),
        log_format=value(LOG_FORMAT),
    )


def _docker_host(text: str) -> DockerHost:
    if text == "auto":
        return DockerHost(DockerChoice.AUTO, parse_endpoint(DEFAULT_DOCKER_HOST))
    if text == "none":
        return DockerHost(DockerChoice.OFF, None)
    try:
        return DockerHost(DockerChoice.CONFIGURED, parse_endpoint(text))
    except ValueError as error:
        raise ValueError(f"{error}; auto takes {DEFAULT_DOCKER_HOST} if it is there, none asks no engine") from None


def _directory(text: str) -> Path:
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


def _within(read: Callable[[str], int], least: str, most: str) -> Callable[[str], int]:
    def reader(text: str) -> int:
        value = read(text)
        if not read(least) <= value <= read(most):
            raise ValueError(f"{text!r} is out of range: {least} to {most}")
        return value

    return reader


def _one_of(choices: type[Choice]) -> Callable[[str], Choice]:
    def reader(text: str) -> Choice:
        try:
            return choices(text)
        except ValueError:
            raise ValueError(f"{text!r} is none of {', '.join(choices)}") from None

    return reader


def _all_or(read: Callable[[str], T]) -> Callable[[str], T | None]:
    return lambda text: None if text == "all" else read(text)


LISTEN = Option(
    "listen",
    "HOST:PORT",
    "127.0.0.1:9752",
    "where to serve HTTP; [::]:PORT is every address, IPv4 and IPv6",
    parse_listen,
)
DOCKER_HOST = Option(
    "docker-host",
    "ADDRESS",
    "auto",
    "the Docker engine: unix:///PATH, tcp://HOST:PORT, auto (DOCKER_HOST, else the usual socket if there is "
    "one) or none",
    _docker_host,
)
KUBERNETES = Option(
    "kubernetes",
    "auto|off",
    "auto",
    "ask the API server about pods: inside a cluster, or never",
    _one_of(KubernetesChoice),
)
PROC = Option("proc", "DIR", "/proc", "where the node's /proc is mounted", _directory)
CGROUP = Option("cgroup", "DIR", "/sys/fs/cgroup", "where the node's cgroup tree is mounted", _directory)
HISTORY = Option("history", "TIME", "60m", "how far back to remember, 1m to 6h", _within(parse_duration, "1m", "6h"))
HISTORY_BYTES = Option(
    "history-bytes",
    "SIZE",
    "64MiB",
    "memory for that, 8MiB to 4GiB; if it is too little, all are remembered for less time",
    _within(parse_bytes, "8MiB", "4GiB"),
)
LEVELS = Option(
    "levels",
    "LIST",
    "all",
    "levels that /metrics serves unless a request names its own: container, pod, node, agent",
    _all_or(parse_levels),
)
METRICS = Option(
    "metrics",
    "LIST",
    "all",
    "likewise the metrics: names after podtick_LEVEL_, * for any characters, such as cpu_*,memory_*",
    _all_or(parse_metrics),
)
LOG_LEVEL = Option("log-level", "|".join(LogLevel), "info", "how much to say on standard error", _one_of(LogLevel))
LOG_FORMAT = Option("log-format", "text|json", "text", "how to say it", _one_of(LogFormat))
OPTIONS: tuple[Option[Any], ...] = (
    LISTEN,
    DOCKER_HOST,
    KUBERNETES,
    PROC,
    CGROUP,
    HISTORY,
    HISTORY_BYTES,
    LEVELS,
    METRICS,
    LOG_LEVEL,
    LOG_FORMAT,
)
