"""The agent's own health, `podtick_agent_*`: written by prometheus_client from a registry of its own.

`SELF_ROWS` names every number that the rest of the agent reports through `SelfMetrics`.
"""

import platform
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics import disable_created_metrics
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from podtick import __version__
from podtick.model.metrics.row import Kind
from podtick.serve.exposition.filters import AGENT, Selection
from podtick.serve.exposition.format import Format
from podtick.serve.interfaces import Health, SelfMetrics, SourceState

_PREFIX = "podtick_agent_"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class SelfRow:
    """One number of the agent about itself: `podtick_agent_NAME`."""

    name: str
    kind: Kind
    help: str


SELF_ROWS = (
    SelfRow("ticks_total", Kind.COUNTER, "Ticks taken: sampling passes over all targets."),
    SelfRow("ticks_late_total", Kind.COUNTER, "Ticks that began more than 0.1 s after their second."),
    SelfRow("ticks_missed_total", Kind.COUNTER, "Whole seconds that went by without a tick."),
    SelfRow("tick_timestamp_seconds", Kind.GAUGE, "The newest tick, as Unix time."),
    SelfRow("tick_duration_seconds", Kind.GAUGE, "How long the newest tick took."),
    SelfRow("read_errors_total", Kind.COUNTER, "Reads of kernel files that failed, vanished targets left out."),
    SelfRow("stalled_reads_total", Kind.COUNTER, "Reads of kernel files that took so long that they were left."),
    SelfRow("open_files", Kind.GAUGE, "Kernel files that the sampler holds open."),
    SelfRow(
        "transient_opens_total",
        Kind.COUNTER,
        "Kernel files opened, read and closed because the limit of descriptors is near.",
    ),
    SelfRow("history_bytes", Kind.GAUGE, "Memory that the history takes."),
    SelfRow("history_limit_bytes", Kind.GAUGE, "Memory that the history may take (--history-bytes)."),
    SelfRow("history_span_seconds", Kind.GAUGE, "How far back the history reaches."),
    SelfRow("history_targets", Kind.GAUGE, "Targets that are read now: containers, pods and the node."),
    SelfRow("history_shortened_total", Kind.COUNTER, "Times the oldest readings had to go early (--history-bytes)."),
    SelfRow("refused_targets_total", Kind.COUNTER, "Containers and pods for which the history had no room."),
    SelfRow("clock_steps_total", Kind.COUNTER, "Times the wall clock was stepped."),
    SelfRow(
        "unidentified_containers",
        Kind.GAUGE,
        "Containers of pods that are served with what is known, as nobody has told their name.",
    ),
    SelfRow("kubernetes_pods", Kind.GAUGE, "Pods of this node that the API server tells of."),
    SelfRow(
        "kubernetes_age_seconds",
        Kind.GAUGE,
        "Time since the API server last said which pods there are, or that nothing changed; it says so each minute.",
    ),
    SelfRow("sampler_starts_total", Kind.COUNTER, "Times the sampler process was started."),
    SelfRow("sampler_cpu_seconds_total", Kind.COUNTER, "CPU time used by the sampler process."),
    SelfRow("sampler_resident_memory_bytes", Kind.GAUGE, "Memory of the sampler process, shared history included."),
)


class _SelfCollector(Collector):
    def __init__(self, own: SelfMetrics, health: Health) -> None:
        self._own = own
        self._health = health

    def collect(self) -> Iterator[Metric]:
        values = self._own.values()
        for row in SELF_ROWS:
            if row.name in values:
                make = CounterMetricFamily if row.kind is Kind.COUNTER else GaugeMetricFamily
                yield make(_PREFIX + row.name, row.help, value=values[row.name])
        states = GaugeMetricFamily(
            _PREFIX + "source_state",
            "1 for the state a source of targets is in: absent, waiting, listed or lost.",
            labels=("source", "state"),
        )
        for source in self._health.sources():
            for state in SourceState:
                states.add_metric((source.name, state), float(source.state is state))
        yield states


class AgentMetrics:
    """Everything under `podtick_agent_*`; also counts requests."""

    def __init__(self, own: SelfMetrics, health: Health) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        build = Gauge(_PREFIX + "build_info", "1, and what runs.", ("version", "python"), registry=registry)
        build.labels(__version__, platform.python_version()).set(1)
        registry.register(_SelfCollector(own, health))
        self._requests = Counter(
            _PREFIX + "http_requests",
            "Requests answered, by route and status code.",
            ("route", "code"),
            registry=registry,
        )
        self._seconds = Histogram(
            _PREFIX + "scrape_duration_seconds",
            "From a scrape's request to the last byte handed to the kernel.",
            buckets=_BUCKETS,
            registry=registry,
        )
        ProcessCollector(namespace="podtick_agent", registry=registry)
        self._registry = registry

    def answered(self, route: str, code: int) -> None:
        """Count a request; `route` is one of the server's own, never what the client wrote."""
        self._requests.labels(route, str(code)).inc()

    def scraped(self, seconds: float) -> None:
        """Note how long a scrape took."""
        self._seconds.observe(seconds)

    def described(self) -> Iterator[tuple[str, str, str]]:
        """Name, type and help of every family that there is now, for the documentation."""
        for metric in self._registry.collect():
            yield _full_name(metric), metric.type, metric.documentation

    def write(self, selection: Selection, text_format: Format) -> str:
        """The selected families as text, without the end mark."""
        if not selection.wants_level(AGENT):
            return ""
        chosen = _Chosen(self._registry, selection)
        if text_format is Format.TEXT:
            return generate_latest(chosen).decode()
        text = generate_openmetrics(chosen)  # type: ignore[no-untyped-call]
        return str(text.decode()).removesuffix(text_format.end)


class _Chosen(Collector):
    def __init__(self, registry: CollectorRegistry, selection: Selection) -> None:
        self._registry = registry
        self._matcher = selection.matcher()

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            if metric.samples and self._matcher.wants(AGENT, _full_name(metric)):
                yield metric


def _full_name(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else metric.name
