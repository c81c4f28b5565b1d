"""Max, percentiles and the peak of seconds some of which are unknown."""

import random
from statistics import median_low

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podtick.model.windows import Summary, summarise


def test_nothing_known_is_nothing() -> None:
    assert summarise([], []) is None
    assert summarise([1, 2], [None, None]) is None


def test_one_second_is_all_of_it() -> None:
    assert summarise([100], [0.5]) == Summary(max=0.5, p50=0.5, p95=0.5, p99=0.5, peak=100, known=1)


def test_zero_is_a_value_and_unknown_is_none() -> None:
    assert summarise([1, 2, 3], [None, 0, None]) == Summary(0, 0, 0, 0, peak=2, known=1)


@pytest.mark.parametrize(
    ("count", "p50", "p95", "p99"),
    [(1, 1, 1, 1), (3, 2, 3, 3), (20, 10, 19, 20), (60, 30, 57, 60), (100, 50, 95, 99), (200, 100, 190, 198)],
)
def test_percentiles_are_of_the_nearest_rank(count: int, p50: int, p95: int, p99: int) -> None:
    values: list[float | None] = [float(value) for value in range(1, count + 1)]
    random.Random(count).shuffle(values)
    found = summarise(range(count), values)
    assert found is not None
    assert (found.p50, found.p95, found.p99, found.max) == (p50, p95, p99, count)


def test_twelve_seconds_of_sixty_are_seen_where_an_average_says_a_fifth() -> None:
    burst = [1.0 if 30 <= second < 42 else 0.0 for second in range(60)]
    assert summarise(range(1000, 1060), burst) == Summary(max=1.0, p50=0.0, p95=1.0, p99=1.0, peak=1030, known=60)


def test_the_peak_is_the_first_of_several() -> None:
    found = summarise([10, 11, 12, 13], [1, 5, 5, 2])
    assert found is not None
    assert found.peak == 11


@given(st.lists(st.none() | st.integers(-5, 50), min_size=1, max_size=120))
def test_every_figure_is_one_of_the_values(values: list[int | None]) -> None:
    found = summarise(range(len(values)), values)
    known = [value for value in values if value is not None]
    if found is None:
        assert not known
        return
    assert found.known == len(known)
    assert found.max == max(known) == values[found.peak]
    assert found.p50 == median_low(known)
    for percent, figure in ((95, found.p95), (99, found.p99)):
        assert 100 * sum(value <= figure for value in known) >= percent * len(known)
        assert 100 * sum(value < figure for value in known) < percent * len(known)
