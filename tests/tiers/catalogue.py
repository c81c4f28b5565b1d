"""Which tiers there are. A tier is a folder below tests/."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.engine.engine import PROGRAMS as ENGINE_PROGRAMS
from tests.support.guest.image import HOST_PROGRAMS as GUEST_PROGRAMS

TESTS = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Tier:
    """One folder of tests, and what a machine must have for it.

    `programs` maps each program to the Debian package that carries it; `quick` tiers need no long build and
    are what `make test` runs.
    """

    name: str
    what: str
    programs: Mapping[str, str] = field(default_factory=dict)
    root: bool = False
    quick: bool = True

    @property
    def folder(self) -> Path:
        """Where its tests are."""
        return TESTS / self.name

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
        return [*lacking, "root"] if self.root and os.geteuid() != 0 else lacking


def has_program(name: str) -> bool:
    """Whether a program can be found, also where an ordinary user's PATH does not look."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/bin") is not None


TIERS = (
    Tier("unit", "pure code: tables, recorded files, made-up input"),
    Tier("golden", "output of the real program, and what promtool says of it", {"promtool": "prometheus"}),
    Tier("kernel", "this host's kernel files, in cgroups made for the test", root=True),
    Tier("docker", "a real Docker engine of its own", ENGINE_PROGRAMS, root=True),
    Tier(
        "guest",
        "a virtual machine with cgroup v2, built and emulated, under both cgroup drivers: some six minutes",
        GUEST_PROGRAMS,
        root=True,
        quick=False,
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
