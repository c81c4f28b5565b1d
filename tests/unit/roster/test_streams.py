"""Containers whose cgroups are not here: what the sampler is told of each frame, and when a stream ends."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from podtick.model.metrics.row import UNLIMITED
from podtick.model.metrics.state import STATES
from podtick.roster import engine as engine_module
from podtick.roster import streams as module
from podtick.roster.engine import EngineRoster
from podtick.roster.names import Names
from podtick.roster.roster import Roster
from podtick.roster.streams import MARK, StatsStreams
from podtick.sampler.protocol import Attach, Command, Told
from podtick.sources.cgroup.mounts import CgroupMounts, Mount
from podtick.sources.docker.containers import ContainerDetails
from podtick.sources.docker.updates import Changed, Listed, Removed, Unavailable, Update
from tests.unit.docker.scripted import Answer, ScriptedEngine, answer, container_id, frame, streamed
from tests.unit.roster.engine import INFO, details, stopped

CPU, RECEIVED = "cpu_usage_seconds_total", "network_receive_bytes_total"


@dataclass
class Ear:
    """Stands for the sampler; whoever waits is woken by each word."""

    sent: list[Command] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    def send(self, command: Command) -> None:
        self.sent.append(command)
        task = asyncio.get_running_loop().create_task(self._wake())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _wake(self) -> None:
        async with self.news:
            self.news.notify_all()

    async def told(self, key: str, count: int) -> list[int | None]:
        """Wait until so many frames told a column; what they said."""
        async with self.news, asyncio.timeout(20):
            await self.news.wait_for(lambda: len(self.once(key)) >= count)
        return self.once(key)

    def once(self, key: str) -> list[int | None]:
        return [each.values[key] for each in self.sent if isinstance(each, Told) and each.once and key in each.values]

    def attached(self, id_: int) -> list[Attach]:
        return [each for each in self.sent if isinstance(each, Attach) and each.id == id_]


class Remote:
    """An engine somewhere else: nothing of it is in this machine's cgroups."""

    def __init__(self, scripted: ScriptedEngine, mounts: CgroupMounts | None = None, *, elsewhere: bool = True) -> None:
        self.scripted = scripted
        self.ear = Ear()
        self.roster = Roster(self.ear)
        self.streams = StatsStreams(self.roster, scripted.endpoint, stall=20)
        self.engine = EngineRoster(
            self.roster, Names(self.roster, None), mounts, Path("/proc"), streams=self.streams, remote=elsewhere
        )
        self._updates: asyncio.Queue[Update] = asyncio.Queue()
        self._applied = asyncio.Semaphore(0)

    async def feed(self) -> AsyncIterator[Update]:
        while True:
            yield await self._updates.get()
            self._applied.release()  # it asks for the next one: this one has been applied

    async def give(self, *updates: Update) -> None:
        """Give updates, and wait until all have been applied."""
        for update in updates:
            await self._updates.put(update)
        async with asyncio.timeout(20):
            for _ in updates:
                await self._applied.acquire()

    def says(self, number: int, scripted: Answer) -> None:
        self.scripted.answers[f"/containers/{container_id(number)}/stats"] = scripted


@asynccontextmanager
async def remote(mounts: CgroupMounts | None = None, *, elsewhere: bool = True) -> AsyncIterator[Remote]:
    async with ScriptedEngine() as scripted:
        made = Remote(scripted, mounts, elsewhere=elsewhere)
        following = asyncio.create_task(made.engine.follow(made.feed()))
        try:
            yield made
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


def container(number: int, **changes: Any) -> ContainerDetails:
    limits = {"spec_cpu_limit_cores": 500_000_000, "spec_memory_limit_bytes": UNLIMITED}
    return replace(details(f"c{number}", **changes), id=container_id(number), limits=limits)


def seconds(*of: int) -> list[bytes]:
    return [json.dumps(frame(second)).encode() + b"\n" for second in of]


async def test_each_frame_is_told_for_one_tick() -> None:
    async with remote() as there:
        there.says(1, streamed(*seconds(1, 2, 3)))
        await there.give(Listed(INFO, (container(1),)))
        assert await there.ear.told(CPU, 3) == [1_500_000_000, 2_000_000_000, 2_500_000_000]
        member = there.roster.member(container_id(1))
        assert member is not None
        assert there.ear.attached(member.id)[-1].paths == {MARK: container_id(1)}
        assert there.ear.attached(member.id)[-1].version == 0
        assert member.told["spec_cpu_limit_cores"] == 500_000_000
        assert member.told["spec_memory_limit_bytes"] == UNLIMITED
        network = [each for each in there.ear.sent if isinstance(each, Told) and RECEIVED in each.values]
        assert {each.id for each in network} == {member.pod.id}
        assert there.engine.state.unreadable == set()


async def test_a_flood_of_frames_is_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRAME_SECONDS", 3600.0)
    async with remote() as there:
        there.says(1, streamed(b"".join(seconds(*range(1, 500)))))
        await there.give(Listed(INFO, (container(1),)))
        await there.ear.told(CPU, 1)
        there.says(2, streamed(*seconds(7)))
        await there.give(Listed(INFO, (container(1), container(2))))
        assert await there.ear.told(CPU, 2) == [1_500_000_000, 4_500_000_000]


async def test_what_a_frame_lacks_is_not_told() -> None:
    async with remote() as there:
        said = frame(1) | {"memory_stats": {}, "networks": None}
        there.says(1, streamed(json.dumps(said).encode() + b"\n"))
        await there.give(Listed(INFO, (container(1),)))
        await there.ear.told(CPU, 1)
        assert there.ear.once("memory_usage_bytes") == there.ear.once(RECEIVED) == []


async def test_the_pods_network_never_falls_when_it_is_started_again() -> None:
    async with remote() as there:
        there.says(1, streamed(*seconds(1)))
        await there.give(Listed(INFO, (container(1),)))
        assert await there.ear.told(RECEIVED, 1) == [1001]
        gone = replace(stopped("c1"), id=container_id(1))
        there.says(1, streamed(json.dumps(frame(9, networks={"eth0": {"rx_bytes": 5}})).encode() + b"\n"))
        await there.give(Changed(gone, ()), Changed(container(1, started_at_ns=5), ()))
        assert await there.ear.told(RECEIVED, 2) == [1001, 1006]


async def test_a_sum_that_no_column_holds_is_not_told() -> None:
    async with remote() as there:
        said = [frame(second, networks={"eth0": {"rx_bytes": 2**64 - 2 - second}}) for second in (1, 2, 3)]
        there.says(1, streamed(*(json.dumps(each).encode() + b"\n" for each in said)))
        await there.give(Listed(INFO, (container(1),)))
        await there.ear.told(CPU, 3)
        assert there.ear.once(RECEIVED) == [2**64 - 3]


async def test_a_broken_stream_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_FIRST", 0.01)
    async with remote() as there:
        there.says(1, streamed(*seconds(1), b"junk\n"))
        await there.give(Listed(INFO, (container(1),)))
        await there.ear.told(CPU, 3)
        there.says(1, answer(b'{"message":"restarting"}', "500 Internal Server Error"))
        await there.scripted.until(lambda: there.scripted.asked[f"/containers/{container_id(1)}/stats"] > 5)
        there.says(1, streamed(*seconds(50)))
        before = len(there.ear.once(CPU))
        await there.ear.told(CPU, before + 1)
        assert there.ear.once(CPU)[-1] == 26_000_000_000


async def test_streams_that_break_together_do_not_flood_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_FIRST", 0.01)
    monkeypatch.setattr(module, "QUIET_SECONDS", 3600.0)
    async with remote() as there:
        numbers = range(1, 21)
        for number in numbers:  # each works for a moment, then breaks for a reason of its own
            there.says(number, streamed(*seconds(number), f"junk {number}\n".encode()))
        await there.give(Listed(INFO, tuple(container(number) for number in numbers)))
        await there.ear.told(CPU, 100)
    told = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(told) == 1
    assert "a stats stream broke, trying again container=" in told[0].getMessage()


@pytest.mark.parametrize("end", [Changed(replace(stopped("c1"), id=container_id(1)), ()), Removed(container_id(1), ())])
async def test_one_that_ends_is_not_followed_any_more(end: Update) -> None:
    async with remote() as there:
        there.says(1, streamed(*seconds(1)))
        await there.give(Listed(INFO, (container(1),)))
        await there.ear.told(CPU, 1)
        member = there.roster.member(container_id(1))
        assert member is not None
        await there.give(end)
        assert there.streams.followed == 0
        if isinstance(end, Changed):
            assert not member.running
            assert there.ear.attached(member.id)[-1].paths == {}


async def test_while_its_engine_is_lost_nobody_knows_whether_it_runs() -> None:
    async with remote() as there:
        there.says(1, streamed(*seconds(1)))
        await there.give(Listed(INFO, (container(1),)))
        await there.ear.told(CPU, 1)
        member = there.roster.member(container_id(1))
        assert member is not None
        assert member.told["state"] == STATES.index("running")
        await there.give(Unavailable("no such socket"))
        assert dict(member.told)["state"] is None
        await there.give(Listed(INFO, (container(1),)))
        assert member.told["state"] == STATES.index("running")


async def test_at_most_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_STREAMS", 2)
    async with remote() as there:
        for number in (1, 2, 3):
            there.says(number, streamed(*seconds(1)))
        await there.give(Listed(INFO, tuple(container(number) for number in (1, 2, 3))))
        await there.ear.told(CPU, 2)
        assert there.streams.followed == 2
        assert there.engine.state.unreadable == {container_id(3)}


@pytest.mark.parametrize(("elsewhere", "looks"), [(True, 1), (False, 3)])
async def test_a_remote_engines_container_is_looked_for_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, elsewhere: bool, looks: int
) -> None:
    """A look may go through the whole tree. On this machine each list looks, as the cgroup may have been late."""
    looked: list[str] = []
    monkeypatch.setattr(engine_module, "locate_container", lambda _mounts, id_, *_: looked.append(id_))
    monkeypatch.setattr(engine_module, "RETRIES", (60.0,))
    async with remote(CgroupMounts(2, unified=Mount(tmp_path)), elsewhere=elsewhere) as there:
        there.says(1, streamed(*seconds(1)))
        for _ in range(3):
            await there.give(Listed(INFO, (container(1),)))
        await there.ear.told(CPU, 1)
        assert there.streams.followed == 1
        assert len(looked) == looks


async def test_five_hundred_at_once() -> None:
    async with remote() as there:
        numbers = range(1, 501)
        for number in numbers:
            there.says(number, streamed(*seconds(number % 50)))
        await there.give(Listed(INFO, tuple(container(number) for number in numbers)))
        assert len(await there.ear.told(CPU, 500)) == 500


async def test_a_defect_ends_the_agent_and_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> dict[str, int | None]:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "columns", broken)
    async with ScriptedEngine() as scripted:
        there = Remote(scripted)
        there.says(1, streamed(*seconds(1)))
        following = asyncio.create_task(there.engine.follow(there.feed()))
        await there.give(Listed(INFO, (container(1),)))
        with pytest.raises(ExceptionGroup) as raised:
            async with asyncio.timeout(20):
                await following
        assert raised.group_contains(ZeroDivisionError)
