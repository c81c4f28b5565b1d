"""Where an engine listens: `unix:///path`, `tcp://HOST:PORT` or `http://HOST:PORT`.

The forms are those of the `docker` command's `DOCKER_HOST`; TLS is asked for as there, see `tls.py`.
"""

import ipaddress
import os
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from podtick.sources.docker.errors import EndpointError
from podtick.sources.docker.tls import TLS_PORT, TlsFiles

DEFAULT_DOCKER_HOST = "unix:///var/run/docker.sock"
_PORT = 2375
_LONGEST_SOCKET_PATH = 107  # bytes; unix(7), sun_path
_LONGEST_NAME = 253  # characters; RFC 1035, 2.3.4
_NAME = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?", re.ASCII)
_WORKS = "unix:///PATH and tcp://HOST:PORT work"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An engine's address: either `socket_path`, or `host` and `port` (`None`: the usual), with TLS or without."""

    socket_path: str | None = None
    host: str = ""
    port: int | None = None
    tls: TlsFiles | None = None

    def __str__(self) -> str:
        return f"unix://{self.socket_path}" if self.socket_path else f"tcp://{self.authority}"

    @property
    def local(self) -> bool:
        """Whether the engine is surely on this machine."""
        if self.socket_path or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return "https" if self.tls else "http"

    @property
    def authority(self) -> str:
        """Host and port as they stand in a URL; a unix socket has the host `docker`."""
        if self.socket_path:
            return "docker"
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = TLS_PORT if self.tls else _PORT
        return f"{host}:{self.port or usual}"


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
            raise EndpointError(f"engine address {_shown(text)}: write tcp://HOST:PORT and set DOCKER_TLS_VERIFY=1")
        case _:
            raise EndpointError(f"engine address {_shown(text)}: {scheme[:20]}:// is not supported: {_WORKS}")


def _unix(path: str) -> Endpoint:
    if not path.startswith("/"):
        raise EndpointError(f"engine socket {_shown(path)} is not an absolute path: write unix:///PATH")
    if not path.isprintable():  # nor are bytes that are no UTF-8
        raise EndpointError(f"engine socket {_shown(path)}: a path with such characters cannot be used")
    if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
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
    return Endpoint(host=url.hostname or "", port=port)


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
