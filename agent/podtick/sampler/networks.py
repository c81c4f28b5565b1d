"""Reading pods' networks: one open net/dev a network namespace, swept last of all.

A pod that starts again gets a new namespace, whose counters begin at zero. What the namespaces before it counted is
carried, so that no pod counter falls.
"""

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress, repeat
from operator import add, ne

from podtick.history.layout import WORD
from podtick.model.metrics.row import MAX_VALUE, UNKNOWN
from podtick.model.metrics.table import NETWORK_COLUMNS
from podtick.sampler.descriptors import DescriptorBudget, OpenFile
from podtick.sampler.stages import Keep, Stage
from podtick.sources.proc.network import NetworkFile, host_namespace, open_network, read_paged, totals, totals_of_many

READ_BYTES = 4096
FIRST, COUNT = NETWORK_COLUMNS
NOTHING = (0,) * COUNT


@dataclass(slots=True)
class PodNetwork:
    """A pod's network: `file` while it is read, through container `owner`, in the namespace of this inode number.

    `carry`: what namespaces before this one counted; `counted`: what this one had when it was closed.
    """

    file: OpenFile | None = None
    owner: int = 0
    namespace: int = 0
    carry: Sequence[int] = NOTHING
    counted: Sequence[int] = NOTHING


class NetworkStage(Stage):
    """The sweep over namespaces: what a file says, and what is carried for its pod.

    `understood`: the last text of each file that could be. At its end a namespace may have no interface any more.
    """

    carries: dict[OpenFile, Sequence[int]]
    understood: dict[OpenFile, bytes]

    def columns(self, files: Sequence[OpenFile], texts: Sequence[bytes]) -> Sequence[Sequence[int]]:
        """For each column the values of all files."""
        columns: Sequence[Sequence[int]] = totals_of_many(texts) or list(zip(*map(self.parse, texts), strict=True))
        self.understood.update(compress(zip(files, texts, strict=True), map(ne, columns[0], repeat(UNKNOWN))))
        if self.carries:
            carries = map(self.carries.get, files)
            columns = list(zip(*map(_sum, zip(*columns, strict=True), carries), strict=True))
        return columns


class Networks:
    """The networks of all pods, by the pod's target id."""

    def __init__(self, proc: str, budget: DescriptorBudget, keep: Keep) -> None:
        self._proc = proc
        self._budget = budget
        self._host = host_namespace(proc)
        self._pods: dict[int, PodNetwork] = {}
        self._stage = NetworkStage(FIRST, COUNT, READ_BYTES, totals, read=read_paged, keep=keep)
        self._stage.carries, self._stage.understood = {}, {}

    def stages(self) -> list[Stage]:
        """The sweep, where there is anything to read."""
        return [self._stage] if self._stage.files else []

    def restore(self, pod: int, row: Sequence[int]) -> None:
        """An earlier sampler's last columns of a pod: its counters go on from there."""
        if max(row) <= MAX_VALUE:
            self._pods[pod] = PodNetwork(carry=tuple(row), namespace=-1)

    def open(self, pod: int, offset: int, owner: int, pid: int, container: str) -> str:
        """Read a pod's network through this process of container `container` (ID).

        `offset` is where the pod's row begins in a plane. Returns what the network turns out to be: `own`; `host`, the
        node's; `shared`, another pod's; the last two are nothing to be read. Raises `OSError`, or `WrongProcessError`.
        """
        if not self._budget.may_exceed():
            raise OSError(errno.EMFILE, "the limit of open files is too low for it")
        found = open_network(self._proc, pid, container)
        taken = {each.namespace for each in self._pods.values() if each.file}
        if found.namespace == self._host or found.namespace in taken:
            os.close(found.fd)
            return "host" if found.namespace == self._host else "shared"
        network = self._pods.setdefault(pod, PodNetwork())
        now = _counted(found)
        network.carry, network.counted = _carry(network, found, now), now
        network.owner, network.namespace = owner, found.namespace
        network.file = file = OpenFile(found.fd, "", offset + FIRST * WORD, owner, None)
        if any(network.carry):
            self._stage.carries[file] = network.carry
        self._stage.add(file)
        self._budget.open += 1
        return "own"

    def close(self, pod: int, through: int | None = None) -> dict[int, int]:
        """Stop reading a pod's network (only if it is read through container `through`, where that is given).

        Returns the columns that are unknown from now on.
        """
        network = self._pods.get(pod)
        if network is None or network.file is None or through not in (None, network.owner):
            return {}
        file, network.file = network.file, None
        text = self._stage.understood.pop(file, None)
        network.counted = network.counted if text is None else totals(text)
        self._stage.carries.pop(file, None)
        self._stage.remove(file)  # where no thread is stuck in it
        self._stage.forget(file)
        self._budget.open -= file.fd >= 0  # a read that failed has closed it
        file.close()
        return dict.fromkeys(range(FIRST, FIRST + COUNT), UNKNOWN)

    def total(self, pod: int) -> Sequence[int] | None:
        """What a pod's namespaces have counted up to the last `close`; `None` for a pod never read."""
        network = self._pods.get(pod)
        return None if network is None else _sum(network.counted, network.carry)

    def forget(self, pod: int) -> None:
        """A pod is no more."""
        self.close(pod)
        self._pods.pop(pod, None)


def _counted(found: NetworkFile) -> Sequence[int]:
    """What a namespace has counted already when it is opened, as far as that is known."""
    try:
        now = totals(read_paged(found.fd, READ_BYTES))
    except OSError:
        return NOTHING
    return now if max(now) <= MAX_VALUE else NOTHING


def _carry(network: PodNetwork, found: NetworkFile, now: Sequence[int]) -> Sequence[int]:
    """What is to be added to a namespace's counters that has just been opened and has counted `now`.

    The namespace that was read before may only have lost the process through which it was read: then its inode number
    is the same and its counters have not fallen. (The number alone proves nothing, numbers are given again.) After
    another sampler's death (`namespace` -1) there is only the pod's last total to go by: the counters go on from it.
    """
    if network.namespace == -1:
        return tuple(max(0, before - value) for before, value in zip(network.carry, now, strict=True))
    same = network.namespace == found.namespace and all(map(int.__ge__, now, network.counted))
    return network.carry if same else tuple(map(add, network.carry, network.counted))


def _sum(counted: Sequence[int], carry: Sequence[int] | None) -> Sequence[int]:
    if carry is None or max(counted) > MAX_VALUE:
        return counted
    return [min(value, MAX_VALUE) for value in map(add, counted, carry)]
