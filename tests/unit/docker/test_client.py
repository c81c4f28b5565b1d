import asyncio
import os
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from podtick.sources.docker import wire
from podtick.sources.docker.client import EngineClient
from podtick.sources.docker.endpoint import Endpoint
from podtick.sources.docker.errors import (
    DockerError,
    EngineError,
    EngineProtocolError,
    EngineUnavailableError,
    Trouble,
    UnsupportedApiError,
)
from podtick.sources.docker.versions import EngineInfo, negotiate
from tests.unit.docker.scripted import Answer, ScriptedEngine, answer, hang

LIST = "/containers/json"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def ask(engine: ScriptedEngine, scripted: Answer, *, within: float = 10, limit: int = 1 << 20) -> Any:
    engine.answers[LIST] = scripted
    async with EngineClient(engine.endpoint) as client:
        return await client.get_json(LIST, wire.LIST, limit_bytes=limit, within=within)


def raw(*parts: bytes) -> Answer:
    """Parts as they are, then the connection ends."""

    async def write(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        writer.close()

    return write


@pytest.mark.parametrize(
    ("theirs", "least", "chosen"),
    [("1.41", "1.12", "1.41"), ("1.24", None, "1.24"), ("1.56", "1.44", "1.51"), ("1.51", "1.51", "1.51")],
)
def test_the_newest_version_that_both_speak(theirs: str, least: str | None, chosen: str) -> None:
    assert negotiate(wire.Version("29", theirs, least)) == EngineInfo("29", chosen)


@pytest.mark.parametrize(("theirs", "least"), [("1.23", "1.12"), ("1.60", "1.52"), ("2.0", "2.0")])
def test_no_common_version(theirs: str, least: str) -> None:
    with pytest.raises(UnsupportedApiError, match=r"podtick 1\.24 to 1\.51"):
        negotiate(wire.Version("29", theirs, least))


@pytest.mark.parametrize("theirs", [None, "", "1", "one.two", "1.", "1.-4", "1.9999999999"])
def test_a_version_that_is_none(theirs: str | None) -> None:
    with pytest.raises(EngineProtocolError, match="names no API version"):
        negotiate(wire.Version("29", theirs, None))


async def test_asks_below_the_negotiated_version() -> None:
    async with ScriptedEngine() as engine, EngineClient(engine.endpoint) as client:
        assert client.engine == EngineInfo("20.10.24", "1.41")
        assert await client.get_json(LIST, wire.LIST, limit_bytes=100) == []
        assert engine.lines == ["GET /version HTTP/1.1", "GET /v1.41/containers/json HTTP/1.1"]


@pytest.mark.parametrize(
    "body", [b"", b"[{", b'{"a": 1}', b"[1]", b"\xff\xfe", b'[{"Id": 5}]', b'[{"Id": "\\ud800"}]', b"[" * 100_000]
)
async def test_a_body_that_is_no_list(body: bytes) -> None:
    async with ScriptedEngine() as engine:
        with pytest.raises(EngineProtocolError, match=r"/s /containers/json: not the engine's JSON"):
            await ask(engine, answer(body))


async def test_half_an_answer() -> None:
    async with ScriptedEngine() as engine:
        with pytest.raises(EngineProtocolError, match="ended half-way"):
            await ask(engine, raw(HEAD + b"Content-Length: 100\r\n\r\n[{"))


@pytest.mark.parametrize("garbage", [b"SSH-2.0-OpenSSH_9\r\n", HEAD + b"Content-Length: x\r\n\r\n", b"\0" * 100_000])
async def test_no_http_at_all(garbage: bytes) -> None:
    async with ScriptedEngine() as engine:
        with pytest.raises(DockerError):
            await ask(engine, raw(garbage))


async def test_a_declared_gibibyte_is_not_read() -> None:
    async with ScriptedEngine() as engine:
        with pytest.raises(EngineProtocolError, match="larger than 1048576 bytes"):
            await ask(engine, raw(HEAD + b"Content-Length: 1073741824\r\n\r\n["))


async def test_a_gibibyte_without_declaration_ends_early_and_small() -> None:
    sent = 0

    async def gibibyte(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        while sent < 1 << 30:
            writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
            sent += 65536
            await writer.drain()

    async with ScriptedEngine() as engine:
        tracemalloc.start()
        try:
            with pytest.raises(EngineProtocolError, match="larger than 1048576 bytes"):
                await ask(engine, gibibyte)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert sent < 4 << 20
    assert peak < 8 << 20


async def test_a_compressed_answer_is_not_inflated() -> None:
    async with ScriptedEngine() as engine:
        with pytest.raises(EngineProtocolError, match="not the engine's JSON"):
            await ask(engine, raw(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\0"))


async def test_one_byte_a_moment_ends_in_a_timeout() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Length: 100000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with ScriptedEngine() as engine:
        with pytest.raises(EngineUnavailableError, match="did not answer") as error:
            await ask(engine, drip, within=0.3)
        assert error.value.trouble is Trouble.TIMEOUT


async def test_a_hang_ends_in_a_timeout_and_closes_the_connection() -> None:
    async with ScriptedEngine() as engine:
        with pytest.raises(EngineUnavailableError) as error:
            await ask(engine, hang, within=0.1)
        assert error.value.trouble is Trouble.TIMEOUT


async def test_a_hanging_version_is_a_timeout_too() -> None:
    async with ScriptedEngine() as engine:
        engine.answers["/version"] = hang
        with pytest.raises(EngineUnavailableError, match="did not answer /version in time"):
            async with EngineClient(engine.endpoint, timeout=0.1):
                pytest.fail("entered without a version")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"message":"driver\\n failed"}', "HTTP 500: driver failed"),
        (b"<html>", "HTTP 500: <html>"),
        (b"", "HTTP 500: no message"),
        (b"x" * 70_000, "HTTP 500: " + "x" * 200),
        (b"[" * 60_000, "HTTP 500: [["),
    ],
)
async def test_an_http_error_says_what_the_engine_said(body: bytes, says: str) -> None:
    async with ScriptedEngine() as engine:
        with pytest.raises(EngineError) as error:
            await ask(engine, answer(body, "500 Internal Server Error"))
    assert error.value.status == 500
    assert says in str(error.value)
    assert len(str(error.value)) < 400


async def test_a_redirect_is_not_followed() -> None:
    async with ScriptedEngine() as engine:
        with pytest.raises(EngineError, match="HTTP 302"):
            await ask(engine, raw(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"))


@asynccontextmanager
async def entered(endpoint: Endpoint) -> AsyncIterator[EngineClient]:
    async with EngineClient(endpoint, timeout=5) as client:
        yield client


async def test_no_socket(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="no such socket") as error:
        await entered(Endpoint("/nonexistent/docker.sock")).__aenter__()
    assert error.value.trouble is Trouble.MISSING


async def test_a_socket_that_nobody_listens_on() -> None:
    async with ScriptedEngine() as engine:
        path = str(engine.endpoint.socket_path)
        os.rename(path, path + ".kept")
        import socket

        with socket.socket(socket.AF_UNIX) as left_over:
            left_over.bind(path)
        with pytest.raises(EngineUnavailableError, match="connection refused") as error:
            await entered(engine.endpoint).__aenter__()
        assert error.value.trouble is Trouble.REFUSED


async def test_a_tcp_port_that_nobody_listens_on() -> None:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = Endpoint(host="127.0.0.1", port=free.getsockname()[1])
        with pytest.raises(EngineUnavailableError, match=r"tcp://127\.0\.0\.1:\d+: connection refused"):
            await entered(endpoint).__aenter__()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not")
async def test_a_socket_that_is_not_ours_to_open() -> None:
    async with ScriptedEngine() as engine:
        os.chmod(engine.folder, 0o700)
        os.seteuid(65534)
        try:
            with pytest.raises(EngineUnavailableError, match="permission denied: run as a member") as error:
                await entered(engine.endpoint).__aenter__()
        finally:
            os.seteuid(0)
    assert error.value.trouble is Trouble.DENIED


async def test_speaks_over_tcp() -> None:
    async def version(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await answer(b'{"Version":"27","ApiVersion":"1.47","MinAPIVersion":"1.24"}')(writer)
        writer.close()

    server = await asyncio.start_server(version, "127.0.0.1", 0)
    async with server, entered(Endpoint(host="127.0.0.1", port=server.sockets[0].getsockname()[1])) as client:
        assert client.engine == EngineInfo("27", "1.47")
