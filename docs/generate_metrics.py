"""Writes docs/metrics.md from the metric table; `make golden` runs it, a test says when it is out of date."""

from collections.abc import Iterable, Iterator, Mapping

from docs.generate_cadvisor import section
from podtick.model.metrics.row import Kind, Level, Metric, PodValue
from podtick.model.metrics.table import NODE_ROWS, TARGET_ROWS, rows_at
from podtick.serve.exposition.agent import SELF_ROWS, AgentMetrics
from podtick.serve.exposition.info import INFO
from podtick.serve.interfaces import SourceHealth, SourceState

HEAD = """\
# Metrics

Generated from the metric table (`agent/podtick/model/metrics/`) by `make golden`: change the table, not this page.

A metric's full name is `podtick_LEVEL_` and the name below, such as `podtick_pod_cpu_usage_seconds_total`. Series of a
pod carry `namespace`, `pod` and `uid`; those of a container also `container`. On plain Docker `namespace` is `_docker`,
`pod` and `container` are names of containers, and `uid` is the full ID of the container whose network the pod has.
`podtick_container_state` has the label `state` besides. Series of a class of service (`podtick_qos_...`) carry
`qos_class`, those of all pods together (`podtick_kubepods_...`) no label.

What could not be read has no series, never the value 0; where there is no limit, a limit has no series either.

## How many series

{counts}

These are upper bounds: a series is there only where the kernel has the number. `?level=` and `?metric=` (or
`--levels` and `--metrics`) choose; see [api.md](api.md).

A node with so many pods has, in series and in samples a second where it is scraped every {interval} s:

{loads}

The node counts with one disk and one interface. The agent's own health comes on top, some 60 series whatever runs.

## Containers and pods

A source is `file:key` of the cgroup's directory, `net/dev` stands for `/proc/PID/net/dev` of one process of the pod.
The last column says how a pod's value is made: *cgroup* is the kernel's number of the pod's own cgroup, which there is
in Kubernetes and not on plain Docker. A sum of counters is accumulated: what departed containers had counted stays in
it, so that it never falls.

{targets}

## Classes of service, and all pods

A kubelet puts its pods into cgroups by their class of service. podtick serves the kernel's numbers of these:
`podtick_qos_...{{qos_class="Burstable"}}` and `podtick_qos_...{{qos_class="BestEffort"}}`, and `podtick_kubepods_...`
of the cgroup `kubepods`, in which all pods are.

**Guaranteed pods have no cgroup of their class**: they lie in `kubepods` beside the two others, and there is no series
of them together. So the classes do not add up to the whole; `podtick_kubepods_...` is the whole.

- Every number is the cgroup's own. Where the table does not say *cgroup*, as of disks on cgroup v1, there is none.
- Pods that are gone stay in the counters, which begin anew only when the cgroup is made anew.
- All pods count, those too whose namespace `--namespaces` leaves out.
- `podtick_kubepods_spec_memory_limit_bytes` is what the kubelet allows all pods together: the node's allocatable
  memory, and what it holds back for hard eviction.
- Where these cgroups are is told by the pods': a node without a kubelet has none. Where several kubelets have pods on
  one node, as with kind, it is the outermost one's, and of two equally far out neither's.

## Who they are

`podtick_pod_info` and `podtick_container_info` are 1 and carry the labels of any other series of theirs and these; one
that is not known is not there. Join them by `uid` (and `container`), such as
`podtick_pod_memory_working_set_bytes * on (uid) group_left (owner_kind, owner_name) podtick_pod_info`.

{info}

## The node

A source is `file:key` below `/proc`. Per device there is one series for each disk (no partitions, no loop devices, no
RAM disks) or interface (none that belongs to a container), with the label `device`.

{node}

## Under cAdvisor's names

{cadvisor}

## The agent itself

{agent}
"""

PODS = (30, 110, 250)
"""Pods of a small node, of one at the kubelet's default limit, and of a large one."""
INTERVAL_SECONDS = 15
"""Between two scrapes: what many collectors do unless told otherwise."""

_POD_VALUES: Mapping[PodValue, str] = {
    PodValue.SUM: "sum of its containers",
    PodValue.SUM_OF_LIMITS: "sum of its containers, none as soon as one has none",
    PodValue.LONE: "its container's, while it has just one",
    PodValue.OWN: "the pod's own",
}


def render() -> str:
    """The whole page."""
    return HEAD.format(
        counts=_counts(),
        interval=INTERVAL_SECONDS,
        loads=_loads(),
        targets=_targets(),
        info=_info(),
        node=_node(),
        agent=_agent(),
        cadvisor=section(),
    )


def all_families() -> set[str]:
    """The full name of every metric there is."""
    own = AgentMetrics(_AllKnown(), _OneSource()).described()
    rows = {row.family(level) for level in Level for row in rows_at(level)}
    return rows | {row.family(level) for level, (row, _) in INFO.items()} | {name for name, _, _ in own}


def _counts() -> str:
    node, disk, interface = _of_a_node()
    lines = [
        ("a pod", f"{_of_one(Level.POD)}"),
        ("a class of service that has a cgroup (two have), and all pods", f"{_around_pods()} each"),
        ("a container", f"{_of_one(Level.CONTAINER)}"),
        ("a node", f"{node}, {disk} a disk and {interface} an interface"),
    ]
    return _table(("", "series"), lines)


def _loads() -> str:
    """What a collector gets of a node, by the number of its pods."""
    pod, container, node = _of_one(Level.POD), _of_one(Level.CONTAINER), sum(_of_a_node())
    around = 3 * _around_pods()
    each = ((pod, node), (pod + container, node + around), (pod + 2 * container, node + around))
    lines = ([f"{pods}", *(_load(pods * series + more) for series, more in each)] for pods in PODS)
    return _table(("pods", "`level=pod,node`", "all levels, one container a pod", "two containers a pod"), lines)


def _load(series: int) -> str:
    return f"{series:,} ({round(series / INTERVAL_SECONDS):,}/s)"


def _of_one(level: Level) -> int:
    """Series of one pod or container, with its info."""
    return len(rows_at(level)) + 1


def _around_pods() -> int:
    """Series of one cgroup around pods: of a class of service, or of all pods."""
    return len(rows_at(Level.QOS))


def _of_a_node() -> tuple[int, int, int]:
    """Series of a node itself, of each of its disks and of each of its interfaces."""
    node = [row for row in rows_at(Level.NODE) if row.per is None]
    per_disk = [row for row in NODE_ROWS if (row.v2 or "").startswith("diskstats:")]
    per_interface = [row for row in NODE_ROWS if (row.v2 or "").startswith("net/dev:")]
    return len(node), len(per_disk), len(per_interface)


def _targets() -> str:
    return _table(
        ("name", "at", "type", "unit", "what it is", "cgroup v1", "cgroup v2", "a pod's value"),
        (
            (
                f"`{row.name}`",
                ", ".join(row.levels),
                row.kind,
                row.unit.value[0] or "-",
                row.help,
                _source(row, row.v1),
                _source(row, row.v2),
                _pod_value(row) if Level.POD in row.levels else "-",
            )
            for row in TARGET_ROWS
        ),
    )


def _info() -> str:
    return _table(
        ("label", "of", "what it is"),
        (
            (f"`{label}`", f"`{row.family(level)}`", text)
            for level, (row, labels) in INFO.items()
            for label, text in labels.items()
        ),
    )


def _node() -> str:
    return _table(
        ("name", "type", "unit", "what it is", "source"),
        (
            (
                f"`{row.name}`" + "".join(f" `{name}={value}`" for name, value in row.labels) + _per(row),
                row.kind,
                row.unit.value[0] or "-",
                row.help,
                f"`{row.v2}`",
            )
            for row in NODE_ROWS
        ),
    )


def _agent() -> str:
    return _table(
        ("name", "type", "what it is"),
        ((f"`{name}`", kind, text) for name, kind, text in sorted(AgentMetrics(_AllKnown(), _OneSource()).described())),
    )


def _source(row: Metric, source: str | None) -> str:
    if row.told:
        return "told by the engine or the API server"
    if row.minus is not None:
        return f"`{row.minus[0]}` less `{row.minus[1]}`"
    return f"`{source}`" if source else "-"


def _pod_value(row: Metric) -> str:
    if row.minus is not None:
        return "from the pod's values"
    made = _POD_VALUES[row.pod]
    if row.pod is PodValue.SUM and row.kind is Kind.COUNTER:
        made += ", accumulated"
    if row.told or row.pod is PodValue.OWN or not row.pod_cgroup:
        return made
    where = "cgroup" if len(row.pod_cgroup) == 2 else f"cgroup on v{row.pod_cgroup[0]}"
    return f"{where}; else {made}"


def _per(row: Metric) -> str:
    return f", per {row.per}" if row.per else ""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)

    def lines() -> Iterator[str]:
        yield _line(head)
        yield _line("---" for _ in head)
        for row in rows:
            yield _line(row)

    return "\n".join(lines())


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


class _AllKnown:
    def values(self) -> Mapping[str, float]:
        return {row.name: 0.0 for row in SELF_ROWS}


class _OneSource:
    def ticked(self) -> bool:
        return True

    def tick_age(self) -> float:
        return 0.0

    def sources(self) -> list[SourceHealth]:
        return [SourceHealth("docker", SourceState.LISTED, "")]
