"""A node's pods as the roster needs them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from podtick.sources.kube import wire
from podtick.sources.kube.quantities import quantity

NANOS = 10**9
MIRROR = "kubernetes.io/config.mirror"
"""The annotation of a static pod's mirror: what its node calls it instead of its UID."""
TEMPLATE_HASH = "pod-template-hash"
"""The label by which a Deployment tells its ReplicaSets apart."""
CHOSEN = ("label_", "annotation_")
"""How the names of those facts begin that are labels and annotations."""
_ID = re.compile(r"[a-z][a-z0-9.+-]*://([0-9a-f]{64})")
_FOREIGN = re.compile(r"[^a-zA-Z0-9_]")
_HASH = re.compile(r"[0-9a-zA-Z]{1,64}")


@dataclass(frozen=True, slots=True)
class Kept:
    """The names of the labels and annotations that are kept of a pod: of all others nothing is."""

    labels: frozenset[str] = frozenset()
    annotations: frozenset[str] = frozenset()


NOTHING = Kept()


@dataclass(frozen=True, slots=True)
class Container:
    """A container as it is wanted and, `id` and what follows it, as its node says that it is; `None`: not said.

    Requests are in billionths of a core and in bytes; `started` in unix ns, while it runs.
    """

    name: str
    image: str | None = None
    cpu_request: int | None = None
    memory_request: int | None = None
    id: str | None = None
    restarts: int | None = None
    started: int | None = None


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod. `node_uid` is what its node calls it in labels and cgroups: of a static pod its configuration's hash.

    `containers`: the names of its containers by their full IDs: init and ephemeral ones too, and the former run of one
    that was restarted. `details`: each by its name. `facts`: what is worth a label: `owner_kind`, `owner_name`, `qos`,
    `phase`, `host_network`, `runtime_class`, as far as they are known, and `label_...`, `annotation_...`, with `_` for
    what cannot stand in the name of a series' label, as kube-state-metrics has them. Requests: the whole pod's, or the
    sums of those of its containers that run on; `started` in unix ns.
    """

    namespace: str
    name: str
    uid: str
    node_uid: str
    containers: Mapping[str, str] = field(default_factory=dict, hash=False)
    details: Mapping[str, Container] = field(default_factory=dict, hash=False)
    facts: Mapping[str, str] = field(default_factory=dict, hash=False)
    cpu_request: int | None = None
    memory_request: int | None = None
    started: int | None = None


def pod_of(found: wire.Pod, kept: Kept = NOTHING) -> Pod:
    """The pod that the API describes."""
    metadata, spec, status = found.metadata, found.spec or wire.PodSpec(), found.status or wire.PodStatus()
    mirror = (metadata.annotations or {}).get(MIRROR)
    # Anybody who may make a pod may write annotations: what could be another pod's UID, with its dashes, is no hash.
    static = mirror if mirror and _HASH.fullmatch(mirror) else None
    told = {each.name: each for each in _statuses(status)}
    details = {each.name: _container(each, told.get(each.name)) for each in _wanted(spec)}
    return Pod(
        metadata.namespace,
        metadata.name,
        metadata.uid,
        static or metadata.uid,
        dict(_ids(status)),
        details,
        _facts(metadata, spec, status) | dict(_chosen(metadata, kept)),
        _request(spec, "cpu", NANOS),
        _request(spec, "memory"),
        _nanos(status.start_time),
    )


def _facts(metadata: wire.Metadata, spec: wire.PodSpec, status: wire.PodStatus) -> dict[str, str]:
    facts = {
        "qos": status.qos_class,
        "phase": status.phase,
        "host_network": "true" if spec.host_network else None,
        "runtime_class": spec.runtime_class_name,
    }
    return _owner(metadata) | {key: value for key, value in facts.items() if value}


def _chosen(metadata: wire.Metadata, kept: Kept) -> Iterator[tuple[str, str]]:
    told = ((metadata.labels, kept.labels), (metadata.annotations, kept.annotations))
    for begin, (found, names) in zip(CHOSEN, told, strict=True):
        for name in sorted(names & (found or {}).keys(), reverse=True):  # of two that come to the same the first
            yield begin + _FOREIGN.sub("_", name), (found or {})[name]


def _owner(metadata: wire.Metadata) -> dict[str, str]:
    """Who made the pod; of a ReplicaSet the Deployment that made it, which its name and the pod's hash tell."""
    owner = controller_of(metadata.owner_references)
    ending = f"-{(metadata.labels or {}).get(TEMPLATE_HASH, '')}"
    if owner.get("owner_kind") == "ReplicaSet" and ending != "-" and owner["owner_name"].endswith(ending):
        return {"owner_kind": "Deployment", "owner_name": owner["owner_name"].removesuffix(ending)}
    return owner


def controller_of(references: Sequence[wire.OwnerReference] | None) -> dict[str, str]:
    """The facts of whoever made an object; none where nobody did."""
    found = next((each for each in references or () if each.controller), None)
    return {"owner_kind": found.kind, "owner_name": found.name} if found else {}


def _container(wanted: wire.Container, told: wire.ContainerStatus | None) -> Container:
    running = told.state.running if told and told.state else None
    found = _ID.fullmatch(told.container_id or "") if told else None
    return Container(
        wanted.name,
        wanted.image,
        _of_resources(wanted.resources, "cpu", NANOS),
        _of_resources(wanted.resources, "memory"),
        found[1] if found else None,
        told.restart_count if told else None,
        _nanos(running.started_at) if running else None,
    )


def _wanted(spec: wire.PodSpec) -> Iterator[wire.Container]:
    for containers in (spec.init_containers, spec.containers, spec.ephemeral_containers):
        yield from containers or ()


def _request(spec: wire.PodSpec, what: str, parts: int = 1) -> int | None:
    """What the pod as a whole asks for, else the sum of what its containers do; `None` where none does."""
    whole = _of_resources(spec.resources, what, parts)
    if whole is not None:
        return whole
    sidecars = [each for each in spec.init_containers or () if each.restart_policy == "Always"]
    asked = [_of_resources(each.resources, what, parts) for each in (*(spec.containers or ()), *sidecars)]
    known = [each for each in asked if each is not None]
    return sum(known) if known else None


def _of_resources(resources: wire.Resources | None, what: str, parts: int = 1) -> int | None:
    asked = (resources.requests or {}).get(what) if resources else None
    return None if asked is None else quantity(str(asked), parts)


def _nanos(moment: datetime | None) -> int | None:
    """Unix ns; the API tells whole seconds."""
    return None if moment is None or moment.tzinfo is None else int(moment.timestamp()) * NANOS


def _statuses(status: wire.PodStatus) -> Iterator[wire.ContainerStatus]:
    for statuses in (
        status.init_container_statuses,
        status.container_statuses,
        status.ephemeral_container_statuses,
    ):
        yield from statuses or ()


def _ids(status: wire.PodStatus) -> Iterator[tuple[str, str]]:
    for each in _statuses(status):
        former = each.last_state.terminated if each.last_state else None
        for text in (each.container_id, former.container_id if former else None):
            if found := _ID.fullmatch(text or ""):
                yield found[1], each.name
