"""How long `/metrics` takes to write, beside prometheus_client's own writer on the very same samples.

PYTHONPATH=agent:. python -m bench.exposition [PODS]
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from podtick.model.metrics.table import TARGET_COLUMN
from podtick.serve.exposition.agent import AgentMetrics
from podtick.serve.exposition.body import Coding, Exposition
from podtick.serve.exposition.filters import Selection
from podtick.serve.exposition.format import Format
from podtick.serve.exposition.labels import LabelCache
from podtick.serve.exposition.samples import SampleWriter
from tests.support.world import FakeSnapshot, full_world

ROUNDS = 15
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


def milliseconds(work: Callable[[], object]) -> float:
    """Median over some rounds."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)


def longest_piece(exposition: Exposition) -> float:
    """The longest time that the loop is held between two chunks, best of some rounds."""
    longest = []
    for _ in range(ROUNDS):
        times = []
        before = time.perf_counter()
        for _ in exposition.chunks(Selection(), Format.TEXT, Coding.GZIP):
            now = time.perf_counter()
            times.append((now - before) * 1e3)
            before = now
        longest.append(max(times))
    return statistics.median(longest)


def main() -> None:
    """Print one line a figure."""
    pods = int(sys.argv[1]) if len(sys.argv) > 1 else 220
    world = full_world(pods)
    snapshot = world.history.snapshot
    assert snapshot is not None
    columns = _Columns(snapshot.rows, snapshot.node_values, snapshot.diskstats, snapshot.net_dev)
    columns.made = [snapshot.column(column) for column in range(len(TARGET_COLUMN))]
    world.history.snapshot = columns
    samples = SampleWriter(LabelCache(world.roster), world.parsers)
    exposition = Exposition(world.history, samples, AgentMetrics(world.own, world.health))

    def whole(coding: Coding, selection: Selection = TARGETS_ONLY) -> bytes:
        return b"".join(exposition.chunks(selection, Format.TEXT, coding))

    text = whole(Coding.IDENTITY).decode()
    count = sum(not line.startswith("#") for line in text.splitlines())
    reference = _Parsed(text)
    own = milliseconds(lambda: whole(Coding.IDENTITY))
    packed = milliseconds(lambda: whole(Coding.GZIP))
    theirs = milliseconds(lambda: generate_latest(reference))
    agent = milliseconds(lambda: whole(Coding.IDENTITY, Selection(levels=frozenset({"agent"}))))
    print(f"{count} samples, {len(text)} bytes, {len(whole(Coding.GZIP))} with gzip")
    print(f"text              {own:8.2f} ms")
    print(f"text and gzip     {packed:8.2f} ms")
    print(f"prometheus_client {theirs:8.2f} ms, {theirs / own:.1f} times as long as ours")
    print(f"agent's own       {agent:8.2f} ms")
    print(f"longest piece     {longest_piece(exposition):8.2f} ms")


if __name__ == "__main__":
    main()
