import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from podtick.sources.backoff import Backoff
from podtick.sources.docker.updates import Changed, Listed, Removed, Unavailable, Update, WatchTiming
from podtick.sources.docker.watch import watch_containers
from podtick.sources.updates import Updates
from tests.unit.docker.scripted import ScriptedEngine, answer, container_id, event, hang, inspected, listed

T = TypeVar("T", bound=Update)
# Never again by itself: what a test sees comes from what the test did.
QUIET = WatchTiming(relist=3600, ping=3600, relist_least=0.01, retry_first=0.01, retry_most=0.05, retry_local=0.05)
BUSY = WatchTiming(relist=0.05, ping=3600, retry_first=0.01, retry_most=0.05, retry_local=0.05)


@asynccontextmanager
async def watched(engine: ScriptedEngine, timing: WatchTiming = QUIET) -> AsyncIterator[Updates[Update]]:
    async with asyncio.timeout(30), watch_containers(engine.endpoint, timing=timing) as updates:
        yield updates


async def next_of(kind: type[T], updates: Updates[Update], such: Callable[[T], bool] = lambda _: True) -> T:
    async for update in updates:
        if isinstance(update, kind) and such(update):
            return update
    raise AssertionError("the watch ended")


def path(number: int) -> str:
    return f"/containers/{container_id(number)}/json"


async def test_subscribes_then_lists_then_follows() -> None:
    async with ScriptedEngine() as engine:
        engine.add(1)
        engine.add(2, Status="exited", ExitCode=3, FinishedAt="2026-11-24T10:00:02Z")
        async with watched(engine) as updates:
            first = await anext(updates)
            assert isinstance(first, Listed)
            assert [one.name for one in first.containers] == ["c1", "c2"]
            assert first.containers[1].exit_code == 3
            asked = [line.split("?")[0].split(" ")[1].rpartition("/v1.41")[2] for line in engine.lines]
            assert asked == ["/version", "/events", "/containers/json", path(1), path(2)]
            engine.add(3)
            await engine.say(event("create", 3) + event("start", 3))
            changed = await next_of(Changed, updates)
            assert changed.container.name == "c3"
            assert changed.events[0].kind == "create"


async def test_an_end_and_a_removal() -> None:
    async with ScriptedEngine() as engine:
        engine.add(1)
        async with watched(engine) as updates:
            await next_of(Listed, updates)
            del engine.containers[1]
            await engine.say(event("die", 1, exitCode="9"))
            removed = await next_of(Removed, updates)
            assert (removed.id, removed.events[0].exit_code) == (container_id(1), 9)
            asked = engine.asked.total()
            await engine.say(event("destroy", 1))
            assert (await next_of(Removed, updates)).events[0].kind == "destroy"
            assert engine.asked.total() == asked  # a destroyed container need not be asked for


async def test_one_removed_between_list_and_inspect_is_left_out() -> None:
    async with ScriptedEngine() as engine:
        engine.add(1)
        engine.add(2)
        engine.answers[path(2)] = answer(b'{"message":"No such container"}', "404 Not Found")
        async with watched(engine) as updates:
            listed_ = await next_of(Listed, updates)
            assert [one.name for one in listed_.containers] == ["c1"]


async def test_a_relist_of_unchanged_containers_is_one_request() -> None:
    async with ScriptedEngine() as engine:
        for number in range(60):
            engine.add(number)
        async with watched(engine, BUSY) as updates:
            first = await next_of(Listed, updates)
            for _ in range(3):
                assert (await next_of(Listed, updates)).containers == first.containers
            assert engine.asked.total() <= 2 + 60 + engine.asked["/containers/json"]


async def test_a_lost_start_and_a_lost_end_are_found_by_the_next_list() -> None:
    async with ScriptedEngine() as engine:
        engine.add(1)
        engine.add(2)
        async with watched(engine, BUSY) as updates:
            await next_of(Listed, updates)
            del engine.containers[1]
            engine.add(3)
            found = await next_of(
                Listed, updates, lambda one: len(one.containers) == 2 and one.containers[0].name == "c3"
            )
            assert [one.name for one in found.containers] == ["c3", "c2"]


async def test_a_lost_restart_is_found_by_its_shorter_age() -> None:
    async with ScriptedEngine() as engine:
        engine.add(1)
        async with watched(engine, BUSY) as updates:
            await next_of(Listed, updates)
            engine.containers[1] = listed(1, Status="Up Less than a second"), inspected(1, state={"Pid": 99})
            found = await next_of(Listed, updates, lambda one: one.containers[0].pid == 99)
            assert found.containers[0].id == container_id(1)


async def test_no_engine_then_an_engine_then_another() -> None:
    async with ScriptedEngine() as engine:
        engine.add(1)
        await engine.stop()
        async with watched(engine) as updates:
            missing = await anext(updates)
            assert isinstance(missing, Unavailable)
            assert "no such socket" in missing.reason
            await engine.start()
            await next_of(Listed, updates)
            for number in range(2, 6):  # a restarted engine has a new socket
                await engine.stop()
                gone = await anext(updates)
                assert isinstance(gone, Unavailable)
                engine.containers.clear()
                engine.add(number)
                await engine.start()
                assert [one.name for one in (await next_of(Listed, updates)).containers] == [f"c{number}"]


async def test_an_outage_is_told_once() -> None:
    async with ScriptedEngine() as engine:
        engine.answers["/version"] = answer(b'{"message":"no"}', "500 No")
        async with watched(engine) as updates:
            assert "HTTP 500: no" in (await next_of(Unavailable, updates)).reason
            await engine.until(lambda: engine.asked["/version"] >= 4)
            del engine.answers["/version"]
            assert isinstance(await anext(updates), Listed)


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({"/containers/json": answer(b"[{")}, "not the engine's JSON"),
        ({"/containers/json": answer(b"{}", "500 No")}, "HTTP 500"),
        ({"/events": answer(b"garbage\n")}, "not the engine's JSON"),
        ({"/events": answer(b"", "400 No")}, "HTTP 400"),
        ({"/version": answer(b'{"ApiVersion":"1.10"}')}, "needs an upgrade"),
    ],
)
async def test_a_bad_engine_is_unavailable_with_its_reason(answers: dict[str, object], says: str) -> None:
    async with ScriptedEngine() as engine:
        engine.answers.update(answers)  # type: ignore[arg-type]
        engine.add(1)
        async with watched(engine) as updates:
            assert says in (await next_of(Unavailable, updates)).reason
            engine.answers.clear()
            assert (await next_of(Listed, updates, lambda one: len(one.containers) == 1)).containers[0].pid == 4001


async def test_a_hanging_engine_holds_two_requests_at_most() -> None:
    timing = WatchTiming(relist=0.05, request=0.2, inspect=0.2, ping_answer=0.1, retry_first=0.01, retry_most=0.02)
    async with ScriptedEngine() as engine:
        for number in range(20):
            engine.add(number)
        async with watched(engine, timing) as updates:
            await next_of(Listed, updates)
            for hanging in ("/containers/json", "/_ping", "/version", *map(path, range(20))):
                engine.answers[hanging] = hang
            for number in range(20):
                await engine.say(event("start", number))
            assert "in time" in (await next_of(Unavailable, updates)).reason
            await engine.until(lambda: engine.asked["/version"] >= 3)
            engine.answers.clear()
            await next_of(Listed, updates)
        assert engine.most_in_flight == 2


async def test_a_quiet_engine_that_hangs_is_found_by_a_ping() -> None:
    timing = WatchTiming(relist=3600, ping=0.05, ping_answer=0.1, request=0.2, retry_first=0.01, retry_most=0.02)
    async with ScriptedEngine() as engine, watched(engine, timing) as updates:
        await next_of(Listed, updates)
        await engine.until(lambda: engine.asked["/_ping"] >= 2)
        engine.answers["/_ping"] = hang
        assert "/_ping in time" in (await next_of(Unavailable, updates)).reason


@pytest.mark.parametrize("bad", [hang, answer(b"{", "200 OK"), answer(b'{"message":"lock"}', "500 No")])
async def test_one_bad_container_spoils_nothing(bad: Callable[[asyncio.StreamWriter], object]) -> None:
    timing = WatchTiming(relist=0.05, ping=3600, inspect=0.1, ping_answer=5)
    async with ScriptedEngine() as engine:
        for number in range(3):
            engine.add(number)
        engine.answers[path(1)] = bad  # type: ignore[assignment]
        async with watched(engine, timing) as updates:
            first = await anext(updates)
            assert isinstance(first, Listed)
            by_name = {one.name: one for one in first.containers}
            assert (by_name["c0"].pid, by_name["c2"].pid) == (4000, 4002)
            assert by_name["c1"].pid is None
            assert by_name["c1"].restart_count is None
            del engine.answers[path(1)]
            await next_of(Listed, updates, lambda one: {c.name: c.pid for c in one.containers}["c1"] == 4001)


async def test_of_several_bad_containers_one_a_list_is_asked_again() -> None:
    timing = WatchTiming(relist=0.02, ping=3600, inspect=0.05, ping_answer=5)
    async with ScriptedEngine() as engine:
        for number in range(4):
            engine.add(number)
            engine.answers[path(number)] = hang
        async with watched(engine, timing) as updates:
            await next_of(Listed, updates)
            before = sum(engine.asked[path(number)] for number in range(4))
            assert before == 4
            for _ in range(4):
                await next_of(Listed, updates)
            assert {engine.asked[path(number)] for number in range(4)} == {2}


async def test_a_thousand_stopped_containers_are_asked_about_bit_by_bit() -> None:
    async with ScriptedEngine() as engine:
        for number in range(1000):
            engine.add(number, Status="exited", ExitCode=1, FinishedAt="2026-11-24T10:00:02Z")
            engine.containers[number][0]["Status"] = "Exited (1) 3 hours ago"
        engine.add(5000)
        async with watched(engine, BUSY) as updates:
            first = await next_of(Listed, updates)
            assert first.containers[0].name == "c5000"
            assert [one.exit_code for one in first.containers[1:]] == [1] * 512 + [None] * 488
            await next_of(Listed, updates, lambda one: all(c.exit_code == 1 for c in one.containers[1:]))


async def test_an_event_storm_ends_in_the_truth() -> None:
    async with ScriptedEngine() as engine:
        engine.add(1)
        async with watched(engine) as updates:
            await next_of(Listed, updates)
            storm = b"".join(event("die", number) for number in range(2000))
            engine.containers.clear()
            engine.add(7)
            for _ in range(5):
                await engine.say(storm)
            found = await next_of(Listed, updates)
            assert [one.name for one in found.containers] == ["c7"]
        assert engine.most_in_flight == 2


async def test_a_consumer_that_does_not_read_holds_256_updates() -> None:
    timing = WatchTiming(relist=0.0001, ping=3600)
    async with ScriptedEngine() as engine, watched(engine, timing) as updates:
        await engine.until(lambda: engine.asked["/containers/json"] >= 257)
        for _ in range(50):
            await engine.until(lambda: True)
            await asyncio.sleep(0)
        assert engine.asked["/containers/json"] == 257
        await anext(updates)
        await engine.until(lambda: engine.asked["/containers/json"] == 258)


async def test_leaving_the_watch_closes_everything_even_against_a_hang() -> None:
    async with ScriptedEngine() as engine:
        engine.answers["/containers/json"] = hang
        async with watched(engine) as updates:
            await engine.until(lambda: engine.asked["/containers/json"] == 1)
        assert [task.get_name() for task in asyncio.all_tasks() if "podtick" in task.get_name()] == []
        assert updates is not None


async def test_a_watch_that_breaks_tells_its_consumer(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("podtick.sources.docker.watch.EngineClient", broken)
    async with ScriptedEngine() as engine, watched(engine) as updates:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="a mistake of ours"):
                await anext(updates)


def test_backoff_doubles_up_to_its_most_and_is_jittered() -> None:
    plain = Backoff(0.2, 5.0, random_share=lambda: 0.0)
    assert [plain.next() for _ in range(7)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert plain.next(0.5) == 0.5
    plain.reset()
    assert plain.next() == 0.2
    assert Backoff(0.2, 5.0, random_share=lambda: 1.0).next() == 0.1
