"""What a request asks for besides its path: `since`, `window`, `uid` and the filters of `/metrics`."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from podtick.model.metrics.row import Level
from podtick.serve.api.plan import Plan, check_patterns, make_plan
from podtick.serve.exposition.filters import (
    FilterError,
    Matcher,
    Selection,
    parse_levels,
    parse_metrics,
    parse_namespaces,
)

MOST_FOR_ALL = 300
"""Seconds of a window over all pods: an hour of 500 containers takes seconds to decode."""
_WINDOW = re.compile(r"([0-9]{1,6})([smh]?)", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
_SEVERAL = ("level", "metric", "namespace")
_LONGEST_UID = 253


@dataclass(frozen=True, slots=True)
class Query:
    """A request's parameters; `None`: not given. `window` is in seconds."""

    matcher: Matcher
    levels: frozenset[Level]
    namespaces: frozenset[str] | None
    uid: str | None
    window: int | None
    since: str | None

    def plan(self, level: Level) -> Plan | None:
        """What is wanted of a level; `None`: nothing."""
        return make_plan(level, self.matcher, measured=self.window is not None) if level in self.levels else None


def read_query(
    given: Iterable[tuple[str, str]],
    allowed: Collection[str],
    levels: Iterable[Level],
    default: Selection,
    most: int | None = None,
) -> Query:
    """Read the parameters of a route that takes `allowed` ones and has these levels; raises `FilterError`.

    `most`: the longest window, in seconds. Of the agent's defaults (`default`), levels and metrics hold here too.
    """
    values = _gather(given, allowed)
    levels = frozenset(levels)
    if "window" in values and "since" in values:
        raise FilterError("window and since exclude each other: the one sums up, the other gives every second")
    metrics = default.metrics
    if "metric" in values:
        metrics = parse_metrics(values["metric"])
        check_patterns(metrics, levels)
    uid = values.get("uid")
    if uid is not None and not 0 < len(uid) <= _LONGEST_UID:
        raise FilterError("uid is empty or too long to be one: take it from `uid` or `others` of a reply")
    return Query(
        Matcher(metrics),
        _levels(values.get("level"), levels, default),
        parse_namespaces(values["namespace"]) if "namespace" in values else None,
        uid,
        _window(values["window"], most) if "window" in values else None,
        values.get("since"),
    )


def _gather(given: Iterable[tuple[str, str]], allowed: Collection[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in given:
        if name not in allowed:
            nearest = get_close_matches(name[:40], allowed, n=1)
            hint = f"did you mean {nearest[0]}? " if nearest else ""
            raise FilterError(f"there is no parameter {name[:60]!r} here: {hint}parameters are {', '.join(allowed)}")
        if name in values and name not in _SEVERAL:
            raise FilterError(f"{name} is given twice: give it once")
        values[name] = f"{values[name]},{value}" if name in values else value
    return values


def _levels(text: str | None, there: frozenset[Level], default: Selection) -> frozenset[Level]:
    if text is None:
        return frozenset(level for level in there if len(there) == 1 or default.wants_level(level))
    named = parse_levels(text)
    if strange := sorted(named - there):
        raise FilterError(f"there is no level {strange[0]} here: levels are {', '.join(sorted(there))}")
    return frozenset(level for level in there if level in named)


def _window(text: str, most: int | None) -> int:
    match = _WINDOW.fullmatch(text)
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not seconds:
        shown = repr(text if len(text) <= 60 else text[:60] + "...")
        raise FilterError(f"window={shown} is no length of time: write such as 60s, 5m or 1h")
    if most is not None and seconds > most:
        raise FilterError(
            f"a window over all pods reaches back {most} s at most: ask for window={most}s, or for one pod, of which "
            "it may be the whole history"
        )
    return seconds
