"""Figures from an engine whose single answers have no reading before them, as Podman's have not."""

import asyncio
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from podtick.model.dockerstats import DockerStats
from podtick.sources.docker import figures
from podtick.sources.docker.figures import NOTHING, Chosen, FigureReader
from podtick.sources.docker.oneshot import OneShotClient
from tests.unit.docker.scripted import Answer, ScriptedEngine, answer, answer_json, container_id, frame, inspected

ID = container_id(1)
STATS, INSPECT = f"/containers/{ID}/stats", f"/containers/{ID}/json"
ZEROS = {"network": {"rx_bytes": 0, "tx_bytes": 0}}
GONE = answer(b'{"message":"no such container"}', "404 Not Found")


class Clock:
    """Time that passes for whoever sleeps, and for nobody else."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(figures, "time", SimpleNamespace(monotonic=made.monotonic, sleep=made.sleep))
    return made


def podmans(second: int, used: int, **fields: Any) -> Answer:
    """Read at this second: used is CPU time in ns. Its machine's CPU time is that of the busy CPUs."""
    cpu = {"cpu_usage": {"total_usage": used}, "system_cpu_usage": 7_000_000_000 + used, "online_cpus": 2}
    return answer_json(frame(second, cpu_stats=cpu, precpu_stats={"cpu_usage": {"total_usage": 0}}, **fields))


def one_after_the_other(*answers: Answer) -> Answer:
    left = iter(answers)

    async def write(writer: asyncio.StreamWriter) -> None:
        await next(left)(writer)

    return write


async def read(
    engine: ScriptedEngine,
    *answers: Answer,
    rounds: int = 1,
    mode: str | None = "bridge",
    between: Callable[[], object] = lambda: None,
) -> list[DockerStats]:
    """What a reader says in each round; `between` two of them something may happen."""

    def ask() -> Iterator[DockerStats]:
        with OneShotClient(engine.endpoint) as client:
            reader = FigureReader(client)
            for number in range(rounds):
                if number:
                    between()
                reader.keep({ID})
                yield reader.read(Chosen(ID, "c1", mode))

    engine.answers[STATS] = one_after_the_other(*answers)
    return await asyncio.to_thread(lambda: list(ask()))


async def test_cpu_is_what_was_used_between_two_readings_a_second_apart(clock: Clock) -> None:
    async with ScriptedEngine() as engine:
        (stats,) = await read(engine, podmans(1, 5_000_000_000), podmans(3, 5_500_000_000))
    assert stats.cpu_percent == 25
    assert clock.slept == [1]


async def test_the_next_round_goes_on_from_this_one(clock: Clock) -> None:
    answers = (podmans(1, 0), podmans(2, 10**9), podmans(3, 3 * 10**9), podmans(13, 4 * 10**9))
    async with ScriptedEngine() as engine:
        found = await read(engine, *answers, rounds=3)
    assert [stats.cpu_percent for stats in found] == [100, 200, 10]
    assert clock.slept == [1, 1, 1]


async def test_a_later_round_does_not_wait_again(clock: Clock) -> None:
    async with ScriptedEngine() as engine:
        answers = (podmans(1, 0), podmans(2, 10**9), podmans(4, 10**9))
        await read(engine, *answers, rounds=2, between=lambda: setattr(clock, "now", clock.now + 2))
    assert clock.slept == [1, 0]


async def test_an_answer_with_a_reading_before_it_is_asked_for_once(clock: Clock) -> None:
    async with ScriptedEngine() as engine:
        (stats,) = await read(engine, answer_json(frame(1)))
    assert (stats.cpu_percent, clock.slept) == (50, [])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (podmans(1, 5), podmans(2, 4)),  # started again
        (podmans(2, 5), podmans(1, 6)),  # the engine's clock was set
        (podmans(1, 5), podmans(1, 6)),
        (answer_json(frame(1, cpu_stats=None, precpu_stats=None)), podmans(2, 6)),
    ],
)
async def test_what_cannot_be_compared_is_unknown(first: Answer, second: Answer) -> None:
    async with ScriptedEngine() as engine:
        (stats,) = await read(engine, first, second)
    assert (stats.cpu_percent, stats.pids) == (None, 3)


@pytest.mark.parametrize("end", [GONE, answer_json({"read": "0001-01-01T00:00:00Z"})])
async def test_a_container_that_ends_between_both(end: Answer) -> None:
    answers = (podmans(1, 5), end, podmans(4, 8), podmans(5, 8 + 10**9))
    async with ScriptedEngine() as engine:
        ended, again = await read(engine, *answers, rounds=2)
    assert ended == NOTHING
    assert again.cpu_percent == 100  # of this run alone


@pytest.mark.parametrize(("mode", "said"), [("none", None), ("host", None), ("bridge", 0), ("container:c2", 0)])
async def test_zeros_of_a_network_that_it_has_not_are_unknown(mode: str, said: int | None) -> None:
    answers = [podmans(second, 0, networks=ZEROS) for second in range(3)]
    async with ScriptedEngine() as engine:
        engine.answers[INSPECT] = answer_json(inspected(1, HostConfig={"NetworkMode": mode}))
        found = await read(engine, *answers, rounds=2, mode=None)
        assert [(stats.network_receive_bytes, stats.network_transmit_bytes) for stats in found] == [(said, said)] * 2
        assert engine.asked[INSPECT] == 1
        answers = [podmans(second, 0, networks=ZEROS) for second in range(2)]
        (listed,) = await read(engine, *answers, mode=mode)  # where the list has it nothing is asked
        assert (listed.network_receive_bytes, listed.network_transmit_bytes) == (said, said)
        assert engine.asked[INSPECT] == 1


async def test_a_network_that_moved_something_is_there() -> None:
    async with ScriptedEngine() as engine:
        (stats,) = await read(engine, podmans(1, 0), podmans(2, 0), mode=None)
        assert (stats.network_receive_bytes, stats.network_transmit_bytes) == (1002, 2000)
        assert engine.asked[INSPECT] == 0


async def test_who_left_is_forgotten(clock: Clock) -> None:
    def all_() -> None:
        with OneShotClient(engine.endpoint) as client:
            reader = FigureReader(client)
            reader.read(Chosen(ID, "c1"))
            reader.keep(())
            assert reader.read(Chosen(ID, "c1")).cpu_percent == 300

    async with ScriptedEngine() as engine:
        used = enumerate((0, 0, 0, 3 * 10**9))
        engine.answers[STATS] = one_after_the_other(*(podmans(second, ns, networks=ZEROS) for second, ns in used))
        engine.answers[INSPECT] = answer_json(inspected(1))
        await asyncio.to_thread(all_)
        assert engine.asked[INSPECT] == 2
    assert clock.slept == [1, 1]
