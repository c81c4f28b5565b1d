"""For every test: nothing may be left behind; and the things that several tiers share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import Engine, EngineUnavailable
from tests.support.engine.choice import chosen
from tests.support.golden import Golden
from tests.support.leaks import Belongings, TaskWatch, wait_for_leaks
from tests.tiers.plugin import TierReport
from tests.tiers.records import Recorder
from tests.tiers.report import Report

TESTS = Path(__file__).parent
TASKS = pytest.StashKey[TaskWatch]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files instead of comparing")
    parser.addoption("--tier-report", help="the tiers that were asked for, as JSON; from tests.tiers")
    parser.addoption("--tier-record", type=Path, help="the file in which to tell of each test, for tests.tiers")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TASKS] = TaskWatch()
    if report := config.getoption("--tier-report"):
        config.pluginmanager.register(TierReport(Report.from_json(report)))
    if record := config.getoption("--tier-record"):
        config.pluginmanager.register(Recorder(config, record))


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[TASKS].end()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Fail a test some of whose tasks were still pending when its event loop closed."""
    yield
    if pending := item.config.stash[TASKS].take():
        pytest.fail(f"{item.name} left behind:\n  " + "\n  ".join(pending), pytrace=False)


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Threads, processes and descriptors that a test and its fixtures opened are gone when they end."""
    before = Belongings.now()
    yield
    if leaked := wait_for_leaks(before):
        pytest.fail(f"{request.node.name} left behind:\n  " + "\n  ".join(leaked), pytrace=False)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A real engine, by default Docker 20.10, shared by the session's tests, which remove their own containers."""
    try:
        with chosen().make() as started:
            yield started
    except EngineUnavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares with the files in tests/golden, or writes them with --update-golden."""
    return Golden(TESTS / "golden", update=request.config.getoption("--update-golden"))
