"""The seconds of a page as they are served."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from podtick.model.metrics.row import Level
from podtick.serve.api.directory import Subject
from podtick.serve.api.plan import ANY_COLUMN, Plan
from podtick.serve.api.series import Entry, Series, read_series
from podtick.serve.api.since import Page, complete, present, walk
from podtick.serve.interfaces import Hour

_PRESENCE = Plan(Level.POD, (), (), (ANY_COLUMN,), {})
"""No field: says only when a pod was there."""


@dataclass(frozen=True, slots=True)
class _Fields:
    """One target's fields, tick by tick of a page."""

    present: Sequence[bool]
    entries: Sequence[Entry]

    @classmethod
    def of(cls, series: Series | None) -> "_Fields":
        if series is None:
            return cls((), ())
        return cls(series.present, list(series.entries(0, len(series.present))))

    def at(self, place: int) -> Entry | None:
        return self.entries[place] if self.present and self.present[place] else None


@dataclass(frozen=True, slots=True)
class PodSeconds:
    """A pod, or a lone container or the node, over a page; `containers` by name, `None` where they are not wanted."""

    series: Series | None
    own: _Fields
    wants_own: bool
    containers: Sequence[tuple[str, _Fields]] | None

    @classmethod
    def of(
        cls,
        hour: Hour,
        page: Page,
        own: tuple[Subject, Plan | None],
        containers: tuple[Sequence[Subject], Plan | None] = ((), None),
    ) -> "PodSeconds":
        """Read it: its own fields and those of its containers, as far as there is a plan for them."""
        subject, plan = own
        series = read_series(hour, subject.records, plan or _PRESENCE, page.ticks)
        below: list[tuple[str, _Fields]] | None = None
        if (wanted := containers[1]) is not None:
            below = [
                (each.identity.container or "", _Fields.of(read_series(hour, each.records, wanted, page.ticks)))
                for each in containers[0]
            ]
        return cls(series, _Fields.of(series), plan is not None, below)

    def at(self, place: int) -> Entry | None:
        """What is known at one tick; `None` when it was not there."""
        own = self.own.at(place)
        if own is None:
            return None
        entry = dict(own) if self.wants_own else {}
        if self.containers is not None:
            found = ((name, fields.at(place)) for name, fields in self.containers)
            entry["containers"] = [{"container": name, **known} for name, known in found if known]
        return entry


def one_seconds(hour: Hour, page: Page, subject: Subject, seconds: PodSeconds) -> Iterator[Entry]:
    """The seconds of one target, and the gaps between them."""
    for step in walk(page, present(hour, page, subject, seconds.series)):
        if isinstance(step, int):
            yield {"timestamp": page.ticks.timestamps[step]} | (seconds.at(step) or {})
        else:
            yield step


def all_seconds(hour: Hour, page: Page, pods: Iterable[tuple[Entry, PodSeconds]]) -> Iterator[Entry]:
    """The seconds of many pods, each with the pods that there were, and the gaps between them."""
    read = list(pods)
    for step in walk(page, complete(hour, page)):  # what has left the history while it was read is a gap for all
        if isinstance(step, int):
            found = [who | entry for who, seconds in read if (entry := seconds.at(step)) is not None]
            yield {"timestamp": page.ticks.timestamps[step], "pods": found}
        else:
            yield step
