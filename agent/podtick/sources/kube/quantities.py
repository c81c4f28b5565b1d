"""Quantities as the API writes them: `100m`, `1.5`, `128Mi`, `1e3`.

Source: the Kubernetes API reference, `Quantity`.
"""

import re
from decimal import Decimal, localcontext

_SHAPE = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:(n|u|m|k|M|G|T|P|E|[KMGTPE]i)|[eE]([+-]?[0-9]{1,2}))?")
_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", 1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", 1)},
}
_MOST = 2**63


def quantity(text: str, parts: int = 1) -> int | None:
    """How many whole parts of one a quantity is, rounded up (`parts`: how many make one); `None` for what is none.

    Negative ones, and those that are more than the API's own 63 bits, are none.
    """
    match = _SHAPE.fullmatch(text)
    if match is None or len(text) > 64:
        return None
    number, suffix, exponent = match.groups()
    with localcontext() as context:
        context.prec = 100
        value = Decimal(number) * (_SUFFIXES[suffix] if suffix else Decimal(10) ** int(exponent or 0)) * parts
        whole = int(value.to_integral_value("ROUND_CEILING"))
    return whole if 0 <= whole < _MOST else None
