"""An engine that says what a test wants it to say: HTTP/1.1 by hand on a real unix socket."""

import asyncio
import contextlib
import json
import os
import shutil
import ssl
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from podtick.sources.docker.endpoint import Endpoint

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def hang(_: asyncio.StreamWriter) -> None:
    """Never answers; stands for waiting until the client goes."""
    raise AssertionError("only ever compared")


def container_id(number: int) -> str:
    return f"{number:064x}"


def listed(number: int, **fields: Any) -> dict[str, Any]:
    """One element of /containers/json as Docker 20.10 writes it, with fields that nobody here reads."""
    return {
        "Id": container_id(number),
        "Names": [f"/c{number}"],
        "Image": "busybox:1",
        "ImageID": "sha256:0",
        "Command": "sleep --password=hunter2",
        "Created": 1_700_000_000 + number,
        "Ports": None,
        "Labels": {},
        "State": "running",
        "Status": "Up 2 hours",
        "HostConfig": {"NetworkMode": "default"},
        "Mounts": [],
    } | fields


def inspected(number: int, *, state: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """The answer of /containers/ID/json, with its secrets."""
    return {
        "Id": container_id(number),
        "Created": "2026-11-24T10:00:00.1Z",
        "Path": "sleep",
        "Args": ["--password=hunter2"],
        "State": {
            "Status": "running",
            "Running": True,
            "OOMKilled": False,
            "Pid": 4000 + number,
            "ExitCode": 0,
            "StartedAt": "2026-11-24T10:00:01.123456789Z",
            "FinishedAt": "0001-01-01T00:00:00Z",
        }
        | (state or {}),
        "Name": f"/c{number}",
        "RestartCount": 0,
        "HostConfig": {"NetworkMode": "default", "CgroupParent": ""},
        "Config": {"Image": "busybox:1", "Env": ["TOKEN=hunter2"], "Cmd": ["hunter2"], "Labels": None},
    } | fields


def event(kind: str, number: int, **attributes: str) -> bytes:
    """One line of /events."""
    body = {
        "status": kind,
        "Type": "container",
        "Action": kind,
        "Actor": {"ID": container_id(number), "Attributes": {"name": f"c{number}", **attributes}},
        "scope": "local",
        "time": 1_800_000_000,
        "timeNano": 1_800_000_000_000_000_007,
    }
    return json.dumps(body).encode() + b"\n"


def answer(body: bytes, status: str = "200 OK") -> Answer:
    """A whole answer, correctly framed."""

    async def write(writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)

    return write


def streamed(*pieces: bytes | None) -> Answer:
    """Pieces of a body, each a chunk of its own, then silence; `None` ends the body and the connection."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in pieces:
            writer.write(b"0\r\n\r\n" if piece is None else b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        if None in pieces:
            writer.close()
        else:
            await asyncio.Event().wait()

    return write


def frame(second: int, **fields: Any) -> dict[str, Any]:
    """A frame of the stats API as Docker writes it on cgroup v2, read at a second after ten o'clock."""
    return {
        "read": f"2026-11-24T10:{second // 60:02}:{second % 60:02}.25Z",
        "cpu_stats": {
            "cpu_usage": {"total_usage": 1_000_000_000 + second * 500_000_000},
            "system_cpu_usage": 10_000_000_000 + second * 2_000_000_000,
            "online_cpus": 2,
        },
        "precpu_stats": {
            "cpu_usage": {"total_usage": 1_000_000_000 + (second - 1) * 500_000_000},
            "system_cpu_usage": 10_000_000_000 + (second - 1) * 2_000_000_000,
        },
        "memory_stats": {
            "usage": 5_000_000,
            "limit": 10_000_000,
            "stats": {"anon": 3_000_000, "inactive_file": 1_000_000},
        },
        "networks": {"eth0": {"rx_bytes": 1000 + second, "tx_bytes": 2000}},
        "pids_stats": {"current": 3},
    } | fields


def answer_json(value: object) -> Answer:
    return answer(json.dumps(value).encode())


@dataclass
class ScriptedEngine:
    """A context manager. `answers` replaces an answer by its path, version and parameters left out."""

    tls: ssl.SSLContext | None = None  # then it listens on TCP
    tcp: bool = False
    version: dict[str, Any] = field(
        default_factory=lambda: {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}
    )
    containers: dict[int, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    closed_by_peer: int = 0

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pt-", dir="/tmp"))
        self.endpoint = Endpoint(socket_path=str(self.folder / "s"))
        self._streams: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        shutil.rmtree(self.folder)

    async def start(self) -> None:
        if self.tls or self.tcp:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
            self.endpoint = Endpoint(host="127.0.0.1", port=self._server.sockets[0].getsockname()[1])
        else:
            self._server = await asyncio.start_unix_server(self._serve, self.endpoint.socket_path)

    async def stop(self) -> None:
        """Close every connection and take the socket away."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        if self.endpoint.socket_path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.endpoint.socket_path)

    def add(self, number: int, **state: Any) -> None:
        """Let a container exist; `state` goes into both answers that show it."""
        status = state.get("Status", "running")
        self.containers[number] = listed(number, State=status), inspected(number, state=state)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until a request made `true` so."""
        async with self._news, asyncio.timeout(20):
            await self._news.wait_for(true)

    async def say(self, lines: bytes) -> None:
        """Write into every event stream."""
        for writer in self._streams:
            writer.write(b"%x\r\n%b\r\n" % (len(lines), lines))
            await writer.drain()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._requests(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.closed_by_peer += 1
        except asyncio.CancelledError:
            return  # by `stop`
        finally:
            self._tasks.discard(task)
            self._streams.discard(writer)
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            line = head.split(b"\r\n", 1)[0].decode()
            self.lines.append(line)
            path = line.split(" ")[1].partition("?")[0]
            path = "/" + path.removeprefix("/v").partition("/")[2] if path.startswith("/v1.") else path
            await self._note(path, +1)
            try:
                await self._answer(path, reader, writer)
                await writer.drain()
            finally:
                self.in_flight -= 1

    async def _note(self, path: str, change: int) -> None:
        self.in_flight += change
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self.asked[path] += 1
        async with self._news:
            self._news.notify_all()

    async def _answer(self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (scripted := self.answers.get(path)) is hang:
            await reader.read()
        elif scripted is not None:
            await scripted(writer)
        elif path == "/version":
            await answer_json(self.version)(writer)
        elif path == "/_ping":
            await answer(b"OK")(writer)
        elif path == "/containers/json":
            await answer_json([row for row, _ in self.containers.values()])(writer)
        elif path == "/events":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            self._streams.add(writer)
            await reader.read()  # until the client goes
        else:
            number = int(path.split("/")[2], 16)
            found = self.containers.get(number)
            missing = answer(b'{"message":"No such container"}', "404 Not Found")
            await (answer_json(found[1]) if found else missing)(writer)
