"""Whether a list alone shows that a container is still the one that was inspected before.

A list has no start time, but a text for people: "Up 5 minutes", "Exited (0) 2 hours ago". A container that
was started or ended anew since the last look says a shorter time than has passed since that look, so an
inspect is owed only then; a container that goes on costs nothing.
"""

import re

from podtick.sources.docker.containers import ContainerDetails, ContainerSummary

_SLACK_S = 2.0
_SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86_400,
    "week": 7 * 86_400,
    "month": 30 * 86_400,
    "year": 365 * 86_400,
}
_AGE = re.compile(
    r"^(?:Up|Exited \(-?\d+\)) (Less than a|About an?|\d{1,9}) (second|minute|hour|day|week|month|year)s?\b"
)


def least_age(status: str) -> float | None:
    """Return the least time in seconds that `status` can mean; `None` when it does not say."""
    found = _AGE.match(status)
    if found is None:
        return None
    count, unit = found.groups()
    if count == "Less than a":
        return 0.0
    number = int(count) if count.isdigit() else 1
    least = number * _SECONDS[unit]
    return least if least < _SECONDS["hour"] else least - _SECONDS["hour"] / 2  # from here on of rounded hours


def still_the_same(summary: ContainerSummary, known: ContainerDetails, since_s: float) -> bool:
    """Say whether `known`, confirmed `since_s` seconds ago, still holds for what a list shows now."""
    if summary.state != known.state or summary.name != known.name:
        return False
    if summary.state == "created":
        return True
    age = least_age(summary.status)
    return age is not None and age > since_s + _SLACK_S
