"""The engine's JSON, with the fields in use and no others.

What is not named here is skipped by the decoder and never becomes an object: environment variables,
commands and their arguments, mounts. Every field may be missing or `null`, as it is somewhere between
API 1.24 and today, or in Podman's answers. Source: the Docker Engine API reference.
"""

import re
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from podtick.sources.docker.errors import EngineProtocolError
from podtick.sources.texts import one_line

T = TypeVar("T")
TEXT_BYTES = 4096
_BEYOND = 1 << 63
_TIME = re.compile(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)")


class _Wire(msgspec.Struct, frozen=True, rename="pascal"):
    """What the structs below share: the engine writes most names like `CgroupParent`."""


class Version(_Wire, frozen=True):
    """`GET /version`."""

    version: str | None = None
    api_version: str | None = None
    min_api_version: str | None = msgspec.field(default=None, name="MinAPIVersion")


class Info(_Wire, frozen=True):
    """`GET /info`, which tells of proxies and their passwords too."""

    cgroup_driver: str | None = None


class ListedHostConfig(_Wire, frozen=True):
    """The part of a listed container's host configuration that a list shows."""

    network_mode: str | None = None


class Listed(_Wire, frozen=True):
    """One element of `GET /containers/json`; `created` is in unix seconds."""

    id: str
    names: list[str] | None = None
    image: str | None = None
    labels: dict[str, str] | None = None
    state: str | None = None
    status: str | None = None
    created: int | None = None
    host_config: ListedHostConfig | None = None


class State(_Wire, frozen=True):
    """`State` of an inspected container."""

    status: str | None = None
    pid: int | None = None
    started_at: str | None = None
    finished_at: str | None = None
    exit_code: int | None = None
    oom_killed: bool | None = msgspec.field(default=None, name="OOMKilled")


class Config(_Wire, frozen=True):
    """`Config` of an inspected container, without environment and command."""

    image: str | None = None
    labels: dict[str, str] | None = None


class HostConfig(_Wire, frozen=True):
    """`HostConfig` of an inspected container."""

    network_mode: str | None = None
    cgroup_parent: str | None = None
    memory: int | None = None
    nano_cpus: int | None = msgspec.field(default=None, name="NanoCpus")
    cpu_quota: int | None = None
    cpu_period: int | None = None
    pids_limit: int | None = None


class Inspected(_Wire, frozen=True):
    """`GET /containers/ID/json`."""

    id: str
    state: State
    name: str | None = None
    restart_count: int | None = None
    config: Config | None = None
    host_config: HostConfig | None = None


class Attributes(msgspec.Struct, frozen=True):
    """`Actor.Attributes` of an event."""

    name: str | None = None
    exit_code: str | None = msgspec.field(default=None, name="exitCode")


class Actor(_Wire, frozen=True):
    """`Actor` of an event."""

    id: str = msgspec.field(name="ID")
    attributes: Attributes | None = None


class Event(_Wire, frozen=True):
    """One line of `GET /events`."""

    action: str
    actor: Actor
    type: str | None = None
    time: int | None = msgspec.field(default=None, name="time")
    time_nano: int | None = msgspec.field(default=None, name="timeNano")


VERSION = msgspec.json.Decoder(Version)
INFO = msgspec.json.Decoder(Info)
LIST = msgspec.json.Decoder(list[Listed] | None)
INSPECT = msgspec.json.Decoder(Inspected)
EVENT = msgspec.json.Decoder(Event)


def decode(decoder: "msgspec.json.Decoder[T]", body: bytes | bytearray, what: str) -> T:
    """Decode `body`, which is the answer to `what`; raises `EngineProtocolError`."""
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EngineProtocolError(f"{what}: not the engine's JSON: {one_line(str(error))}") from None


def cut(text: str | None) -> str:
    """Return at most 4 KiB of `text`, whole characters; a missing text is empty."""
    if not text or len(text) * 4 <= TEXT_BYTES:
        return text or ""
    return text.encode(errors="replace")[:TEXT_BYTES].decode(errors="ignore")


def unix_ns(text: str | None) -> int | None:
    """Read an RFC 3339 time to the nanosecond; unknown outside of 1970 to 2262, as the zero time (year 1) is."""
    found = _TIME.fullmatch(text or "")
    if found is None:
        return None
    whole, fraction, zone = found.groups()
    try:
        moment = datetime.fromisoformat(whole + zone.upper().replace("Z", "+00:00"))
    except ValueError:
        return None
    seconds = moment - datetime(1970, 1, 1, tzinfo=UTC)
    nanoseconds = (seconds.days * 86_400 + seconds.seconds) * 1_000_000_000 + int((fraction or "0").ljust(9, "0"))
    return nanoseconds if 0 <= nanoseconds < _BEYOND else None
