"""`podtick_pod_info`, `podtick_container_info`: 1, and what is known of a target besides numbers, as labels.

To be joined with other series by `uid` and `container`. A label whose value is not known is not there.
"""

from collections.abc import Mapping

from podtick.model.metrics.row import Kind, Level, Metric, Unit
from podtick.serve.exposition.format import label_pair

POD_LABELS: Mapping[str, str] = {
    "node": "the node's name",
    "owner_kind": "what made the pod, such as Deployment, StatefulSet, DaemonSet or Job",
    "owner_name": "its name",
    "qos": "class of service: Guaranteed, Burstable or BestEffort",
    "phase": "Pending, Running, Succeeded or Failed",
    "host_network": "`true` where the pod has the node's network and none of its own",
    "runtime_class": "the name of its RuntimeClass",
}
CONTAINER_LABELS: Mapping[str, str] = {
    "node": "the node's name",
    "image": "the image's name",
    "container_id": "the full ID of the container that runs now",
}
CHOSEN = ("label_", "annotation_")
"""Beginnings of the labels that say what `--pod-labels` and `--pod-annotations` chose."""
INFO: Mapping[Level, tuple[Metric, Mapping[str, str]]] = {
    Level.POD: (
        Metric("info", Kind.GAUGE, Unit.COUNT, "1, and what is known of the pod besides numbers.", (Level.POD,)),
        POD_LABELS,
    ),
    Level.CONTAINER: (
        Metric(
            "info", Kind.GAUGE, Unit.COUNT, "1, and what is known of the container besides numbers.", (Level.CONTAINER,)
        ),
        CONTAINER_LABELS,
    ),
}


def info_labels(level: Level, labels: str, node: str, facts: Mapping[str, str]) -> str:
    """A target's labels, as they stand between name and value, and then those of what is known of it."""
    known = {"node": node, **facts}
    chosen = (name for name in known if name.startswith(CHOSEN))
    pairs = (label_pair(name, known[name]) for name in (*INFO[level][1], *chosen) if name in known)
    return f"{labels[:-2]},{','.join(pairs)}}} "
