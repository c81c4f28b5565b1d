"""`make bench`: what podtick costs, beside the least that it could cost on this machine in the same minutes."""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import cost, delivery, exposition, identity, memory, ticks
from bench.loads import Load, cgroups, real_containers
from bench.machine import description
from bench.peers import measure as peers_measure
from bench.peers.rows import Row, as_data, peer_table
from bench.programs import MissingError
from bench.report import Figure, as_json, median_of, table
from tests.support.cluster.errors import ClusterError
from tests.support.engine import EngineError

FEW, MANY, SCRAPED = 60, 500, 360
"""Containers: real ones; cgroups of a stand-in engine; as many as make some 20,000 samples."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often."""

    runs: int
    seconds: float
    passes: int
    tick_seconds: float
    requests: int
    record_seconds: int


FULL = Plan(runs=3, seconds=60, passes=25, tick_seconds=300, requests=300, record_seconds=70)
QUICK = Plan(runs=1, seconds=12, passes=5, tick_seconds=10, requests=100, record_seconds=15)

Step = Callable[[Any, Plan, Path], Sequence[Figure | Row]]


def few_idle(load: Load, plan: Plan, folder: Path) -> list[Figure]:
    what = f"{load.count} idle containers"
    return [
        *_repeat(plan, lambda: cost.whole_agent(load, plan.seconds, folder, what, 2.4)),
        *_repeat(plan, lambda: cost.pass_alone(load, plan.passes, folder, what, 1.5)),
        *_repeat(plan, lambda: delivery.age(load, plan.seconds / 2, folder, what)),
    ]


def few_busy(load: Load, plan: Plan, folder: Path) -> list[Figure]:
    what = f"{load.count} busy containers"
    return _repeat(plan, lambda: cost.whole_agent(load, plan.seconds, folder, what, None))


def many_idle(load: Load, plan: Plan, folder: Path) -> list[Figure]:
    what = f"{load.count} idle cgroups"
    figures = [
        *_repeat(plan, lambda: cost.whole_agent(load, plan.seconds, folder, what, 1.6)),
        *_repeat(plan, lambda: cost.pass_alone(load, plan.passes, folder, what, 1.5)),
    ]
    for condition in ticks.CONDITIONS:  # once: what is counted is seldom, so that long beats often
        figures += ticks.measure(load, plan.tick_seconds, folder, condition)
    return figures


def many_busy(load: Load, plan: Plan, folder: Path) -> list[Figure]:
    what = f"{load.count} busy cgroups"
    return [
        *_repeat(plan, lambda: cost.whole_agent(load, plan.seconds, folder, what, None)),
        *memory.measure(load, plan.record_seconds, folder),
    ]


def scraped(load: Load, plan: Plan, folder: Path) -> list[Figure]:
    return _repeat(plan, lambda: delivery.latency(load, plan.requests, folder))


def writer(_load: Load, plan: Plan, _folder: Path) -> list[Figure]:
    return _repeat(plan, exposition.measure)


def peers(load: Load, plan: Plan, folder: Path) -> Sequence[Row]:
    return peers_measure.measure(load, plan.runs, plan.seconds, folder)


def known(load: identity.Pods, plan: Plan, folder: Path) -> list[Figure]:
    return [*identity.measure(load, plan.seconds, folder), *identity.outage(load, 2 * plan.seconds, folder)]


def _repeat(plan: Plan, measure: Callable[[], list[Figure]]) -> list[Figure]:
    return median_of([measure() for _ in range(plan.runs)])


def _few(folder: Path, *, busy: bool) -> AbstractContextManager[Load]:
    return real_containers(FEW, folder, busy=busy)


def _many(folder: Path, *, busy: bool) -> AbstractContextManager[Load]:
    return cgroups(MANY, folder, busy=busy)


def _scraped(folder: Path, *, busy: bool) -> AbstractContextManager[Load]:
    return cgroups(SCRAPED, folder, busy=busy)


def _known(folder: Path, *, busy: bool) -> AbstractContextManager[identity.Pods]:
    assert not busy
    return identity.pods(MANY, folder)


def _nothing(_folder: Path, *, busy: bool) -> AbstractContextManager[Load]:
    assert not busy
    return nullcontext(Load("none", {}))


STEPS: dict[str, tuple[Callable[..., AbstractContextManager[Any]], bool, Step]] = {
    "few-idle": (_few, False, few_idle),
    "few-busy": (_few, True, few_busy),
    "many-idle": (_many, False, many_idle),
    "many-busy": (_many, True, many_busy),
    "scraped": (_scraped, False, scraped),
    "writer": (_nothing, False, writer),
    "identity": (_known, False, known),
    "peers": (_few, False, peers),
}
QUICK_STEPS = tuple(name for name in STEPS if name not in ("few-busy", "identity", "peers"))
"""Unless others are named: starting real containers more than once takes too long for a quick look."""


def main() -> int:
    arguments = _arguments()
    plan = QUICK if arguments.quick else FULL
    rows: list[Figure | Row] = []
    about = description()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leave nothing behind
    try:
        for name in arguments.names or (QUICK_STEPS if arguments.quick else STEPS):
            rows += _run(name, plan)
    except (ClusterError, MissingError, EngineError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    about["load_after"] = description()["load"]
    figures = [row for row in rows if isinstance(row, Figure)]
    compared = [row for row in rows if isinstance(row, Row)]
    print("\n\n".join([*([table(figures)] if figures else []), *([peer_table(compared)] if compared else [])]))
    print("\n" + ", ".join(f"{key} {value}" for key, value in about.items()))
    if arguments.json:
        more = {"peers": as_data(compared)} if compared else {}
        arguments.json.write_text(as_json(figures, about, **more) + "\n")
    return 0


def _run(name: str, plan: Plan) -> Sequence[Figure | Row]:
    make, busy, step = STEPS[name]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pt-bench") as folder, make(Path(folder), busy=busy) as load:
        figures = step(load, plan, Path(folder))
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return figures


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="once and short (4 minutes) instead of three times")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("names", nargs="*", choices=[*STEPS, []], metavar="NAME", help=f"of {', '.join(STEPS)}")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
