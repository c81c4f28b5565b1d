"""`python -m tests.tiers quick|all|list|NAME,NAME [PYTEST ARGUMENTS]`: what `make test` runs.

Installs what the chosen tiers need where that is possible, then becomes one pytest run over all of them, so
that pytest's own line is the last one printed.
"""

import os
import sys
from typing import NoReturn

from tests.tiers import install, pythons
from tests.tiers.catalogue import TIERS, Tier, UnknownTier, choose
from tests.tiers.report import Report, Row


def main(words: list[str]) -> int:
    """Run the chosen tiers; returns an exit code only where no pytest run takes this process over."""
    wanted, arguments = (words[0], words[1:]) if words else ("quick", [])
    if wanted == "list":
        for tier in TIERS:
            print(f"{tier.name:8} {tier.what}{'' if tier.quick else ' (needs a long build)'}")
        return 0
    try:
        chosen = choose(wanted)
    except UnknownTier as error:
        print(f"make test: {error}", file=sys.stderr)
        return 2
    prepare(chosen)
    rows = [row_of(tier, chosen, strict=wanted == "all") for tier in TIERS]
    if wanted == "all" and chosen[0].has_tests and not arguments:
        rows.insert(1, pythons.run_units())
    folders = [f"tests/{row.tests}" for row in rows if row.tests]
    if not folders:
        print("\n".join(f"{row.name}: {row.verdict}: {row.why}" for row in rows))
        return 1
    become_pytest(folders, Report(tuple(rows), strict=wanted == "all"), arguments)


def become_pytest(folders: list[str], report: Report, arguments: list[str]) -> NoReturn:
    """One run over all folders, in place of this process."""
    sys.stdout.flush()
    command = [sys.executable, "-m", "pytest", *folders, f"--tier-report={report.to_json()}", *arguments]
    os.execv(sys.executable, command)


def prepare(chosen: tuple[Tier, ...]) -> None:
    """Install what is missing, where that needs no question: as root on Debian and its kin."""
    packages = sorted({package for tier in chosen if tier.has_tests for package in tier.missing_packages()})
    if packages and install.may_install():
        install.install(packages)


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
