"""Which series are asked for: `?level=`, `?metric=`, `?namespace=`, and `--levels`, `--metrics`.

Each may be repeated and may list several values between commas. A request's own filter replaces the agent's default.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import translate

from podtick.model.metrics.row import Level

AGENT = "agent"
"""The level of the agent's own health: `podtick_agent_*`."""
LEVELS = (*(str(level) for level in Level), AGENT)
PARAMETERS = ("level", "metric", "namespace")

_MOST_VALUES = 200
_PATTERN = re.compile(r"[a-zA-Z0-9_:*?\[\]!-]{1,200}")
_NAMESPACE = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,252}")
_PREFIX = "podtick_"


class FilterError(ValueError):
    """A filter that says nothing sensible; the message says what would."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is wanted; `None` is everything."""

    levels: frozenset[str] | None = None
    metrics: tuple[str, ...] | None = None
    namespaces: frozenset[str] | None = None

    def wants_level(self, level: str) -> bool:
        """Whether a level is wanted.

        Series of classes, all pods, the node and the agent belong to no namespace: a namespace filter leaves them out,
        unless their levels are named.
        """
        if self.levels is not None:
            return level in self.levels
        return self.namespaces is None or level in {Level.CONTAINER, Level.POD}

    def matcher(self) -> "Matcher":
        """The metric patterns, compiled for one request."""
        return Matcher(self.metrics)


EVERYTHING = Selection()


class Matcher:
    """Tells the wanted metrics by their names."""

    def __init__(self, patterns: tuple[str, ...] | None) -> None:
        self._full: re.Pattern[str] | None = None
        self._short: re.Pattern[str] | None = None
        self._everything = patterns is None
        if patterns is not None:
            self._full = _compiled(pattern for pattern in patterns if pattern.startswith(_PREFIX))
            self._short = _compiled(pattern for pattern in patterns if not pattern.startswith(_PREFIX))

    def wants(self, level: str, name: str, alias: str | None = None) -> bool:
        """Whether a metric is wanted; `name` is its full name, `alias` another one that it goes by.

        A pattern is held against what follows `podtick_LEVEL_`; the agent's own metrics are called `agent_...`. A
        pattern that begins with `podtick_` is held against the whole name. An alias is held against all others, whole.
        """
        if self._everything:
            return True
        short = name.removeprefix(_PREFIX if level == AGENT else f"{_PREFIX}{level}_")
        return bool(
            (self._short and (self._short.match(short) or (alias and self._short.match(alias))))
            or (self._full and self._full.match(name))
        )


def parse_levels(text: str) -> frozenset[str]:
    """Read `container,pod`; raises `FilterError`."""
    levels = _values("level", text)
    for level in levels:
        if level not in LEVELS:
            raise FilterError(f"there is no level {_shown(level)}: levels are {', '.join(LEVELS)}")
    return frozenset(levels)


def parse_metrics(text: str) -> tuple[str, ...]:
    """Read `cpu_*,memory_working_set*`; raises `FilterError`."""
    patterns = _values("metric", text)
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern):
            raise FilterError(
                f"{_shown(pattern)} is no pattern of metric names: write a name after podtick_LEVEL_, "
                "* for any characters, such as cpu_* or memory_working_set_bytes"
            )
    return tuple(patterns)


def parse_namespaces(text: str) -> frozenset[str]:
    """Read `shop,_docker`; raises `FilterError`."""
    namespaces = _values("namespace", text)
    for namespace in namespaces:
        if not _NAMESPACE.fullmatch(namespace):
            raise FilterError(f"{_shown(namespace)} cannot be the name of a namespace")
    return frozenset(namespaces)


def parse_query(query: Iterable[tuple[str, str]], default: Selection) -> Selection:
    """Read a request's filters over the agent's defaults; raises `FilterError`."""
    given: dict[str, list[str]] = {}
    for name, value in query:
        if name not in PARAMETERS:
            raise FilterError(_unknown_parameter(name))
        given.setdefault(name, []).append(value)
    joined = {name: ",".join(values) for name, values in given.items()}
    chosen = default
    if "level" in joined:
        chosen = replace(chosen, levels=parse_levels(joined["level"]))
    if "metric" in joined:
        chosen = replace(chosen, metrics=parse_metrics(joined["metric"]))
    if "namespace" in joined:
        chosen = replace(chosen, namespaces=parse_namespaces(joined["namespace"]))
    return chosen


def _values(name: str, text: str) -> list[str]:
    values = [value.strip() for value in text.split(",")]
    if not all(values):
        raise FilterError(f"{name} has an empty value: name at least one, with single commas between several")
    if len(values) > _MOST_VALUES:
        raise FilterError(f"{name} has {len(values)} values: at most {_MOST_VALUES} are taken")
    return values


def _compiled(patterns: Iterable[str]) -> re.Pattern[str] | None:
    # Not fnmatch(): it keeps its last 32,768 patterns for ever, and these come from anybody.
    alternatives = [translate(pattern) for pattern in patterns]
    return re.compile("|".join(alternatives)) if alternatives else None


def _unknown_parameter(name: str) -> str:
    nearest = get_close_matches(name[:40], PARAMETERS, n=1)
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    return f"there is no parameter {_shown(name)}: {hint}parameters are {', '.join(PARAMETERS)}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "...")
