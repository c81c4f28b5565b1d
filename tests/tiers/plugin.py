"""The pytest side: counts results by tier, and prints the table above pytest's own last line.

What other runs have recorded is told to pytest as if it had just happened: so its summary names what failed there,
its last line counts it, and its exit code is theirs too.
"""

import shutil
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.tiers import records
from tests.tiers.report import Report, Row


class TierReport:
    """Registered by conftest when `--tier-report` names tiers."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._retelling = False

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Tell of the other runs' tests after this one's."""
        done = yield
        self._retelling = True
        for row in self._report.rows:
            if row.record:
                self._retell(session, row.name, Path(row.record))
        if self._report.records:
            shutil.rmtree(self._report.records)
        return done

    def _retell(self, session: pytest.Session, name: str, record: Path) -> None:
        config = session.config
        reports = list(records.read(config, record, name))
        session.testscollected += len({report.nodeid for report in reports})
        if reports and (terminal := config.pluginmanager.get_plugin("terminalreporter")):
            terminal.ensure_newline()
            terminal.write(f"{name} ")
        for report in reports:
            config.hook.pytest_runtest_logreport(report=report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count each test once, and an error of its set-up or clean-up besides."""
        if self._retelling:
            return
        if report.when == "call" or report.outcome != "passed":
            self._outcomes[_folder(report.nodeid)][report.outcome] += 1

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A tier that was owed and did not run fails the whole run."""
        if session.exitstatus == pytest.ExitCode.OK and any(row.failed for row in self._rows()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The table."""
        rows = list(self._rows())
        terminalreporter.section("tiers: what ran, what did not")
        wide = max(len(row.name) for row in rows)
        for row in rows:
            mark = "FAILED " if row.failed else ""
            terminalreporter.line(f"{row.name:{wide}}  {mark}{row.verdict}{': ' + row.why if row.why else ''}")
            terminalreporter.line(f"{'':{wide}}    {row.what}{'; run it: ' + row.command if row.command else ''}")

    def _rows(self) -> Iterator[Row]:
        for row in self._report.rows:
            yield row if row.tests is None else self._judged(row)

    def _judged(self, row: Row) -> Row:
        """A tier that took part in this run, with what came of it."""
        outcomes = self._outcomes[row.tests or ""]
        counted = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        ran = outcomes["passed"] + outcomes["failed"]
        return Row(
            row.name,
            row.what,
            verdict=f"ran: {counted}" if ran else "did not run",
            why="" if ran else (f"{counted}, reasons above" if outcomes else "no test was selected"),
            command="" if ran else row.command,
            failed=outcomes["failed"] > 0 or (self._report.strict and not ran),
        )


def _folder(nodeid: str) -> str:
    """The tier of `tests/TIER/.../test_x.py::test_y`."""
    parts = nodeid.split("/")
    return parts[1] if len(parts) > 2 and parts[0] == "tests" else ""
