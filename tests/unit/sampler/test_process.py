"""The sampler as a process of its own, over made-up trees: commands in, history and answers out."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import podtick
from podtick.history.layout import PAGE, Geometry, Region, Word
from podtick.history.reader import HistoryReader
from podtick.history.records import TargetKind
from podtick.model.metrics.row import UNKNOWN
from podtick.model.metrics.table import NODE_COLUMN, TARGET_COLUMN
from podtick.sampler.descriptors import RESERVE
from podtick.sampler.protocol import Answer, Attach, Command, Keep, Network, Told, decode_answer, encode_command
from tests.unit.sampler.rig import V1, net_dev, write_process, write_tree

GEOMETRY = Geometry(slots=4, entries=16, segments=16, span=600, budget=1 << 24)
POD, APP = 2, 3
NEVER = 60.0


class Sampler:
    """A real sampler and the agent's ends of its pipes."""

    def __init__(self, proc: Path, files: int | None = None, history: bytes | None = None) -> None:
        self._fd = os.memfd_create("test-history", os.MFD_CLOEXEC)
        self.region = Region.create(self._fd, GEOMETRY)
        if history is not None:
            os.pwrite(self._fd, history, 0)
        commands, self._commands = os.pipe()
        answers, sink = os.pipe()
        self._answers = os.fdopen(answers, "rb")
        places = {"--history": self._fd, "--commands": commands, "--answers": sink}
        arguments = [text for name, fd in places.items() for text in (name, str(fd))]
        limited = ["sh", "-c", f'ulimit -n {files} && exec "$@"', "sh"] if files else []
        self.process = subprocess.Popen(
            [*limited, sys.executable, "-m", "podtick.sampler.process", *arguments, "--proc", str(proc)],
            pass_fds=tuple(places.values()),
            env={**os.environ, "PYTHONPATH": str(Path(podtick.__file__).parent.parent)},
            stderr=subprocess.PIPE,
        )
        os.close(commands)
        os.close(sink)
        self.reader = HistoryReader(self.region)

    def tell(self, *commands: Command) -> None:
        self.write(b"".join(map(encode_command, commands)))

    def write(self, data: bytes) -> None:
        os.write(self._commands, data)

    def answer(self, kind: str) -> Answer:
        """The next answer of this kind."""
        while line := self._answers.readline():
            if (answer := decode_answer(line)).kind == kind:
                return answer
        raise AssertionError(f"the sampler ended without {kind}: {self.end()}")

    def whole_tick(self) -> None:
        """Wait for a tick that has begun after now."""
        self.answer("tick")
        self.answer("tick")

    def value(self, id_: int, key: str) -> int | None:
        snapshot = self.reader.latest()
        assert snapshot is not None
        slot = next(record.slot for record in self.reader.targets() if record.id == id_)
        value = snapshot.node[NODE_COLUMN[key]] if id_ == 1 else snapshot.row(slot)[TARGET_COLUMN[key]]
        return None if value == UNKNOWN else value

    def end(self) -> tuple[int, str]:
        """The agent goes: the sampler ends. Its exit code and what it said."""
        if self._commands >= 0:
            os.close(self._commands)
            self._commands = -1
        _, said = self.process.communicate(timeout=NEVER)
        return self.process.returncode, said.decode()

    def close(self) -> None:
        self.process.kill()
        self.end()
        self._answers.close()
        self.region.close()
        os.close(self._fd)


@contextmanager
def sampler_over(proc: Path, files: int | None = None, history: bytes | None = None) -> Iterator[Sampler]:
    sampler = Sampler(proc, files, history)
    try:
        yield sampler
    finally:
        sampler.close()


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    write_process(tmp_path / "proc", 1, "init", net_dev(lo=5, eth0=1000))
    return tmp_path / "proc"


def pod(folders: dict[str, str], id_: int = POD) -> list[Command]:
    return [
        Attach(id_, TargetKind.POD, identity="pod"),
        Attach(id_ + 1, TargetKind.CONTAINER, id_, 1, folders, "app", fresh=True),
    ]


def test_from_files_to_history(proc: Path, tmp_path: Path) -> None:
    write_process(proc, 300, "c0ffee", net_dev(lo=5, eth0=77))
    write_process(proc, 301, "another", net_dev(lo=5, eth0=99))
    folders = write_tree(tmp_path / "app", V1)
    with sampler_over(proc) as sampler:
        assert sampler.answer("ready").id == 0
        sampler.tell(Attach(1, TargetKind.NODE), *pod(folders), Told(APP, {"state": 1}))
        assert [sampler.answer("attached").id for _ in range(3)] == [1, POD, APP]
        sampler.tell(Network(POD, APP, 301, "c0ffee"), Network(POD, APP, 300, "c0ffee"), Keep((1, POD, APP)))
        assert sampler.answer("network").text.startswith("gone: process 301 does not belong to")
        assert sampler.answer("network").text == "own"
        sampler.answer("kept")
        sampler.whole_tick()
        assert sampler.value(APP, "cpu_usage_seconds_total") == sampler.value(POD, "cpu_usage_seconds_total") == 1000
        assert sampler.value(APP, "spec_memory_limit_bytes") == 64 << 20
        assert sampler.value(APP, "state") == 1
        assert sampler.value(APP, "fs_reads_total") is None
        assert sampler.value(POD, "network_receive_bytes_total") == 77
        assert sampler.value(APP, "network_receive_bytes_total") is None
        assert sampler.value(1, "network_receive_bytes_total") == 1000
        (tmp_path / "app" / "cpuacct" / "cpuacct.usage").write_text("2000\n")
        sampler.whole_tick()
        assert sampler.value(POD, "cpu_usage_seconds_total") == 2000
        assert sampler.end() == (0, "")


def test_with_few_descriptors_all_is_read(proc: Path, tmp_path: Path) -> None:
    folders = write_tree(tmp_path / "app", V1)
    with sampler_over(proc, files=RESERVE + 5) as sampler:
        sampler.tell(*pod(folders))
        sampler.answer("attached")
        sampler.answer("attached")
        sampler.whole_tick()
        assert sampler.value(APP, "cpu_usage_seconds_total") == 1000
        assert sampler.value(APP, "memory_rss_bytes") == 200
        assert sampler.value(APP, "threads") == 7
        assert 0 < sampler.region.words[Word.OPEN_FILES] <= 5
        assert sampler.region.words[Word.TRANSIENT_READS] > 0
        assert sampler.region.words[Word.READ_ERRORS] == 0
        assert sampler.end() == (0, "")


def test_more_targets_than_there_is_room_for(proc: Path, tmp_path: Path) -> None:
    folders = write_tree(tmp_path / "app", V1)
    with sampler_over(proc) as sampler:
        for number in range(3):
            sampler.tell(*pod(folders, POD + 2 * number))
        assert [sampler.answer("full").id for _ in range(2)] == [POD + 4, POD + 5]
        sampler.write(b"garbage\n")
        sampler.tell(Told(APP, {"no_such_metric": 1}))
        assert [sampler.answer("error").text.partition(":")[0] for _ in range(2)] == ["ProtocolError", "KeyError"]
        sampler.whole_tick()
        assert sampler.value(APP, "threads") == 7
        assert sampler.region.words[Word.REFUSED_TARGETS] == 2
        assert sampler.end() == (0, "")


def test_a_history_of_another_version_is_refused(proc: Path) -> None:
    with sampler_over(proc, history=b"\0" * PAGE) as sampler:
        code, said = sampler.end()
        assert code == 3
        assert said == "podtick sampler: history: not a podtick history\n"
