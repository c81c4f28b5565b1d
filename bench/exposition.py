"""How long `/metrics` takes to write, beside prometheus_client's own writer on the very same samples."""

import gzip
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from bench.report import Figure
from podtick.model.metrics.table import TARGET_COLUMN
from podtick.serve.exposition.agent import AgentMetrics
from podtick.serve.exposition.body import Exposition
from podtick.serve.exposition.filters import Selection
from podtick.serve.exposition.format import Format
from podtick.serve.exposition.labels import LabelCache
from podtick.serve.exposition.packing import gzipped
from podtick.serve.exposition.samples import SampleWriter
from tests.support.world import FakeSnapshot, full_world

ROUNDS = 15
PODS = 220
LEVEL = 1
"""Of gzip, as podtick packs."""
TARGETS_ONLY = Selection(levels=frozenset({"container", "pod"}))


class _Parsed(Collector):
    def __init__(self, text: str) -> None:
        self._families = list(text_string_to_metric_families(text))

    def collect(self) -> Iterator[Metric]:
        yield from self._families


class _Columns(FakeSnapshot):
    """Columns made once, as a plane of the history has them."""

    made: list[list[int]]

    def column(self, column: int) -> list[int]:
        return self.made[column]


def by_prometheus_client(text: str, rounds: int) -> list[float]:
    """Milliseconds that prometheus_client takes to write the samples of a text again, and to pack them."""
    reference = _Parsed(text)
    return _milliseconds(lambda: gzip.compress(generate_latest(reference), LEVEL), rounds)


def _milliseconds(work: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1e3)
    return times


def _longest_piece(exposition: Exposition) -> list[float]:
    """For some rounds the longest time that the event loop is held between two chunks."""
    longest = []
    for _ in range(ROUNDS):
        times = [time.perf_counter()]
        times.extend(time.perf_counter() for _ in exposition.blocks(Selection(), Format.TEXT))
        longest.append(max(after - before for before, after in pairwise(times)) * 1e3)
    return longest


def measure(pods: int = PODS) -> list[Figure]:
    """The writer alone, on a made-up full node."""
    world = full_world(pods)
    snapshot = world.history.snapshot
    assert snapshot is not None
    columns = _Columns(snapshot.rows, snapshot.node_values, snapshot.diskstats, snapshot.net_dev)
    columns.made = [snapshot.column(column) for column in range(len(TARGET_COLUMN))]
    world.history.snapshot = columns
    samples = SampleWriter(LabelCache(world.roster, "node-1"), world.parsers)
    exposition = Exposition(world.history, samples, AgentMetrics(world.own, world.health), world.health)

    def whole() -> bytes:
        return b"".join(exposition.blocks(TARGETS_ONLY, Format.TEXT))

    def packed_body() -> bytes:
        return b"".join(gzipped(exposition.blocks(TARGETS_ONLY, Format.TEXT)))

    text = whole().decode()
    count = sum(not line.startswith("#") for line in text.splitlines())
    what = f"writer alone, {count} made-up samples"
    reference = _Parsed(text)
    theirs = statistics.median(_milliseconds(lambda: generate_latest(reference)))
    packed = statistics.median(by_prometheus_client(text, ROUNDS))
    rows = (
        ("text", _milliseconds(whole), theirs),
        ("text and gzip", _milliseconds(packed_body), packed),
    )
    return [
        *(
            Figure(f"{what}, {name}", "ms", statistics.median(own), "prometheus_client", peer)
            for name, own, peer in rows
        ),
        Figure(f"{what}, longest hold of the event loop", "ms", statistics.median(_longest_piece(exposition))),
    ]
