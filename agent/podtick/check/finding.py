"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How it is: as it should be; less is seen than could be, or nobody can tell; not seen at all."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check. `todo`: what to do about it, empty where there is nothing to do."""

    check: str
    verdict: Verdict
    found: str
    todo: str = ""


def ok(check: str, found: str) -> Finding:
    """As it should be."""
    return Finding(check, Verdict.OK, found)


def warn(check: str, found: str, todo: str) -> Finding:
    """Less is seen than could be, or it cannot be known."""
    return Finding(check, Verdict.WARN, found, todo)


def fail(check: str, found: str, todo: str) -> Finding:
    """What podtick is for is not seen."""
    return Finding(check, Verdict.FAIL, found, todo)
