"""What a pytest run told of its tests, kept in a file: so that another run can count it as its own and show it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class Recorder:
    """Registered by conftest when `--tier-record` names a file: writes each report there, one a line."""

    def __init__(self, config: pytest.Config, path: Path) -> None:
        self._config = config
        self._path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write it at once: what a run that is killed later has told by then is there."""
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        if report.passed:
            data["sections"] = []  # what it printed, which nobody will look at: of one test, megabytes
        with self._path.open("a") as file:
            file.write(json.dumps(data, default=str) + "\n")


def read(config: pytest.Config, path: Path, run: str) -> Iterator[pytest.TestReport]:
    """The reports of a run, in their order; its name is put after a test's where another run has tests of that name."""
    for data in lines(path):
        if isinstance(data["longrepr"], list):
            data["longrepr"] = tuple(data["longrepr"])  # which JSON knows not
        if not data["nodeid"].startswith(f"tests/{run}/"):
            file, line, name = data["location"]
            data |= {"nodeid": f"{data['nodeid']} [{run}]", "location": (file, line, f"{name} [{run}]")}
        yield config.hook.pytest_report_from_serializable(config=config, data=data)


def failures(path: Path) -> list[str]:
    """The names of the tests that failed."""
    return list(dict.fromkeys(data["nodeid"] for data in lines(path) if data["outcome"] == "failed"))


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """What was written, but for a last line that is no whole one."""
    if path.exists():
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)
