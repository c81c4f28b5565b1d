"""Which engine the tests run, and where the agent's numbers come from: PODTICK_TEST_ENGINE, PODTICK_TEST_SOURCE.

What an engine, or its stats API, has not is named here, and why; a test says what it needs with `needs`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.engine.docker29 import Docker29
from tests.support.engine.engine import Engine
from tests.support.engine.podman import Podman

CGROUP, ENGINE = "cgroup", "engine"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of engine. `lacks`: what tests may need and it has not, with the reason."""

    make: type[Engine]
    what: str
    lacks: Mapping[str, str] = field(default_factory=dict)
    streams_lack: Mapping[str, str] = field(default_factory=dict)


KINDS = {
    "docker20": Kind(Engine, "Docker 20.10"),
    "docker29": Kind(
        Docker29,
        "Docker 29",
        lacks={"image-size": "Docker 29 counts of an image both what it unpacked and what it was unpacked from"},
        streams_lack={"restored": "Docker 29 finds no statistics of a container that went on without it"},
    ),
    "podman": Kind(
        Podman,
        "Podman",
        lacks={
            "tcp": "Podman's service listens on one address, and knows no TLS",
            "live-restore": "Podman has no such setting: its containers go on without their service",
            "update": "Podman 4.3 changes no limit of a container through this API",
            "oom-event": "Podman says nothing of an OOM kill that its container survives",
            "cpu-of-docker": "docker stats takes Podman's single answer for the CPU time since the machine began",
            "one-fate": "Podman's containers go on without their service, whatever it is told",
        },
        streams_lack={
            "throttling": "Podman's stats say 0 of throttling, whatever the kernel counts",
            "memory-stat": "Podman's stats have no line of memory.stat",
            "every-second": "Podman's stats come every five seconds: no two containers have theirs in one tick",
        },
    ),
}
STREAMS_LACK = {
    "kernel": "the engine reads at a time of its own, not in the tick, and not all that the kernel counts",
    "devices": "of the stats API sums are taken, not each interface and disk",
    "orphan-stats": "the engine has no stats of a container that shared the network of one that has ended",
}


NEEDS = {*STREAMS_LACK, *(need for kind in KINDS.values() for need in (*kind.lacks, *kind.streams_lack))}


def chosen() -> Kind:
    """The kind of engine that was asked for; Docker 20.10 unless something else was."""
    return KINDS[os.environ.get("PODTICK_TEST_ENGINE") or "docker20"]


def source() -> str:
    """What the agent's `--source` is to be."""
    named = os.environ.get("PODTICK_TEST_SOURCE") or CGROUP
    if named not in (CGROUP, ENGINE):
        raise ValueError(f"PODTICK_TEST_SOURCE={named}: it is {CGROUP} or {ENGINE}")
    return named


def lacking(need: str) -> str | None:
    """Why a test that needs this cannot hold here; `None` when it can."""
    if need not in NEEDS:
        raise ValueError(f"no engine lacks {need!r}: there are {sorted(NEEDS)}")
    kind = chosen()
    if source() == ENGINE and (reason := {**STREAMS_LACK, **kind.streams_lack}.get(need)):
        return reason
    return kind.lacks.get(need)
