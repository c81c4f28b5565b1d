"""A stand-in for an engine: answers for cgroups as if they were its containers. No part of what is measured."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from aiohttp import web

STARTED = "2026-01-01T00:00:00.000000000Z"
VERSION = {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}


class StandIn:
    """Serves `containers` (ID and PID of the first process) on a socket, from a process of its own."""

    def __init__(self, socket: Path, containers: dict[str, int]) -> None:
        self._socket = socket
        self._containers = containers

    def __enter__(self) -> str:
        """Start it; its address."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.engine", str(self._socket)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(self._containers) + "\n")
        self._process.stdin.flush()
        self._process.stdout.readline()  # it listens
        return f"unix://{self._socket}"

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._process.kill()  # it would wait for the end of its event stream
        self._process.communicate()


class _Answers:
    def __init__(self, containers: dict[str, int]) -> None:
        self._containers = containers

    def listed(self, id_: str) -> dict[str, object]:
        return {
            "Id": id_,
            "Names": [f"/bench-{id_[:12]}"],
            "Image": "bench",
            "State": "running",
            "Status": "Up 5 minutes",
            "Created": 1_700_000_000,
            "Labels": {},
            "HostConfig": {"NetworkMode": "bridge"},
        }

    def inspected(self, id_: str) -> dict[str, object]:
        state = {
            "Status": "running",
            "Pid": self._containers[id_],
            "StartedAt": STARTED,
            "FinishedAt": "0001-01-01T00:00:00Z",
            "ExitCode": 0,
            "OOMKilled": False,
        }
        return {
            "Id": id_,
            "Name": f"/bench-{id_[:12]}",
            "RestartCount": 0,
            "State": state,
            "Config": {"Image": "bench", "Labels": {}},
            "HostConfig": {"NetworkMode": "bridge", "CgroupParent": ""},
        }

    async def list(self, _: web.Request) -> web.Response:
        return web.json_response([self.listed(id_) for id_ in self._containers])

    async def inspect(self, request: web.Request) -> web.Response:
        return web.json_response(self.inspected(request.match_info["id"]))

    async def events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.Event().wait()  # nothing ever happens to these containers
        return response

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/version", _version)
        app.router.add_get("/_ping", _version)
        app.router.add_get("/{api}/containers/json", self.list)
        app.router.add_get("/{api}/containers/{id}/json", self.inspect)
        app.router.add_get("/{api}/events", self.events)
        return app


async def _version(_: web.Request) -> web.Response:
    return web.json_response(VERSION)


def main() -> None:
    answers = _Answers(json.loads(sys.stdin.readline()))
    web.run_app(answers.app(), path=sys.argv[1], print=lambda _: print("listening", flush=True), shutdown_timeout=0)


if __name__ == "__main__":
    main()
