"""What can go wrong between us and an engine; each message says what, where and what to do."""

from enum import StrEnum


class EngineFault(Exception):  # noqa: N818 -- the common name of four kinds, never raised itself
    """Anything that keeps an engine from answering a question."""


class Trouble(StrEnum):
    """Why an engine could not be reached."""

    MISSING = "missing"
    REFUSED = "refused"
    DENIED = "denied"
    TIMEOUT = "timeout"
    DISCONNECTED = "disconnected"
    OTHER = "other"


class EngineUnavailable(EngineFault):
    """The engine cannot be reached, does not answer in time, or went away."""

    def __init__(self, trouble: Trouble, message: str) -> None:
        super().__init__(message)
        self.trouble = trouble


class EngineError(EngineFault):
    """The engine answered with an HTTP error; `status` is its code."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class EngineProtocolError(EngineFault):
    """The answer is no answer of the Engine API: half a document, too large, of another shape."""


class UnsupportedApi(EngineFault):
    """The engine speaks no version of the Engine API that we speak."""


class EndpointError(ValueError):
    """A `--docker-host` or `DOCKER_HOST` that names no engine we can talk to."""
