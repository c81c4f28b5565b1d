"""Frames of the stats API as they come over a real socket."""

import asyncio
import json
from typing import Any

import pytest

from podtick.sources.docker.client import EngineClient
from podtick.sources.docker.errors import EngineProtocolError, EngineUnavailableError, Trouble
from podtick.sources.docker.frames import FRAME_BYTES, frames, read_ns
from tests.unit.docker.scripted import Answer, ScriptedEngine, container_id, frame, streamed

ID = container_id(1)
ZERO = {"read": "0001-01-01T00:00:00Z", "preread": "0001-01-01T00:00:00Z"}


def line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


async def taken(scripted: Answer, *, stall: float = 20) -> list[dict[str, Any]]:
    """The frames until the stream ends, by when they were read."""
    async with ScriptedEngine() as engine, EngineClient(engine.endpoint) as client:
        engine.answers[f"/containers/{ID}/stats"] = scripted
        async with asyncio.timeout(30):
            return [dict(one) async for one in frames(client, ID, stall=stall)]


async def test_frames_in_whatever_pieces_they_come() -> None:
    whole = b"".join(line(frame(second)) for second in range(1, 6))
    pieces = [whole[start : start + 100] for start in range(0, len(whole), 100)]
    assert await taken(streamed(*pieces, None)) == [frame(second) for second in range(1, 6)]


async def test_a_frame_that_says_nothing_new_is_left_out() -> None:
    said = [frame(1), frame(2), frame(2), ZERO, {"read": None}, {}, frame(2), frame(3)]
    assert await taken(streamed(*map(line, said), None)) == [frame(1), frame(2), frame(3)]


async def test_an_engine_whose_clock_is_set_back_is_heard_on() -> None:
    said = [frame(3500), frame(3501), frame(1), frame(2)]
    assert await taken(streamed(*map(line, said), None)) == said


async def test_half_a_frame_is_none() -> None:
    assert await taken(streamed(line(frame(1)), line(frame(2))[:50], None)) == [frame(1)]


@pytest.mark.parametrize("junk", [b"no json\n", b"[1]\n", b'"text"\n', b"\xff\xfe\n", b"[" * 5000 + b"\n"])
async def test_junk_is_an_error(junk: bytes) -> None:
    with pytest.raises(EngineProtocolError, match="not the engine's JSON"):
        await taken(streamed(line(frame(1)), junk))


async def test_a_frame_without_end_is_not_kept() -> None:
    with pytest.raises(EngineProtocolError, match=f"longer than {FRAME_BYTES} bytes"):
        await taken(streamed(*[b"[" * 65536] * 20))


async def test_a_stream_that_stalls() -> None:
    with pytest.raises(EngineUnavailableError, match=r"no frame for 0\.2 s") as error:
        await taken(streamed(line(frame(1))), stall=0.2)
    assert error.value.trouble is Trouble.TIMEOUT


@pytest.mark.parametrize(("read", "did"), [("2026-11-24T10:00:00.123456789Z", True), (ZERO["read"], False), (5, False)])
def test_a_container_that_does_not_run_has_no_time_of_reading(read: object, did: bool) -> None:
    assert (read_ns({"read": read}) is not None) is did
