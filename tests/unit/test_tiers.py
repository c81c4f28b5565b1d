"""The runner's own promises: which tiers are chosen, and when one that did not run is a failure."""

import _thread
import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.tiers import install
from tests.tiers.__main__ import jobs, row_of
from tests.tiers.catalogue import TESTS, TIERS, Tier, UnknownTier, choose
from tests.tiers.plugin import TierReport
from tests.tiers.records import failures
from tests.tiers.report import Report, Row
from tests.tiers.runs import Run, perform
from tests.tiers.schedule import Job, side_by_side

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


class Runner:
    """Stands in for pytest: prints what it was told to, and ends so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int, *lines: str) -> None:
        self.script = f"import sys; print({chr(10).join(lines)!r}); sys.exit({code})"
        self.seen: list[str] = []
        self._popen = subprocess.Popen
        monkeypatch.setattr("tests.tiers.runs.subprocess.Popen", self.start)

    def start(self, command: list[str], **options: Any) -> Any:
        self.seen = [*command[6:], options["env"]["PODTICK_TEST_ENGINE"], options["env"]["PODTICK_TEST_SOURCE"]]
        return self._popen([sys.executable, "-c", self.script], **options)


@pytest.mark.parametrize(
    ("code", "last", "strict", "verdict", "failed"),
    [
        (0, "=== 3 passed, 1 skipped in 2.50s ===", True, "ran: 3 passed, 1 skipped in 2.50s", False),
        (1, "1 failed, 2 passed in 2.50s", False, "ran: 1 failed, 2 passed in 2.50s", True),
        (0, "4 skipped in 0.10s", False, "ran: 4 skipped in 0.10s", False),
        (0, "4 skipped in 0.10s", True, "ran: 4 skipped in 0.10s", True),
        (5, "4 deselected in 0.10s", False, "ran: 4 deselected in 0.10s", False),
        (3, "INTERNALERROR> oh", False, "ended with exit 3, see above", True),
    ],
)
def test_a_run_of_its_own_is_a_row(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int, last: str, strict: bool, verdict: str, failed: bool
) -> None:
    runner = Runner(monkeypatch, code, "...s", last)
    run = Run("docker", 1, "podman", "engine", ("test_a.py",))
    tier = Row("podman", "what", command="make test TIERS=podman", tests="podman")
    row = perform(run, run.row(tier), tmp_path / "record", ["-k", "x", "--cov"], strict=strict)
    told = ["--quiet", "tests/docker/test_a.py", f"--tier-record={tmp_path}/record", "-k", "x", "podman", "engine"]
    assert runner.seen == told
    assert (row.name, row.verdict, row.failed, row.tests) == ("podman by engine", verdict, failed, None)
    assert row.command == ("make test TIERS=podman" if failed else "")


@pytest.mark.parametrize("every", [False, True])
def test_where_several_are_run_the_long_tiers_are_runs_of_their_own(tmp_path: Path, every: bool) -> None:
    def apart(tiers: Iterable[Tier], *arguments: str) -> list[str]:
        made = jobs(tuple(tiers), [*arguments], tmp_path, every=every)
        makers = [job.make for job in made]
        return [each.args[1].name for each in makers if isinstance(each, partial) and each.func is perform]

    folders = [tier for tier in TIERS if not tier.runs]
    long = [tier for tier in folders if tier.apart and not tier.missing()]
    assert apart(folders) == [run.row(Row(tier.name, "")).name for tier in long for run in tier.apart]
    assert apart(folders, "-k", "x") == []
    assert [apart([tier]) for tier in folders] == [[] for _ in folders]


def test_the_runs_of_a_tier_are_its_folder_once_and_have_names_of_their_own() -> None:
    for tier in TIERS:
        files = {path.name for path in tier.folder.glob("test_*.py")}
        shares = [set(run.files) or files - set(run.without) for run in tier.apart]
        assert sum(map(len, shares)) == (len(set().union(*shares)) if shares else 0)
        assert not shares or set().union(*shares) == files
        names = [run.row(Row(tier.name, "")).name for run in (*tier.runs, *tier.apart)]
        assert len(names) == len(set(names))


def test_rows_keep_their_order_although_the_longest_begin_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.tiers.schedule.AT_ONCE", 1)
    begun = []

    def perform_one(name: str) -> Row:
        begun.append(name)
        return Row(name, "")

    wanted = [Job(minutes, partial(perform_one, str(minutes))) for minutes in (1, 3, 2)]
    assert [row.name for row in side_by_side(wanted, {})] == ["1", "3", "2"]
    assert begun == ["3", "2", "1"]


def test_a_run_begins_when_what_it_needs_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.tiers.schedule.AT_ONCE", 1)
    monkeypatch.setattr("tests.tiers.schedule.LOOK_SECONDS", 0)
    begun: list[tuple[str, bool]] = []
    hold = [sys.executable, "-c", "input()"]
    with subprocess.Popen(hold, stdin=subprocess.PIPE) as slow, subprocess.Popen(["true"]) as done:
        done.wait()

        def perform_one(name: str) -> Row:
            begun.append((name, slow.poll() is not None))
            if name == "apart" and slow.stdin:
                slow.stdin.write(b"\n")
                slow.stdin.close()
            return Row(name, "")

        wanted = [
            Job(3, partial(perform_one, "cluster"), "slow"),
            Job(2, partial(perform_one, "chart"), "done"),
            Job(1, partial(perform_one, "apart")),
        ]
        assert [row.name for row in side_by_side(wanted, {"slow": slow, "done": done})] == ["cluster", "chart", "apart"]
    assert begun == [("chart", False), ("apart", False), ("cluster", True)]


@pytest.mark.parametrize("ends", [KeyboardInterrupt, ZeroDivisionError])
def test_after_ctrl_c_or_an_error_no_other_run_begins(
    monkeypatch: pytest.MonkeyPatch, ends: type[BaseException]
) -> None:
    ending = threading.Event()

    class Threads(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            ending.set()
            super().shutdown(wait, cancel_futures=cancel_futures)

    monkeypatch.setattr("tests.tiers.schedule.AT_ONCE", 2)
    monkeypatch.setattr("tests.tiers.schedule.ThreadPoolExecutor", Threads)
    begun = []

    def perform_one(name: str) -> Row:
        begun.append(name)
        if name == "ends" and ends is ZeroDivisionError:
            raise ZeroDivisionError
        if name == "ends":
            _thread.interrupt_main()
        assert ending.wait(60)
        return Row(name, "")

    wanted = [Job(minutes, partial(perform_one, name)) for minutes, name in ((3, "long"), (2, "ends"), (1, "other"))]
    with pytest.raises(ends):
        side_by_side(wanted, {})
    assert sorted(begun) == ["ends", "long"]


FAILS = """
import pytest
def test_good(): pass
def test_bad(): assert 'this' == 'that'
@pytest.mark.skip(reason='so it is')
def test_not(): pass
"""


def test_what_another_run_recorded_is_counted_named_and_fails_this_one(tmp_path: Path) -> None:
    for name, text in {"test_other.py": FAILS, "test_own.py": "def test_own(): pass\n"}.items():
        (tmp_path / name).write_text(text)
    records = tmp_path / "records"
    records.mkdir()
    record = records / "record"
    row = Row("podman by cgroup", "", "ran: ...", record=str(record))
    report = Report((row,), strict=False, records=str(records))

    def pytest_run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "--rootdir", str(tmp_path), "-ra", *words]
        wide = os.environ | {"COLUMNS": "300"}
        return subprocess.run(command, cwd=TESTS.parent, env=wide, capture_output=True, text=True, check=False)

    other = pytest_run(str(tmp_path / "test_other.py"), f"--tier-record={record}")
    assert (other.returncode, failures(record)) == (1, ["test_other.py::test_bad"]), other.stdout
    own = pytest_run(str(tmp_path / "test_own.py"), f"--tier-report={report.to_json()}")
    assert own.returncode == 1, own.stdout
    # Where CI is set, pytest gives the whole message, of several lines: nothing here counts lines.
    *lines, last = own.stdout.splitlines()
    assert [line for line in lines if line.startswith("SKIPPED ") and line.endswith(": so it is")]
    (failed,) = (line for line in lines if line.startswith("FAILED "))
    assert "test_other.py::test_bad [podman by cgroup] - AssertionError" in failed
    assert "1 failed, 2 passed, 1 skipped" in last
    assert "assert 'this' == 'that'" in own.stdout
    assert not records.exists()
