"""Every second since a cursor, in order, each once, and between them the gaps: seconds that nobody can tell of.

A reader who passes `next` back receives everything exactly once, however often it asks, as long as it asks at least
once in the time that the history reaches back; what it missed beyond that is told as a gap.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from podtick.history.ticks import AFTER_START, CLOCK_STEPPED
from podtick.serve.api.cursor import Cursor, Reason, Start, cursor_at
from podtick.serve.api.directory import Subject
from podtick.serve.api.series import Entry, Series, TickRange
from podtick.serve.interfaces import Hour

MOST_SECONDS = 300
MOST_VALUES = 100_000
"""Of one page, whichever comes first; but always a second at least. So many values are some 4 MB of JSON."""


@dataclass(frozen=True, slots=True)
class Page:
    """The ticks after `start` that one reply holds; `next` is where to go on, `more` whether at once."""

    start: Start
    ticks: TickRange
    next: Cursor
    more: bool

    @property
    def tail(self) -> Entry:
        """What stands after the seconds."""
        return {"next": str(self.next), "more": self.more}


def make_page(hour: Hour, start: Start, latest: int, fields: int) -> Page:
    """The page that begins at `start` and ends at tick `latest` or before, with so many fields a second."""
    most = max(1, min(MOST_SECONDS, MOST_VALUES // max(fields, 1)))
    end = min(latest, start.number + most)
    return Page(start, TickRange(hour, start.number, end), cursor_at(hour, end), end < latest)


def present(hour: Hour, page: Page, subject: Subject, series: Series | None) -> list[bool | None]:
    """Tick by tick: was the target read? `None`: it was, and its reading has left the history since."""
    found = series.present if series else [False] * len(page.ticks)
    kept = complete(hour, page)
    return [
        there and whole if there or not subject.lived(number, number) else None
        for number, (there, whole) in enumerate(zip(found, kept, strict=True), page.ticks.first)
    ]


def complete(hour: Hour, page: Page) -> list[bool | None]:
    """Tick by tick: is it in the history? `None`: it has left it, perhaps while it was read."""
    oldest = hour.oldest_number()
    return [
        True if tick and number >= oldest else None for number, tick in enumerate(page.ticks.ticks, page.ticks.first)
    ]


def walk(page: Page, there: Sequence[bool | None]) -> Iterator[int | Entry]:
    """The places in the page's ticks that are served, and between them the gaps as they are served.

    `there`: True: serve it; False: there is nothing to serve, and that is no loss; `None`: it is lost.
    """
    before, reason = page.start.after, page.start.reason
    if before is None and (tick := page.ticks.ticks[0]):
        before = tick.timestamp
    lost = False
    for place, tick in enumerate(page.ticks.ticks[1:], 1):
        lost = tick is None or there[place] is None
        if tick and before is None:
            before = tick.timestamp - 1
        if tick is None or lost:
            reason = reason or Reason.AGED_OUT
            continue
        if before is not None and tick.timestamp > before + 1:
            yield _gap(before + 1, tick.timestamp - 1, reason or tick_reason(tick.flags))
        before, reason = tick.timestamp, None
        if there[place]:
            yield place
    if lost and before is not None and page.next.timestamp > before:  # else nobody would tell: `next` is behind it
        yield _gap(before + 1, page.next.timestamp, reason or Reason.AGED_OUT)


def tick_reason(flags: int) -> Reason:
    """Why there are no ticks in the seconds before one with these flags."""
    if flags & AFTER_START:
        return Reason.RESTARTED
    return Reason.CLOCK_SET if flags & CLOCK_STEPPED else Reason.MISSED


def _gap(first: int, last: int, reason: Reason) -> Entry:
    return {"gap": {"from": first, "to": last, "reason": str(reason)}}
