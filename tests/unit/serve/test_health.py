"""What live and ready mean."""

import pytest

from podtick.serve.health import DEAD_AFTER, live, ready
from podtick.serve.interfaces import SourceHealth, SourceState
from tests.support.world import FakeHealth


@pytest.mark.parametrize(
    ("ticked", "age", "alive"),
    [
        (True, 0.5, True),
        (True, DEAD_AFTER, True),
        (True, DEAD_AFTER + 0.1, False),
        (False, 1.0, True),
        (False, DEAD_AFTER + 0.1, False),
    ],
)
def test_live_is_that_the_ticker_ticks(ticked: bool, age: float, alive: bool) -> None:
    assert live(FakeHealth(ticked, age)).ok is alive


def test_a_dead_engine_does_not_kill_the_agent() -> None:
    lost = SourceHealth("docker", SourceState.WAITING, "refused")
    assert live(FakeHealth(all_sources=[lost])).status == 200


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (SourceState.ABSENT, 200),
        (SourceState.WAITING, 503),
        (SourceState.LISTED, 200),
        (SourceState.LOST, 200),
    ],
)
def test_ready_is_that_everything_was_listed_once(state: SourceState, status: int) -> None:
    report = ready(FakeHealth(all_sources=[SourceHealth("docker", state, "because")]))
    assert report.status == status
    assert f"docker: {state}: because" in report.text()


@pytest.mark.parametrize(("ticked", "age"), [(False, 0.1), (True, DEAD_AFTER + 1)])
def test_without_ticks_nothing_is_ready(ticked: bool, age: float) -> None:
    assert ready(FakeHealth(ticked, age)).status == 503


def test_one_source_is_enough_to_wait_for() -> None:
    sources = [
        SourceHealth("docker", SourceState.LISTED, "4 containers"),
        SourceHealth("kubernetes", SourceState.WAITING, "no answer"),
    ]
    report = ready(FakeHealth(all_sources=sources))
    assert report.text() == (
        "ready: no\n"
        "ok sampler: ticking: the newest tick is 0.4 s old\n"
        "ok docker: listed: 4 containers\n"
        "NOT OK kubernetes: waiting: no answer\n"
    )
