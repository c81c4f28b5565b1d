"""The owner of the sampler, with the real sampler: it dies, hangs, talks nonsense, and comes again."""

import asyncio
import errno
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from podtick.history.layout import Geometry, Region, Word
from podtick.history.reader import HistoryReader
from podtick.history.records import TargetKind
from podtick.history.ticks import AFTER_START
from podtick.roster import supervisor as module
from podtick.roster.supervisor import Supervisor
from podtick.sampler.protocol import Answer, Attach, Command, Keep, Rename

GEOMETRY = Geometry(slots=8, entries=16, segments=16, span=600, budget=1 << 24)
NEVER = 60.0


class Ear:
    """What the agent hears, and what it has to say to a new sampler."""

    def __init__(self, fd: int, region: Region, proc: Path) -> None:
        self.region = region
        self.supervisor = Supervisor(fd, proc)
        self.heard: list[Answer] = []
        self.replays = 0
        self._news = asyncio.Event()

    def replay(self) -> Iterator[Command]:
        self.replays += 1
        self._news.set()
        yield Attach(1, TargetKind.NODE)
        yield Attach(2, TargetKind.POD, identity="a pod")
        yield Keep((1, 2))

    def answered(self, answer: Answer) -> None:
        self.heard.append(answer)
        self._news.set()

    async def wait_for(self, happened: Callable[[], object]) -> None:
        async with asyncio.timeout(NEVER):
            while not happened():
                self._news.clear()
                await self._news.wait()

    def count(self, kind: str) -> int:
        return sum(answer.kind == kind for answer in self.heard)

    @property
    def pid(self) -> int:
        assert self.supervisor.pid is not None
        return self.supervisor.pid


@asynccontextmanager
async def supervised(ear: Ear) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(ear.supervisor.run(ear.replay, ear.answered))
    try:
        yield task
    finally:
        task.cancel()
        results = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError), results
        assert ear.supervisor.pid is None


@pytest.fixture
async def ear(tmp_path: Path) -> AsyncIterator[Ear]:
    fd = os.memfd_create("test-history", os.MFD_CLOEXEC)
    region = Region.create(fd, GEOMETRY)
    yield Ear(fd, region, tmp_path)
    region.close()
    os.close(fd)


async def test_a_killed_sampler_comes_again_and_goes_on(ear: Ear) -> None:
    async with supervised(ear):
        await ear.wait_for(lambda: ear.count("tick"))
        assert ear.supervisor.ticked.is_set()
        first = ear.pid
        os.kill(first, signal.SIGKILL)
        await ear.wait_for(lambda: ear.count("ready") == 2)
        ticked = ear.count("tick")
        await ear.wait_for(lambda: ear.count("tick") > ticked)
        assert ear.pid != first
        assert (ear.supervisor.starts, ear.replays) == (2, 2)
    numbers = [answer.id for answer in ear.heard if answer.kind == "tick"]
    assert numbers == list(range(1, len(numbers) + 1))
    ticks = [HistoryReader(ear.region).tick(number) for number in numbers]
    assert sum(tick.flags & AFTER_START for tick in ticks if tick) == 2
    assert ear.region.words[Word.STARTS] == 2
    assert [record.identity for record in HistoryReader(ear.region).targets()] == [b"", b"a pod"]


async def test_a_sampler_that_hangs_is_ended(
    ear: Ear, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "SILENT_SECONDS", 2.0)
    async with supervised(ear):
        await ear.wait_for(lambda: ear.count("tick"))
        os.kill(ear.pid, signal.SIGSTOP)
        await ear.wait_for(lambda: ear.count("ready") == 2)
    assert "no tick for 2 s" in caplog.text


async def test_a_sampler_that_does_not_read_is_ended(
    ear: Ear, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MOST_UNREAD", 1 << 18)
    async with supervised(ear):
        await ear.wait_for(lambda: ear.count("ready"))
        os.kill(ear.pid, signal.SIGSTOP)
        for _ in range(10_000):
            ear.supervisor.send(Rename(2, "n" * 100))
        await ear.wait_for(lambda: ear.count("ready") == 2)
    assert "does not read its commands" in caplog.text


async def test_commands_reach_the_sampler_in_order(ear: Ear) -> None:
    ear.supervisor.send(Rename(2, "said to nobody"))
    async with supervised(ear):
        await ear.wait_for(lambda: ear.count("kept"))
        for number in range(5):
            ear.supervisor.send(Rename(2, f"name {number}"))
        ear.supervisor.send(Keep((1, 2)))
        await ear.wait_for(lambda: ear.count("kept") == 2)
    assert HistoryReader(ear.region).targets()[1].identity == b"name 4"


async def test_a_sampler_that_was_cancelled_at_birth_leaves_nothing(ear: Ear) -> None:
    async with supervised(ear):
        await asyncio.sleep(0)


async def test_a_stopped_sampler_does_not_hold_up_the_end(ear: Ear) -> None:
    async with supervised(ear):
        await ear.wait_for(lambda: ear.count("ready"))
        os.kill(ear.pid, signal.SIGSTOP)


def pretend(monkeypatch: pytest.MonkeyPatch, folder: Path, *lines: str) -> None:
    """Another program in the sampler's place, of these lines of Python; it knows `commands` and `answers`."""
    script = folder / "pretender"
    head = [f"#!{sys.executable}", "import os, sys"]
    ends = [f'{end} = int(sys.argv[sys.argv.index("--{end}") + 1])' for end in ("commands", "answers")]
    script.write_text("\n".join([*head, *ends, *lines]) + "\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))


GARBAGE = [
    'os.write(answers, b"not json\\n{}\\n[1]\\n\\xff\\n")',
    'os.write(answers, b\'["ready", 0, ""]\\n\')',
]


async def test_nonsense_is_logged_and_the_rest_heard(
    ear: Ear, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    pretend(monkeypatch, tmp_path, *GARBAGE, "os.read(commands, 1 << 20)", "sys.exit(5)")
    async with supervised(ear):
        await ear.wait_for(lambda: ear.count("ready") == 2)
    assert caplog.text.count("makes no sense") >= 4
    assert "exit_code=5" in caplog.text


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["while True: os.write(answers, b'x' * 4096)"], "without end of line"),
        (["import signal", *GARBAGE, "os.close(answers)", "signal.pause()"], "it does not end"),
    ],
)
async def test_one_that_does_not_end_by_itself_is_ended(
    ear: Ear,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    lines: list[str],
    reason: str,
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.1)
    pretend(monkeypatch, tmp_path, *lines)
    async with supervised(ear):
        await ear.wait_for(lambda: ear.replays == 2)
    assert reason in caplog.text


async def test_a_start_is_no_tick(ear: Ear, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else samplers that die one after the other would count as alive for ever."""
    pretend(monkeypatch, tmp_path, *GARBAGE, "os.read(commands, 1 << 20)", "sys.exit(5)")
    before = ear.supervisor.last_tick
    async with supervised(ear):
        await ear.wait_for(lambda: ear.count("ready") == 2)
    assert ear.supervisor.last_tick == before


async def test_one_that_keeps_dying_is_not_started_all_the_time(
    ear: Ear, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pauses: list[float] = []
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def brief(seconds: float) -> None:
        pauses.append(seconds)
        ear.answered(Answer("pause"))
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", brief)
    pretend(monkeypatch, tmp_path, "sys.exit(3)")
    async with supervised(ear):
        await ear.wait_for(lambda: len(pauses) >= 9)
    assert pauses == sorted(pauses)
    assert pauses[0] <= 0.1
    assert pauses[8] == module.LONGEST_PAUSE


async def test_a_sampler_that_cannot_be_started_just_now_is_tried_again(
    ear: Ear, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No descriptor, no memory, no process left: none of these ends the agent."""
    spawn, refused = asyncio.create_subprocess_exec, [OSError(errno.EMFILE, "Too many open files")] * 2

    async def refusing(*arguments: str, **options: Any) -> asyncio.subprocess.Process:
        if refused:
            raise refused.pop()
        return await spawn(*arguments, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refusing)
    async with supervised(ear):
        await ear.wait_for(lambda: ear.count("tick"))
    assert caplog.text.count("cannot be started, trying again reason=Too many open files") == 2


async def test_the_sampler_loads_nothing_from_where_podtick_was_started(
    ear: Ear, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(9)\n")
    monkeypatch.chdir(tmp_path)
    async with supervised(ear):
        await ear.wait_for(lambda: ear.count("ready") or ear.replays > 1)
        assert ear.count("ready") == ear.replays == 1
