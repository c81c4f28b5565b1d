"""The agent that watches the session's engine, and containers that end with their test."""

from collections.abc import Callable, Iterator

import pytest

from tests.docker.agents import watching
from tests.docker.containers import Containers
from tests.support.agent import Agent
from tests.support.engine import Engine, EngineUnavailable
from tests.support.engine.choice import chosen, lacking, source


def pytest_report_header() -> str:
    return f"tests/docker: {chosen().what}, numbers from: {source()}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that needs what the chosen engine, or its stats API, has not."""
    for mark in item.iter_markers("needs"):
        for need in mark.args:
            if reason := lacking(need):
                pytest.skip(reason)


@pytest.fixture(scope="module")
def agent(engine: Engine) -> Iterator[Agent]:
    """An agent for one file of tests; it must end well after all of them."""
    with watching(engine) as running:
        yield running


@pytest.fixture
def containers(engine: Engine) -> Iterator[Containers]:
    """Makes containers of the session's engine, and removes them."""
    with Containers(engine) as made:
        yield made


@pytest.fixture
def own_engine() -> Iterator[Callable[..., Engine]]:
    """Makes an engine of the test's own, to be killed and frozen."""
    started: list[Engine] = []

    def make(*, live_restore: bool = True) -> Engine:
        try:
            started.append(chosen().make(live_restore=live_restore).__enter__())
        except EngineUnavailable as reason:
            pytest.skip(str(reason))
        return started[-1]

    try:
        yield make
    finally:
        for one in started:
            one.__exit__(None, None, None)
