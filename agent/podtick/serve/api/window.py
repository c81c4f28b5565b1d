"""What the last seconds of a target come to: max, percentiles, and when the peak was."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import cast

from podtick.history.records import TargetRecord
from podtick.model.windows import summarise
from podtick.serve.api.plan import Plan
from podtick.serve.api.series import Entry, Series, TickRange, read_series, rounded
from podtick.serve.interfaces import Hour

SECOND = 1_000_000_000


class Window:
    """Describes targets over the `seconds` up to tick `last`, or over as many of them as the history holds."""

    def __init__(self, hour: Hour, last: int, seconds: int) -> None:
        self._hour = hour
        self._seconds = seconds
        self.ticks = TickRange(hour, _first(hour, last, seconds) - 1, last)

    @property
    def head(self) -> Entry:
        """The window, as far as the history holds it."""
        return self._window([tick is not None for tick in self.ticks.ticks])

    def single(self, records: Sequence[TargetRecord], plan: Plan) -> Entry:
        """Statistics of one target, with the window as far as the history holds readings of it."""
        series = read_series(self._hour, records, plan, self.ticks)
        if series is None:
            return self._window([False] * len(self.ticks)) | {"statistics": {field.name: None for field in plan.values}}
        return self._window(series.present) | {"statistics": self._statistics(series)}

    def _window(self, covered: Sequence[bool]) -> Entry:
        seconds = [second for second, there in zip(self.ticks.timestamps[1:], covered[1:], strict=True) if there]
        return {
            "window": {
                "seconds": self._seconds,
                "from": seconds[0] if seconds else None,
                "to": seconds[-1] if seconds else None,
                "covered_seconds": len(seconds),
            }
        }

    def of(self, records: Sequence[TargetRecord], plan: Plan) -> Entry | None:
        """Statistics by field, `null` for one of which nothing is known; `None` when the target was not there."""
        series = read_series(self._hour, records, plan, self.ticks)
        return {"statistics": self._statistics(series)} if series else None

    def _statistics(self, series: Series) -> Entry:
        timestamps = self.ticks.timestamps[1:]
        found: Entry = {}
        for field, column in zip(series.plan.values, series.values, strict=True):
            summary = summarise(timestamps, cast("list[float | None]", column[1:]))  # what is measured is no text
            found[field.name] = summary and {
                "max": rounded(summary.max),
                "p50": rounded(summary.p50),
                "p95": rounded(summary.p95),
                "p99": rounded(summary.p99),
                "peak_timestamp": summary.peak,
                "known_seconds": summary.known,
            }
        return found


def _first(hour: Hour, last: int, seconds: int) -> int:
    """The first tick of the window, by the monotonic clock: a tick lies in it when it is less than `seconds` old."""
    end = hour.tick(last)
    if end is None:
        return last
    due = end.monotonic_ns - seconds * SECOND + SECOND // 2  # ticks come at whole seconds, more or less

    def begun(number: int) -> int:
        tick = hour.tick(number)
        return tick.monotonic_ns if tick else 0

    return bisect_left(range(last), due, lo=min(hour.oldest_number(), last), key=begun)
