"""One connection pool to one API server: bounded answers, bounded time, errors in plain words.

`kubernetes` finds the server, authenticates and carries the requests; what they say is decoded elsewhere.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp.http_exceptions import LineTooLong
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_kube_config
from kubernetes.aio.config.incluster_config import InClusterConfigLoader

from podtick.sources.kube.access import KubeAccess
from podtick.sources.kube.errors import (
    KubeConfigError,
    KubeProtocolError,
    KubeRefusedError,
    KubeUnavailableError,
    status_message,
)
from podtick.sources.texts import one_line

LINE_BYTES = 2 << 20
"""The longest line of a watch is twice that; a pod is at most 1.5 MiB."""
_CHUNK = 64 * 1024
_MOST_WAIT = 60.0
log = logging.getLogger(__name__)


class KubeClient:
    """Asks one API server; use it as `async with KubeClient(access) as client`.

    Entering reads the configuration, and the token, anew. `timeout` bounds each whole answer and the head of each
    stream, in seconds. Every method raises a `KubeError` and no other error.
    """

    def __init__(self, access: KubeAccess, timeout: float) -> None:
        self._access = access
        self._timeout = timeout
        self._api: ApiClient | None = None
        self.host = "the API server"

    async def __aenter__(self) -> Self:
        configuration = await self._configured()
        self.host = str(configuration.host)
        try:
            self._api = ApiClient(configuration)
        except (OSError, ValueError) as error:  # certificates that are none
            raise KubeConfigError(f"{self._source}: its certificates cannot be used: {one_line(str(error))}") from None
        self._api.user_agent = "podtick"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._api:
            await self._api.close()  # type: ignore[no-untyped-call]
            await asyncio.sleep(0)  # a connection that was dropped is closed in the loop's next turn

    async def get(self, path: str, params: Mapping[str, str], limit_bytes: int) -> bytearray:
        """GET `path`: the body, at most `limit_bytes` of it."""
        with self._plain_errors(path):
            async with asyncio.timeout(self._timeout), self._open(path, params, self._timeout) as response:
                body = bytearray()
                while chunk := await response.content.read(_CHUNK):
                    body += chunk
                    if len(body) > limit_bytes:
                        raise KubeProtocolError(f"{self.host}{path}: the answer is larger than {limit_bytes} bytes")
                return body

    @contextlib.asynccontextmanager
    async def lines(self, path: str, params: Mapping[str, str], silence: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a body of lines: entered once the server has answered. It ends where the server ends it.

        `silence`: seconds without a line after which the connection counts as lost.
        """
        async with contextlib.AsyncExitStack() as stack:
            with self._plain_errors(path):
                async with asyncio.timeout(self._timeout):
                    response = await stack.enter_async_context(self._open(path, params, None))
            yield await stack.enter_async_context(contextlib.aclosing(self._lines(response, path, silence)))

    async def _lines(self, response: aiohttp.ClientResponse, path: str, silence: float) -> AsyncGenerator[bytes, None]:
        while True:
            with self._plain_errors(path):
                try:
                    async with asyncio.timeout(silence):
                        line = await response.content.readline()
                except TimeoutError:
                    raise KubeUnavailableError(f"{self.host} said nothing for {silence:.0f} s, not even that") from None
                except (ValueError, LineTooLong):
                    raise KubeProtocolError(f"{self.host}{path}: a line is over {2 * LINE_BYTES} bytes long") from None
                except aiohttp.ClientPayloadError:
                    return  # cut off, as by a server that was killed
            if not line.endswith(b"\n"):
                return
            if line.strip():
                yield line

    @contextlib.asynccontextmanager
    async def _open(
        self, path: str, params: Mapping[str, str], total: float | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        assert self._api is not None
        timeout = aiohttp.ClientTimeout(total=total, sock_connect=self._timeout)
        try:
            method, url, headers, _, _ = await self._api.param_serialize(
                "GET",
                path,
                query_params=list(params.items()),
                header_params={"Accept": "application/json"},
                auth_settings=["BearerToken"],
            )
            answer = await self._api.call_api(method, url, headers, _request_timeout=timeout)
        except (
            ConfigException,
            FileNotFoundError,
            PermissionError,
        ) as error:  # of the token's file
            raise KubeConfigError(f"{self._source}: {one_line(str(error))}") from None
        response: aiohttp.ClientResponse = answer.response
        try:
            await self._check_status(response, path)
            yield response
        finally:
            _drop(response)

    async def _check_status(self, response: aiohttp.ClientResponse, path: str) -> None:
        if response.status == 200:
            return
        start = await response.content.read(_CHUNK)
        message = f"{self.host}{path}: HTTP {response.status}: {status_message(start, response.status)}"
        asked = response.headers.get("Retry-After", "")
        wait = min(float(asked), _MOST_WAIT) if asked.isascii() and asked.isdigit() else 0.0
        raise KubeRefusedError(response.status, message, wait)

    async def _configured(self) -> Configuration:
        access, configuration = self._access, Configuration()
        # A cluster's own authority seldom is what Python 3.13 asks of one by default.
        configuration.disable_strict_ssl_verification = True
        configuration.client_session_kwargs = {"read_bufsize": LINE_BYTES, "cookie_jar": aiohttp.DummyCookieJar()}
        try:
            if access.kubeconfig is None:
                token, authority = (str(access.account / name) for name in ("token", "ca.crt"))
                loader = InClusterConfigLoader(token, authority, environ=access.environ)  # type: ignore[no-untyped-call]
                loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
            else:
                async with asyncio.timeout(self._timeout):
                    await load_kube_config(  # type: ignore[no-untyped-call]
                        str(access.kubeconfig), client_configuration=configuration, persist_config=False
                    )
        except TimeoutError:
            raise KubeConfigError(f"{self._source}: its plugin did not end within {self._timeout:.0f} s") from None
        except Exception as error:  # noqa: BLE001 -- a file of any shape makes the loader fail in any way
            raise KubeConfigError(f"{self._source}: {one_line(str(error) or type(error).__name__)}") from None
        return configuration

    @property
    def _source(self) -> str:
        return str(self._access.kubeconfig or self._access.account)

    @contextlib.contextmanager
    def _plain_errors(self, path: str) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            raise KubeUnavailableError(f"{self.host} did not answer {path} in time: is it hanging?") from None
        except (aiohttp.ClientConnectorSSLError, aiohttp.ClientConnectorCertificateError) as error:
            raise KubeUnavailableError(f"{self.host}: TLS failed: {one_line(str(_cause(error)))}") from None
        except aiohttp.ClientConnectorError as error:
            said = error.os_error.strerror or str(error.os_error)
            raise KubeUnavailableError(f"{self.host}: cannot connect: {one_line(said)}") from None
        except (aiohttp.ClientResponseError, aiohttp.InvalidURL, ValueError) as error:
            raise KubeProtocolError(f"{self.host}{path}: not HTTP: {one_line(str(error))}") from None
        except aiohttp.ClientPayloadError:
            raise KubeUnavailableError(f"{self.host}{path}: the answer ended half-way") from None
        except (aiohttp.ClientError, OSError) as error:
            raise KubeUnavailableError(f"{self.host} closed the connection: {one_line(str(error))}") from None


def _drop(response: aiohttp.ClientResponse) -> None:
    """What is left of a body is not wanted, nor is TLS's farewell, which a server that hangs never answers."""
    transport = response.connection.transport if response.connection else None
    if transport:
        transport.abort()
    response.close()


def _cause(error: Any) -> object:
    """What the TLS library says, without the address once more."""
    return getattr(error, "certificate_error", None) or getattr(error, "os_error", error)
