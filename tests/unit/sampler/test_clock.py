"""Ticks on whole seconds, whatever the clocks do."""

from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from podtick.sampler.clock import SECOND, STEP_NS, Deadline, TickClock

HOUR = 3600 * SECOND
MILLI = 1_000_000


@dataclass
class Clocks:
    """A monotonic clock and a wall clock that runs `ppm` too fast."""

    monotonic: int = 5_000 * SECOND + 123_456_789
    wall: int = 1_700_000_000 * SECOND + 987_654_321
    ppm: int = 0
    ticks: list[Deadline] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = TickClock(lambda: self.monotonic, lambda: self.wall)

    def pass_time(self, ns: int) -> None:
        self.monotonic += ns
        self.wall += ns + ns * self.ppm // 1_000_000

    def tick(self, late: int = 0, took: int = 0, step: int = 0) -> Deadline:
        """One tick: wait for its deadline, be late, work for a while; meanwhile the wall clock is set."""
        before = self.ticks[-1] if self.ticks else None
        due = self.clock.after(before)
        now, wall = self.monotonic, self.wall
        assert abs(wall + due.monotonic_ns - now - due.timestamp * SECOND) <= 1, "not at a whole second"
        assert due.monotonic_ns > now - SECOND, "a second that is wholly past"
        self.ticks.append(due)
        self.pass_time(max(0, due.monotonic_ns - self.monotonic) + late)
        self.pass_time(took)
        self.wall += step
        return due

    @property
    def elapsed(self) -> float:
        return (self.ticks[-1].monotonic_ns - self.ticks[0].monotonic_ns) / SECOND

    @property
    def counted(self) -> int:
        return len(self.ticks) - 1 + sum(due.missed for due in self.ticks)


def test_the_first_tick_is_at_the_next_whole_second() -> None:
    clocks = Clocks()
    due = clocks.tick()
    assert due == Deadline(1_700_000_001, 5_000 * SECOND + 123_456_789 + 12_345_679)


@pytest.mark.parametrize(
    ("late", "took", "missed", "after"),
    [
        (0, 26 * MILLI, 0, 1),
        (300 * MILLI, 100 * MILLI, 0, 1),
        (0, 999 * MILLI, 0, 1),
        (0, SECOND, 0, 1),
        (0, 1_900 * MILLI, 0, 1),  # late, but the second is still worth a tick
        (0, 2 * SECOND, 1, 2),
        (500 * MILLI, 3_600 * MILLI, 3, 4),
        (0, HOUR, 3599, 3600),
    ],
)
def test_what_a_long_pass_misses(late: int, took: int, missed: int, after: int) -> None:
    clocks = Clocks()
    first = clocks.tick(late, took)
    due = clocks.tick()
    assert (due.missed, due.stepped) == (missed, False)
    assert due.timestamp == first.timestamp + after
    assert due.monotonic_ns == first.monotonic_ns + after * SECOND


@pytest.mark.parametrize("step", [HOUR, -HOUR, SECOND, -SECOND, 24 * HOUR, STEP_NS + 1, -STEP_NS - 1])
@pytest.mark.parametrize("took", [0, 26 * MILLI, 700 * MILLI])
def test_a_wall_clock_that_is_set(step: int, took: int) -> None:
    clocks = Clocks()
    before = clocks.tick(took=took, step=step)
    stepped = clocks.tick(took=MILLI)
    assert stepped.stepped
    assert STEP_NS <= stepped.monotonic_ns - before.monotonic_ns <= 2 * SECOND
    assert stepped.missed <= 1
    assert stepped.timestamp - before.timestamp in {step // SECOND + extra for extra in (0, 1, 2)}
    following = clocks.tick()
    assert following == Deadline(stepped.timestamp + 1, stepped.monotonic_ns + SECOND)


def test_an_hour_ahead_hides_no_missed_second() -> None:
    """The monotonic clock counts, not the new time."""
    clocks = Clocks()
    clocks.tick(took=5 * SECOND, step=HOUR)
    assert clocks.tick().missed == 5


def test_a_leap_second_is_waited_out() -> None:
    """The kernel sets the wall clock back by one second at midnight: 23:59:59 comes twice, but has one tick."""
    clocks = Clocks()
    for _ in range(5):
        clocks.tick(took=20 * MILLI)
    clocks.tick(took=20 * MILLI, step=-SECOND)
    for _ in range(5):
        clocks.tick(took=20 * MILLI)
    assert [due.missed for due in clocks.ticks] == [0] * 6 + [1] + [0] * 4
    assert [due.stepped for due in clocks.ticks] == [False] * 6 + [True] + [False] * 4
    assert clocks.elapsed == 11
    timestamps = [due.timestamp - clocks.ticks[0].timestamp for due in clocks.ticks]
    assert timestamps == list(range(11))


@pytest.mark.parametrize("ppm", [500, -500])
def test_an_hour_of_slewing_is_no_step(ppm: int) -> None:
    """adjtime: at most 500 ppm."""
    clocks = Clocks(ppm=ppm)
    first = clocks.tick()
    for _ in range(3600):
        clocks.tick(took=30 * MILLI)
    assert clocks.ticks[-1].timestamp == first.timestamp + 3600
    assert not any(due.missed or due.stepped for due in clocks.ticks)
    assert abs(clocks.elapsed - 3600) < 2


steps = st.sampled_from((0, 0, 0, 0, HOUR, -HOUR, SECOND, -SECOND, 300 * MILLI, -300 * MILLI, 600 * MILLI))
durations = st.sampled_from((0, MILLI, 26 * MILLI, 400 * MILLI, 990 * MILLI)) | st.integers(0, 5 * SECOND)


@given(
    start=st.integers(0, SECOND - 1),
    ppm=st.sampled_from((0, 500, -500)),
    events=st.lists(st.tuples(durations, durations, steps), max_size=40),
)
@example(0, 0, [(0, 0, 0)] * 5)
@example(SECOND - 1, 0, [(0, SECOND - 1, -SECOND)] * 5)
def test_no_second_twice_and_none_uncounted(start: int, ppm: int, events: list[tuple[int, int, int]]) -> None:
    clocks = Clocks(ppm=ppm)
    clocks.pass_time(start)
    for late, took, step in events:
        clocks.tick(late, took, step)
    clocks.tick()
    small = sum(abs(step) for _, _, step in events if abs(step) <= STEP_NS)
    large = sum(abs(step) > STEP_NS for _, _, step in events)
    for (_, _, step), before, due in zip(events, clocks.ticks, clocks.ticks[1:], strict=False):
        assert due.missed >= 0
        assert due.monotonic_ns - before.monotonic_ns >= STEP_NS, "two ticks for one second"
        if not due.stepped:
            assert due.timestamp == before.timestamp + 1 + due.missed
        elif step >= 0:
            assert due.timestamp > before.timestamp
    slack = small / SECOND + large + 0.01 + abs(ppm) * clocks.elapsed / 1_000_000
    assert abs(clocks.elapsed - clocks.counted) <= slack
