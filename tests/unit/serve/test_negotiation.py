"""Accept and Accept-Encoding, honest ones and lies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podtick.serve.exposition.body import Coding
from podtick.serve.exposition.format import Format
from podtick.serve.negotiation import coding, exposition_format, wants_json

PROMETHEUS_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
PROMETHEUS_2 += "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
PROMETHEUS_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
PROMETHEUS_3 += "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
PROMETHEUS_3 += "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, Format.TEXT),
        ("", Format.TEXT),
        ("*/*", Format.TEXT),
        (BROWSER, Format.TEXT),
        (PROMETHEUS_2, Format.OPENMETRICS),
        (PROMETHEUS_3, Format.OPENMETRICS),
        ("application/openmetrics-text", Format.OPENMETRICS),
        ("Application/OpenMetrics-Text; Version=1.0.0", Format.OPENMETRICS),
        ("application/openmetrics-text; version=0.0.1", Format.TEXT),
        ("application/openmetrics-text; version=2.0.0", Format.TEXT),
        ("application/openmetrics-text;q=0, */*", Format.TEXT),
        ("application/openmetrics-text;q=0.4, text/plain;q=0.5", Format.TEXT),
        ("application/openmetrics-text;q=0.5, text/plain;q=0.4", Format.OPENMETRICS),
        ("text/*;q=0.2, application/*;q=0.3", Format.OPENMETRICS),
        ("text/plain;version=0.0.4;q=0.1, text/plain;q=0.9, application/openmetrics-text;q=0.5", Format.OPENMETRICS),
        ("image/png", Format.TEXT),
        ("application/openmetrics-text;q=2", Format.TEXT),
        ("application/openmetrics-text;q=0.12345", Format.TEXT),
        ("application/openmetrics-text;q=-1", Format.TEXT),
        (";;;,,,=;q=,/", Format.TEXT),
        ("," * 5000 + "application/openmetrics-text", Format.TEXT),
    ],
)
def test_formats(accept: str | None, chosen: Format) -> None:
    assert exposition_format(accept) is chosen


@pytest.mark.parametrize(
    ("accept_encoding", "chosen"),
    [
        (None, Coding.IDENTITY),
        ("", Coding.IDENTITY),
        ("gzip", Coding.GZIP),
        ("GZIP", Coding.GZIP),
        ("x-gzip", Coding.GZIP),
        ("br, deflate", Coding.IDENTITY),
        ("gzip, deflate, br", Coding.GZIP),
        ("*", Coding.GZIP),
        ("gzip;q=0", Coding.IDENTITY),
        ("gzip;q=0, *", Coding.IDENTITY),
        ("*;q=0", Coding.IDENTITY),
        ("gzip;q=0.5, identity;q=0.8", Coding.IDENTITY),
        ("gzip;q=0.8, identity;q=0.5", Coding.GZIP),
        ("identity", Coding.IDENTITY),
        ("gzip;q=yes", Coding.IDENTITY),
    ],
)
def test_codings(accept_encoding: str | None, chosen: Coding) -> None:
    assert coding(accept_encoding) is chosen


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, False),
        ("*/*", False),
        (BROWSER, False),
        ("application/json", True),
        ("application/json;q=0.5, text/plain", False),
        ("text/plain;q=0.5, application/json", True),
    ],
)
def test_json_where_it_is_preferred(accept: str | None, wanted: bool) -> None:
    assert wants_json(accept) is wanted


@given(st.text())
def test_no_header_is_an_error(header: str) -> None:
    assert exposition_format(header) in Format
    assert coding(header) in Coding
