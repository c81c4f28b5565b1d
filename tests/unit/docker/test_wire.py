import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podtick.sources.docker import wire


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:01.000000002Z", 1_000_000_002),
        ("2026-11-24T21:51:16.09447551Z", 1795557076_094475510),
        ("2026-11-24T21:51:16Z", 1795557076_000000000),
        ("2026-11-24T23:51:16.5+02:00", 1795557076_500000000),
        ("1969-12-31T23:59:59.25Z", None),
        ("2262-04-11T23:47:16.854775807Z", 2**63 - 1),
        ("2262-04-11T23:47:16.854775808Z", None),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00.000000001Z", None),
        ("2026-13-41T21:51:16Z", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_times_to_the_nanosecond(text: str | None, nanoseconds: int | None) -> None:
    assert wire.unix_ns(text) == nanoseconds


@given(st.datetimes(timezones=st.just(dt.UTC)).filter(lambda moment: moment.year > 1), st.integers(0, 999_999_999))
def test_every_time_keeps_its_nanoseconds(moment: dt.datetime, nanoseconds: int) -> None:
    whole = moment.replace(microsecond=0)
    read = wire.unix_ns(f"{whole:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f".{nanoseconds:09}Z")
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    expected = (whole - epoch) // dt.timedelta(seconds=1) * 10**9 + nanoseconds
    assert read == (expected if 0 <= expected < 2**63 else None)


@given(st.text())
def test_any_text_is_a_time_or_unknown(text: str) -> None:
    assert wire.unix_ns(text) is None or text[:4].isdigit()


@given(st.text(max_size=6000))
def test_cut_keeps_whole_characters_and_4_kib(text: str) -> None:
    kept = wire.cut(text)
    assert text.startswith(kept)
    assert len(kept.encode()) <= wire.TEXT_BYTES
    assert kept == text or len(kept.encode()) > wire.TEXT_BYTES - 4


def test_cut_in_the_middle_of_a_character() -> None:
    assert wire.cut("x" + "\N{EURO SIGN}" * 2000) == "x" + "\N{EURO SIGN}" * 1365
