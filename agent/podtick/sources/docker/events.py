"""The engine's event stream: what happens to containers, without `exec_*` and health checks.

`GET /events` answers one JSON object a line for as long as both sides live. It has no read timeout, as a
quiet engine sends nothing for hours; that the engine still lives is proven beside it (see `watch`).
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, get_args

import msgspec

from podtick.sources.docker import wire
from podtick.sources.docker.client import EngineClient
from podtick.sources.docker.containers import checked_id
from podtick.sources.docker.lines import LineSplitter

LINE_BYTES = 1024 * 1024

EventKind = Literal["create", "start", "die", "oom", "destroy", "pause", "unpause", "rename", "update"]
_KINDS: dict[str, EventKind] = {kind: kind for kind in get_args(EventKind)} | {
    # Podman's words: it says "die", and still finds it by its own only
    "died": "die",
    "remove": "destroy",
}
_FILTERS = msgspec.json.encode({"type": ["container"], "event": list(_KINDS)}).decode()


@dataclass(frozen=True, slots=True)
class ContainerEvent:
    """Something that happened to a container, at the engine's `time_ns` (unix). A restart is die, start."""

    kind: EventKind
    id: str
    time_ns: int | None
    name: str | None
    exit_code: int | None


@contextlib.asynccontextmanager
async def container_events(client: EngineClient) -> AsyncIterator[AsyncIterator[ContainerEvent]]:
    """Subscribe; entered once the engine has answered, so that a list asked for now misses nothing.

    The events end where the engine closes the stream, half a line at its end included.
    """
    async with client.stream("/events", {"filters": _FILTERS}) as chunks:
        yield _events(chunks)


async def _events(chunks: AsyncIterator[bytes]) -> AsyncIterator[ContainerEvent]:
    lines = LineSplitter("/events", LINE_BYTES)
    async for chunk in chunks:
        for line in lines.feed(chunk):
            if event := parse_event(line):
                yield event


def parse_event(line: bytes) -> ContainerEvent | None:
    """Read one line; `None` for an event of another kind, which an engine may send unasked."""
    event = wire.decode(wire.EVENT, line, "/events")
    kind = _KINDS.get(event.action)
    if kind is None or event.type not in {"container", None}:
        return None
    attributes = event.actor.attributes or wire.Attributes()
    seconds = None if event.time is None else event.time * 1_000_000_000
    return ContainerEvent(
        kind=kind,
        id=checked_id(event.actor.id),
        time_ns=event.time_nano or seconds,
        name=wire.cut(attributes.name) if attributes.name else None,
        exit_code=_code(attributes.exit_code) if kind == "die" else None,
    )


def _code(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None
