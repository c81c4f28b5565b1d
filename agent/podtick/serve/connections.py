"""What holds for every connection before any route sees it: sizes, numbers, times, and the form of errors.

aiohttp answers a request that it cannot parse from inside its protocol class; to give that answer the common form, and
to bound the number of connections, that class and those that make it are extended here and nowhere else.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from socket import socket
from typing import Self

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from podtick.serve.problem import problem

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the server: bytes, numbers and seconds."""

    header_bytes: int = 8190
    headers: int = 64
    connections: int = 2000
    accept: int = 100  # waiting to be accepted, all at once: fewer than the descriptors left for other things
    idle_seconds: float = 150.0  # longer than collectors wait between two scrapes
    shutdown_seconds: float = 3.0


class _Connection(RequestHandler):
    """One connection."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be parsed."""
        del request, message
        if isinstance(exc, LineTooLong):
            response = problem(431, "the request line or a header is too long: at most 8190 bytes each")
        elif status < 500:
            response = problem(400, "this is no HTTP request that the server can read")
        else:
            log.error("a request failed outside of every route", exc_info=exc)
            response = problem(500, "the agent failed to answer; its log says more")
        response.force_close()
        return response


class _Connections(web.Server):
    """All connections."""

    most: int

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if len(self._connections) > self.most:
            log.debug("connection refused: %d are open", self.most)
            self._loop.call_soon(transport.abort)  # not now: aiohttp is about to start what reads from it


class _Runner(web.AppRunner):
    def __init__(self, app: web.Application, limits: Limits) -> None:
        super().__init__(
            app,
            access_log=None,
            keepalive_timeout=limits.idle_seconds,
            max_line_size=limits.header_bytes,
            max_field_size=limits.header_bytes,
            max_headers=limits.headers,
            shutdown_timeout=limits.shutdown_seconds,
            lingering_time=1.0,
        )
        self._limits = limits

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        server = _Connections(made.request_handler, request_factory=made.request_factory, **made._kwargs)
        server.most = self._limits.connections
        return server


class HttpServer:
    """An application on its listening sockets; `async with` starts and stops it."""

    def __init__(self, app: web.Application, sockets: Sequence[socket], limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._runner = _Runner(app, self._limits)
        self._sockets = sockets

    async def __aenter__(self) -> Self:
        try:
            await self._runner.setup()
            for listening in self._sockets:
                await web.SockSite(self._runner, listening, backlog=self._limits.accept).start()
        except BaseException:
            await self._runner.cleanup()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
