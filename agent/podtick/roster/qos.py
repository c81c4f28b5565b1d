"""The cgroups around a kubelet's pods: those of the classes of service that have one, and that of all pods.

Where they lie is told by the pods' own cgroups, so that nothing is looked for on a node without a kubelet. Once found
they are followed for good: one that has gone is looked for after each tick, until it is made anew.
"""

import errno
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from podtick.history.records import TargetKind
from podtick.model.metrics.row import Level
from podtick.roster.members import NOBODY, RosterTarget
from podtick.sampler.protocol import Answer, Attach, Command
from podtick.sources.cgroup.kubepods import QOS_CGROUPS, QosClass, kubepods_folder, qos_folder

log = logging.getLogger(__name__)
Folders = Mapping[str, str]
"""Folders by controller."""
NONE: Folders = {}
_GONE = (os.strerror(errno.ENOENT), os.strerror(errno.ENODEV))
"""What opening a file of a cgroup that has gone, or is just going, says."""


@dataclass(slots=True)
class PodsCgroup:
    """A cgroup in which pods are: those of a class, or with `qos_class` `None` all. `slot`, `first`: as a member's."""

    qos_class: QosClass | None
    attach: Attach
    slot: int | None = None
    first: int = 0


class QosCgroups:
    """Follows them. `take_id` gives an ID that no target has had, `send` passes a command on to the sampler."""

    def __init__(self, take_id: Callable[[], int], send: Callable[[Command], None]) -> None:
        self._take_id = take_id
        self._send = send
        self._around: dict[int, Folders] = {}  # the cgroup of all pods, as each pod's own tells it, by the pod's ID
        self._kubepods: Folders = NONE
        self._version = 0
        self._news = False
        self._cgroups: dict[int, PodsCgroup] = {}  # by ID, inner ones first: what is around them is read after them

    # -- what the roster says --------------------------------------------------------------------------------------

    def found(self, pod: int, version: int, paths: Folders) -> None:
        """The folders of a pod's own cgroup, by controller."""
        around = {controller: folder for controller, path in paths.items() if (folder := kubepods_folder(path))}
        if around and around != self._around.get(pod):
            self._around[pod], self._version, self._news = around, version, True

    def ended(self, pod: int) -> None:
        """A pod is no more, or its own cgroup is not. After the last one its kubelet may still be there."""
        self._news |= self._around.pop(pod, None) is not None

    def targets(self, level: Level) -> list[RosterTarget]:
        """Those of a level that have a place in the history."""
        return [
            RosterTarget(each.slot, each.first, level, NOBODY, {"qos_class": each.qos_class} if each.qos_class else {})
            for each in self._cgroups.values()
            if each.slot is not None and level is (Level.QOS if each.qos_class else Level.KUBEPODS)
        ]

    def replay(self) -> list[Attach]:
        """What a new sampler has to know."""
        return [each.attach for each in self._cgroups.values() if each.attach.run]

    # -- what the sampler says -------------------------------------------------------------------------------------

    def answered(self, answer: Answer) -> bool:
        """Take in what the sampler says of one of them; whether it was of one."""
        cgroup = self._cgroups.get(answer.id)
        if cgroup is None:
            return False
        match answer.kind:
            case "attached":
                slot, first, problem = (*answer.text.split(" ", 2), "")[:3]
                cgroup.slot, cgroup.first = int(slot), int(first)
                if problem.endswith(_GONE):  # since it was found
                    self._lose(cgroup)
            case "gone" if answer.text == str(cgroup.attach.run):
                self._lose(cgroup)
            case "full":
                log.error("no room for a target target=%s reason=%s", cgroup.qos_class or "kubepods", answer.text)
        return True

    def _lose(self, cgroup: PodsCgroup) -> None:
        cgroup.attach = replace(cgroup.attach, version=0, paths=NONE)

    def ticked(self) -> None:
        """Have what is new read. Asks the kernel only for those that are not read."""
        if self._news:
            self._news = False
            self._kubepods = outermost(self._around.values()) if self._around else self._kubepods
            if self._kubepods and not self._cgroups:
                self._begin()
        changed = [each for each in self._cgroups.values() if self._look(each)]
        if changed:
            for cgroup in (each for each in self._cgroups.values() if each.attach.paths or each in changed):
                cgroup.attach = replace(cgroup.attach, run=cgroup.attach.run + 1)
                self._send(cgroup.attach)

    def _begin(self) -> None:
        for qos_class in (*QOS_CGROUPS, None):
            id_ = self._take_id()
            identity = f'{{"qos_class": "{qos_class}"}}' if qos_class else "{}"
            self._cgroups[id_] = PodsCgroup(qos_class, Attach(id_, TargetKind.QOS, identity=identity))

    def _look(self, cgroup: PodsCgroup) -> bool:
        """Whether a cgroup is another one than was read, or not there any more: it is taken up, or given up.

        Between two kubelets' cgroups lies a second without any: nobody takes the difference of theirs for a rate.
        """
        qos, there, read = cgroup.qos_class, self._kubepods, cgroup.attach.paths
        folders = {name: qos_folder(folder, qos) for name, folder in there.items()} if qos else there
        if folders == read:
            return False
        another = bool(read) and not folders.items() & read.items()
        if another or not all(os.path.exists(f"{folder}/cgroup.procs") for folder in folders.values()):
            folders = NONE  # not yet in every hierarchy in which pods are
        if folders == read:
            return False
        cgroup.attach = replace(cgroup.attach, version=self._version if folders else 0, paths=folders)
        return True


def outermost(found: Iterable[Folders]) -> Folders:
    """The cgroup of all pods of the kubelet that is nearest to the root; nothing where there are two of them.

    A node may have more kubelets below its own: kind's, a demo's. What has a folder in common is one: not every pod is
    in every hierarchy.
    """
    kubelets: list[dict[str, str]] = []
    for folders in sorted(found, key=len, reverse=True):
        one = next((each for each in kubelets if each.items() & folders.items()), None)
        if one is None:
            kubelets.append(dict(folders))
        else:
            one.update(folders)
    depths = [min(folder.count("/") for folder in folders.values()) for folders in kubelets]
    nearest = [folders for folders, depth in zip(kubelets, depths, strict=True) if depth == min(depths)]
    return nearest[0] if len(nearest) == 1 else NONE
