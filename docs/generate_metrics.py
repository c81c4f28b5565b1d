"""Writes docs/metrics.md from the metric table; `make golden` runs it, a test says when it is out of date."""

from collections.abc import Iterable, Iterator, Mapping

from podtick.model.metrics.row import Kind, Level, Metric, PodValue
from podtick.model.metrics.table import NODE_ROWS, TARGET_ROWS, rows_at
from podtick.serve.exposition.agent import SELF_ROWS, AgentMetrics
from podtick.serve.interfaces import SourceHealth, SourceState

HEAD = """\
# Metrics

Generated from the metric table (`agent/podtick/model/metrics/`) by `make golden`: change the table, not this page.

A metric's full name is `podtick_LEVEL_` and the name below, such as `podtick_pod_cpu_usage_seconds_total`. Series of a
pod carry `namespace`, `pod` and `uid`; those of a container also `container`. On plain Docker `namespace` is `_docker`,
`pod` and `container` are names of containers, and `uid` is the full ID of the container whose network the pod has.
`podtick_container_state` has the label `state` besides.

What could not be read has no series, never the value 0; where there is no limit, a limit has no series either.

## How many series

{counts}

These are upper bounds: a series is there only where the kernel has the number. `?level=` and `?metric=` (or
`--levels` and `--metrics`) choose; see [api.md](api.md).

## Containers and pods

A source is `file:key` of the cgroup's directory, `net/dev` stands for `/proc/PID/net/dev` of one process of the pod.
The last column says how a pod's value is made: *cgroup* is the kernel's number of the pod's own cgroup, which there is
in Kubernetes and not on plain Docker. A sum of counters is accumulated: what departed containers had counted stays in
it, so that it never falls.

{targets}

## The node

A source is `file:key` below `/proc`. Per device there is one series for each disk (no partitions, no loop devices, no
RAM disks) or interface (none that belongs to a container), with the label `device`.

{node}

## The agent itself

{agent}
"""

_POD_VALUES: Mapping[PodValue, str] = {
    PodValue.SUM: "sum of its containers",
    PodValue.SUM_OF_LIMITS: "sum of its containers, none as soon as one has none",
    PodValue.LONE: "its container's, while it has just one",
    PodValue.OWN: "the pod's own",
}


def render() -> str:
    """The whole page."""
    return HEAD.format(counts=_counts(), targets=_targets(), node=_node(), agent=_agent())


def _counts() -> str:
    node = [row for row in rows_at(Level.NODE) if row.per is None]
    per_disk = [row for row in NODE_ROWS if (row.v2 or "").startswith("diskstats:")]
    per_interface = [row for row in NODE_ROWS if (row.v2 or "").startswith("net/dev:")]
    lines = [
        ("a pod", f"{len(rows_at(Level.POD))}"),
        ("a container", f"{len(rows_at(Level.CONTAINER))}"),
        ("a node", f"{len(node)}, {len(per_disk)} a disk and {len(per_interface)} an interface"),
    ]
    return _table(("", "series"), lines)


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
        return "told by the engine"
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
