"""Label strings of targets, made once per version of the roster."""

from collections.abc import Collection
from dataclasses import dataclass

from podtick.model.metrics.row import Level
from podtick.serve.exposition.format import label_pair
from podtick.serve.exposition.info import INFO, info_labels
from podtick.serve.interfaces import Roster, Target


@dataclass(frozen=True, slots=True)
class Labelled:
    """A target's slot, its first tick, its namespace, and its labels as they stand between name and value: `{...} `.

    `info`: the labels of its info metric, in the same form; empty where it has none.
    """

    slot: int
    first: int
    namespace: str
    text: str
    info: str


def labels_of(target: Target) -> str:
    """Such as `{namespace="shop",pod="cart-1",uid="...",container="app"} `; that of all pods has none."""
    if target.level is Level.KUBEPODS:
        return " "
    if target.level is Level.QOS:
        return f"{{{label_pair('qos_class', target.facts['qos_class'])}}} "
    pairs = [("namespace", target.namespace), ("pod", target.pod), ("uid", target.uid)]
    if target.container is not None:
        pairs.append(("container", target.container))
    return "{" + ",".join(label_pair(name, value) for name, value in pairs) + "} "


class LabelCache:
    """The labels of every target, kept until the roster's version changes."""

    def __init__(self, roster: Roster, node: str) -> None:
        """`node`: the node's name."""
        self._roster = roster
        self._node = node
        self._version: int | None = None
        self._labelled: dict[Level, list[Labelled]] = {}

    def at(self, level: Level, number: int, namespaces: Collection[str] | None = None) -> list[Labelled]:
        """The targets of a level, or those in some namespaces, that have a row in tick `number`.

        At an earlier tick than its first, a target's slot may have been another's.
        """
        version = self._roster.version
        if version != self._version:
            self._labelled = {}
            self._version = version
        if level not in self._labelled:
            self._labelled[level] = [self._of(target) for target in self._roster.targets(level)]
        return [
            one
            for one in self._labelled[level]
            if one.first <= number and (namespaces is None or one.namespace in namespaces)
        ]

    def _of(self, target: Target) -> Labelled:
        labels = labels_of(target)
        info = info_labels(target.level, labels, self._node, target.facts) if target.level in INFO else ""
        return Labelled(target.slot, target.first, target.namespace, labels, info)
