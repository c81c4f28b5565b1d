"""`python -m tests.tiers quick|all|list|NAME,NAME [PYTEST ARGUMENTS]`: what `make test` runs.

Installs what the chosen tiers need where that is possible, then becomes one pytest run over all of them, so
that pytest's own line is the last one printed.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn

from tests.tiers import install, pythons, records, runs
from tests.tiers.catalogue import TIERS, Tier, UnknownTier, choose
from tests.tiers.report import Report, Row
from tests.tiers.schedule import Job, build_ahead, side_by_side


def main(words: list[str]) -> int:
    """Run the chosen tiers; returns an exit code only where no pytest run takes this process over."""
    wanted, arguments = (words[0], words[1:]) if words else ("quick", [])
    if wanted == "list":
        for tier in TIERS:
            print(f"{tier.name:13} {tier.what}{'' if tier.quick else ' (only by name, or with all)'}")
        return 0
    try:
        chosen = choose(wanted)
    except UnknownTier as error:
        print(f"make test: {error}", file=sys.stderr)
        return 2
    prepare(chosen)
    building = build_ahead([tier.build for tier in chosen if tier.build and not tier.missing()])
    folder = Path(tempfile.mkdtemp(prefix="tiers-"))  # the last run removes it with what it has read there
    rows = side_by_side(list(jobs(chosen, arguments, folder, every=wanted == "all")), building)
    for each in building.values():
        each.wait()
    folders = [f"tests/{row.tests}" for row in rows if row.tests]
    if folders:
        become_pytest(folders, Report(tuple(rows), strict=wanted == "all", records=str(folder)), arguments)
    for row in rows:
        print(f"{row.name}: {row.verdict}{': ' * bool(row.why)}{row.why}")
        for test in records.failures(Path(row.record)) if row.record else ():
            print(f"  FAILED {test}")
    shutil.rmtree(folder)
    return int(any(row.failed for row in rows) or not any(row.ran for row in rows))


def become_pytest(folders: list[str], report: Report, arguments: list[str]) -> NoReturn:
    """One run over all folders, in place of this process."""
    sys.stdout.flush()
    if not sys.stdout.isatty():
        os.environ.setdefault("COLUMNS", "120")  # less leaves no room for why a test failed
    command = [sys.executable, "-m", "pytest", *folders, f"--tier-report={report.to_json()}", *arguments]
    os.execv(sys.executable, command)


def prepare(chosen: tuple[Tier, ...]) -> None:
    """Install what is missing, where that needs no question: as root on Debian and its kin."""
    packages = sorted({package for tier in chosen if tier.has_tests for package in tier.missing_packages()})
    if packages and install.may_install():
        install.install(packages)


def jobs(chosen: tuple[Tier, ...], arguments: list[str], folder: Path, *, every: bool) -> Iterator[Job]:
    """What makes each row. Where several tiers are run, and whole, all that takes minutes is a run of its own."""
    aside = len(chosen) > 1 and not arguments
    for tier in TIERS:
        row = row_of(tier, chosen, strict=every)
        own = tier.runs or (tier.apart if aside else ()) if row.tests else ()
        for run in own:
            each = run.row(row)
            record = folder / f"{each.name}.json"
            yield Job(run.minutes, partial(runs.perform, run, each, record, arguments, strict=every), tier.build)
        if not own:
            yield Job(0, partial(replace, row))
        if tier.name == "unit" and every and not arguments:
            yield Job(pythons.MINUTES, partial(pythons.run_units, folder / f"{pythons.NAME}.json"))


def row_of(tier: Tier, chosen: tuple[Tier, ...], *, strict: bool) -> Row:
    """What is known of a tier before its tests run."""
    command = f"make test TIERS={tier.name}"
    if tier not in chosen:
        return Row(tier.name, tier.what, verdict="did not run", why="not asked for", command=command)
    if not tier.has_tests:
        return Row(tier.name, tier.what, verdict="has no tests yet")
    if lacking := tier.missing():
        why = f"this machine lacks {', '.join(lacking)}"
        return Row(tier.name, tier.what, "did not run", why, f"{command} (as root, with those)", failed=strict)
    return Row(tier.name, tier.what, command=command, tests=tier.name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
