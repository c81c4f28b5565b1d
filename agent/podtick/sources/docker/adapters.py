"""Adapters of `requests` whose answers are over in time: its timeout bounds each wait of a read, and not their sum.

One that comes a byte at a time is never waited for long, and would be read for hours. `http.client` reads an answer
from a file that it makes of the socket: here each read of that file has what is left of the timeout.
"""

import http.client
import io
import socket
import time
from collections.abc import Mapping

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests_unixsocket.adapters import UnixAdapter, UnixHTTPConnection, UnixHTTPConnectionPool


def mount(session: requests.Session) -> None:
    """Have a session take answers within the timeout of their requests, head and body together."""
    session.mount("http+unix://", _UnixAdapter())
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())


class _File(io.RawIOBase):
    """A socket's file, all of whose reads together take what the socket's timeout was when this was made."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock
        timeout = sock.gettimeout()
        assert timeout is not None
        self._deadline = time.monotonic() + timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: object, **options: object) -> None:
        super().__init__(sock, *args, **options)  # type: ignore[arg-type]
        self.fp = io.BufferedReader(_File(self.fp.detach(), sock))


class _UnixConnection(UnixHTTPConnection):  # type: ignore[misc]
    response_class = _Answer


class _UnixPool(UnixHTTPConnectionPool):  # type: ignore[misc]
    def _new_conn(self) -> _UnixConnection:
        return _UnixConnection(self.socket_path, self.timeout)


class _UnixAdapter(UnixAdapter):  # type: ignore[misc]
    def get_connection(self, url: str, proxies: Mapping[str, str] | None = None) -> _UnixPool:
        del proxies  # of a socket there are none
        pool = self.pools[url] = _UnixPool(url, self.timeout)
        return pool


class _Connection(urllib3.connection.HTTPConnection):
    response_class = _Answer


class _TlsConnection(urllib3.connection.HTTPSConnection):
    response_class = _Answer


class _Adapter(HTTPAdapter):
    def get_connection_with_tls_context(self, *args: object, **options: object) -> urllib3.HTTPConnectionPool:
        pool: urllib3.HTTPConnectionPool = super().get_connection_with_tls_context(*args, **options)  # type: ignore[arg-type]
        pool.ConnectionCls = _TlsConnection if isinstance(pool, urllib3.HTTPSConnectionPool) else _Connection
        return pool
