"""Which representation a request prefers: `Accept` and `Accept-Encoding` (RFC 9110, 12.4 and 12.5).

What cannot be read is passed over: whoever lies in a header gets the plain form, never an error.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from podtick.serve.exposition.body import Coding
from podtick.serve.exposition.format import Format

_MOST_RANGES = 50


@dataclass(frozen=True, slots=True)
class _Range:
    """One element of such a header: its value, its parameters, its weight."""

    value: str
    parameters: dict[str, str]
    q: float


@dataclass(frozen=True, slots=True)
class _Offer:
    """A representation that we have; parameters that a range names must be these."""

    kind: str
    subtype: str
    parameters: dict[str, str]


_TEXT = _Offer("text", "plain", {"version": "0.0.4", "charset": "utf-8"})
_OPENMETRICS = _Offer("application", "openmetrics-text", {"version": "1.0.0", "charset": "utf-8"})
_PLAIN = _Offer("text", "plain", {"charset": "utf-8"})
_JSON = _Offer("application", "json", {"charset": "utf-8"})
# Parameters that choose no representation: how names are escaped, which ours never need.
_IGNORED = {"escaping"}


def exposition_format(accept: str | None) -> Format:
    """OpenMetrics where it is preferred to plain text; plain text otherwise."""
    ranges = list(_parse(accept or "*/*"))
    if _quality(_OPENMETRICS, ranges) > _quality(_TEXT, ranges):
        return Format.OPENMETRICS
    return Format.TEXT


def wants_json(accept: str | None) -> bool:
    """Whether JSON is preferred to plain text."""
    ranges = list(_parse(accept or "*/*"))
    return _quality(_JSON, ranges) > _quality(_PLAIN, ranges)


def coding(accept_encoding: str | None) -> Coding:
    """Gzip where it is welcome and not less so than the plain form."""
    weights = {one.value: one.q for one in _parse(accept_encoding or "")}
    star = weights.get("*", 0.0)
    gzip = max(weights.get("gzip", star), weights.get("x-gzip", 0.0))
    identity = weights.get("identity", 0.0)
    return Coding.GZIP if gzip > 0 and gzip >= identity else Coding.IDENTITY


def _quality(offer: _Offer, ranges: list[_Range]) -> float:
    """The weight of the most specific range that covers an offer; 0 when none does."""
    best = (-1, 0.0)
    for one in ranges:
        specificity = _specificity(offer, one)
        if specificity is not None and specificity > best[0]:
            best = (specificity, one.q)
    return best[1]


def _specificity(offer: _Offer, one: _Range) -> int | None:
    kind, _, subtype = one.value.partition("/")
    if (kind, subtype) == ("*", "*"):
        return 0
    if kind != offer.kind:
        return None
    if subtype == "*":
        return 1
    if subtype != offer.subtype:
        return None
    named = {name: value for name, value in one.parameters.items() if name not in _IGNORED}
    if any(offer.parameters.get(name, "").lower() != value.lower() for name, value in named.items()):
        return None
    return 2 + len(named)


def _parse(header: str) -> Iterator[_Range]:
    for element in header.split(",", _MOST_RANGES)[:_MOST_RANGES]:
        value, *rest = (part.strip() for part in element.split(";"))
        if not value:
            continue
        parameters: dict[str, str] = {}
        q: float | None = 1.0
        for part in rest:
            name, _, text = part.partition("=")
            name, text = name.strip().lower(), text.strip().strip('"')
            if name == "q":
                q = _weight(text)
            elif name:
                parameters[name] = text
        if q is not None:
            yield _Range(value.lower(), parameters, q)


def _weight(text: str) -> float | None:
    """A `q` value: 0 to 1 with at most three decimals; `None` for anything else."""
    whole, _, decimals = text.partition(".")
    if whole not in {"0", "1"} or len(decimals) > 3 or not (decimals or "0").isascii():
        return None
    if not (decimals or "0").isdigit() or (whole == "1" and decimals.strip("0")):
        return None
    return float(text)
