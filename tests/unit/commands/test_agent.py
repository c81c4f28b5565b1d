"""What the agent does before it serves: the sampler starts, the rest is loaded, and a signal may come."""

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from podtick.commands import agent

PATIENCE = 60.0


class Idle:
    """Stands for the sampler and its owner, who works until cancelled."""

    async def run(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture
def unhandled() -> Iterator[list[int]]:
    """The signals that came while the agent had no handler for them, which would end it."""
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in agent.SIGNALS}
    yield came
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", agent.SIGNALS)
def test_a_signal_that_comes_while_the_rest_is_loaded_counts(
    monkeypatch: pytest.MonkeyPatch, unhandled: list[int], number: signal.Signals
) -> None:
    async def serve(_settings: Any, _sampling: Any, _company: Any, stopped: asyncio.Event, _ticking: Any) -> int:
        async with asyncio.timeout(PATIENCE):
            await stopped.wait()
        return 0

    def load() -> agent.Serve:
        os.kill(os.getpid(), number)
        return serve

    monkeypatch.setattr(agent, "Sampling", lambda _: Idle())
    monkeypatch.setattr(agent, "_load", load)
    settings: Any = None
    assert agent.run(settings) == 0
    assert unhandled == []
