"""A row of the table of peers: what a container and second costs each; the table, and the same as data."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

MIB = 1 << 20
HEAD = (
    "| µs of CPU per container and second that arrived | its own | the engine's | together | times podtick "
    "| memory, MiB | seconds that arrived |"
)


@dataclass(frozen=True, slots=True)
class Row:
    """A peer in one round or, of several, the medians; counts are sums over all rounds.

    `own` and `engine`: CPU time in µs per container and second of which data arrived, its own and what the engine burnt
    for it. `times`: both together as a multiple of podtick's in the same round. `arrived` of `wanted` seconds of all
    containers; `at_most`: there may have been fewer. `floor`: no peer, only the least there can be. `missing`: why it
    could not run.
    """

    name: str
    version: str = ""
    own: float | None = None
    engine: float | None = None
    times: float | None = None
    memory: float | None = None
    arrived: int = 0
    wanted: int = 0
    at_most: bool = False
    floor: bool = False
    missing: str = ""
    runs: int = 1

    @property
    def whole(self) -> float | None:
        """Its own CPU time and the engine's."""
        return None if self.own is None or self.engine is None else self.own + self.engine


def compared(rows: Sequence[Row]) -> list[Row]:
    """The rows of one round, the first of which is podtick's, each with its multiple of that one."""
    base = rows[0].whole
    return [replace(row, times=row.whole / base) if base and row.whole is not None else row for row in rows]


def medians(rounds: Iterable[Sequence[Row]]) -> list[Row]:
    """Row by row over all rounds; a round in which a peer could not run counts only when it never could."""
    return [_median([row for row in rows if not row.missing] or rows[:1]) for rows in zip(*rounds, strict=True)]


def _median(rows: Sequence[Row]) -> Row:
    return replace(
        rows[0],
        own=_middle(row.own for row in rows),
        engine=_middle(row.engine for row in rows),
        times=_middle(row.times for row in rows),
        memory=_middle(row.memory for row in rows),
        arrived=sum(row.arrived for row in rows),
        wanted=sum(row.wanted for row in rows),
        runs=len(rows),
    )


def _middle(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def verdict(rows: Sequence[Row]) -> dict[str, bool | None]:
    """What was asked of the table beforehand, and whether it is so; `None`: not all of the peers have a figure."""
    peers = [row.times for row in rows[1:] if not row.floor]
    dearer = [times >= 1 for times in peers if times is not None]
    known = bool(peers) and len(dearer) == len(peers)
    return {
        "no peer is cheaper per container and second that arrived": all(dearer) if known or not all(dearer) else None,
        "each of podtick's seconds arrived": rows[0].arrived == rows[0].wanted if rows[0].wanted else None,
    }


def peer_table(rows: Sequence[Row]) -> str:
    """All rows in Markdown's form, and the verdict."""
    lines = [HEAD, "|---|--:|--:|--:|--:|--:|--:|", *map(_line, rows), ""]
    words = {True: "yes", False: "**no**", None: "not measured"}
    return "\n".join([*lines, *(f"- {asked}: {words[met]}" for asked, met in verdict(rows).items())])


def _line(row: Row) -> str:
    name = f"{row.name} {row.version}".strip()
    if row.missing:
        return f"| {name} | not run: {row.missing} |  |  |  |  |  |"
    share = f"{'at most ' if row.at_most else ''}{row.arrived} of {row.wanted}" if row.wanted else ""
    numbers = " | ".join(map(_short, (row.own, row.engine, row.whole, row.times, row.memory)))
    return f"| {name} | {numbers} | {share} |"


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def as_data(rows: Sequence[Row]) -> dict[str, object]:
    """The same for JSON."""
    return {
        "unit": "µs of CPU per container and second that arrived; MiB",
        "rows": [
            {
                "name": row.name,
                "version": row.version,
                "own": row.own,
                "engine": row.engine,
                "whole": row.whole,
                "times_podtick": row.times,
                "memory": row.memory,
                "arrived": row.arrived if row.wanted else None,
                "arrived_at_most": row.at_most,
                "wanted": row.wanted or None,
                "not_run": row.missing or None,
                "runs": 0 if row.missing else row.runs,
            }
            for row in rows
        ],
        "asked": verdict(rows),
    }
