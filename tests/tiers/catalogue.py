"""Which tiers there are. A tier is a folder below tests/, or other runs of one."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.cluster.whole import PROGRAMS as CLUSTER_PROGRAMS
from tests.support.engine.choice import CGROUP, ENGINE, KINDS
from tests.support.engine.engine import PROGRAMS as ENGINE_PROGRAMS
from tests.support.guest.image import HOST_PROGRAMS as GUEST_PROGRAMS
from tests.support.image import PROGRAMS as IMAGE_PROGRAMS
from tests.support.victoriametrics import PROGRAMS as VICTORIAMETRICS
from tests.tiers.runs import Run

TESTS = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Tier:
    """One folder of tests, and what a machine must have for it.

    `programs` maps each program to the Debian package that carries it; `quick` tiers need no long build and
    are what `make test` runs. `runs`: not a folder of its own, but tests/docker run in these ways. `apart`: the runs of
    its own that it is where it takes minutes and is not alone. `build`: a module that builds, once, what it needs.
    """

    name: str
    what: str
    programs: Mapping[str, str] = field(default_factory=dict)
    root: bool = False
    quick: bool = True
    runs: tuple[Run, ...] = ()
    apart: tuple[Run, ...] = ()
    build: str = ""

    @property
    def folder(self) -> Path:
        """Where its tests are."""
        return TESTS / ("docker" if self.runs else self.name)

    @property
    def has_tests(self) -> bool:
        """Whether anybody wrote one yet."""
        return any(self.folder.rglob("test_*.py"))

    def missing_packages(self) -> list[str]:
        """The Debian packages whose programs are not on this machine."""
        return sorted({package for program, package in self.programs.items() if not has_program(program)})

    def missing(self) -> list[str]:
        """What keeps the tier from running here, in words; empty if nothing."""
        lacking = [
            f"{program} (package {package})" for program, package in self.programs.items() if not has_program(program)
        ]
        for engine in {run.engine for run in self.runs}:
            lacking += [each for each in KINDS[engine].make.missing() if each not in (*lacking, "root")]
        return [*lacking, "root"] if self.root and os.geteuid() != 0 else lacking


def has_program(name: str) -> bool:
    """Whether a program can be found, also where an ordinary user's PATH does not look."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/bin") is not None


NUMBERS = tuple(f"test_agent_{what}.py" for what in ("cpu", "memory", "io", "network", "lifecycle"))
"""Of tests/docker, what looks at numbers: the rest tests properties that no source of numbers changes."""
FEW = NUMBERS[:2] + NUMBERS[3:4]
"""Of those, what an engine's stats may say in its own way."""
SAME = ("test_agent_json.py", "test_agent_program.py", "test_agent_sampler.py", "test_demo.py", "test_image.py")
"""What is the agent's own whatever the engine: minutes that another engine's run is spared."""

TIERS = (
    Tier("unit", "pure code: tables, recorded files, made-up input", apart=(Run("unit", minutes=2.5),)),
    Tier(
        "golden",
        "output of the real program, and what promtool and Prometheus say of it",
        {"promtool": "prometheus", "prometheus": "prometheus"},
    ),
    Tier(
        "chart",
        "the Helm chart by the real helm, built from source once: four minutes of CPU; a real Prometheus",
        {"promtool": "prometheus", "prometheus": "prometheus", "go": "golang-go, 1.26 or newer"},
        root=True,
        quick=False,
        apart=(Run("chart", minutes=1),),
        build="tests.support.helm",
    ),
    Tier(
        "kernel",
        "this host's kernel files, in cgroups made for the test",
        root=True,
        apart=(Run("kernel", minutes=4),),
    ),
    Tier(
        "docker",
        "a real Docker engine of its own, and the image that is shipped",
        {**ENGINE_PROGRAMS, **IMAGE_PROGRAMS},
        root=True,
        apart=(Run("docker", 2.5, files=NUMBERS, name="numbers"), Run("docker", 6.5, without=NUMBERS, name="the rest")),
    ),
    Tier(
        "docker-engine",
        "the numbers of the docker tier from the engine's stats API (--source engine)",
        ENGINE_PROGRAMS,
        root=True,
        quick=False,
        runs=(Run("docker", 4, "docker20", ENGINE, NUMBERS),),
    ),
    Tier(
        "docker29",
        "the docker tier against the Docker 29 line, built from source; CPU, memory, network again by the stats API",
        KINDS["docker29"].make.PROGRAMS,
        root=True,
        quick=False,
        runs=(Run("docker", 5, "docker29", CGROUP, without=SAME), Run("docker", 1.5, "docker29", ENGINE, FEW)),
        build="tests.support.engine.docker29",
    ),
    Tier(
        "podman",
        "the docker tier against Podman's socket; CPU, memory and network once more from the stats API",
        KINDS["podman"].make.PROGRAMS,
        root=True,
        quick=False,
        runs=(Run("docker", 5, "podman", CGROUP, without=SAME), Run("docker", 1.5, "podman", ENGINE, FEW)),
    ),
    Tier(
        "cluster",
        "a real cluster with a Docker and a containerd node, the image and the chart on it: once half an hour of CPU",
        {**CLUSTER_PROGRAMS, **IMAGE_PROGRAMS, **VICTORIAMETRICS},
        root=True,
        quick=False,
        apart=(Run("cluster", minutes=7),),
        build="tests.support.cluster",
    ),
    Tier(
        "guest",
        "a virtual machine with cgroup v2, built and emulated, under both cgroup drivers: some ten minutes",
        GUEST_PROGRAMS,
        root=True,
        quick=False,
        apart=(Run("guest", 10, niceness=5),),  # emulated, it takes what CPU there is, and states no times
    ),
)


class UnknownTier(ValueError):
    """A name that is none of a tier's; the message lists those that are."""


def choose(wanted: str) -> tuple[Tier, ...]:
    """The tiers that `quick`, `all` or a list of names between commas means.

    Raises:
        UnknownTier: a name that no tier has.
    """
    if wanted == "all":
        return TIERS
    if wanted == "quick":
        return tuple(tier for tier in TIERS if tier.quick)
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    known = {tier.name: tier for tier in TIERS}
    if unknown := [name for name in names if name not in known]:
        raise UnknownTier(f"no such tier: {', '.join(unknown)}; there are: {', '.join(known)}, quick, all")
    return tuple(known[name] for name in names)
