"""Numbers and headers of the text formats."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podtick.model.metrics.row import MAX_VALUE, Kind, Level, Metric, Unit
from podtick.model.metrics.table import rows_at
from podtick.serve.exposition.format import FLOAT_EXACT_BELOW, Format, exact, header, label_pair, number, unit_of

DIVISORS = st.sampled_from([unit.divisor for unit in Unit])


@pytest.mark.parametrize(
    ("value", "divisor", "text"),
    [
        (0, 1, "0"),
        (0, 10**9, "0.0"),
        (1, 10**9, "0.000000001"),
        (1_500_000_000, 10**9, "1.5"),
        (3_000_000_000, 10**9, "3.0"),
        (300, 100, "3.0"),
        (107, 100, "1.07"),
        (MAX_VALUE, 1, "18446744073709551613"),
        (MAX_VALUE, 10**9, "18446744073.709551613"),
        (1_764_000_000_123_456_789, 10**9, "1764000000.123456789"),
    ],
)
def test_a_number_is_exact_and_short(value: int, divisor: int, text: str) -> None:
    assert number(value, divisor) == text


@given(st.integers(0, MAX_VALUE), DIVISORS)
def test_a_number_loses_nothing(value: int, divisor: int) -> None:
    assert Decimal(number(value, divisor)) * divisor == value


@given(st.integers(0, FLOAT_EXACT_BELOW - 1), DIVISORS)
def test_a_float_says_the_same_as_the_exact_form(value: int, divisor: int) -> None:
    assert Decimal(repr(value / divisor)) == Decimal(exact(value, divisor))


@given(st.text())
def test_a_label_value_stays_on_its_line(value: str) -> None:
    pair = label_pair("pod", value)
    assert "\n" not in pair
    assert "\0" not in pair
    assert pair.encode().startswith(b'pod="')


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain-1.x", 'pod="plain-1.x"'),
        ('a"b', r'pod="a\"b"'),
        ("a\\b", r'pod="a\\b"'),
        ("a\nb", r'pod="a\nb"'),
        ("\\n", r'pod="\\n"'),
        ("ü\U0001f600", 'pod="ü\U0001f600"'),
        ("a\0b", 'pod="a\ufffdb"'),
        ("a\ud800b", 'pod="a\ufffdb"'),
        ("", 'pod=""'),
    ],
)
def test_label_values_are_escaped(value: str, text: str) -> None:
    assert label_pair("pod", value) == text


def test_a_plain_header_names_the_samples() -> None:
    row = Metric("x_total", Kind.COUNTER, Unit.COUNT, 'Line\nand \\ and ".', (Level.POD,))
    assert header("podtick_pod_x_total", row, Format.TEXT) == (
        '# HELP podtick_pod_x_total Line\\nand \\\\ and ".\n# TYPE podtick_pod_x_total counter\n'
    )


def test_an_openmetrics_header_names_the_family() -> None:
    row = Metric("x_seconds_total", Kind.COUNTER, Unit.SECONDS, 'Said "so".', (Level.POD,))
    assert header("podtick_pod_x_seconds_total", row, Format.OPENMETRICS) == (
        "# TYPE podtick_pod_x_seconds counter\n"
        "# UNIT podtick_pod_x_seconds seconds\n"
        '# HELP podtick_pod_x_seconds Said \\"so\\".\n'
    )


@pytest.mark.parametrize("level", list(Level))
def test_every_row_has_a_name_that_both_formats_accept(level: Level) -> None:
    for row in rows_at(level):
        family = row.family(level)
        assert family.endswith("_total") == (row.kind is Kind.COUNTER), family
        unit = unit_of(family.removesuffix("_total"), row.unit)
        assert unit is None or family.removesuffix("_total").endswith(f"_{unit}")
