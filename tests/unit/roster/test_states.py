"""The engine client and the metric table each name a container's states; the roster translates, so both must agree."""

from typing import get_args

from podtick.model.metrics.state import STATES
from podtick.sources.docker.containers import ContainerState


def test_every_state_of_the_engine_has_a_place_in_the_table() -> None:
    assert set(get_args(ContainerState)) == set(STATES)
