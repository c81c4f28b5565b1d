"""Many reads in one system call: the same texts as one by one, whatever becomes of the files."""

import ctypes
import errno
import os
import platform
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podtick.history.layout import Word
from podtick.model.metrics.table import TARGET_COLUMN
from podtick.sampler import stages, standby
from podtick.sampler.aio import MOST, Aio, AioRefusedError, Batch
from podtick.sampler.stages import Stage
from podtick.sampler.standby import Watcher, blocked_in_kernel
from podtick.sampler.ticker import Lost
from tests.unit.sampler.rig import POD, V1, Rig, rig_over, write_tree

SIZE = 32
FIRST, COUNT = 3, 12
LAST = FIRST + COUNT - 1
NEVER = 60.0  # s: a safety net, no test waits for it


@pytest.fixture
def aio() -> Iterator[Aio]:
    opened = Aio()
    yield opened
    opened.close()


class Files:
    """Files of a folder, open as long as the test lasts."""

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir(exist_ok=True)
        self.paths = [folder / str(number) for number in range(count)]
        for number, path in enumerate(self.paths):
            path.write_text(f"{number}\n")
        self.descriptors = [os.open(path, os.O_RDONLY) for path in self.paths]

    def one_by_one(self) -> list[bytes]:
        return [os.pread(descriptor, SIZE, 0) for descriptor in self.descriptors]

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    opened = Files(tmp_path / "files", 20)
    yield opened
    opened.close()


def test_an_unchanged_text_is_the_same_object(aio: Aio, files: Files) -> None:
    batch = Batch(SIZE)
    texts, failed = batch.read(aio, files.descriptors)
    assert (list(texts), failed) == (files.one_by_one(), {})
    again, _ = batch.read(aio, files.descriptors)
    assert all(one is other for one, other in zip(texts, again, strict=True))
    files.paths[7].write_text("changed\n")
    assert list(batch.read(aio, files.descriptors)[0]) == files.one_by_one()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_same_as_one_by_one(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Files that grow and shrink, are empty, longer than there is room, have zeros in them; more and fewer of them."""
    files, context, batch = Files(tmp_path_factory.mktemp("files"), 12), Aio(), Batch(SIZE)
    try:
        for _ in range(data.draw(st.integers(1, 5))):
            for path in files.paths:
                if data.draw(st.booleans()):
                    path.write_bytes(
                        data.draw(st.binary(max_size=SIZE + 8) | st.text("0\n\0", max_size=4).map(str.encode))
                    )
            chosen = data.draw(st.permutations(files.descriptors))[: data.draw(st.integers(1, 12))]
            texts, failed = batch.read(context, list(chosen))
            assert (list(texts), failed) == ([os.pread(each, SIZE, 0) for each in chosen], {})
    finally:
        files.close()
        context.close()


def test_a_file_that_cannot_be_read_so_refuses_all(aio: Aio, files: Files, tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(AioRefusedError):
            Batch(SIZE).read(aio, [*files.descriptors, folder])
        with pytest.raises(AioRefusedError):
            Batch(SIZE).read(aio, [folder])
    finally:
        os.close(folder)
    assert list(Batch(SIZE).read(aio, files.descriptors)[0]) == files.one_by_one(), (
        "nothing is left of what was refused"
    )


def test_a_machine_whose_calls_are_not_known_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "s390x")
    assert Aio.opened() is None


# ---------------------------------------------------------------------------------------- in the sampler


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(standby, "STALL_NS", 4_000_000)
    with rig_over(tmp_path / "proc") as rig:
        rig.attach(POD, parent=0)
        for id_ in range(FIRST, FIRST + COUNT):
            rig.attach(id_, write_tree(tmp_path / str(id_), V1))
        yield rig


def stage_of(rig: Rig, key: str) -> Stage:
    return next(stage for stage in rig.targets.cgroup_stages() if stage.first == TARGET_COLUMN[key])


def threads(rig: Rig) -> list[int | None]:
    return [rig.value(id_, "threads") for id_ in range(FIRST, FIRST + COUNT)]


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files each call reads at once from now on."""
    counts: list[int] = []
    submit = Aio.submit

    def counted(self: Aio, count: int, requests: int, events: int) -> None:
        counts.append(count)
        submit(self, count, requests, events)

    monkeypatch.setattr(Aio, "submit", counted)
    return counts


def test_a_stage_is_one_call(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = count_reads(monkeypatch)
    rig.tick()
    assert set(counts) == {COUNT}
    assert threads(rig) == [7] * COUNT
    (tmp_path / str(LAST) / "pids" / "pids.current").write_text("123456789\n")
    rig.tick()
    assert threads(rig) == [7] * (COUNT - 1) + [123456789]
    rig.targets.detach(FIRST)
    rig.tick()
    assert counts[-1] == COUNT - 1
    assert rig.value(LAST, "threads") == 123456789


def test_more_files_than_a_call_takes(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "MOST", 5)
    counts = count_reads(monkeypatch)
    for value in (7, 8):
        (tmp_path / str(LAST) / "pids" / "pids.current").write_text(f"{value}\n")
        rig.tick()
        assert threads(rig) == [7] * (COUNT - 1) + [value]
    assert set(counts) == {5, 2}
    assert MOST > 5


def test_few_files_are_read_one_by_one(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = count_reads(monkeypatch)
    for id_ in range(FIRST + stages.MANY - 1, FIRST + COUNT):
        rig.targets.detach(id_)
    rig.tick()
    assert (rig.value(FIRST, "threads"), counts) == (7, [])


@pytest.mark.parametrize("lines", [100, 400], ids=["there is room", "too long to be read with others"])
def test_a_text_that_outgrows_its_room(rig: Rig, tmp_path: Path, lines: int) -> None:
    """It is read whole, never cut off; and the next time at once."""
    rig.tick()
    more = "".join(f"line_{number} {number}\n" for number in range(lines))
    path = tmp_path / str(FIRST) / "memory" / "memory.stat"
    path.write_text(more + path.read_text().replace("total_rss 200", "total_rss 300"))
    for _ in range(4):
        rig.tick()
        assert [rig.value(id_, "memory_rss_bytes") for id_ in (FIRST, LAST)] == [300, 200]
    stage = stage_of(rig, "memory_swap_bytes")
    assert stage.size > len(path.read_bytes())
    assert bool(stage.batches) == (stage.size <= stages.BATCH_BYTES)


def test_a_kernel_that_refuses_is_asked_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def refuse(self: Aio, count: int, requests: int, events: int) -> None:
        asked.append(count)
        raise AioRefusedError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(Aio, "submit", refuse)
    for _ in range(3):
        rig.tick()
        assert threads(rig) == [7] * COUNT
    assert asked == [COUNT]


def test_a_file_that_fails_costs_its_columns_only(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel says of it among many, here put there: it is not asked for again."""
    rig.tick()
    stage = stage_of(rig, "threads")
    submit = Aio.submit

    def failing(self: Aio, count: int, requests: int, events: int) -> None:
        submit(self, count, requests, events)
        if stage.batching and count == COUNT:
            ctypes.c_int64.from_address(events + 3 * 32 + 16).value = -errno.EIO

    monkeypatch.setattr(Aio, "submit", failing)
    for _ in range(3):
        rig.tick()
        assert threads(rig) == [7, 7, 7, None, *[7] * (COUNT - 4)]
    assert rig.counter(Word.READ_ERRORS) == 1
    assert len(stage.files) == COUNT - 1


def test_a_read_that_hangs_among_many(rig: Rig, tmp_path: Path) -> None:
    """A FIFO that nobody writes to. Whoever owns the pass next reads one by one, which fails: it is dropped."""
    os.mkfifo(tmp_path / "fifo")
    keep = os.open(tmp_path / "fifo", os.O_RDWR)
    rig.tick()
    stage = stage_of(rig, "threads")
    hanging = stage.files[5]
    os.dup2(keep, hanging.fd)
    before = set(threading.enumerate())
    rig.commands.left, rig.ticker.stopped = 6, False

    def serve(left: int) -> None:
        rig.now = max(rig.now, rig.ticker.deadline.monotonic_ns)
        if left == 2:
            os.write(keep, b"999\n")

    rig.commands.between = serve
    Watcher(rig.ticker, blocked_in_kernel("/proc")).watch()
    for thread in set(threading.enumerate()) - before:
        thread.join(NEVER)
    os.close(keep)
    assert rig.counter(Word.TICKS_TOTAL) == 7
    assert threads(rig) == [7] * 5 + [None] + [7] * (COUNT - 6)
    assert hanging not in stage.files
    assert rig.counter(Word.READ_ERRORS) == 1


@pytest.mark.parametrize("late", [False, True], ids=["the old owner returns at once", "the old owner returns later"])
def test_a_pass_that_is_taken_away_while_a_call_is_prepared(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """What the iterator has given to the old owner is read by the new one, and by nobody else."""
    rig.tick()
    for id_ in range(FIRST, FIRST + COUNT):
        (tmp_path / str(id_) / "pids" / "pids.current").write_text(f"{100 + id_}\n")
    stage, lost = stage_of(rig, "threads"), Lost()
    taken, go_on = threading.Event(), threading.Event()

    def interrupted(iterator: Iterator[int], most: int) -> Iterator[int]:
        given = list(islice(iterator, most))
        if rig.ticker.stages[-1] is stage and not lost:
            assert rig.ticker.take_away(lost)
            taken.set()
            assert go_on.wait(NEVER)
        return iter(given)

    monkeypatch.setattr(stages, "islice", interrupted)
    rig.now = max(rig.now, rig.ticker.deadline.monotonic_ns)
    rig.commands.left, rig.ticker.stopped = 1, False
    old = threading.Thread(target=rig.ticker.run, args=(lost,))
    old.start()
    assert taken.wait(NEVER)
    if not late:
        go_on.set()
        old.join(NEVER)
    rig.ticker.take_over(lost)
    rig.ticker.run([])
    go_on.set()
    old.join(NEVER)
    rig.ticker.returned.append(lost)
    for _ in range(2):
        assert threads(rig) == [100 + id_ for id_ in range(FIRST, FIRST + COUNT)]
        rig.tick()
    assert len(stage.last) == COUNT
