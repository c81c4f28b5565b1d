"""Pytest runs of their own, beside others: against another engine, by another source or Python, or of a long tier.

The engine is one of a whole pytest session, so these runs cannot be part of the one that the tiers end in; it counts
what they recorded.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.tiers.report import Row

RESULT = re.compile(r"(\d[^=]*? in [\d.]+s)")
PASSED = re.compile(r"\d+ passed")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a folder's tests: the files (none: all of them but those `without`), by which Python, how nice.

    Of tests/docker, `engine` and `source` are PODTICK_TEST_ENGINE and PODTICK_TEST_SOURCE. `minutes` it takes, about.
    `name`: what it is called among the runs of a tier, where that is not its source.
    """

    folder: str
    minutes: float
    engine: str = ""
    source: str = ""
    files: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    niceness: int = 0
    python: str = sys.executable
    name: str = ""

    @property
    def environment(self) -> Mapping[str, str]:
        """What has to be set for it."""
        named = {"PODTICK_TEST_ENGINE": self.engine, "PODTICK_TEST_SOURCE": self.source}
        return {name: value for name, value in named.items() if value}

    @property
    def paths(self) -> list[str]:
        """What pytest has to be told."""
        folder = f"tests/{self.folder}"
        ignored = [f"--ignore={folder}/{file}" for file in self.without]
        return [f"{folder}/{file}" for file in self.files] or [folder, *ignored]

    def row(self, tier: Row) -> Row:
        """The row of this run: the tier's own, or one of several."""
        name = self.name or (f"by {self.source}" if self.source else "")
        if not name:
            return tier
        but = f" but {', '.join(self.without)}" if self.without else ""
        what = " ".join(self.files) or f"all of tests/{self.folder}{but}"
        return replace(tier, name=f"{tier.name} {name}", what=what)


def perform(run: Run, row: Row, record: Path, arguments: Sequence[str], *, strict: bool) -> Row:
    """Run it, show what it prints and have each test's result written to `record`; the row with what came of it."""
    told = [f"--tier-record={record}", *(each for each in arguments if not each.startswith("--cov"))]
    words = ["nice", "-n", str(run.niceness), run.python, "-m", "pytest", "--quiet", *run.paths, *told]
    code, last = _shown(row.name, words, run.environment)
    found = RESULT.search(last)
    verdict = f"ran: {found[1]}" if found else f"ended with exit {code}, see above"
    failed = code != 0 if strict or code != 5 else False  # 5: no test was selected
    failed = failed or (strict and not PASSED.search(last))
    command = row.command if failed else ""
    return replace(row, verdict=verdict, command=command, failed=failed, tests=None, record=str(record))


def _shown(name: str, command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Exit code and last line of a run, all of whose lines are passed on as they come, with its name before them."""
    print(f"{name}: begins ...", flush=True)
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    last = ""
    with subprocess.Popen(
        command, env=os.environ | environment, stdin=nothing, stdout=pipe, text=True, errors="replace"
    ) as pytest:
        assert pytest.stdout is not None
        for line in pytest.stdout:
            print(f"{name}: {line}", end="", flush=True)
            last = line.strip() or last
    return pytest.returncode, last
