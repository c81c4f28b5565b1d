"""One connection pool to one engine: bounded answers, bounded time, a version both sides speak."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from ssl import SSLContext, SSLError
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
import msgspec

from podtick.sources.docker import wire
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
_CONNECTIONS = 8
_CHUNK = 64 * 1024


class EngineClient:
    """Asks one engine; use it as `async with EngineClient(endpoint) as client`.

    Entering negotiates the API version. `timeout` bounds each whole request, in seconds, connecting and
    reading the body included; at most `connections` are open at once. Every method raises a `DockerError` and
    no other error.
    """

    def __init__(self, endpoint: Endpoint, *, timeout: float = 10.0, connections: int = _CONNECTIONS) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._connections = connections
        self._origin = f"{endpoint.scheme}://{endpoint.authority}"
        self._stack = contextlib.AsyncExitStack()
        self._session: aiohttp.ClientSession | None = None
        self._engine: EngineInfo | None = None

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            self._session = await stack.enter_async_context(self._open())
            body = await self._get_bytes("/version", None, SMALL_BYTES, self._timeout)
            self._engine = negotiate(wire.decode(wire.VERSION, body, f"{self._endpoint} /version"))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def engine(self) -> EngineInfo:
        """Who answers; known once the client was entered."""
        assert self._engine is not None
        return self._engine

    async def get_json(
        self,
        path: str,
        decoder: "msgspec.json.Decoder[T]",
        *,
        params: Mapping[str, str] | None = None,
        limit_bytes: int,
        within: float | None = None,
    ) -> T:
        """GET `path` below the negotiated version, at most `limit_bytes` in `within` seconds, and decode."""
        whole = f"/v{self.engine.api_version}{path}"
        body = await self._get_bytes(whole, params, limit_bytes, within or self._timeout)
        return wire.decode(decoder, body, f"{self._endpoint} {path}")

    async def ping(self, within: float) -> None:
        """Return once the engine has answered anything at all to `/_ping`."""
        await self._get_bytes("/_ping", None, SMALL_BYTES, within)

    @contextlib.asynccontextmanager
    async def stream(self, path: str, params: Mapping[str, str]) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a body without end: entered once the engine has answered, then its chunks as they come.

        Only the head is bound by the timeout, a quiet engine says nothing for hours. The chunks end where
        the engine ends them.
        """
        whole = f"/v{self.engine.api_version}{path}"
        async with contextlib.AsyncExitStack() as stack:
            with self._plain_errors(path):
                async with asyncio.timeout(self._timeout):
                    response = await stack.enter_async_context(self._request(whole, params, None))
                    stack.callback(response.close)
                    await self._check_status(response, path)
            yield await stack.enter_async_context(contextlib.aclosing(self._chunks(response, path)))

    async def _chunks(self, response: aiohttp.ClientResponse, path: str) -> AsyncGenerator[bytes, None]:
        while True:
            with self._plain_errors(path):
                try:
                    chunk = await response.content.read(_CHUNK)
                except aiohttp.ClientPayloadError:
                    return  # cut off, as by an engine that was killed
            if not chunk:
                return
            yield chunk

    def _open(self) -> aiohttp.ClientSession:
        connector: aiohttp.BaseConnector
        if self._endpoint.socket_path:
            connector = aiohttp.UnixConnector(self._endpoint.socket_path, limit=self._connections)
        else:
            tls: SSLContext | bool = self._endpoint.tls.context() if self._endpoint.tls else True
            connector = aiohttp.TCPConnector(limit=self._connections, ssl=tls)
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "podtick"},
        )

    def _request(
        self, path: str, params: Mapping[str, str] | None, total: float | None
    ) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]:
        assert self._session is not None
        timeout = aiohttp.ClientTimeout(total=total, sock_connect=self._timeout, sock_read=total)
        return self._session.get(self._origin + path, params=params, timeout=timeout, allow_redirects=False)

    async def _get_bytes(self, path: str, params: Mapping[str, str] | None, limit: int, within: float) -> bytearray:
        with self._plain_errors(path):
            async with self._request(path, params, within) as response:
                try:
                    await self._check_status(response, path)
                    return await self._body(response, path, limit)
                except BaseException:
                    response.close()  # what is left of the body is not wanted
                    raise

    async def _body(self, response: aiohttp.ClientResponse, path: str, limit: int) -> bytearray:
        body = bytearray()
        declared = response.content_length or 0
        while declared <= limit and (chunk := await response.content.read(_CHUNK)):
            body += chunk
            if len(body) > limit:
                break
        if max(declared, len(body)) > limit:
            raise EngineProtocolError(f"{self._endpoint} {path}: the answer is larger than {limit} bytes")
        return body

    async def _check_status(self, response: aiohttp.ClientResponse, path: str) -> None:
        if response.status != 200:
            start = await response.content.read(_CHUNK)
            raise EngineError(
                response.status, f"{self._endpoint} {path}: HTTP {response.status}: {engine_message(start)}"
            )

    @contextlib.contextmanager
    def _plain_errors(self, path: str) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            raise EngineUnavailableError(
                Trouble.TIMEOUT, f"{self._endpoint} did not answer {path} in time: is the engine hanging?"
            ) from None
        except (aiohttp.ClientConnectorSSLError, aiohttp.ClientConnectorCertificateError) as error:
            raise EngineUnavailableError(Trouble.TLS, f"{self._endpoint}: {_tls(error)}") from None
        except aiohttp.ClientConnectorError as error:
            if hung_up(error.os_error):
                raise self._closed(path, error.os_error) from None
            raise unreachable(self._endpoint, error.os_error) from None
        except (aiohttp.ClientResponseError, aiohttp.InvalidURL) as error:
            raise EngineProtocolError(f"{self._endpoint} {path}: not HTTP: {one_line(str(error))}") from None
        except aiohttp.ClientPayloadError:
            raise EngineProtocolError(f"{self._endpoint} {path}: the answer ended half-way") from None
        except SSLError as error:
            raise EngineUnavailableError(Trouble.TLS, f"{self._endpoint}: {explain(error)}") from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._closed(path, error) from None

    def _closed(self, path: str, error: Exception) -> EngineUnavailableError:
        said = one_line(str(error)) + (CLIENT_HINT if self._endpoint.tls else "")
        return EngineUnavailableError(
            Trouble.DISCONNECTED, f"{self._endpoint} closed the connection during {path} ({said})"
        )


def _tls(error: aiohttp.ClientConnectorSSLError | aiohttp.ClientConnectorCertificateError) -> str:
    cause = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error.os_error
    return explain(cause) if isinstance(cause, SSLError) else one_line(str(cause))
