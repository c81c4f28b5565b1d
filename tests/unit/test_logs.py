"""One message, one line, whatever it holds."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podtick import logs
from podtick.logs import LogFormat, LogLevel


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    asyncio_level = logging.getLogger("asyncio").level
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
    logging.getLogger("asyncio").setLevel(asyncio_level)


def logged(level: LogLevel, log_format: LogFormat, message: str, error: Exception | None = None) -> str:
    stream = io.StringIO()
    logs.configure(level, log_format, stream)
    logging.getLogger("podtick.test").warning("%s", message, exc_info=error)
    return stream.getvalue()


def test_a_line_is_keys_and_values() -> None:
    line = logged(LogLevel.INFO, LogFormat.TEXT, "the engine is gone")
    time, rest = line.split(" ", 1)
    assert time.startswith("time=20")
    assert time.endswith("Z")
    assert rest == 'level=warning logger=podtick.test msg="the engine is gone"\n'


@pytest.mark.parametrize("log_format", list(LogFormat))
@given(message=st.text())
def test_a_message_stays_on_its_line(log_format: LogFormat, message: str) -> None:
    line = logged(LogLevel.INFO, log_format, message)
    assert len(line.splitlines()) == 1
    assert line.isprintable() or line[:-1].isprintable()
    line.encode()


@given(message=st.text())
def test_json_holds_the_message(message: str) -> None:
    assert json.loads(logged(LogLevel.INFO, LogFormat.JSON, message))["msg"] == message


@pytest.mark.parametrize(("level", "shown"), [(LogLevel.INFO, False), (LogLevel.DEBUG, True)])
def test_tracebacks_are_for_debugging(level: LogLevel, shown: bool) -> None:
    try:
        raise OSError("no\nsuch file")
    except OSError as error:
        line = logged(level, LogFormat.TEXT, "failed", error)
    assert 'error="OSError: no\\nsuch file"' in line
    assert ("Traceback" in line) is shown
    assert len(line.splitlines()) == 1


def test_what_is_below_the_level_is_not_said() -> None:
    assert logged(LogLevel.ERROR, LogFormat.TEXT, "x") == ""
