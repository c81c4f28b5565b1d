"""What can go wrong between us and an API server; each message says what, where and what to do."""

import msgspec

from podtick.sources.texts import one_line


class KubeError(Exception):
    """Anything that keeps us from knowing a node's pods; the common name of the kinds below."""


class KubeConfigError(KubeError):
    """The kubeconfig, or the files of the service account, say nothing that works."""


class KubeUnavailableError(KubeError):
    """The API server cannot be reached, does not answer in time, or went away."""


class KubeRefusedError(KubeError):
    """The API server answered with an HTTP error; `retry_after`: seconds that it asks to wait."""

    def __init__(self, status: int, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class KubeProtocolError(KubeError):
    """The answer is no answer of the Kubernetes API: half a document, too large, of another shape."""


class NoSuchNodeError(KubeError):
    """The cluster has no node of the name that we were given."""


_HINTS = {
    401: ": the token or certificate is not accepted, has it expired?",
    403: ": has this account a role that may get, list and watch pods?",
    429: ": the API server has too much to do",
}


def status_message(body: bytes, status: int) -> str:
    """What an API server says about its error: `Status.message`, or the start of the text; and what to look at."""
    try:
        message = msgspec.json.decode(body, type=_Status).message or ""
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        message = body.decode(errors="replace")
    return (one_line(message) or "no message") + _HINTS.get(status, "")


class _Status(msgspec.Struct, frozen=True):
    message: str | None = None
