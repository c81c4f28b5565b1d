import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podtick.sources.docker.client import EngineClient
from podtick.sources.docker.errors import EngineProtocolError
from podtick.sources.docker.events import ContainerEvent, container_events, parse_event
from podtick.sources.docker.lines import LineSplitter
from podtick.sources.docker.pending import PendingEvents
from tests.unit.docker.scripted import ScriptedEngine, container_id, event


def parsed(line: bytes) -> ContainerEvent:
    found = parse_event(line)
    assert found is not None
    return found


@given(st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"") + b"."), max_size=20), st.data())
def test_lines_come_whole_however_they_are_cut(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"\n".join([*lines, b"half"])
    splitter = LineSplitter("/events", 1000)
    found: list[bytes] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += splitter.feed(stream[:size])
        stream = stream[size:]
    assert found == lines


def test_an_endless_line_is_refused() -> None:
    splitter = LineSplitter("/events", 100)
    assert list(splitter.feed(b"x" * 100)) == []
    with pytest.raises(EngineProtocolError, match="longer than 100 bytes"):
        splitter.feed(b"x")


def test_what_an_event_holds() -> None:
    died = parsed(event("die", 1, exitCode="137", secret="hunter2"))
    assert died == ContainerEvent("die", container_id(1), 1_800_000_000_000_000_007, "c1", 137)


@pytest.mark.parametrize("code", ["", "-1", "x", "9" * 40])
def test_an_exit_code_that_is_none(code: str) -> None:
    assert parsed(event("die", 1, exitCode=code)).exit_code is None


def test_an_event_without_nanoseconds_or_attributes() -> None:
    line = json.dumps({"Action": "start", "Actor": {"ID": container_id(1), "Attributes": None}, "time": 5}).encode()
    assert parsed(line) == ContainerEvent("start", container_id(1), 5_000_000_000, None, None)


def test_events_of_other_kinds_are_passed_over() -> None:
    assert parse_event(event("exec_create: sh -c 'echo hunter2'", 1)) is None
    assert parse_event(event("start", 1).replace(b'"container"', b'"network"')) is None


@pytest.mark.parametrize(
    "line", [b"{", b"null", b"[]", b'{"Action":"start"}', b"\xff", event("start", 1).replace(b"0000", b"../.")]
)
def test_garbage_is_an_error(line: bytes) -> None:
    with pytest.raises(EngineProtocolError):
        parse_event(line)


async def test_asks_for_the_nine_kinds_and_ends_where_the_engine_ends() -> None:
    async with ScriptedEngine() as engine, EngineClient(engine.endpoint) as client, container_events(client) as events:
        await engine.say(event("start", 1)[:20])
        await engine.say(event("start", 1)[20:] + b"\n\n" + event("die", 1) + event("die", 2)[:30])
        assert (await anext(events)).kind == "start"
        assert (await anext(events)).kind == "die"
        await engine.stop()
        assert [left async for left in events] == []
        asked = engine.lines[-1]
        assert all(kind in asked for kind in ("create", "start", "die", "oom", "destroy", "rename", "update"))
        assert "exec" not in asked
        assert "health" not in asked
        await engine.start()


async def test_a_storm_is_bounded_and_leaves_the_wish_for_a_list() -> None:
    pending = PendingEvents(most_containers=10)
    for number in range(1000):
        for _ in range(50):
            pending.add(parsed(event("start", number)))
    assert pending.overflowed
    taken = []
    while events := pending.take():
        taken.append((int(events[0].id, 16), len(events)))
    assert taken == [(number, 16) for number in range(10)]


async def test_waiting_ends_with_an_event_or_with_time() -> None:
    pending = PendingEvents()
    await pending.wait(0.01)
    pending.add(parsed(event("start", 1)))
    await pending.wait(3600)
    assert len(pending.take()) == 1
    assert pending.take() == ()
