"""Up to where a reader has got: `HISTORY-TICK-TIME`, such as `5f0c6a9e1b2d3c4f-48211-1764021256`.

It names the history, since another one counts its ticks anew; the number of the last tick that was received; and that
tick's second, so that a gap can be told when the tick itself is no longer known.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from podtick.serve.interfaces import Hour

OLDEST = "oldest"
NOW = "now"
FORM = "write since=now, since=oldest, a Unix time in seconds, or the text of `next` of an earlier reply"
_CURSOR = re.compile(r"([0-9a-f]{16})-([0-9]{1,12})-([0-9]{1,12})", re.ASCII)
_TIME = re.compile(r"[0-9]{1,12}", re.ASCII)
AHEAD = 3600
"""Seconds by which a Unix time may lie ahead of the newest tick: clocks differ."""


class CursorError(ValueError):
    """A `since` that says nothing sensible; the message says what would."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """All up to tick `number` has been received; its second was `timestamp`."""

    instance: int
    number: int
    timestamp: int

    def __str__(self) -> str:
        return f"{self.instance:016x}-{self.number}-{self.timestamp}"


class Reason(StrEnum):
    """Why there are seconds without readings."""

    MISSED = "missed"  # the sampler was held up
    AGED_OUT = "aged_out"  # they were there, and have left the history
    RESTARTED = "restarted"  # nobody sampled: sampler or agent were started anew
    CLOCK_SET = "clock_set"  # there never were such seconds: the wall clock was set forward


@dataclass(frozen=True, slots=True)
class Start:
    """Where to go on: with the tick after `number`.

    `after` is the last second that the reader has, if it has one; `reason` is why the next one there is may not follow
    at once, where its tick does not say so itself.
    """

    number: int
    after: int | None = None
    reason: Reason | None = None


def start_of(text: str, hour: Hour, latest: int) -> Start:
    """Read `since=`, `latest` being the newest tick; raises `CursorError`."""
    oldest = hour.oldest_number()
    if text == NOW:
        return Start(latest)
    if text == OLDEST:
        return Start(oldest - 1)
    if _TIME.fullmatch(text):
        return _after_time(int(text), hour, oldest, latest)
    match = _CURSOR.fullmatch(text)
    if not match:
        raise CursorError(f"since={_shown(text)} is no place in the history: {FORM}")
    cursor = Cursor(int(match[1], 16), int(match[2]), int(match[3]))
    if cursor.instance != hour.instance:
        return Start(oldest - 1, cursor.timestamp, Reason.RESTARTED)
    if cursor.number > latest:
        newest = cursor_at(hour, latest)
        raise CursorError(f"since={_shown(text)} lies in the future, the newest tick is {newest}: {FORM}")
    if cursor.number < oldest - 1:
        return Start(oldest - 1, cursor.timestamp, Reason.AGED_OUT)
    return Start(cursor.number, cursor.timestamp)


def cursor_at(hour: Hour, number: int) -> Cursor:
    """The cursor of a reader who has received all up to this tick."""
    tick = hour.tick(number)
    return Cursor(hour.instance, number, tick.timestamp if tick else 0)


def _after_time(time: int, hour: Hour, oldest: int, latest: int) -> Start:
    newest = hour.tick(latest)
    if newest and time > newest.timestamp + AHEAD:
        raise CursorError(f"since={time} lies in the future: the newest second is {newest.timestamp} (Unix, seconds)")
    number = latest
    while number >= oldest and (tick := hour.tick(number)) and tick.timestamp > time:
        number -= 1
    if number >= oldest:
        return Start(number, time)
    return Start(number, time, Reason.AGED_OUT if oldest > 1 else Reason.RESTARTED)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "...")
