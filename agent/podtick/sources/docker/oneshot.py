"""An engine asked synchronously, for commands that ask and end: `requests`, over unix sockets by requests-unixsocket.

Its pool has a connection for each URL, so that each request here is a session of its own: nothing for an agent. Like
`client.py` it takes bounded answers in bounded time, and raises a `DockerError` and no other error.
"""

import contextlib
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import msgspec
import requests
import urllib3

from podtick.sources.docker import wire
from podtick.sources.docker.adapters import mount
from podtick.sources.docker.endpoint import Endpoint
from podtick.sources.docker.errors import (
    EngineError,
    EngineProtocolError,
    EngineUnavailableError,
    Trouble,
    engine_message,
    hung_up,
    unreachable,
)
from podtick.sources.docker.tls import CLIENT_HINT, explain
from podtick.sources.docker.versions import EngineInfo, negotiate
from podtick.sources.texts import one_line

T = TypeVar("T")
SMALL_BYTES = 64 * 1024
_CHUNK = 64 * 1024


class OneShotClient:
    """Asks one engine; use it as `with OneShotClient(endpoint) as client`, from several threads if need be.

    Entering negotiates the API version. `timeout` bounds, in seconds, each request as a whole.
    """

    def __init__(self, endpoint: Endpoint, *, timeout: float = 10.0) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._engine: EngineInfo | None = None
        if endpoint.socket_path:
            self._origin = f"http+unix://{quote(endpoint.socket_path, safe='')}"
        else:
            self._origin = f"{endpoint.scheme}://{endpoint.authority}"

    def __enter__(self) -> Self:
        if self._endpoint.socket_path:
            self._try_socket(self._endpoint.socket_path)
        if tls := self._endpoint.tls:
            tls.context()  # says which file is wrong, where requests would ask for a password or only fail
        body = self._get_bytes("/version", None, SMALL_BYTES, self._timeout)
        self._engine = negotiate(wire.decode(wire.VERSION, body, f"{self._endpoint} /version"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    @property
    def engine(self) -> EngineInfo:
        """Who answers; known once the client was entered."""
        assert self._engine is not None
        return self._engine

    def get_json(
        self,
        path: str,
        decoder: "msgspec.json.Decoder[T]",
        *,
        params: Mapping[str, str] | None = None,
        limit_bytes: int,
    ) -> T:
        """GET `path` below the negotiated version, and decode at most `limit_bytes` of answer."""
        whole = f"/v{self.engine.api_version}{path}"
        body = self._get_bytes(whole, params, limit_bytes, self._timeout)
        return wire.decode(decoder, body, f"{self._endpoint} {path}")

    def _get_bytes(self, path: str, params: Mapping[str, str] | None, limit: int, within: float) -> bytearray:
        headers = {"Accept-Encoding": "identity", "User-Agent": "podtick"}
        with (
            self._plain_errors(path),
            self._session() as session,
            session.get(
                self._origin + path,
                params=params,
                headers=headers,
                timeout=urllib3.Timeout(total=within),  # type: ignore[arg-type]  # its stubs know numbers alone
                stream=True,
                allow_redirects=False,
            ) as response,
        ):
            body = bytearray()
            while chunk := response.raw.read1(_CHUNK):
                body += chunk
                if len(body) > limit:
                    break
        if response.status_code != 200:
            said = f"HTTP {response.status_code}: {engine_message(bytes(body))}"
            raise EngineError(response.status_code, f"{self._endpoint} {path}: {said}")
        if len(body) > limit:
            raise EngineProtocolError(f"{self._endpoint} {path}: the answer is larger than {limit} bytes")
        return body

    def _try_socket(self, path: str) -> None:
        """Say what is wrong with a socket: requests-unixsocket leaves one open that it cannot connect."""
        with socket.socket(socket.AF_UNIX) as tried:
            tried.settimeout(self._timeout)
            try:
                tried.connect(path)
            except TimeoutError:
                raise self._late("/version") from None
            except OSError as error:
                raise unreachable(self._endpoint, error) from None

    def _session(self) -> requests.Session:
        session = requests.Session()
        mount(session)
        session.trust_env = False  # no proxy, no .netrc: an engine is asked directly
        if tls := self._endpoint.tls:
            session.verify = str(tls.ca)
            session.cert = (str(tls.certificate), str(tls.key))
        return session

    def _late(self, path: str) -> EngineUnavailableError:
        said = f"{self._endpoint} did not answer {path} in time: is the engine hanging?"
        return EngineUnavailableError(Trouble.TIMEOUT, said)

    @contextlib.contextmanager
    def _plain_errors(self, path: str) -> Iterator[None]:
        try:
            yield
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
            raise self._late(path) from None
        except urllib3.exceptions.ProtocolError:
            raise EngineProtocolError(f"{self._endpoint} {path}: the answer ended half-way") from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            causes = list(_causes(error))
            for cause in causes:
                if isinstance(cause, ssl.SSLError):
                    raise EngineUnavailableError(Trouble.TLS, f"{self._endpoint}: {explain(cause)}") from None
            for cause in causes:
                if not isinstance(cause, OSError) or isinstance(cause, requests.RequestException):
                    continue
                if cause.errno and not hung_up(cause):
                    raise unreachable(self._endpoint, cause) from None
            said = one_line(str(causes[-1])) + (CLIENT_HINT if self._endpoint.tls else "")
            raise EngineUnavailableError(
                Trouble.DISCONNECTED, f"{self._endpoint} closed the connection during {path} ({said})"
            ) from None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was made of: requests and urllib3 wrap one into the other, as arguments and reasons."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]


def container_path(name: str, rest: str) -> str:
    """The path of a container that somebody named: whatever it holds, it stays one part of the path."""
    return f"/containers/{quote(os.fsencode(name), safe='')}/{rest}"
