"""The newest second of a target: of one that has left, its last."""

from collections.abc import Sequence

from podtick.history.records import TargetRecord
from podtick.serve.api.plan import Plan
from podtick.serve.api.series import DECIMALS, Entry, TickRange, read_series
from podtick.serve.interfaces import Hour

SHARES = {
    "cpu_of_limit": ("cpu_usage_cores", "spec_cpu_limit_cores"),
    "cpu_of_request": ("cpu_usage_cores", "cpu_request_cores"),
    "memory_of_limit": ("memory_working_set_bytes", "spec_memory_limit_bytes"),
    "memory_of_request": ("memory_working_set_bytes", "memory_request_bytes"),
}
"""What is used, and of what: fields of a target."""


class Latest:
    """Describes targets as they were at tick `number`."""

    def __init__(self, hour: Hour, number: int) -> None:
        self._hour = hour
        self.ticks = TickRange(hour, number - 1, number)

    @property
    def head(self) -> Entry:
        """What holds for all of them: when that was."""
        return {"timestamp": self.ticks.timestamps[-1]}

    def of(self, records: Sequence[TargetRecord], plan: Plan) -> Entry | None:
        """Values and rates; `None` when the target was not there at that tick."""
        series = read_series(self._hour, records, plan, self.ticks)
        if series is None:
            return None
        entry = series.entry(1)
        return entry | _shares(entry)

    def single(self, records: Sequence[TargetRecord], plan: Plan) -> Entry:
        """The same of one target, with the time; all unknown for one that has not been read yet."""
        return self.head | (self.of(records, plan) or _unknown(plan))


def _shares(entry: Entry) -> Entry:
    """How much of what it may use, and of what it asks for, a target uses: of those numbers that are asked for."""
    values, limits = entry["values"], entry.get("limits", {})
    assert isinstance(values, dict)
    assert isinstance(limits, dict)
    known = values | {name: limit["value"] for name, limit in limits.items()}
    shares = {
        name: _share(known[used], known[whole])
        for name, (used, whole) in SHARES.items()
        if used in known and whole in known
    }
    return {"shares": shares} if shares else {}


def _share(used: float | None, whole: float | None) -> float | None:
    return round(used / whole, DECIMALS) if used is not None and whole else None


def _unknown(plan: Plan) -> Entry:
    entry: Entry = {"values": {field.name: None for field in plan.values}}
    if plan.limits:
        entry["limits"] = {field.name: {"value": None, "limited": None} for field in plan.limits}
    return entry | _shares(entry)
