"""Frames of `/containers/ID/stats`, as decoded JSON that the model makes sense of."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import msgspec

from podtick.model.dockerstats import Frame
from podtick.sources.docker.client import EngineClient
from podtick.sources.docker.containers import checked_id
from podtick.sources.docker.errors import EngineUnavailableError, Trouble
from podtick.sources.docker.lines import LineSplitter
from podtick.sources.docker.wire import decode, unix_ns

FRAME = msgspec.json.Decoder(dict[str, Any])
FRAME_BYTES = 1024 * 1024
"""The longest frame taken: 500 devices and as many CPUs make some 100 KiB."""
STALL_SECONDS = 10.0


def read_ns(frame: Frame) -> int | None:
    """When the engine read it, in Unix nanoseconds by the engine's clock; `None` of a container that does not run."""
    read = frame.get("read")
    return unix_ns(read) if isinstance(read, str) else None


async def frames(
    client: EngineClient, container_id: str, *, stall: float = STALL_SECONDS
) -> AsyncGenerator[Frame, None]:
    """What the engine reads of one container, about once a second, until it ends the stream.

    Frames that say nothing new are left out: those of a container that does not run, and those read when the one before
    was. A time that goes back is new: the engine's clock was set. Raises `EngineUnavailableError` when `stall` seconds
    went by without a byte.
    """
    path = f"/containers/{checked_id(container_id)}/stats"
    last: int | None = None
    lines = LineSplitter(path, FRAME_BYTES)
    async with client.stream(path, {"stream": "true"}) as chunks:
        while chunk := await _next(chunks, path, stall):
            for line in lines.feed(chunk):
                frame = decode(FRAME, line, path)
                read = read_ns(frame)
                if read is not None and read != last:
                    last = read
                    yield frame


async def _next(chunks: AsyncIterator[bytes], path: str, stall: float) -> bytes:
    """The next chunk; empty at the end."""
    try:
        async with asyncio.timeout(stall):
            return await anext(chunks, b"")
    except TimeoutError:
        said = f"{path}: no frame for {stall:g} s: is the engine, or a shim of it, stopped?"
        raise EngineUnavailableError(Trouble.TIMEOUT, said) from None
