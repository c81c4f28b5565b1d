"""What can go wrong between us and an engine; each message says what, where and what to do."""

import errno
from enum import StrEnum

import msgspec

from podtick.sources.texts import one_line


class DockerError(Exception):
    """Anything that keeps an engine from answering; the common name of the four kinds below."""


class Trouble(StrEnum):
    """Why an engine could not be reached."""

    MISSING = "missing"
    REFUSED = "refused"
    DENIED = "denied"
    TIMEOUT = "timeout"
    DISCONNECTED = "disconnected"
    TLS = "tls"
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


def engine_message(body: bytes) -> str:
    """Return what the engine says about its error: `{"message": ...}`, or the start of the text."""
    try:
        message = msgspec.json.decode(body, type=dict[str, str]).get("message", "")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        message = body.decode(errors="replace")
    return one_line(message) or "no message"


def unreachable(endpoint: object, error: OSError) -> EngineUnavailableError:
    """Say why the engine at `endpoint` could not be connected to."""
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return EngineUnavailableError(
                Trouble.MISSING, f"{endpoint}: no such socket: is an engine installed, its directory mounted?"
            )
        case errno.EACCES | errno.EPERM:
            return EngineUnavailableError(
                Trouble.DENIED, f"{endpoint}: permission denied: run as a member of the socket's group"
            )
        case errno.ECONNREFUSED:
            return EngineUnavailableError(
                Trouble.REFUSED,
                f"{endpoint}: connection refused: nothing listens there, is the engine running?",
            )
        case _:
            said = error.strerror or str(error)
            return EngineUnavailableError(Trouble.OTHER, f"{endpoint}: cannot connect: {one_line(said)}")


def hung_up(error: OSError) -> bool:
    """Whether somebody was there, and ended the connection: also while it was made, as over a certificate."""
    return error.errno in (errno.ECONNRESET, errno.EPIPE)
