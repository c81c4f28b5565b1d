"""An API server that says what a test wants it to say: HTTP/1.1 by hand on a loopback address."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from podtick.sources.kube.access import KubeAccess
from podtick.sources.kube.updates import Update, WatchTiming
from podtick.sources.kube.watch import watch_pods
from podtick.sources.updates import Updates

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
T = TypeVar("T", bound=Update)
NODE = "worker-7"
QUIET = WatchTiming(
    request=30, watch=3600, silence=3600, steady=0, retry_first=0.01, retry_most=0.02, refused_most=0.02
)
OK = "200 OK"


def container_id(number: int) -> str:
    return f"{number:064x}"


def pod(name: str, version: int = 1, *, container: int | None = None, **metadata: Any) -> dict[str, Any]:
    """A pod as an API server writes it, with fields that nobody here reads."""
    status = {"name": "app", "image": "x", "ready": True, "restartCount": 0}
    if container is not None:
        status["containerID"] = f"containerd://{container_id(container)}"
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": f"uid-of-{name}",
            "resourceVersion": str(version),
            "managedFields": [{"fieldsV1": {"f:spec": {}}}],
            **metadata,
        },
        "spec": {"nodeName": NODE, "containers": [{"name": "app", "env": [{"name": "PASSWORD", "value": "hunter2"}]}]},
        "status": {"phase": "Running", "containerStatuses": [status]},
    }


def pods(version: int, *items: dict[str, Any]) -> bytes:
    return json.dumps({"kind": "PodList", "metadata": {"resourceVersion": str(version)}, "items": items}).encode()


def event(kind: str, found: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": found}).encode() + b"\n"


def bookmark(version: int) -> bytes:
    return event("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": str(version)}})


def failure(code: int) -> dict[str, Any]:
    return {"kind": "Status", "status": "Failure", "code": code, "message": f"because of {code}"}


def answer(body: bytes, status: str = OK, **headers: str) -> Answer:
    """A whole answer, correctly framed."""

    async def write(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *(f"{key}: {headers[key]}" for key in headers)]
        writer.write("\r\n".join([*lines, "", ""]).replace("_", "-").encode() + body)

    return write


def refused(code: int, **headers: str) -> Answer:
    return answer(json.dumps(failure(code)).encode(), f"{code} No", **headers)


def streamed(*pieces: bytes | None) -> Answer:
    """Pieces of a body, each a chunk of its own, then silence; `None` ends the body."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in pieces:
            writer.write(b"0\r\n\r\n" if piece is None else b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        if None not in pieces:
            await asyncio.Event().wait()

    return write


def raw(text: bytes) -> Answer:
    """These bytes, then the connection is closed."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()
        writer.close()

    return write


async def hang(_: asyncio.StreamWriter) -> None:
    """Never answers."""
    await asyncio.Event().wait()


async def reset(writer: asyncio.StreamWriter) -> None:
    """Drops the connection."""
    writer.transport.abort()


class ScriptedApi:
    """Gives its answers one after the other, the last one of each kind again and again."""

    def __init__(self, folder: Path) -> None:
        self.nodes: list[Answer] = [answer(b"{}")]
        self.lists: list[Answer] = [answer(pods(5))]
        self.watches: list[Answer] = [streamed()]
        self.jobs: list[Answer] = [refused(404)]
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.kubeconfig = folder / "kubeconfig"
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["ScriptedApi"]:
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.write_kubeconfig("first-token")
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await server.wait_closed()

    @property
    def access(self) -> KubeAccess:
        return KubeAccess(self.kubeconfig)

    def write_kubeconfig(self, token: str) -> None:
        described = {
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "it", "user": {"token": token}}],
        }
        self.kubeconfig.write_text(json.dumps(described))

    def queries(self, kind: str) -> list[dict[str, str]]:
        """The parameters of each `list` or `watch` so far."""
        return [
            query for path, query, _ in self.asked if path == "/api/v1/pods" and ("watch" in query) == (kind == "watch")
        ]

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
                target = urlsplit(head[0].split(" ")[1])
                query = dict(parse_qsl(target.query))
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                self.asked.append((target.path, query, headers))
                if target.path.startswith("/apis/batch/"):
                    answers = self.jobs
                elif target.path != "/api/v1/pods":
                    answers = self.nodes
                else:
                    answers = self.watches if "watch" in query else self.lists
                await (answers.pop(0) if len(answers) > 1 else answers[0])(writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def watched(api: ScriptedApi, timing: WatchTiming = QUIET) -> AsyncIterator[Updates[Update]]:
    async with asyncio.timeout(60), watch_pods(api.access, NODE, timing=timing) as updates:
        yield updates


async def next_of(kind: type[T], updates: Updates[Update]) -> T:
    async for update in updates:
        if isinstance(update, kind):
            return update
    raise AssertionError("the watch ended")
