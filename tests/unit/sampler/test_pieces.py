"""Which texts a sampler keeps for the devices one by one, and when they count no more."""

import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from podtick.history.layout import PIECES
from podtick.history.reader import HistoryReader
from podtick.sampler.protocol import Network
from tests.unit.sampler.rig import POD, V1, Rig, net_dev, rig_over, write_process, write_tree

APP = 3
BYTES, COUNTS = "blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_serviced_recursive"
READ = "8:0 Read {0}\n8:0 Write 1\n8:0 Total {0}\nTotal {0}\n"
NOTHING = (None, None)
Texts = tuple[bytes | None, bytes | None]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    proc = tmp_path / "proc"
    write_process(proc, 1, "init", net_dev(lo=5, eth0=1000))
    write_process(proc, 300, "c0ffee", net_dev(lo=9, eth0=500))
    with rig_over(proc) as rig:
        rig.attach(POD, parent=0)
        yield rig


def pieces(rig: Rig, id_: int, file: str) -> Texts:
    reader = HistoryReader(rig.region)
    record = next(record for record in reader.targets() if record.id == id_)
    return reader.pieces(record, PIECES[file], reader.latest_number())


def container(rig: Rig, root: Path, id_: int = APP) -> Path:
    """A container with block I/O; the folder of the controller."""
    tree = {**V1, "blkio": {BYTES: READ.format(100), COUNTS: READ.format(7)}}
    rig.attach(id_, write_tree(root / str(id_), tree))
    return root / str(id_) / "blkio"


def test_a_changed_text_appears_and_an_unchanged_one_stays(rig: Rig, tmp_path: Path) -> None:
    folder = container(rig, tmp_path)
    rig.tick()
    first, counts = READ.format(100).encode(), READ.format(7).encode()
    assert pieces(rig, APP, BYTES) == (first, None)
    rig.tick()
    assert pieces(rig, APP, BYTES) == (first, first)
    (folder / BYTES).write_text(READ.format(200))
    rig.tick()
    assert pieces(rig, APP, BYTES) == (READ.format(200).encode(), first)
    assert pieces(rig, APP, COUNTS) == (counts, counts)


def test_what_has_not_changed_is_not_written_again(rig: Rig, tmp_path: Path) -> None:
    container(rig, tmp_path)
    rig.tick()
    kept: list[Sequence[bytes | None]] = []
    for stage in rig.targets.cgroup_stages():
        stage.keep = stage.keep and (lambda slots, texts: kept.append(texts))
    rig.tick(3)
    assert kept == []


def test_v2_has_one_file_and_a_pods_own_is_not_kept(rig: Rig, tmp_path: Path) -> None:
    text = "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n"
    folders = write_tree(tmp_path / "v2", {"unified": {"io.stat": text}})
    rig.attach(APP, folders, version=2)
    rig.attach(POD + 2, folders, version=2, parent=0)
    rig.tick()
    assert pieces(rig, APP, "io.stat") == (text.encode(), None)
    assert rig.value(POD + 2, "fs_reads_bytes_total") == 1
    assert pieces(rig, POD + 2, "io.stat") == NOTHING


def test_more_devices_than_there_is_room_for_are_unknown(rig: Rig, tmp_path: Path) -> None:
    folder = container(rig, tmp_path)
    rig.tick()
    (folder / BYTES).write_text("".join(READ.format(number) for number in range(10, 60)))
    rig.tick()
    assert rig.value(APP, "fs_reads_bytes_total") == sum(range(10, 60))
    assert pieces(rig, APP, BYTES) == NOTHING
    (folder / BYTES).write_text(READ.format(300))
    rig.tick()
    assert pieces(rig, APP, BYTES) == (READ.format(300).encode(), None)


def test_a_cgroup_that_has_gone_leaves_nothing(rig: Rig, tmp_path: Path) -> None:
    container(rig, tmp_path)
    rig.targets.network(Network(POD, APP, 300, "c0ffee"))
    rig.tick(2)
    assert pieces(rig, POD, "net/dev")[0] == net_dev(lo=9, eth0=500).encode()
    assert rig.targets.gone(APP, rig.region.bytes_, rig.region.plane_word(rig.writer.number) * 8)
    assert [pieces(rig, APP, BYTES), pieces(rig, APP, COUNTS), pieces(rig, POD, "net/dev")] == [NOTHING] * 3


def test_a_container_that_starts_anew_has_no_rate_to_its_earlier_run(rig: Rig, tmp_path: Path) -> None:
    folder = container(rig, tmp_path)
    rig.tick(2)
    container(rig, tmp_path)
    (folder / BYTES).write_text(READ.format(300))
    assert pieces(rig, APP, BYTES) == NOTHING
    rig.tick()
    assert pieces(rig, APP, BYTES) == (READ.format(300).encode(), None)


def test_a_network_and_its_end(rig: Rig, tmp_path: Path) -> None:
    network = Network(POD, APP, 300, "c0ffee")
    rig.targets.network(network)
    rig.tick()
    first, second = net_dev(lo=9, eth0=500), net_dev(lo=9, eth0=700)
    (tmp_path / "proc" / "300" / "net" / "dev").write_text(second)
    rig.tick()
    assert pieces(rig, POD, "net/dev") == (second.encode(), first.encode())
    rig.targets.network(network)
    assert pieces(rig, POD, "net/dev") == NOTHING
    rig.tick()
    assert pieces(rig, POD, "net/dev") == (second.encode(), None)


def test_a_file_that_fails_is_unknown(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container(rig, tmp_path)
    rig.tick(2)
    fd = next(file.fd for _, file in rig.targets.by_id[APP].files if file.path.endswith(BYTES))

    def read(asked: int, size: int, offset: int) -> bytes:
        if asked == fd:
            raise OSError(errno.EIO, "broken")
        return os.pread(asked, size, offset)

    for stage in rig.targets.cgroup_stages():
        monkeypatch.setattr(stage, "read", read)
    rig.tick()
    assert pieces(rig, APP, BYTES) == NOTHING
    assert pieces(rig, APP, COUNTS)[0] is not None
