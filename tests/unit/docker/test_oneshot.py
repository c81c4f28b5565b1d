"""The synchronous client: the same answers, bounds and errors as the agent's."""

import asyncio
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from podtick.sources.docker import wire
from podtick.sources.docker.endpoint import Endpoint
from podtick.sources.docker.errors import DockerError, EngineError, EngineProtocolError, EngineUnavailableError, Trouble
from podtick.sources.docker.oneshot import OneShotClient, container_path
from podtick.sources.docker.versions import EngineInfo
from tests.support.certificates import certificates
from tests.unit.docker.scripted import Answer, ScriptedEngine, answer, hang

LIST = "/containers/json"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def ask(engine: ScriptedEngine, scripted: Answer, *, within: float = 10, limit: int = 1 << 20) -> Any:
    engine.answers[LIST] = scripted

    def asked() -> Any:
        with OneShotClient(engine.endpoint) as client:
            client._timeout = within
            return client.get_json(LIST, wire.LIST, params={"all": "1"}, limit_bytes=limit)

    return await asyncio.to_thread(asked)


def raw(*parts: bytes) -> Answer:
    async def write(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        writer.close()

    return write


def enter(endpoint: Endpoint, timeout: float = 5) -> EngineInfo:
    with OneShotClient(endpoint, timeout=timeout) as client:
        return client.engine


async def test_asks_below_the_negotiated_version() -> None:
    async with ScriptedEngine() as engine:
        assert await ask(engine, answer(b"[]")) == []
        assert engine.lines == ["GET /version HTTP/1.1", "GET /v1.41/containers/json?all=1 HTTP/1.1"]


@pytest.mark.parametrize("body", [b"", b"[{", b'{"a": 1}', b"\xff\xfe", b'[{"Id": 5}]', b"[" * 100_000])
async def test_a_body_that_is_no_list(body: bytes) -> None:
    async with ScriptedEngine() as engine:
        with pytest.raises(EngineProtocolError, match="not the engine's JSON"):
            await ask(engine, answer(body))


async def test_half_an_answer() -> None:
    async with ScriptedEngine() as engine:
        with pytest.raises(EngineProtocolError, match="half-way"):
            await ask(engine, raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n[{"))


@pytest.mark.parametrize("garbage", [b"SSH-2.0-OpenSSH_9\r\n", b"\0" * 100_000, b""])
async def test_no_http_at_all(garbage: bytes) -> None:
    async with ScriptedEngine() as engine:
        with pytest.raises(DockerError):
            await ask(engine, raw(garbage))


async def test_an_answer_that_is_too_large() -> None:
    async with ScriptedEngine() as engine:
        with pytest.raises(EngineProtocolError, match="larger than 1000 bytes"):
            await ask(engine, answer(b" " * 100_000), limit=1000)


def drip(begin: bytes) -> Answer:
    """An answer that begins like this, and goes on a byte at a time for ever."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    return write


@pytest.mark.parametrize(
    "scripted",
    [
        hang,
        drip(b"HTTP/1.1 200 OK"),
        drip(HEAD + b"X-Drip:"),
        drip(HEAD + b"Content-Length: 100000\r\n\r\n"),
        drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5; "),
        drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n99999\r\n"),
    ],
)
async def test_a_hang_and_a_drip_end_in_a_timeout(scripted: Answer) -> None:
    async with ScriptedEngine() as engine, asyncio.timeout(60):
        with pytest.raises(EngineUnavailableError, match=r"did not answer /v1\.41/containers/json in time") as error:
            await ask(engine, scripted, within=0.3)
        assert error.value.trouble is Trouble.TIMEOUT


@pytest.mark.parametrize("secured", [False, True])
async def test_a_drip_over_tcp_ends_in_a_timeout(tmp_path: Path, secured: bool) -> None:
    issuer = certificates(tmp_path)
    async with ScriptedEngine(tcp=True, tls=issuer.server() if secured else None) as engine, asyncio.timeout(60):
        engine.answers["/version"] = drip(HEAD + b"X-Drip:")
        endpoint = replace(engine.endpoint, tls=issuer.client() if secured else None)
        with pytest.raises(EngineUnavailableError, match="did not answer /version in time") as error:
            await asyncio.to_thread(enter, endpoint, timeout=1)
    assert error.value.trouble is Trouble.TIMEOUT


async def test_an_http_error_says_what_the_engine_said() -> None:
    async with ScriptedEngine() as engine:
        with pytest.raises(EngineError, match="HTTP 500: driver failed") as error:
            await ask(engine, answer(b'{"message":"driver\\n failed"}', "500 Internal Server Error"))
        assert error.value.status == 500
        with pytest.raises(EngineError, match="HTTP 302"):
            await ask(engine, raw(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"))


async def test_nobody_is_there() -> None:
    with pytest.raises(EngineUnavailableError, match="no such socket") as error:
        enter(Endpoint("/nonexistent/docker.sock"))
    assert error.value.trouble is Trouble.MISSING
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(EngineUnavailableError, match="connection refused") as error:
            enter(Endpoint(host="127.0.0.1", port=free.getsockname()[1]))
    assert error.value.trouble is Trouble.REFUSED


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not")
async def test_a_socket_that_is_not_ours_to_open() -> None:
    async with ScriptedEngine() as engine:
        os.chmod(engine.folder, 0o700)
        os.seteuid(65534)
        try:
            with pytest.raises(EngineUnavailableError, match="permission denied: run as a member") as error:
                enter(engine.endpoint)
        finally:
            os.seteuid(0)
    assert error.value.trouble is Trouble.DENIED


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("web", "/containers/web/json"),
        ("../images", "/containers/..%2Fimages/json"),
        ("a b?c", "/containers/a%20b%3Fc/json"),
    ],
)
def test_a_name_stays_one_part_of_the_path(name: str, path: str) -> None:
    assert container_path(name, "json") == path
