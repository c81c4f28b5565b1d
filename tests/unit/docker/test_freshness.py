import dataclasses
from typing import Any

import pytest

from podtick.sources.docker.containers import ContainerDetails, ContainerSummary
from podtick.sources.docker.freshness import least_age, still_the_same
from tests.unit.docker.scripted import container_id


@pytest.mark.parametrize(
    ("status", "seconds"),
    [
        ("Up Less than a second", 0),
        ("Up 1 second", 1),
        ("Up 59 seconds (healthy)", 59),
        ("Up About a minute", 60),
        ("Up 5 minutes (Paused)", 300),
        ("Up About an hour", 1800),
        ("Up 2 hours", 5400),
        ("Up 3 days", 3 * 86_400 - 1800),
        ("Up 2 weeks", 14 * 86_400 - 1800),
        ("Exited (0) Less than a second ago", 0),
        ("Exited (137) 4 months ago", 120 * 86_400 - 1800),
        ("Exited (-1) 2 seconds ago", 2),
        ("Up 2 years", 730 * 86_400 - 1800),
        ("Restarting (1) 4 seconds ago", None),
        ("Created", None),
        ("Dead", None),
        ("Removal In Progress", None),
        ("", None),
        ("Up some time", None),
    ],
)
def test_least_age(status: str, seconds: float | None) -> None:
    assert least_age(status) == seconds


def summary(**fields: Any) -> ContainerSummary:
    plain = ContainerSummary(container_id(1), "c1", "i", {}, "running", "Up 2 minutes", 0, "bridge")
    return dataclasses.replace(plain, **fields)


KNOWN = ContainerDetails(container_id(1), "c1", "i", {}, "running", 7, 1, None, None, False, 0, "bridge", "")


def test_a_container_that_goes_on_is_the_same() -> None:
    assert still_the_same(summary(), KNOWN, since_s=30)


@pytest.mark.parametrize("status", ["Up Less than a second", "Up 29 seconds", "Up 31 seconds", "Up", "Restarting"])
def test_one_that_may_have_restarted_is_not(status: str) -> None:
    assert not still_the_same(summary(status=status), KNOWN, since_s=30)


def test_another_state_or_name_is_not() -> None:
    assert not still_the_same(summary(state="paused"), KNOWN, since_s=30)
    assert not still_the_same(summary(name="other"), KNOWN, since_s=30)
