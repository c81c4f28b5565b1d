"""The log: one line a message on standard error, `key=value` or JSON.

    time=2026-11-24T21:54:16.123Z level=info logger=podtick.serve.listen msg="listening on ..."

Whatever a message contains, it stays on its line: names come from other people's containers.
"""

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from enum import StrEnum
from typing import TextIO

_BARE = re.compile(r"[!#-<>-\[\]-~]+")  # printable ASCII but for space, quote, = and backslash


class LogLevel(StrEnum):
    """How much is said."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How it is said."""

    TEXT = "text"
    JSON = "json"


def configure(level: LogLevel, log_format: LogFormat, stream: TextIO | None = None) -> None:
    """Send everything that is logged to standard error (or `stream`)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Formatter(log_format, tracebacks=level is LogLevel.DEBUG))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # At debug these tell about themselves rather than about us.
    logging.getLogger("asyncio").setLevel(max(logging.INFO, logging.getLogger().level))


class _Formatter(logging.Formatter):
    def __init__(self, log_format: LogFormat, *, tracebacks: bool) -> None:
        super().__init__()
        self._format = log_format
        self._tracebacks = tracebacks

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": _time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            fields["error"] = f"{type(error).__name__}: {error}"
            if self._tracebacks:
                fields["traceback"] = "".join(traceback.format_exception(error))
        if self._format is LogFormat.JSON:
            return json.dumps(fields)
        return " ".join(f"{name}={_quoted(value)}" for name, value in fields.items())


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _quoted(value: str) -> str:
    return value if _BARE.fullmatch(value) else json.dumps(value, ensure_ascii=not value.isprintable())
