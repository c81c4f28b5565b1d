"""Who is and was: the pods and containers that the history's table remembers, by name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from podtick.history.records import TargetKind, TargetRecord, TargetState
from podtick.model.identity import Identity
from podtick.serve.interfaces import Hour

_NOBODY = Identity("", "", "")
_DECODER = msgspec.json.Decoder(Identity)


class NotHereError(LookupError):
    """Nobody of that name; the message says where it was looked for and what there is."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A pod or a container with its name of now.

    `records` are its lives in the history, ascending: a container that its pod made anew has several.
    """

    identity: Identity
    records: tuple[TargetRecord, ...]

    @property
    def live(self) -> bool:
        """Whether it is still there."""
        return bool(self.records) and self.records[-1].state is TargetState.LIVE

    @property
    def born(self) -> tuple[int, int]:
        """Sorts the newest one last."""
        return self.records[-1].first, self.records[-1].id

    def last(self, latest: int) -> int:
        """The number of its last tick, `latest` being the newest one there is."""
        return latest if self.live or not self.records else min(self.records[-1].last, latest)

    def lived(self, first: int, last: int) -> bool:
        """Whether it was read at any tick from `first` to `last`."""
        return any(record.first <= last and (not record.last or record.last >= first) for record in self.records)


@dataclass(frozen=True, slots=True)
class PodSubject:
    """A pod and its containers, by name."""

    pod: Subject
    containers: tuple[Subject, ...]


class Directory:
    """The table at one moment, when `latest` was the newest tick. `node` is the node's name, for messages."""

    def __init__(self, hour: Hour, node: str) -> None:
        self._node_name = node
        self.latest = hour.latest_number()  # first: who was there at this tick is in the table by now
        records = sorted(hour.targets(), key=lambda record: (record.first, record.id))
        self.node = Subject(_NOBODY, tuple(record for record in records if record.kind is TargetKind.NODE))
        around = [record for record in records if record.kind is TargetKind.QOS]
        self.around_pods = {_qos_class(record): record for record in around}
        """The cgroups around pods, by class of service; that of all pods under an empty one."""
        pods: dict[tuple[str, str], list[tuple[Identity, TargetRecord]]] = {}
        containers: dict[tuple[str, str], dict[str, list[tuple[Identity, TargetRecord]]]] = {}
        oldest = hour.oldest_number()
        for record in records:
            identity = _identity(record)
            if identity is None or (record.state is TargetState.DEPARTED and record.last < max(record.first, oldest)):
                continue  # of nobody, or of one who has left no reading
            key = (identity.namespace, identity.uid)
            if record.kind is TargetKind.POD:
                pods.setdefault(key, []).append((identity, record))
            elif identity.container is not None:
                containers.setdefault(key, {}).setdefault(identity.container, []).append((identity, record))
        self._pods = [
            PodSubject(_subject(lives), tuple(_subject(some) for _, some in sorted(containers.get(key, {}).items())))
            for key, lives in pods.items()
        ]

    def pods(self, namespaces: Iterable[str] | None = None) -> list[PodSubject]:
        """All pods, or those of some namespaces, by name; departed ones too."""
        wanted = None if namespaces is None else set(namespaces)
        chosen = [one for one in self._pods if wanted is None or one.pod.identity.namespace in wanted]
        return sorted(chosen, key=lambda one: (one.pod.identity.namespace, one.pod.identity.pod, one.pod.born))

    def pod(self, namespace: str, name: str, uid: str | None) -> tuple[PodSubject, Sequence[Subject]]:
        """The newest pod of a name, or the one with this uid, and the others of that name, newest first.

        Raises `NotHereError`.
        """
        named = [one for one in self._pods if (one.pod.identity.namespace, one.pod.identity.pod) == (namespace, name)]
        named.sort(key=lambda one: one.pod.born, reverse=True)
        wanted = named if uid is None else [one for one in named if one.pod.identity.uid == uid]
        if not wanted:
            raise NotHereError(self._no_pod(namespace, name, uid, named))
        return wanted[0], [one.pod for one in named if one is not wanted[0]]

    def container(self, pod: PodSubject, name: str) -> Subject:
        """A container of a pod. Raises `NotHereError`."""
        found = next((one for one in pod.containers if one.identity.container == name), None)
        if found is None:
            there = ", ".join(repr(one.identity.container) for one in pod.containers[:20]) or "none"
            raise NotHereError(
                f"pod {pod.pod.identity.pod!r} (uid {pod.pod.identity.uid}) on node {self._node_name} has no container "
                f"{_shown(name)}: it has {there}"
            )
        return found

    def _no_pod(self, namespace: str, name: str, uid: str | None, named: Sequence[PodSubject]) -> str:
        where = f"on node {self._node_name}, now or as far back as its history reaches"
        if named:
            uids = ", ".join(one.pod.identity.uid for one in named[:20])
            return f"pod {name!r} in namespace {namespace!r} has no uid {_shown(uid or '')} {where}: it has {uids}"
        known = f"no pod {_shown(name)} in namespace {_shown(namespace)} {where}"
        return f"there is {known}: this agent sees its own node only, the pod may run on another one"


def _subject(lives: Sequence[tuple[Identity, TargetRecord]]) -> Subject:
    return Subject(lives[-1][0], tuple(record for _, record in lives))


def _identity(record: TargetRecord) -> Identity | None:
    """Who a record is about; `None` for the node, and for a name too long for the table."""
    try:
        return _DECODER.decode(record.identity)
    except msgspec.DecodeError:  # a ValidationError is one too
        return None


def _qos_class(record: TargetRecord) -> str:
    """The class of service whose cgroup a record is about; empty for that of all pods."""
    return msgspec.json.decode(record.identity, type=dict[str, str]).get("qos_class", "")


def _shown(name: str) -> str:
    return repr(name if len(name) <= 253 else name[:253] + "...")
