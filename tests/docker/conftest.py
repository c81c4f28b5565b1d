"""The agent that watches the session's engine, and containers that end with their test."""

from collections.abc import Callable, Iterator

import pytest

from tests.docker.containers import Containers
from tests.support.agent import Agent
from tests.support.engine import Engine, EngineUnavailable


@pytest.fixture(scope="module")
def agent(engine: Engine) -> Iterator[Agent]:
    """An agent for one file of tests; it must end well after all of them."""
    with Agent("--docker-host", f"unix://{engine.socket}") as running:
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
            started.append(Engine(live_restore=live_restore).__enter__())
        except EngineUnavailable as reason:
            pytest.skip(str(reason))
        return started[-1]

    try:
        yield make
    finally:
        for one in started:
            one.__exit__(None, None, None)
