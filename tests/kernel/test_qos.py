"""Roster and sampler on real cgroups around pods: their numbers are the kernel's, and they are followed."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from podtick.model.identity import Identity
from podtick.model.metrics.row import UNKNOWN, Kind, Level
from podtick.model.metrics.table import TARGET_COLUMN, rows_at
from podtick.roster.paths import folders_by_controller, pod_folders
from podtick.roster.roster import Roster
from podtick.sampler.protocol import Answer
from tests.kernel.sampler import ROW, Sampler
from tests.support.cgroups import Cgroup, host_mounts
from tests.support.columns import stored

VERSION = host_mounts().version
ROWS = [row for row in rows_at(Level.QOS) if row.key in TARGET_COLUMN]
READ = [row for row in ROWS if VERSION in row.pod_cgroup]
CPU = "cpu_usage_seconds_total"
SPIN = "print('ready')\nwhile True: pass"
IDLE = "print('ready'); import sys; sys.stdin.read()"
POD = "0f1e2d3c-0000-4000-8000-000000000001"
KUBEPODS = None
PATIENCE_TICKS = 60
"""A safety net against hanging, no statement about speed."""


class Kubelet:
    """The cgroups of a kubelet, below one of the tests' own."""

    def __init__(self, stack: ExitStack) -> None:
        root = secrets.token_hex(8)
        self.top, self.kubepods, self.burstable, self.pod = (
            stack.enter_context(Cgroup(root + path))
            for path in ("", "/kubepods", "/kubepods/burstable", f"/kubepods/burstable/pod{POD}")
        )
        self.container = stack.enter_context(Cgroup(f"{root}/kubepods/burstable/pod{POD}/{'ab' * 32}"))
        self.besteffort = Cgroup(f"{root}/kubepods/besteffort")

    @contextmanager
    def another(self, script: str) -> Iterator[None]:
        """A process in a guaranteed pod's cgroup."""
        with Cgroup(f"{self.kubepods.name.removeprefix('podtick-test-')}/pod{secrets.token_hex(16)}") as made:
            made.python(script)
            yield


class Node:
    """A roster that tells a sampler, and hears what it says."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self.roster = Roster(sampler)

    def start(self, kubelet: Kubelet) -> None:
        """The kubelet's container runs."""
        member = self.roster.join("app", Identity("shop", "cart", POD, "app"))
        paths = kubelet.container.paths
        folders, around = folders_by_controller(paths), pod_folders(paths, POD)
        self.roster.start(member, paths.version, folders, None, fresh=True, pod_paths=around)

    def tick(self) -> dict[str | None, ROW]:
        """The next second that has not begun yet: the pod's row under its name, those of cgroups around pods by class.

        What the roster has to say of it follows it.
        """
        self._sampler.tick()
        targets = [target for level in (Level.QOS, Level.KUBEPODS, Level.POD) for target in self.roster.targets(level)]
        rows = {target.pod or target.facts.get("qos_class"): self._sampler.row(target.slot) for target in targets}
        for answer in (*self._sampler.heard(), Answer("tick")):
            self.roster.answered(answer)
        return rows

    def until(self, *classes: str | None) -> dict[str | None, ROW]:
        """The first tick at which CPU is known of just these."""
        for _ in range(PATIENCE_TICKS):
            rows = self.tick()
            if {each for each, row in rows.items() if row[CPU] != UNKNOWN} == {"cart", *classes}:
                return rows
        raise AssertionError(f"never came: {classes}")


@pytest.fixture
def sampler() -> Iterator[Sampler]:
    with Sampler() as running:
        yield running


@pytest.fixture
def kubelet() -> Iterator[Kubelet]:
    with ExitStack() as stack:
        yield Kubelet(stack)


def kernel(cgroup: Cgroup) -> ROW:
    """What the kernel's files say now, by a parser of the tests' own; what is not right there is not known."""
    return {row.key: stored(row, VERSION, cgroup.read) if row in READ else UNKNOWN for row in ROWS}


def test_a_class_and_all_pods_are_what_the_kernel_says(sampler: Sampler, kubelet: Kubelet) -> None:
    """A Guaranteed pod is in kubepods and in no class. Of what is no row of theirs nothing is known."""
    node = Node(sampler)
    kubelet.container.python(IDLE)
    node.start(kubelet)
    node.until("Burstable", KUBEPODS)
    with kubelet.another(IDLE):
        cgroups = {"Burstable": kubelet.burstable, KUBEPODS: kubelet.kubepods}
        truth: dict[str | None, ROW] = {}
        rows: dict[str | None, ROW] = {}
        while {name: kernel(cgroup) for name, cgroup in cgroups.items()} != truth:
            truth = {name: kernel(cgroup) for name, cgroup in cgroups.items()}
            rows = node.tick()
    for name, row in truth.items():
        assert {key: rows[name][key] for key in row} == row
        assert {rows[name][key] for key in TARGET_COLUMN.keys() - row.keys()} == {UNKNOWN}


def test_what_is_around_is_never_less_than_what_is_in_it(sampler: Sampler, kubelet: Kubelet) -> None:
    node = Node(sampler)
    kubelet.container.python(SPIN)
    node.start(kubelet)
    last = node.until("Burstable", KUBEPODS)
    counters = [row.key for row in READ if row.kind is Kind.COUNTER]
    for _ in range(3):
        before = kernel(kubelet.burstable)
        rows = node.tick()
        after = kernel(kubelet.burstable)
        assert rows["cart"][CPU] <= rows["Burstable"][CPU] <= rows[KUBEPODS][CPU]
        assert rows["Burstable"][CPU] > last["Burstable"][CPU]
        for key in counters:
            assert before[key] <= rows["Burstable"][key] <= after[key], key
        last = rows


def test_a_class_that_comes_goes_and_is_made_anew(sampler: Sampler, kubelet: Kubelet) -> None:
    node = Node(sampler)
    kubelet.container.python(IDLE)
    node.start(kubelet)
    node.until("Burstable", KUBEPODS)
    with kubelet.besteffort:
        node.until("Burstable", "BestEffort", KUBEPODS)
    rows = node.until("Burstable", KUBEPODS)
    assert {rows["BestEffort"][row.key] for row in ROWS} == {UNKNOWN}
    with kubelet.besteffort as made:
        made.python(IDLE)
        rows = node.until("Burstable", "BestEffort", KUBEPODS)
        assert rows["BestEffort"][CPU] > 0
