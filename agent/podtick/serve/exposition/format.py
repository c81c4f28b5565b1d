"""The two text formats: Prometheus text 0.0.4 and OpenMetrics 1.0.

Sources: Prometheus "Exposition formats"; OpenMetrics 1.0 (names of counters, `# UNIT`, `# EOF`).
"""

import re
from enum import Enum

from podtick.model.metrics.row import Kind, Metric, Unit

FLOAT_EXACT_BELOW = 10**15
"""Fifteen digits: up to here a float says every integer and its decimal fractions exactly and most shortly."""


_PLAIN = re.compile(r"[a-zA-Z0-9_./:-]*")


class Format(Enum):
    """A text format, with its media type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    @property
    def end(self) -> str:
        """What closes a body."""
        return "# EOF\n" if self is Format.OPENMETRICS else ""


def header(name: str, row: Metric, text_format: Format) -> str:
    """The lines above a family's samples; `name` is the full name of its samples."""
    if text_format is Format.TEXT:
        return f"# HELP {name} {_escape_help(row.help)}\n# TYPE {name} {row.kind}\n"
    family, kind = name, str(row.kind)
    if row.kind is Kind.COUNTER:
        # A counter of cAdvisor's that has another ending would be renamed, were it called one.
        family, kind = (name.removesuffix("_total"), kind) if name.endswith("_total") else (name, "unknown")
    unit = unit_of(family, row.unit)
    lines = [f"# TYPE {family} {kind}\n"]
    if unit:
        lines.append(f"# UNIT {family} {unit}\n")
    lines.append(f"# HELP {family} {_escape_quoted(row.help)}\n")
    return "".join(lines)


def unit_of(family: str, unit: Unit) -> str | None:
    """The unit for a `# UNIT` line: one that is no suffix of the family's name fails a whole scrape."""
    word = unit.value[0]
    return word if word and family.endswith(f"_{word}") else None


def label_pair(name: str, value: str) -> str:
    r"""`name="value"`, escaped: backslash, quote and newline.

    A NUL (which ends the input for Prometheus' lexer) and half a surrogate pair (which UTF-8 cannot say) are
    written as U+FFFD.
    """
    if _PLAIN.fullmatch(value):  # nearly all of them: a node has thousands
        return f'{name}="{value}"'
    clean = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
    return f'{name}="{_escape_quoted(clean)}"'


def exact(value: int, divisor: int) -> str:
    """`value / divisor` (a power of ten) as the shortest exact decimal, with a fraction as a float's `repr` has it."""
    whole, rest = divmod(value, divisor)
    digits = len(str(divisor)) - 1
    return f"{whole}.{f'{rest:0{digits}d}'.rstrip('0') or '0'}"


def number(value: int, divisor: int) -> str:
    """A stored integer in the exposed unit, exact and short."""
    if divisor == 1:
        return str(value)
    return exact(value, divisor)


def _escape_help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _escape_quoted(text: str) -> str:
    return _escape_help(text).replace('"', r"\"")
