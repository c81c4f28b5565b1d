"""Reading pods' networks: one open net/dev a network namespace, swept last of all."""

import os
from dataclasses import dataclass

from podtick.history.layout import WORD
from podtick.model.metrics.row import UNKNOWN
from podtick.model.metrics.table import NETWORK_COLUMNS
from podtick.sampler.descriptors import DescriptorBudget, OpenFile
from podtick.sampler.stages import Stage
from podtick.sources.proc.network import host_namespace, open_network, read_paged, totals

READ_BYTES = 32768
FIRST, COUNT = NETWORK_COLUMNS


@dataclass(frozen=True, slots=True)
class OpenNetwork:
    """A pod's network: `owner` is the container through whose process it is read, `namespace` its inode number."""

    file: OpenFile
    owner: int
    namespace: int


class Networks:
    """The networks of all pods, by the pod's target id."""

    def __init__(self, proc: str, budget: DescriptorBudget) -> None:
        self._proc = proc
        self._budget = budget
        self._host = host_namespace(proc)
        self._open: dict[int, OpenNetwork] = {}
        self._stage = Stage(FIRST, COUNT, READ_BYTES, totals, read=read_paged)

    def stages(self) -> list[Stage]:
        """The sweep, where there is anything to read."""
        return [self._stage] if self._stage.files else []

    def open(self, pod: int, offset: int, owner: int, pid: int, container: str) -> str:
        """Read a pod's network through this process of container `container` (ID).

        `offset` is where the pod's row begins in a plane. Returns what the network turns out to be: `own`; `host`, the
        node's; `shared`, another pod's; the last two are nothing to be read. Raises `OSError`, or `WrongProcessError`.
        """
        found = open_network(self._proc, pid, container)
        taken = {each.namespace for each in self._open.values()}
        if found.namespace == self._host or found.namespace in taken:
            os.close(found.fd)
            return "host" if found.namespace == self._host else "shared"
        file = OpenFile(found.fd, "", offset + FIRST * WORD, owner, None)
        self._stage.files.append(file)
        self._budget.open += 1
        self._open[pod] = OpenNetwork(file, owner, found.namespace)
        return "own"

    def close(self, pod: int, through: int | None = None) -> dict[int, int]:
        """Stop reading a pod's network (only if it is read through container `through`, where that is given).

        Returns the columns that are unknown from now on.
        """
        network = self._open.get(pod)
        if network is None or through not in (None, network.owner):
            return {}
        del self._open[pod]
        if network.file in self._stage.files:  # not where a thread is stuck in it
            self._stage.files.remove(network.file)
        network.file.close()
        self._budget.open -= 1
        return dict.fromkeys(range(FIRST, FIRST + COUNT), UNKNOWN)
