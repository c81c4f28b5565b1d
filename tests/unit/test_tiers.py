"""The runner's own promises: which tiers are chosen, and when one that did not run is a failure."""

from types import SimpleNamespace
from typing import cast

import pytest

from tests.tiers import install
from tests.tiers.__main__ import row_of
from tests.tiers.catalogue import TIERS, Tier, UnknownTier, choose
from tests.tiers.plugin import TierReport
from tests.tiers.report import Report, Row

LACKING = Tier("unit", "of tests that need a program nobody has", {"no-such-program": "no-such-package"})


def test_all_is_every_tier_and_names_are_chosen_in_their_order() -> None:
    assert choose("all") == TIERS
    assert [tier.name for tier in choose("docker, unit")] == ["docker", "unit"]


def test_a_name_that_is_no_tiers_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownTier, match=r"no such tier: dcoker; there are: unit, .*docker"):
        choose("unit,dcoker")


@pytest.mark.parametrize("strict", [False, True])
def test_a_tier_that_lacks_something_says_what_and_fails_when_all_were_asked_for(strict: bool) -> None:
    row = row_of(LACKING, (LACKING,), strict=strict)
    assert row.why == "this machine lacks no-such-program (package no-such-package)"
    assert row.failed is strict
    assert row.tests is None


def test_a_tier_that_nobody_asked_for_is_no_failure() -> None:
    row = row_of(LACKING, (), strict=True)
    assert (row.why, row.failed, row.command) == ("not asked for", False, "make test TIERS=unit")


@pytest.mark.parametrize(
    ("outcomes", "strict", "failed"),
    [
        (["passed", "skipped"], True, False),
        (["passed", "failed"], False, True),
        (["skipped"], True, True),
        (["skipped"], False, False),
        ([], True, True),
    ],
)
def test_a_tier_all_of_whose_tests_were_skipped_did_not_run(outcomes: list[str], strict: bool, failed: bool) -> None:
    plugin = TierReport(Report((Row("unit", "pure code", tests="unit"),), strict=strict))
    for outcome in outcomes:
        found = SimpleNamespace(nodeid="tests/unit/test_a.py::test_b", when="call", outcome=outcome)
        plugin.pytest_runtest_logreport(cast(pytest.TestReport, found))
    session = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    plugin.pytest_sessionfinish(cast(pytest.Session, session))
    assert (session.exitstatus == pytest.ExitCode.TESTS_FAILED) is failed


def test_the_report_survives_its_way_to_pytest() -> None:
    report = Report((Row("unit", "pure code", tests="unit"), Row("x", "y", "did not run", "why", failed=True)), True)
    assert Report.from_json(report.to_json()) == report


def test_what_the_package_manager_says_is_shown_without_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "Reading ...\nE: Failed to fetch https://mirror.example/pool/x.deb  404\n"
    done = SimpleNamespace(returncode=100, stdout=said)
    monkeypatch.setattr("subprocess.run", lambda *_words, **_options: done)
    assert install.install(["x"]) == "E: Failed to fetch (address)  404"
