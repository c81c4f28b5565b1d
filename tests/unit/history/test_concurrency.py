"""A reader beside a writer in another process, which writes as fast as it can: no torn tick, no foreign row."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import podtick
from podtick.history.layout import TARGET_COLUMNS, Geometry, Region
from podtick.history.reader import HistoryReader
from podtick.history.records import TargetState
from podtick.model.metrics.row import UNKNOWN

TICKS = 2500
FIRST, LIVES = 10, 4
GEOMETRY = Geometry(slots=LIVES, entries=64, segments=16, span=300, budget=1 << 24)
WRITER = f"""
import sys
from podtick.history.layout import NODE_BYTES, ROW_BYTES, SWEEPS, Region
from podtick.history.records import TargetKind
from podtick.history.ticks import Tick
from podtick.history.writer import HistoryWriter

region = Region.open(int(sys.argv[1]), writable=True)
writer = HistoryWriter(region)
live = list(range({FIRST}, {FIRST + LIVES}))
for id_ in live:
    writer.attach(id_, TargetKind.CONTAINER, 0, b"%d" % id_)
for number in range(1, {TICKS} + 1):
    start = writer.begin(fresh=number == 1)
    for record in writer.live():  # every column of a row says whose it is and of which tick
        row = (record.id << 32 | number).to_bytes(8, "little") * (ROW_BYTES // 8)
        at = start + NODE_BYTES + record.slot * ROW_BYTES
        region.bytes_[at : at + ROW_BYTES] = row
    region.bytes_[start : start + NODE_BYTES] = number.to_bytes(8, "little") * (NODE_BYTES // 8)
    for which in range(2):
        writer.details(which, b"%d\\n" % number * (500 * (which + 1)))
    writer.publish(Tick(number, 10**9 + number, number * 10**9, 0, 0, 0, 0, (number,) * SWEEPS))
    writer.close_due(lambda id_: None)
    if number % 7 == 0:
        writer.detach(live.pop(0))
        live.append(live[-1] + 1)
        writer.attach(live[-1], TargetKind.CONTAINER, 0, b"%d" % live[-1])
    if number % 11 == 0:
        writer.rename(live[1], b"%d" % live[1] + b" again" * (number % 20))
    if number == 1:
        print("begun", flush=True)
"""


def check_snapshot(reader: HistoryReader) -> int:
    snapshot = reader.latest()
    assert snapshot is not None
    number = snapshot.number
    assert snapshot.timestamp == 10**9 + number
    assert set(snapshot.tick.sweeps) == {number}
    assert set(snapshot.node) == {number}
    assert snapshot.diskstats == b"%d\n" % number * 500
    assert snapshot.net_dev == b"%d\n" % number * 1000
    for slot in range(len(snapshot.rows) // TARGET_COLUMNS):
        words = set(snapshot.row(slot))
        # a slot just given away is being made unknown in the newest plane: so that it is the last owner's or nobody's
        assert len(words - {UNKNOWN}) <= 1
        assert all(word & 0xFFFFFFFF == number for word in words - {UNKNOWN})
    return number


def check_targets(reader: HistoryReader) -> int:
    found = 0
    for target in reader.targets():
        assert target.identity.split()[0] == b"%d" % target.id
        readings = reader.readings(target, [0, TARGET_COLUMNS - 1], 1, TICKS)
        assert readings.numbers == sorted(set(readings.numbers))
        expected = [target.id << 32 | number for number in readings.numbers]
        assert readings.columns == [expected, expected], f"another target's rows, or another tick's, for {target.id}"
        if readings.numbers:
            steps = {after - before for before, after in zip(readings.numbers, readings.numbers[1:], strict=False)}
            assert steps <= {1}
        found += len(readings.numbers)
        if target.state is TargetState.DEPARTED and readings.numbers:
            assert readings.numbers[-1] == target.last
    return found


@pytest.fixture
def file() -> Iterator[int]:
    fd = os.memfd_create("test-history", os.MFD_CLOEXEC)
    yield fd
    os.close(fd)


@pytest.fixture
def region(file: int) -> Iterator[Region]:
    region = Region.create(file, GEOMETRY)
    yield region
    region.close()


def test_beside_a_writer_in_a_hurry(file: int, region: Region) -> None:
    reader = HistoryReader(region)
    environment = {**os.environ, "PYTHONPATH": str(Path(podtick.__file__).parent.parent)}
    command = [sys.executable, "-c", WRITER, str(file)]
    seen: set[int] = set()
    with subprocess.Popen(command, pass_fds=(file,), stdout=subprocess.PIPE, env=environment) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"begun\n"
            while process.poll() is None:
                seen.add(check_snapshot(reader))
                check_targets(reader)
        finally:
            process.kill()
    assert process.returncode == 0
    assert check_snapshot(reader) == TICKS
    assert check_targets(reader) == LIVES * GEOMETRY.span
    assert len(seen) > 3
