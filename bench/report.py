"""A figure, the median of several measurements of it, and the table of all."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: a value beside its peer's (`peer` names it), their ratio, and what was asked of which of the two.

    `asked` is the largest value (`asked_of` "value") or ratio ("ratio") that was set beforehand; `None`: none.
    """

    name: str
    unit: str
    value: float
    peer: str = ""
    peer_value: float | None = None
    asked: float | None = None
    asked_of: str = "ratio"
    note: str = ""
    runs: int = 1
    middle_ratio: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times the peer's value it is; the median of the runs' ratios where there were several."""
        if self.middle_ratio is not None:
            return self.middle_ratio
        return self.value / self.peer_value if self.peer_value else None

    @property
    def met(self) -> bool | None:
        """Whether it is as asked; `None` where nothing was asked or nothing could be measured."""
        measured = self.ratio if self.asked_of == "ratio" else self.value
        return None if self.asked is None or measured is None else measured <= self.asked


def median_of(runs: Sequence[Sequence[Figure]]) -> list[Figure]:
    """Row by row the median of the values, of the peers' values and of the ratios, each by itself."""
    return [_median(rows) for rows in zip(*runs, strict=True)]


def _median(rows: Sequence[Figure]) -> Figure:
    peers = [row.peer_value for row in rows if row.peer_value is not None]
    ratios = [row.ratio for row in rows if row.ratio is not None]
    first = rows[0]
    return Figure(
        first.name,
        first.unit,
        statistics.median(row.value for row in rows),
        first.peer,
        statistics.median(peers) if peers else None,
        first.asked,
        first.asked_of,
        first.note,
        len(rows),
        statistics.median(ratios) if ratios else None,
    )


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least this share (0 to 1) of the values does not exceed; 0 for none."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def table(figures: Sequence[Figure]) -> str:
    """All rows as text, in Markdown's form, notes below."""
    lines = ["| figure | measured | unit | beside | | ratio | asked | met |", "|---|--:|---|---|--:|--:|---|---|"]
    for row in figures:
        asked = "" if row.asked is None else f"{'ratio ' if row.asked_of == 'ratio' else ''}<= {row.asked:g}"
        met = {None: "", True: "yes", False: "**no**"}[row.met]
        lines.append(
            f"| {row.name} | {_short(row.value)} | {row.unit} | {row.peer} | {_short(row.peer_value)} "
            f"| {_short(row.ratio)} | {asked} | {met} |"
        )
    notes = dict.fromkeys(f"- {row.name}: {row.note}" for row in figures if row.note)
    return "\n".join([*lines, *(["", *notes] if notes else [])])


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def as_json(figures: Sequence[Figure], about: dict[str, str], **more: object) -> str:
    """All rows and what they were measured on, and what else there is."""
    rows = [{**asdict(row), "ratio": row.ratio, "met": row.met} for row in figures]
    return json.dumps({"measured_on": about, "figures": rows, **more}, indent=2)
