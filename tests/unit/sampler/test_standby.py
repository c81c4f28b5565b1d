"""A read that never comes back costs one field, and at most so many threads."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from podtick.history.layout import PIECES, Word
from podtick.history.reader import HistoryReader
from podtick.model.metrics.row import UNKNOWN
from podtick.model.metrics.table import TARGET_COLUMN
from podtick.sampler import standby
from podtick.sampler.stages import Stage, Tally
from podtick.sampler.standby import STANDBYS, Watcher, blocked_in_kernel
from podtick.sampler.ticker import Lost
from tests.unit.sampler.rig import POD, V1, Rig, rig_over, write_tree

FIRST = 3
CPU, THREADS = TARGET_COLUMN["cpu_usage_seconds_total"], TARGET_COLUMN["threads"]
NEVER = 60.0  # s: a safety net, no test waits for it


class StuckFiles:
    """Reads of some files that do not come back until they are let go."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._stuck: dict[int, threading.Event] = {}
        self.inside: set[int] = set()  # native ids of the threads that hang
        self.reads: list[int] = []
        self.entered = threading.Condition()

    def hang(self, id_: int, name: str) -> threading.Event:
        """The next read of this file hangs until the event that is returned is set."""
        fd = self.fd(id_, name)
        self._stuck[fd] = threading.Event()
        return self._stuck[fd]

    def fd(self, id_: int, name: str) -> int:
        files = self._rig.targets.by_id[id_].files
        return next(file.fd for _, file in files if file.path.endswith(f"/{name}"))

    def read(self, fd: int, size: int, offset: int) -> bytes:
        self.reads.append(fd)
        event = self._stuck.get(fd)
        if event and not event.is_set():
            thread = threading.get_native_id()
            with self.entered:
                self.inside.add(thread)
            try:
                assert event.wait(NEVER)
            finally:
                with self.entered:
                    self.inside.discard(thread)
                    self.entered.notify_all()
            return b"999\n"  # what the kernel says then is of another time
        return os.pread(fd, size, offset)

    def blocked(self, thread: int) -> bool:
        return thread in self.inside

    def let_go(self, *events: threading.Event) -> None:
        """Let hanging reads end, and wait until they have."""
        for event in events:
            event.set()
        with self.entered:
            assert self.entered.wait_for(lambda: not self.inside, NEVER)


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(standby, "STALL_NS", 4_000_000)
    with rig_over(tmp_path / "proc") as rig:
        rig.attach(POD, parent=0)
        for id_ in range(FIRST, FIRST + 12):
            rig.attach(id_, write_tree(tmp_path / str(id_), V1))
        yield rig


Between = Mapping[int, Callable[[], object]]


def watch(
    rig: Rig, stuck: StuckFiles, between: Between, ticks: int = 8, blocked: Callable[[int], bool] | None = None
) -> None:
    """Run a watcher for so many ticks; `between` says what happens before some of them."""

    def serve(left: int) -> None:
        rig.now = max(rig.now, rig.ticker.deadline.monotonic_ns)
        between.get(ticks - left + 1, lambda: None)()
        for stage in rig.targets.cgroup_stages():
            stage.read = stuck.read

    before = set(threading.enumerate())
    rig.commands.left, rig.ticker.stopped = ticks, False
    rig.commands.between = serve
    Watcher(rig.ticker, blocked or stuck.blocked).watch()
    for thread in set(threading.enumerate()) - before:
        thread.join(NEVER)


def history(rig: Rig, id_: int, column: int) -> list[int | None]:
    reader = HistoryReader(rig.region)
    record = next(record for record in reader.targets() if record.id == id_)
    [values] = reader.readings(record, [column], 1, 1000).columns
    return [None if value == UNKNOWN else value for value in values]


@pytest.mark.parametrize("id_", [FIRST, FIRST + 5, FIRST + 11], ids=["first", "middle", "last"])
def test_a_stuck_file_costs_one_field(rig: Rig, id_: int) -> None:
    stuck = StuckFiles(rig)
    event = stuck.hang(id_, "pids.current")
    back = {6: lambda: stuck.let_go(event)}
    watch(rig, stuck, back, ticks=12)
    assert rig.counter(Word.TICKS_TOTAL) == 12
    assert rig.counter(Word.STALLED_READS) == 1
    for other in range(FIRST, FIRST + 12):
        assert history(rig, other, CPU) == [1000] * 12
        values = history(rig, other, THREADS)
        if other != id_:
            assert values == [7] * 12
        else:
            assert values[:5] == [None] * 5, "asked again, or given what it said long after"
            assert set(values) == {None, 7}
            assert values[-1] == 7, "not asked again after it had come back"


def test_no_text_of_a_stuck_file_is_kept(rig: Rig, tmp_path: Path) -> None:
    file, text = "blkio.throttle.io_service_bytes_recursive", b"8:0 Read 100\n"
    ids = FIRST, FIRST + 1, FIRST + 2
    for id_ in ids:
        rig.attach(id_, write_tree(tmp_path / str(id_), {**V1, "blkio": {file: text.decode()}}))
    rig.tick(2)  # so that there is an earlier text
    stuck, seen = StuckFiles(rig), list[list[bytes | None]]()
    event = stuck.hang(FIRST + 1, file)

    def look() -> None:
        reader = HistoryReader(rig.region)
        records = {record.id: record for record in reader.targets()}
        seen.append([reader.pieces(records[id_], PIECES[file], reader.latest_number())[0] for id_ in ids])

    watch(rig, stuck, {2: look, 4: look, 5: lambda: stuck.let_go(event)}, ticks=10)
    look()
    assert rig.counter(Word.STALLED_READS) == 1
    assert seen == [[text, None, text], [text, None, text], [text, text, text]]


def test_two_files_of_one_sweep(rig: Rig) -> None:
    stuck = StuckFiles(rig)
    events = [stuck.hang(FIRST + 2, "cpuacct.usage"), stuck.hang(FIRST + 3, "cpuacct.usage")]
    watch(rig, stuck, {8: lambda: stuck.let_go(*events)})
    assert rig.counter(Word.STALLED_READS) == 2
    assert history(rig, FIRST + 2, CPU)[:7] == history(rig, FIRST + 3, CPU)[:7] == [None] * 7
    assert history(rig, FIRST + 4, CPU) == [1000] * 8


def test_the_pod_is_summed_without_the_stuck_one(rig: Rig) -> None:
    """Unknown memory of one container makes the pod's unknown; its counters stay and do not fall."""
    stuck = StuckFiles(rig)
    rig.tick()
    event = stuck.hang(FIRST, "cpuacct.usage")
    memory = stuck.hang(FIRST, "memory.usage_in_bytes")
    watch(rig, stuck, {4: lambda: stuck.let_go(event, memory)}, ticks=4)
    assert history(rig, POD, CPU)[:4] == [12_000] * 4
    assert history(rig, POD, TARGET_COLUMN["memory_usage_bytes"])[:4] == [12 * 4096, None, None, None]


def test_at_most_so_many_threads(rig: Rig) -> None:
    """When all standbys are stuck the pass waits, and goes on when one comes back."""
    stuck = StuckFiles(rig)
    events = [stuck.hang(FIRST + at, "pids.current") for at in range(STANDBYS + 2)]
    watcher_done = threading.Event()
    threads = threading.active_count()
    most = 0

    def let_go() -> None:
        nonlocal most
        with stuck.entered:
            enough = stuck.entered.wait_for(lambda: len(stuck.inside) == STANDBYS + 1, 0.001)
            while not enough and not watcher_done.is_set():
                enough = stuck.entered.wait_for(lambda: len(stuck.inside) == STANDBYS + 1, 0.01)
        most = threading.active_count()
        watcher_done.wait(0.05)  # nobody else may come
        most = max(most, threading.active_count())
        assert rig.counter(Word.TICKS_TOTAL) == 0
        for event in events:
            event.set()

    helper = threading.Thread(target=let_go)
    helper.start()
    watch(rig, stuck, {}, ticks=5)
    watcher_done.set()
    helper.join()
    assert most == threads + 1 + STANDBYS + 1
    assert rig.counter(Word.STALLED_READS) >= STANDBYS
    assert rig.counter(Word.TICKS_TOTAL) == 5
    assert history(rig, FIRST + 11, THREADS) == [7] * 5


def test_a_thread_that_waits_for_a_cpu_keeps_its_pass(rig: Rig) -> None:
    """It does not move, but it is not in the kernel: nobody takes its pass."""
    stuck = StuckFiles(rig)
    event = stuck.hang(FIRST, "pids.current")
    looked: list[int] = []

    def blocked(thread: int) -> bool:
        looked.append(thread)
        if len(looked) == 3:
            event.set()
        return False

    watch(rig, stuck, {}, ticks=2, blocked=blocked)
    assert len(looked) >= 3
    assert rig.counter(Word.STALLED_READS) == 0
    assert history(rig, FIRST + 1, THREADS) == [7, 7]
    assert history(rig, FIRST, THREADS)[0] == 999


def test_a_thread_that_was_only_slow_loses_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes back just as its pass is taken away: the new owner reads that file again."""
    monkeypatch.setattr(standby, "RETURN_SECONDS", NEVER)
    stuck = StuckFiles(rig)
    event = stuck.hang(FIRST + 1, "pids.current")
    take_away = rig.ticker.take_away

    def take(lost: Lost) -> bool:
        taken = take_away(lost)
        event.set()
        return taken

    monkeypatch.setattr(rig.ticker, "take_away", take)
    watch(rig, stuck, {}, ticks=3)
    assert rig.counter(Word.STALLED_READS) == 0
    assert all(history(rig, id_, THREADS) == [7] * 3 for id_ in range(FIRST, FIRST + 12))


def test_a_pass_that_has_just_ended_is_not_taken_away(rig: Rig) -> None:
    rig.tick()
    assert rig.ticker.take_away([]) is False


def test_a_stuck_file_whose_target_leaves(rig: Rig) -> None:
    stuck = StuckFiles(rig)
    event = stuck.hang(FIRST, "pids.current")
    opened = rig.targets.open_files
    watch(rig, stuck, {3: lambda: rig.targets.detach(FIRST), 5: lambda: stuck.let_go(event)})
    assert rig.counter(Word.TICKS_TOTAL) == 8
    assert rig.targets.open_files == opened * 11 // 12
    assert history(rig, FIRST, THREADS) == [None, None]
    assert rig.counter(Word.READ_ERRORS) == 0


def test_a_fifo_nobody_writes_to(rig: Rig, tmp_path: Path) -> None:
    """A read that really sleeps in the kernel, seen through the kernel's own word for it."""
    os.mkfifo(tmp_path / "fifo")
    keep = os.open(tmp_path / "fifo", os.O_RDWR)
    let_go: list[bytes] = []

    class Fifo(StuckFiles):
        def read(self, fd: int, size: int, offset: int) -> bytes:
            if fd != target or let_go:
                return os.pread(fd, size, offset)
            let_go.append(os.read(keep, size))
            return let_go[0]

    fifo = Fifo(rig)
    target = fifo.fd(FIRST, "pids.current")
    watch(rig, fifo, {4: lambda: os.write(keep, b"5\n")}, ticks=5, blocked=blocked_in_kernel("/proc"))
    os.close(keep)
    assert rig.counter(Word.STALLED_READS) >= 1
    assert history(rig, FIRST + 1, THREADS) == [7] * 5
    assert history(rig, FIRST, THREADS)[:3] == [None] * 3


def test_a_thread_that_runs_is_not_blocked() -> None:
    blocked = blocked_in_kernel("/proc")
    assert blocked(threading.get_native_id()) is False
    assert blocked(0) is False
    assert blocked_in_kernel("/nowhere")(threading.get_native_id()) is False


def test_a_stage_stops_at_once_when_its_pass_is_lost(rig: Rig) -> None:
    """Even a file that fails then belongs to the next owner."""
    rig.tick()
    stage: Stage = next(stage for stage in rig.targets.cgroup_stages() if stage.first == THREADS)
    places = list(stage.places())
    lost: Lost = []

    def read(fd: int, size: int, offset: int) -> bytes:
        lost.append(None)
        raise OSError(5, "Input/output error")

    stage.read = read
    iterator = iter(places)
    tally = Tally()
    stage.sweep(iterator, rig.region.bytes_, rig.region.plane_word(2) * 8, tally, lost)
    assert lost == [None, None]
    assert list(iterator) == places[1:]
    assert tally.failed == []
