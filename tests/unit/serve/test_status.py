"""What /readyz says of an engine."""

from pathlib import Path
from typing import Any

import pytest

from podtick.roster.engine import EngineRoster
from podtick.roster.names import Names
from podtick.roster.roster import Roster
from podtick.sampler.protocol import Command
from podtick.serve.interfaces import SourceState
from podtick.serve.status import Status


class Deaf:
    def send(self, command: Command) -> None:
        """Nobody is told."""


@pytest.mark.parametrize(
    ("streamed", "says"),
    [
        (0, "no answer; what was running is still sampled"),
        (3, "no answer; 3 of 3 containers were read through its stats API and are unknown"),
        (
            1,
            "no answer; 1 of 3 containers were read through its stats API and are unknown, the rest is still sampled",
        ),
    ],
)
def test_what_becomes_of_the_containers_of_an_engine_that_is_lost(streamed: int, says: str) -> None:
    roster = Roster(Deaf())
    names = Names(roster, None)
    engine = EngineRoster(roster, names, None, Path("/proc"))
    engine.state.listed, engine.state.lost = True, "no answer"
    engine.state.running, engine.state.streamed = 3, streamed
    unused: Any = None
    docker, *_ = Status(unused, unused, engine, "unix:///x", True, None, "", names, None).sources()
    assert (docker.state, docker.reason) == (SourceState.LOST, says)
