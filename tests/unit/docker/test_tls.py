"""TLS towards an engine: what is asked for, and each way in which a certificate is wrong, by both clients."""

import asyncio
import errno
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from podtick.sources.docker.client import EngineClient
from podtick.sources.docker.endpoint import Endpoint
from podtick.sources.docker.errors import EndpointError, EngineUnavailableError, Trouble
from podtick.sources.docker.oneshot import OneShotClient
from podtick.sources.docker.tls import TlsFiles, tls_files
from tests.support.certificates import Certificates, certificates
from tests.unit.docker.scripted import ScriptedEngine


@pytest.fixture
def ours(tmp_path: Path) -> Certificates:
    return certificates(tmp_path)


async def both(endpoint: Endpoint) -> list[str]:
    """The version that each client got, or what it said instead."""

    async def agent() -> str:
        async with EngineClient(endpoint, timeout=5) as client:
            return client.engine.version

    def command() -> str:
        with OneShotClient(endpoint, timeout=5) as client:
            return client.engine.version

    said = []
    for result in await asyncio.gather(agent(), asyncio.to_thread(command), return_exceptions=True):
        if isinstance(result, EngineUnavailableError):
            assert result.trouble in (Trouble.TLS, Trouble.DISCONNECTED)
            result = str(result)
        assert isinstance(result, str), result
        said.append(result)
    return said


async def test_both_sides_trust_each_other(ours: Certificates) -> None:
    async with ScriptedEngine(tls=ours.server()) as engine:
        assert await both(replace(engine.endpoint, tls=ours.client())) == ["20.10.24"] * 2


@pytest.mark.parametrize(
    ("server", "says"),
    [
        (lambda ours: ours.server(expired=True), "certificate has expired"),
        (lambda ours: ours.server("engine.test"), "IP address mismatch"),
        (lambda ours: certificates(ours.folder).server(), "not to be trusted"),
    ],
)
async def test_a_certificate_that_is_wrong(
    ours: Certificates, server: Callable[[Certificates], ssl.SSLContext], says: str
) -> None:
    async with ScriptedEngine(tls=server(ours)) as engine:
        for said in await both(replace(engine.endpoint, tls=ours.client())):
            assert said.startswith(f"tcp://127.0.0.1:{engine.endpoint.port}: the engine's certificate is not to be ")
            assert says in said


async def test_a_client_that_the_engine_does_not_trust(ours: Certificates) -> None:
    stranger = Certificates(trustme.CA(), ours.folder).client("stranger", trusts=ours.authority)
    async with ScriptedEngine(tls=ours.server()) as engine:
        for said in await both(replace(engine.endpoint, tls=stranger)):
            assert "does the engine accept the certificate cert.pem?" in said


async def test_an_engine_that_resets_the_connection_while_it_is_made(ours: Certificates) -> None:
    """As one may that is in a hurry to be rid of whom it does not trust."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        handle = writer.get_extra_info("socket")
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    server = await asyncio.start_server(reset, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for said in await both(Endpoint(host="127.0.0.1", port=port, tls=ours.client())):
            assert "does the engine accept the certificate cert.pem?" in said


async def test_an_engine_without_tls(ours: Certificates) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for said in await both(Endpoint(host="127.0.0.1", port=port, tls=ours.client())):
            assert "does not speak TLS on this port" in said


@pytest.mark.parametrize("broken", ["ca.pem", "cert.pem", "key.pem"])
async def test_a_file_that_is_no_certificate(ours: Certificates, broken: str) -> None:
    files = ours.client()
    (files.folder / broken).write_text("no PEM")
    for said in await both(Endpoint(host="127.0.0.1", port=1, tls=files)):
        assert "ca.pem, cert.pem or key.pem cannot be used" in said


def test_what_the_environment_asks_for(ours: Certificates) -> None:
    folder = ours.client().folder
    verify = {"DOCKER_TLS_VERIFY": "1"}
    assert tls_files({"DOCKER_CERT_PATH": str(folder)}) is None
    assert tls_files({"DOCKER_CERT_PATH": str(folder), "DOCKER_TLS_VERIFY": ""}) is None
    assert tls_files(verify | {"DOCKER_CERT_PATH": str(folder)}) == TlsFiles(folder)
    home = ours.folder / "home"
    home.mkdir()
    folder.rename(home / ".docker")
    assert tls_files(verify | {"HOME": str(home)}) == TlsFiles(home / ".docker")
    (home / ".docker/key.pem").unlink()
    with pytest.raises(EndpointError, match=r"there is no .*key\.pem: set DOCKER_CERT_PATH"):
        tls_files(verify | {"HOME": str(home)})


@pytest.mark.parametrize(
    ("folder", "says"), [("/" + "a" * 300, "File name too long"), ("~nobody-here/certs", "home directory")]
)
def test_a_folder_that_cannot_be_looked_at_is_told(folder: str, says: str) -> None:
    with pytest.raises(EndpointError, match=f"cannot be looked at: .*{says}.*: set DOCKER_CERT_PATH"):
        tls_files({"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": folder})


def test_a_folder_that_may_not_be_looked_into_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "is_file", forbidden)  # root, as whom tests run, may look into any
    with pytest.raises(EndpointError, match="cannot be looked at: Permission denied"):
        tls_files({"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)})


def test_the_usual_ports() -> None:
    assert Endpoint(host="node").authority == "node:2375"
    assert Endpoint(host="node", tls=TlsFiles(Path("/x"))).authority == "node:2376"
