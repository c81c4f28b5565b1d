"""Clients that mean no good, or cannot help it."""

import asyncio
import gc
import json
from collections.abc import Iterator

import pytest
from aiohttp import web

from podtick.serve.connections import Limits
from podtick.serve.exposition.agent import AgentMetrics
from podtick.serve.exposition.body import BLOCK, Exposition
from podtick.serve.exposition.filters import EVERYTHING
from podtick.serve.exposition.labels import LabelCache
from podtick.serve.exposition.samples import SampleWriter
from podtick.serve.metrics import MetricsRoute
from tests.support.world import World, full_world
from tests.unit.serve.served import Served, serving

PATIENCE = 30  # seconds: a safety net, nothing is expected to take long


def parts(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(status.split()[1]), headers, body


async def still_answers(served: Served) -> None:
    async with served.session.get("/livez") as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /livez HTTP/1.1\r\nX: " + b"a" * 65536 + b"\r\n\r\n", 431),
        (b"GET /metrics?metric=" + b"a" * 65536 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"GET /livez HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(500)) + b"\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50 + b"\r\n\r\n", 400),
        (b"no http at all\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400),
    ],
)
async def test_what_cannot_be_read_is_a_problem(request_bytes: bytes, status: int) -> None:
    async with serving(World()) as served:
        async with asyncio.timeout(PATIENCE):
            found, headers, body = parts(await served.raw(request_bytes))
        assert found == status
        assert headers["content-type"] == "application/problem+json"
        assert json.loads(body)["status"] == status
        assert len(body) < 500
        await still_answers(served)


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept": "," * 4000},
        {"Accept": "application/openmetrics-text;version=99;q=nan,*/*;q=-0"},
        {"Accept-Encoding": 'gzip;q=1e9, *;q="1"'},
        {"Accept": "\u00fc/\u00df"},
    ],
)
async def test_lies_in_headers_get_the_plain_form(headers: dict[str, str]) -> None:
    async with serving(full_world(1)) as served, served.session.get("/metrics?level=pod", headers=headers) as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert "podtick_pod_cpu_usage_seconds_total" in await response.text()


async def test_a_thousand_idle_connections_leave_room_for_one_more() -> None:
    async with serving(full_world(1)) as served:
        idle = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(1000)]
        for _, writer in idle:
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        for reader, _ in idle:
            async with asyncio.timeout(PATIENCE):
                assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        await still_answers(served)
        async with served.session.get("/metrics") as response:
            assert "podtick_pod" in await response.text()
        for _, writer in idle:
            writer.close()
        for _, writer in idle:
            await writer.wait_closed()


async def test_connections_beyond_the_limit_are_closed_at_once(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(World(), limits=Limits(connections=3)) as served:
        held = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(3)]
        for reader, writer in held:
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        async with asyncio.timeout(PATIENCE):
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        writer.close()
        for _, one in held:
            one.close()
            await one.wait_closed()
        gc.collect()
    assert not caplog.records, "whoever opens them could fill the log"


async def test_a_connection_that_asks_nothing_is_closed() -> None:
    async with serving(World(), limits=Limits(idle_seconds=0.05)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET /livez HT")
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_a_reader_that_does_not_read_is_dropped_and_holds_little() -> None:
    """The body (some 40 MB) is larger than what the kernel buffers; writing stops, and then the patience ends."""
    world = full_world(3)
    agent = AgentMetrics(world.own, world.health)
    made: list[int] = []

    class Endless(Exposition):
        def blocks(self, *_: object) -> Iterator[bytes]:
            for _turn in range(1000):
                made.append(1)
                yield b"x" * 40_000

    exposition = Endless(
        world.history, SampleWriter(LabelCache(world.roster, "node-1"), world.parsers), agent, world.health
    )
    route = MetricsRoute(exposition, EVERYTHING, body_seconds=0.3)
    ended = asyncio.Event()

    async def get(request: web.Request) -> web.StreamResponse:
        try:
            return await route.get(request)
        finally:
            ended.set()

    app = web.Application()
    app.router.add_get("/metrics", get)
    app.router.add_get("/livez", _fine)
    async with serving(world, app=app) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        await still_answers(served)
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
            received = await reader.read()
        writer.close()
        await writer.wait_closed()
        await still_answers(served)
    assert not received.endswith(b"0\r\n\r\n"), "no end mark: the reader must see that this is not all"
    assert len(made) < 1000, "the body was not made in advance"


async def _fine(request: web.Request) -> web.Response:
    return web.Response(text="fine")


async def test_a_reader_that_leaves_half_way_hurts_nobody() -> None:
    async with serving(full_world(200)) as served:
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readline()
            writer.transport.abort()
        await still_answers(served)
        async with served.session.get("/metrics?level=pod") as response:
            assert "podtick_pod" in await response.text()


async def test_the_loop_runs_on_while_a_body_is_made() -> None:
    """Between two turns of the loop never more than a block is written."""
    world = full_world(300)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with serving(world) as served:
        counting = asyncio.create_task(count())
        async with served.session.get("/metrics?level=pod,container") as response:
            text = await response.text()
        counting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await counting
    blocks = len(text) // BLOCK
    assert turns > blocks > 5
