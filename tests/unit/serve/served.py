"""A real server on loopback over a made-up node."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import ClientSession, web

from podtick.serve.app import Services, make_app
from podtick.serve.connections import HttpServer, Limits
from podtick.serve.exposition.filters import EVERYTHING, Selection
from podtick.serve.listen import Address, bind
from tests.support.world import World


@dataclass(frozen=True)
class Served:
    port: int
    session: ClientSession

    async def raw(self, request: bytes, *, keep_open: bool = False) -> bytes:
        """Send bytes as they are and read until the server closes, or ends a head with `keep_open`."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            if keep_open:
                return await reader.readuntil(b"\r\n\r\n")
            return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()


def services(world: World, selection: Selection = EVERYTHING) -> Services:
    return Services(world.history, world.roster, world.health, world.own, world.parsers, "worker-7", selection)


@asynccontextmanager
async def serving(
    world: World,
    selection: Selection = EVERYTHING,
    limits: Limits | None = None,
    app: web.Application | None = None,
) -> AsyncIterator[Served]:
    sockets = await bind(Address("127.0.0.1", 0))
    port = sockets[0].getsockname()[1]
    made = app or make_app(services(world, selection))
    async with HttpServer(made, sockets, limits), ClientSession(f"http://127.0.0.1:{port}/") as session:
        yield Served(port, session)
