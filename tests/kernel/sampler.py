"""The sampler's process as the agent starts it, without an agent: commands in, answers and the history out."""

import os
import select
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

from podtick.history.layout import Geometry, Region
from podtick.history.reader import HistoryReader
from podtick.history.records import TargetKind
from podtick.model.metrics.table import TARGET_COLUMN
from podtick.roster.paths import folders_by_controller
from podtick.sampler.protocol import Answer, Attach, Command, Detach, Network, decode_answer, encode_command
from podtick.sources.cgroup.discovery import CgroupPaths

PATIENCE = 60.0
"""A safety net against hanging, no statement about speed."""
ROW = dict[str, int]
"""One target's stored numbers, by the key of the metric's row."""


class Sampler:
    """A running sampler; a context manager that ends it by closing its command pipe, which must be enough."""

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc
        self._answers: list[Answer] = []
        self._partial = b""
        self._slots: dict[int, int] = {}
        self._base = 0

    def __enter__(self) -> Self:
        self._history = os.memfd_create("podtick-test")
        self._region = Region.create(self._history, Geometry.for_budget(120, 4 << 20, slots=64, entries=128))
        self._reader = HistoryReader(self._region)
        commands, self._commands = os.pipe()
        self._source, answers = os.pipe()
        given = {"--history": self._history, "--commands": commands, "--answers": answers}
        flags = [word for name, fd in given.items() for word in (name, str(fd))]
        call = [sys.executable, "-m", "podtick.sampler.process", *flags, "--proc", self._proc]
        environment = os.environ | {"PYTHONPATH": "agent"}
        self._process = subprocess.Popen(call, pass_fds=tuple(given.values()), env=environment)
        os.close(commands)
        os.close(answers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        os.close(self._commands)
        try:
            code = self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._source)
            self._region.close()
            os.close(self._history)
        assert kind or code == 0

    @property
    def pid(self) -> int:
        """The sampler's process."""
        return self._process.pid

    def send(self, command: Command) -> None:
        """Pass one command on."""
        os.write(self._commands, encode_command(command))

    def start_afresh(self) -> None:
        """Forget all targets: ids count from here, as none may be used twice."""
        for id_ in self._slots:
            self.send(Detach(self._base + id_))
        self._slots.clear()
        self._answers.clear()
        self._base += 100

    def attach(self, id_: int, kind: TargetKind, parent: int = 0, paths: CgroupPaths | None = None) -> str:
        """Attach a target; why nothing of it can be read, or nothing."""
        folders = folders_by_controller(paths) if paths else {}
        version = paths.version if paths else 0
        parent += self._base if parent else 0
        self.send(Attach(self._base + id_, kind, parent, version, folders, f"target {id_}", fresh=True))
        slot, _, problem = (self.answer("attached", id_).text + "  ").split(" ", 2)
        self._slots[id_] = int(slot)
        return problem.strip()

    def pod(self, id_: int, paths: CgroupPaths) -> None:
        """Attach a pod and its only container, whose id is the next one."""
        assert self.attach(id_, TargetKind.POD) == ""
        assert self.attach(id_ + 1, TargetKind.CONTAINER, id_, paths) == ""

    def network(self, pod: int, owner: int, pid: int, container: str) -> str:
        """Have a pod's network read; what the sampler says of it."""
        self.send(Network(self._base + pod, self._base + owner, pid, container))
        return self.answer("network", pod).text

    def answer(self, kind: str, id_: int) -> Answer:
        """The next answer of a kind about a target, waited for; those about others are kept."""
        end = time.monotonic() + PATIENCE
        while True:
            for answer in self._answers:
                if (answer.kind, answer.id) == (kind, self._base + id_):
                    self._answers.remove(answer)
                    return answer
            self._read(end, f"{kind} {id_}")

    def has_answered(self, kind: str, id_: int) -> bool:
        """Whether there is such an answer among those read until now."""
        return any((answer.kind, answer.id) == (kind, self._base + id_) for answer in self._answers)

    def heard(self) -> list[Answer]:
        """Every answer read until now that nobody has waited for."""
        heard, self._answers = self._answers, []
        return heard

    def row(self, slot: int) -> ROW:
        """The row of a slot at the newest tick."""
        snapshot = self._reader.latest()
        assert snapshot is not None
        return dict(zip(TARGET_COLUMN, snapshot.row(slot), strict=True))

    def tick(self) -> dict[int, ROW]:
        """Every target's row at the first tick whose second has not begun yet."""
        wanted = int(time.time()) + 1
        end = time.monotonic() + PATIENCE
        while True:
            snapshot = self._reader.latest()
            if snapshot and snapshot.timestamp >= wanted:
                self._answers = [answer for answer in self._answers if answer.kind != "tick"]
                rows = {id_: snapshot.row(slot) for id_, slot in self._slots.items()}
                return {id_: dict(zip(TARGET_COLUMN, row, strict=True)) for id_, row in rows.items()}
            self._read(end, "a tick")

    def _read(self, end: float, what: str) -> None:
        left = end - time.monotonic()
        assert left > 0, f"never came: {what}; there were {self._answers}"
        if not select.select([self._source], [], [], left)[0]:
            return
        data = os.read(self._source, 65536)
        assert data, f"the sampler ended before it answered {what}"
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._answers.extend(map(decode_answer, lines))
