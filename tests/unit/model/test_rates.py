"""Two readings give a rate, or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podtick.model.metrics.row import MAX_VALUE, UNKNOWN, UNLIMITED
from podtick.model.rates import rates

SECOND = 10**9


@pytest.mark.parametrize(
    ("before", "now", "elapsed", "divisor", "rate"),
    [
        (0, 500_000_000, SECOND, SECOND, 0.5),  # half a core for a second
        (100, 400, SECOND, 1, 300),
        (100, 400, 2 * SECOND, 1, 150),  # a second was missed: the time that passed counts
        (100, 400, SECOND // 2, 1, 600),
        (7, 7, SECOND, 1, 0),  # idle is zero,
        (UNKNOWN, 7, SECOND, 1, None),  # unknown is not
        (7, UNKNOWN, SECOND, 1, None),
        (UNKNOWN, UNKNOWN, SECOND, 1, None),
        (7, UNLIMITED, SECOND, 1, None),
        (400, 100, SECOND, 1, None),  # it went back
        (100, 400, 0, 1, None),  # nobody knows how long it took
        (100, 400, -5, 1, None),
        (0, MAX_VALUE, SECOND, SECOND, 18446744073.709552),
    ],
)
def test_a_rate(before: int, now: int, elapsed: int, divisor: int, rate: float | None) -> None:
    assert rates([before, now], [0, elapsed], divisor) == [None, rate if rate is None else pytest.approx(rate)]


def test_the_first_reading_has_no_rate() -> None:
    assert rates([5], [0], 1) == [None]


READING = st.integers(0, 1000) | st.just(UNKNOWN)


@given(st.lists(st.tuples(READING, st.integers(0, 3)), min_size=1, max_size=50))
def test_each_rate_is_made_of_its_own_two_readings(readings: list[tuple[int, int]]) -> None:
    values, elapsed = [value for value, _ in readings], [seconds * SECOND for _, seconds in readings]
    whole = rates(values, elapsed, 1)
    assert whole[0] is None
    for place in range(1, len(values)):
        pair = rates(values[place - 1 : place + 1], [0, elapsed[place]], 1)
        assert whole[place] == pair[1]
        if pair[1] is not None:
            assert pair[1] * elapsed[place] / SECOND == pytest.approx(values[place] - values[place - 1], abs=1e-5)
