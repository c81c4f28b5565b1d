"""The targets of the sampler: opening what is to be read of each, and letting go of it."""

import errno
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from struct import Struct

from podtick.history.layout import NODE_BYTES, PIECES, ROW_BYTES, TARGET_COLUMNS, WORD, Word
from podtick.history.records import TargetKind, TargetRecord
from podtick.history.writer import HistoryWriter
from podtick.model.metrics.row import MAX_VALUE, UNKNOWN, Level
from podtick.model.metrics.table import KERNEL_COLUMNS, NETWORK_COLUMNS, TARGET_COLUMN, TARGET_ROWS
from podtick.sampler.descriptors import DescriptorBudget, OpenFile
from podtick.sampler.networks import Networks
from podtick.sampler.pods import KERNEL_ROW, Child, Pod
from podtick.sampler.protocol import Attach, Network, Rename, Told
from podtick.sampler.stages import Keep, Stage
from podtick.sampler.told import ToldColumns
from podtick.sources.cgroup.plan import FilePlan, compile_plan

WORD_STRUCT = Struct("<Q")
WHOLE_ROW = Struct(f"<{TARGET_COLUMNS}Q")
NETWORK_ROW = Struct(f"<{NETWORK_COLUMNS[1]}Q")
DEAR_BYTES = 2048
"""Files read with at least this much room are dear to open again and again."""


@dataclass(slots=True)
class Target:
    """One target: its place in the planes (from tick `first` on) and its open files with their stages."""

    id: int
    kind: TargetKind
    slot: int
    first: int
    parent: int
    version: int
    paths: Mapping[str, str]
    run: int = 0
    files: list[tuple[Stage, OpenFile]] = field(default_factory=list)
    pod: Pod | None = None

    @property
    def offset(self) -> int:
        """Where its row begins in a plane, in bytes."""
        return NODE_BYTES + self.slot * ROW_BYTES


class Targets:
    """All targets by id, and the stages that sweep their files."""

    def __init__(self, writer: HistoryWriter, proc: str, budget: DescriptorBudget) -> None:
        self._writer = writer
        self._budget = budget
        self.networks = Networks(proc, budget, partial(writer.pieces.keep, PIECES["net/dev"]))
        self._plans = {
            (version, kind): _plans(version, kind)
            for version in (1, 2)
            for kind in (TargetKind.CONTAINER, TargetKind.POD, TargetKind.QOS)
        }
        self._stages = {
            (key, plan.file, transient): _stage(plan, self._keep(plan, key[1]), transient=transient)
            for key, plans in self._plans.items()
            for plan in plans
            for transient in (False, True)
        }
        self._limit_plans = {version: compile_plan(TARGET_ROWS, version, slow=True) for version in (1, 2)}
        self.by_id: dict[int, Target] = {}
        self._recovered = {record.id: self._recover(record) for record in writer.live()}
        self._told = ToldColumns()
        self.changed: set[Pod | None] = set()  # pods whose members left since the last tick
        self._suspended: set[OpenFile] = set()

    def _keep(self, plan: FilePlan, kind: TargetKind) -> Keep | None:
        """Texts of containers' block I/O are kept; pods are told by them."""
        wanted = plan.file in PIECES and kind is TargetKind.CONTAINER
        return partial(self._writer.pieces.keep, PIECES[plan.file]) if wanted else None

    def _recover(self, record: TargetRecord) -> tuple[int, ...]:
        """What an earlier sampler read last of a target; of a pod also what its last row does not show."""
        row: tuple[int, ...] = WHOLE_ROW.unpack(self._writer.row_before(record.slot))
        if record.kind is not TargetKind.POD:
            return row
        buffer, place = self._writer.region.bytes_, self._writer.carried(record.slot)
        carried = WHOLE_ROW.unpack_from(buffer, place)
        row = tuple(before if value > MAX_VALUE else value for value, before in zip(row, carried, strict=True))
        WHOLE_ROW.pack_into(buffer, place, *row)  # should this one end before the pod has a row again
        return row

    # -- sweeping --------------------------------------------------------------------------------------------------

    def cgroup_stages(self) -> list[Stage]:
        """The sweeps with something to do, in their order: containers, pods' own cgroups, those around pods."""
        return [stage for stage in self._stages.values() if stage.files]

    # -- coming and going ------------------------------------------------------------------------------------------

    def attach(self, command: Attach) -> str:
        """Open what is to be read of a target. Returns why nothing of it can be read, or nothing.

        Raises `history.writer.FullError` when there is no row for it.
        """
        kind = TargetKind(command.kind)
        known = self.by_id.get(command.id)
        record = self._writer.attach(command.id, kind, command.parent, command.identity.encode())
        row = self._recovered.pop(command.id, None)
        if known:
            self._close_files(known)
            self._told.set(known.id, dict.fromkeys(range(KERNEL_COLUMNS), UNKNOWN))  # what the new run has no file for
            target = known
            target.version, target.paths = command.version, dict(command.paths)
        else:
            target = Target(
                command.id, kind, record.slot, record.first, command.parent, command.version, dict(command.paths)
            )
            self.by_id[command.id] = target
        target.run = command.run
        if kind is TargetKind.POD and not known:
            carried = self._writer.carried(target.slot)
            target.pod = Pod(target.offset, self._own_columns(command), carried)
            if row:
                target.pod.restore(row)
                first, count = NETWORK_COLUMNS
                self.networks.restore(target.id, row[first : first + count])
        elif target.pod:
            target.pod.found(self._own_columns(command))
        parent = self.by_id.get(target.parent)
        if parent and parent.pod and target.paths:
            parent.pod.add(target.id, Child(target.offset, command.fresh), row[:KERNEL_COLUMNS] if row else None)
        elif parent and parent.pod and known:
            parent.pod.remove(target.id)
            self.changed.add(parent.pod)
        self.read_limits(target)
        return self._open_files(target)

    def _own_columns(self, command: Attach) -> frozenset[int]:
        """The columns that a pod's own cgroup fills, limits included."""
        if not command.version:
            return frozenset()
        plans = [*self._plans[command.version, TargetKind.POD], *self._limit_plans[command.version]]
        own = [plan for plan in plans if plan.controller in command.paths]
        return frozenset(column for plan in own for column in range(plan.first, plan.first + plan.count))

    def _open_files(self, target: Target) -> str:
        if not target.paths or not target.version:
            return ""
        key = (target.version, target.kind)
        pod = self.pod_of(target)
        problem = ""
        for plan in self._plans[key]:
            folder = target.paths.get(plan.controller)
            if folder is None:
                continue
            path = f"{folder}/{plan.file}"
            stays = self._budget.may_stay_open(dear=plan.size >= DEAR_BYTES)
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:  # absent or forbidden: asked for once, unknown from then on
                problem = problem or f"{path}: {error.strerror}"
                continue
            if not stays:
                os.close(fd)
                fd = -1
            self._add_file(target, self._stages[key, plan.file, not stays], fd, path, pod)
        if not target.files:
            return problem or "no controller of it can be read here"
        return ""

    def _add_file(self, target: Target, stage: Stage, fd: int, path: str, pod: Pod | None) -> None:
        file = OpenFile(fd, path, target.offset + stage.first * WORD, target.id, pod)
        stage.add(file)
        target.files.append((stage, file))
        self._budget.open += fd >= 0

    def pod_of(self, target: Target) -> Pod | None:
        """The sums that a target's readings go into: its pod's, or its own where it is a pod."""
        parent = self.by_id.get(target.parent)
        return parent.pod if parent else target.pod

    def twin(self, id_: int) -> int | None:
        """The only container of a pod, whose readings may be the pod's too."""
        target = self.by_id.get(id_)
        children = target.pod.children if target and target.pod else {}
        return next(iter(children)) if len(children) == 1 else None

    @property
    def open_files(self) -> int:
        """Kernel files of targets that are open now."""
        return self._budget.open

    def _close_files(self, target: Target) -> None:
        for stage, file in target.files:
            self._drop(stage, file)
        target.files.clear()

    def _drop(self, stage: Stage, file: OpenFile) -> None:
        stage.remove(file)
        stage.forget(file)
        self._suspended.discard(file)
        self._budget.open -= file.fd >= 0
        file.close()

    def gone(self, id_: int, buffer: memoryview, plane: int) -> bool:
        """The cgroup of a target has gone: close its files, its pod's network read through it, and forget its numbers.

        Returns whether that is news.
        """
        target = self.by_id.get(id_)
        if target is None or not target.paths:
            return False
        self._close_files(target)
        target.paths = {}
        KERNEL_ROW.pack_into(buffer, plane + target.offset, *(UNKNOWN,) * KERNEL_COLUMNS)
        pod = self.by_id.get(target.parent)
        if pod and pod.pod:
            pod.pod.remove(id_)
            for column, value in self._close_network(pod, through=id_).items():
                WORD_STRUCT.pack_into(buffer, plane + pod.offset + column * WORD, value)
        return True

    def rename(self, command: Rename) -> None:
        """Keep another identity for a target."""
        if command.id in self.by_id:
            self._writer.rename(command.id, command.identity.encode())

    def detach(self, id_: int) -> None:
        """A target is no more."""
        target = self.by_id.pop(id_, None)
        self._recovered.pop(id_, None)
        if target:
            self._close_files(target)
            self.changed.discard(target.pod)  # its row may be another target's at the next tick
            parent = self.by_id.get(target.parent)
            if parent and parent.pod:
                parent.pod.remove(id_)
                self.changed.add(parent.pod)
            self.networks.forget(id_)
        self._writer.detach(id_)

    def keep(self, ids: Iterable[int]) -> None:
        """Detach every target of an earlier sampler that is not among `ids`."""
        kept = set(ids)
        for id_ in [id_ for id_ in (*self._recovered, *self.by_id) if id_ not in kept]:
            self.detach(id_)

    def network(self, command: Network) -> str:
        """Read a pod's network through a process of it, as `Networks.open` says."""
        pod = self.by_id.get(command.id)
        if pod is None:
            return ""
        self._told.set(pod.id, self._close_network(pod))
        return self.networks.open(pod.id, pod.offset, command.owner, command.pid, command.container)

    def _close_network(self, pod: Target, through: int | None = None) -> dict[int, int]:
        """`Networks.close`, with the total left for the next sampler."""
        unknown = self.networks.close(pod.id, through)
        total = self.networks.total(pod.id) if unknown else None
        if total is not None:
            place = self._writer.carried(pod.slot) + NETWORK_COLUMNS[0] * WORD
            NETWORK_ROW.pack_into(self._writer.region.bytes_, place, *total)
        return unknown

    # -- what no sweep reads ---------------------------------------------------------------------------------------

    def tell(self, command: Told) -> None:
        """Remember told columns; they are written into the next plane."""
        if command.id in self.by_id:
            values = {TARGET_COLUMN[key]: UNKNOWN if value is None else value for key, value in command.values.items()}
            self._told.set(command.id, values, once=command.once)

    def read_limits(self, target: Target) -> None:
        """Open, read and close the limits of a target; they are written into the next plane."""
        for plan in self._limit_plans.get(target.version, ()):
            folder = target.paths.get(plan.controller)
            if folder is not None:
                self._told.set(target.id, {plan.first: _read_limit(folder, plan)})

    def take_told(self) -> list[tuple[Target, dict[int, int]]]:
        """What is to be written of targets into a plane before its sweeps."""
        taken = self._told.take().items()
        return [(target, values) for id_, values in taken if (target := self.by_id.get(id_))]

    # -- what fails ------------------------------------------------------------------------------------------------

    def failed(self, stage: Stage, file: OpenFile, error: OSError, buffer: memoryview, plane: int) -> bool:
        """A read has failed. Returns whether the target's cgroup turns out to have gone just now.

        A vanished cgroup reads ENODEV (ENOENT where the file is opened anew). Another error (PSI switched off is
        EOPNOTSUPP) costs the file: it is not asked for again, unless only a descriptor was missing.
        """
        if error.errno in (errno.ENODEV, errno.ENOENT):
            return self.gone(file.owner, buffer, plane)
        self._writer.region.words[Word.READ_ERRORS] += 1
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            self._drop(stage, file)
        return False

    def suspend(self, stage: Stage, file: OpenFile) -> None:
        """A thread is stuck in this file: nobody asks for it until that one returns."""
        if stage.remove(file):
            self._suspended.add(file)

    def resume(self, stage: Stage, file: OpenFile) -> None:
        """The thread that was stuck in this file has returned.

        A network's may have been closed meanwhile: its failure would blank the columns of whoever has its place now.
        """
        if file in self._suspended:
            self._suspended.remove(file)
            if stage.transient or file.fd >= 0:
                stage.add(file)


def _stage(plan: FilePlan, keep: Keep | None, *, transient: bool) -> Stage:
    return Stage(plan.first, plan.count, plan.size, plan.parse, os.pread, transient, plan.parse_many, keep)


def _plans(version: int, kind: TargetKind) -> tuple[FilePlan, ...]:
    """The files of a target; of a cgroup around containers only those that are right there."""
    if kind is TargetKind.CONTAINER:
        return compile_plan([row for row in TARGET_ROWS if Level.CONTAINER in row.levels], version)
    return compile_plan([row for row in TARGET_ROWS if version in row.pod_cgroup], version)


def _read_limit(folder: str, plan: FilePlan) -> int:
    try:
        text = _read(f"{folder}/{plan.file}")
        if plan.beside:
            text += b" " + _read(f"{folder}/{plan.beside}")
    except OSError:
        return UNKNOWN
    return plan.parse(text)[0]


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # half of what a file object costs
    try:
        return os.read(fd, 4096)
    finally:
        os.close(fd)
