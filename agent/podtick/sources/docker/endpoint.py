"""Where an engine listens: `unix:///path`, `tcp://HOST:PORT` or `http://HOST:PORT`.

The forms are those of the `docker` command's `DOCKER_HOST`.
"""

import ipaddress
import os
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from podtick.sources.docker.errors import EndpointError

DEFAULT_DOCKER_HOST = "unix:///var/run/docker.sock"
_PORT = 2375
_LONGEST_SOCKET_PATH = 107  # bytes; unix(7), sun_path
_LONGEST_NAME = 253  # characters; RFC 1035, 2.3.4
_NAME = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?", re.ASCII)
_WORKS = "unix:///PATH and tcp://HOST:PORT work"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An engine's address: either `socket_path`, or `host` and `port`."""

    socket_path: str | None = None
    host: str = ""
    port: int = _PORT

    def __str__(self) -> str:
        return f"unix://{self.socket_path}" if self.socket_path else f"tcp://{self.authority}"

    @property
    def authority(self) -> str:
        """Host and port as they stand in a URL; a unix socket has the host `docker`."""
        if self.socket_path:
            return "docker"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_endpoint(text: str) -> Endpoint:
    """Read one address; raises `EndpointError` that says what would work instead."""
    scheme, colon, rest = text.strip().partition("://")
    if not colon:
        hint = f"did you mean unix://{scheme}?" if scheme.startswith("/") else _WORKS
        raise EndpointError(f"engine address {_shown(text)} has no scheme: {hint}")
    match scheme.lower():
        case "unix":
            return _unix(rest)
        case "tcp" | "http":
            return _tcp(text)
        case "https":
            raise EndpointError(f"engine address {_shown(text)}: TLS is not supported: {_WORKS}")
        case _:
            raise EndpointError(f"engine address {_shown(text)}: {scheme[:20]}:// is not supported: {_WORKS}")


def _unix(path: str) -> Endpoint:
    if not path.startswith("/"):
        raise EndpointError(f"engine socket {_shown(path)} is not an absolute path: write unix:///PATH")
    if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH or "\0" in path:
        raise EndpointError(f"engine socket {_shown(path)}: a socket path has at most {_LONGEST_SOCKET_PATH} bytes")
    return Endpoint(socket_path=path)


def _tcp(text: str) -> Endpoint:
    try:
        url = urlsplit(text.strip())
        port = url.port
    except ValueError as error:
        raise EndpointError(f"engine address {_shown(text)}: {error}: write tcp://HOST:PORT") from None
    if wrong := _surplus(url):
        raise EndpointError(f"engine address {_shown(text)}: {wrong}: write tcp://HOST:PORT")
    return Endpoint(host=url.hostname or "", port=_PORT if port is None else port)


def _surplus(url: SplitResult) -> str | None:
    """Say what is wrong with a tcp address, without repeating a password that may stand in it."""
    if url.username is not None or url.password is not None:
        return "a user name or password has no meaning here"
    if not url.hostname:
        return "the host is missing"
    if not _is_host(url.hostname):
        return "that is neither a host name nor an address"
    if url.port == 0:
        return "port 0 is no port to connect to"
    if url.path not in {"", "/"} or url.query or url.fragment:
        return "nothing may follow the port"
    return None


def _is_host(text: str) -> bool:
    if _NAME.fullmatch(text) and len(text) <= _LONGEST_NAME:
        return True
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _shown(text: str) -> str:
    text = text if len(text) <= 120 else text[:120] + "..."
    return repr(text) if "@" not in text else "(with a user name)"
