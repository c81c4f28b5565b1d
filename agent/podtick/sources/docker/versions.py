"""Which version of the Engine API both sides speak."""

from dataclasses import dataclass

from podtick.sources.docker import wire
from podtick.sources.docker.errors import EngineProtocolError, UnsupportedApiError

OLDEST_API = (1, 24)
NEWEST_API = (1, 51)
_FIRST_MIN_API = "1.12"  # engines before MinAPIVersion existed go back at least this far


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """Which engine answers: its own version, and the API version that we speak with it."""

    version: str
    api_version: str


def negotiate(version: wire.Version) -> EngineInfo:
    """Pick the newest API version that both sides speak; raises `UnsupportedApiError`."""
    newest, oldest = _number(version.api_version), _number(version.min_api_version or _FIRST_MIN_API)
    if newest is None or oldest is None:
        raise EngineProtocolError("/version names no API version: is this a container engine?")
    if newest < OLDEST_API or oldest > NEWEST_API:
        ours = f"{_dotted(OLDEST_API)} to {_dotted(NEWEST_API)}"
        theirs = f"{_dotted(oldest)} to {_dotted(newest)}"
        raise UnsupportedApiError(f"the engine speaks API {theirs}, podtick {ours}: one of the two needs an upgrade")
    return EngineInfo(wire.cut(version.version), _dotted(min(newest, NEWEST_API)))


def _number(text: str | None) -> tuple[int, int] | None:
    major, _, minor = (text or "").partition(".")
    if not (major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit() and len(minor) < 6):
        return None
    return int(major[:6]), int(minor)


def _dotted(number: tuple[int, int]) -> str:
    return f"{number[0]}.{number[1]}"
