"""Where the server listens: `HOST:PORT`."""

import asyncio
import errno
import logging
import re
import socket
from dataclasses import dataclass

log = logging.getLogger(__name__)

_FORM = "write HOST:PORT, such as 127.0.0.1:9752, [::1]:9752 or [::]:9752 for every address"
_HOST = re.compile(r"[a-zA-Z0-9_.-]{1,253}")
_RESOLVE_SECONDS = 5.0
_EVERY_IPV6 = "::"
_EVERY_IPV4 = "0.0.0.0"


class ListenError(ValueError):
    """An address that names nothing to listen on, or one that cannot be had; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name, IPv4 or IPv6 address without brackets) and a port (0: any free one)."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_listen(text: str) -> Address:
    """Read `HOST:PORT`, `[IPV6]:PORT` or `:PORT` (every address); raises `ListenError`."""
    host, colon, port_text = text.strip().rpartition(":")
    if not colon:
        raise ListenError(f"{_shown(text)} has no port: {_FORM}")
    # Neither isdigit() nor int() alone: they take other scripts' digits, and signs.
    if not re.fullmatch(r"[0-9]{1,5}", port_text) or int(port_text) > 65535:
        raise ListenError(f"{_shown(text)}: the port must be a number from 0 to 65535: {_FORM}")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if not _is_ipv6(host):
            raise ListenError(f"{_shown(text)}: there is no IPv6 address between the brackets: {_FORM}")
    elif ":" in host:
        raise ListenError(f"{_shown(text)}: an IPv6 address stands in brackets: {_FORM}")
    elif host and not _HOST.fullmatch(host):
        raise ListenError(f"{_shown(text)} names no host: {_FORM}")
    return Address(host or _EVERY_IPV6, int(port_text))


async def bind(address: Address) -> list[socket.socket]:
    """Bound, not yet listening sockets for an address; raises `ListenError`.

    A name gives a socket for each of its addresses. `[::]` takes IPv4 and IPv6, on a machine without IPv6 IPv4 alone.
    """
    if address.host == _EVERY_IPV6:
        return [_bind_everywhere(address)]
    bound: list[socket.socket] = []
    try:
        for family, host in await _resolve(address):
            port = bound[0].getsockname()[1] if bound else address.port
            bound.append(_bind_one(family, host, port))
    except OSError as error:
        for one in bound:
            one.close()
        raise ListenError(_why(address, error)) from error
    return bound


def url_of(bound: socket.socket) -> str:
    """Where a person on this machine finds a bound socket, such as `http://127.0.0.1:9752/`."""
    host, port = bound.getsockname()[:2]
    host = {_EVERY_IPV4: "127.0.0.1", _EVERY_IPV6: "localhost"}.get(host, host)
    return f"http://{Address(host, port)}/"


def _bind_everywhere(address: Address) -> socket.socket:
    try:
        return _bind_one(socket.AF_INET6, _EVERY_IPV6, address.port)
    except OSError as error:
        if error.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT}:
            raise ListenError(_why(address, error)) from error
    log.info("this machine has no IPv6: listening on %s:%d instead of %s", _EVERY_IPV4, address.port, address)
    try:
        return _bind_one(socket.AF_INET, _EVERY_IPV4, address.port)
    except OSError as error:
        raise ListenError(_why(address, error)) from error


def _bind_one(family: int, host: str, port: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != _EVERY_IPV6)
        made.bind((host, port))
        # SO_REUSEADDR lets two sockets bind one port; only listening finds out that it is taken.
        made.listen(100)
        made.setblocking(False)  # noqa: FBT003 -- the standard library's signature
    except BaseException:
        made.close()
        raise
    return made


async def _resolve(address: Address) -> list[tuple[int, str]]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_RESOLVE_SECONDS):
            found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise ListenError(f"the name {address.host} was not resolved within {_RESOLVE_SECONDS:.0f} s") from None
    except (socket.gaierror, UnicodeError):
        raise ListenError(f"{address.host} is no address, and no name that can be resolved: {_FORM}") from None
    return list(dict.fromkeys((family, str(place[0])) for family, _, _, _, place in found))


def _why(address: Address, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"{address} is in use by another program: stop it, or choose another address with --listen"
        case errno.EADDRNOTAVAIL:
            return f"{address} is no address of this machine: --listen [::]:{address.port} takes every one"
        case errno.EACCES:
            return f"{address} may not be used: a port below 1024 needs a privilege, choose one above with --listen"
        case _:
            return f"cannot listen on {address}: {error.strerror or error}"


def _is_ipv6(text: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return False
    return True


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "...")
