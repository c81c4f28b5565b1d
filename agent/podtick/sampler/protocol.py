"""What the agent and the sampler say to each other: a JSON object a line, over two pipes.

Commands: `Attach`, `Network`, `Told`, `Rename`, `Limits`, `Detach`, `Keep`.
Answers: `tick`, `gone`, `full`, `network`, `ready`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from podtick.history.records import TargetKind

MAX_LINE = 64 * 1024
"""Longest line that either side takes; a longer one is a fault of the other side."""


class ProtocolError(Exception):
    """The other side said something that makes no sense."""


@dataclass(frozen=True, slots=True)
class Attach:
    """Read a target from the next tick on, or, for one that is attached, from these files.

    `kind` is a `history.records.TargetKind`; `paths` the cgroup folders by controller (`unified` on v2), empty for a
    pod without a cgroup of its own and for a container that does not run. With `version` 0 nothing is opened:
    `paths` only marks one that runs, its numbers are told. `identity` is opaque text that is kept with the history.
    `fresh`: it was started while its pod was watched. `run` counts its starts; the answer `gone` says which one of
    them has ended.
    """

    id: int
    kind: int
    parent: int = 0
    version: int = 0
    paths: Mapping[str, str] = field(default_factory=dict)
    identity: str = ""
    fresh: bool = False
    run: int = 0


@dataclass(frozen=True, slots=True)
class Network:
    """Read the network of pod `id` from process `pid` of container `container` (ID), which is target `owner`."""

    id: int
    owner: int
    pid: int
    container: str


@dataclass(frozen=True, slots=True)
class Told:
    """Set columns of target `id` that no file tells, by the metric's key; `None` makes one unknown.

    `once`: for the next tick alone; unless they are told again, they are unknown at the one after it.
    """

    id: int
    values: Mapping[str, int | None]
    once: bool = False


@dataclass(frozen=True, slots=True)
class Rename:
    """Keep another identity for target `id`; what is read of it goes on."""

    id: int
    identity: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Read the limits of target `id` again: they were changed."""

    id: int


@dataclass(frozen=True, slots=True)
class Detach:
    """Target `id` is no more."""

    id: int


@dataclass(frozen=True, slots=True)
class Keep:
    """After a start: every target that an earlier sampler had and that is not among `ids` is no more."""

    ids: tuple[int, ...]


Command = Attach | Network | Told | Rename | Limits | Detach | Keep
_COMMANDS: dict[str, type[Command]] = {
    kind.__name__.lower(): kind for kind in (Attach, Network, Told, Rename, Limits, Detach, Keep)
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sampler says: `kind` of target (or tick) `id`, in `text` why or what."""

    kind: str
    id: int = 0
    text: str = ""


def encode_command(command: Command) -> bytes:
    """One line."""
    return json.dumps({"do": type(command).__name__.lower(), **asdict(command)}).encode() + b"\n"


def decode_command(line: bytes) -> Command:
    """The command of a line; raises `ProtocolError`."""
    try:
        fields = json.loads(line)
        kind = _COMMANDS[fields.pop("do")]
        for name, value in fields.items():
            if not _FITS[name](value):
                raise ValueError(f"{name} cannot be {str(value)[:50]!r}")
        return kind(**fields | ({"ids": tuple(fields["ids"])} if kind is Keep else {}))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ProtocolError(f"not a command: {line[:200]!r} ({error})") from None


def _is_word(value: object) -> bool:
    """Whether it fits into a word of the history."""
    return type(value) is int and 0 <= value < 2**64


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


_FITS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("id", "parent", "owner", "run"), _is_word),
    **dict.fromkeys(("identity", "container"), _is_text),
    "kind": lambda value: _is_word(value) and value in set(TargetKind),
    "version": lambda value: _is_word(value) and value <= 2,
    "pid": lambda value: _is_word(value) and value < 2**31,
    **dict.fromkeys(("fresh", "once"), _is_flag),
    "paths": lambda value: all(map(_is_text, value.values())),
    "values": lambda value: all(each is None or _is_word(each) for each in value.values()),
    "ids": lambda value: isinstance(value, list) and all(map(_is_word, value)),
}


def encode_answer(answer: Answer) -> bytes:
    """One line."""
    return json.dumps([answer.kind, answer.id, answer.text]).encode() + b"\n"


def decode_answer(line: bytes) -> Answer:
    """The answer of a line; raises `ProtocolError`."""
    try:
        kind, id_, text = json.loads(line)
        return Answer(str(kind), int(id_), str(text))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ProtocolError(f"not an answer: {line[:200]!r} ({error})") from None
