"""What can go wrong between us and an engine; each message says what, where and what to do."""

from enum import StrEnum


class DockerError(Exception):
    """Anything that keeps an engine from answering; the common name of the four kinds below."""


def one_line(text: str) -> str:
    """Return foreign text as it may stand in a message: short, on one line, without control characters."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(text[:1000].split()))[:200]


class Trouble(StrEnum):
    """Why an engine could not be reached."""

    MISSING = "missing"
    REFUSED = "refused"
    DENIED = "denied"
    TIMEOUT = "timeout"
    DISCONNECTED = "disconnected"
    OTHER = "other"


class EngineUnavailableError(DockerError):
    """The engine cannot be reached, does not answer in time, or went away."""

    def __init__(self, trouble: Trouble, message: str) -> None:
        super().__init__(message)
        self.trouble = trouble


class EngineError(DockerError):
    """The engine answered with an HTTP error; `status` is its code."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class EngineProtocolError(DockerError):
    """The answer is no answer of the Engine API: half a document, too large, of another shape."""


class UnsupportedApiError(DockerError):
    """The engine speaks no version of the Engine API that we speak."""


class EndpointError(ValueError):
    """A `--docker-host` or `DOCKER_HOST` that names no engine we can talk to."""
