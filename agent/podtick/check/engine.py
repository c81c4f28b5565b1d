"""The engine: whether it answers, what it speaks, and which containers it has."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from podtick.check.finding import Finding, fail, ok, warn
from podtick.sources.cgroup.discovery import CgroupPaths, locate_container
from podtick.sources.cgroup.mounts import CgroupMounts
from podtick.sources.docker import wire
from podtick.sources.docker.client import EngineClient
from podtick.sources.docker.containers import ContainerDetails, inspect, list_containers
from podtick.sources.docker.endpoint import Endpoint
from podtick.sources.docker.errors import (
    DockerError,
    EngineError,
    EngineUnavailableError,
    Trouble,
)
from podtick.sources.docker.versions import EngineInfo
from podtick.sources.texts import one_line

REQUEST_SECONDS, WHOLE_SECONDS = 5.0, 20.0
MOST_INSPECTED = 100
"""Containers that are looked at one by one: enough to tell how the others are."""
HOST_TREE = "-v /sys/fs/cgroup:/host/sys/fs/cgroup:ro --cgroup /host/sys/fs/cgroup"
"""Options of `docker run` and of podtick that show the host's cgroups in a container."""
_INFO_BYTES = 1 << 20
_RUNNING = ("running", "paused")
_TODO = {
    Trouble.MISSING: "start Docker, or name its socket: --docker-host unix:///PATH; in a container, mount the socket's"
    " directory",
    Trouble.REFUSED: "start it: systemctl start docker; or name another one: --docker-host",
    Trouble.DENIED: "run as root, or join the socket's group: usermod -aG docker USER (which is as good as root)",
    Trouble.TIMEOUT: "see what it hangs on: journalctl -u docker; it may have to be started again",
}


@dataclass(frozen=True, slots=True)
class Engine:
    """What an engine has said. `error`: why it has not said all; `running`: how many containers, `None` if unknown.

    `containers` are those of them that were inspected.
    """

    endpoint: Endpoint
    error: DockerError | None = None
    info: EngineInfo | None = None
    driver: str | None = None
    running: int | None = None
    containers: tuple[ContainerDetails, ...] = ()


@dataclass(frozen=True, slots=True)
class Located:
    """A container that runs, and where its cgroup is; `None`: nowhere to be found."""

    container: ContainerDetails
    paths: CgroupPaths | None


async def ask(endpoint: Endpoint) -> Engine:
    """Ask an engine for everything, within `WHOLE_SECONDS`; does not raise."""
    known = Engine(endpoint)
    try:
        async with asyncio.timeout(WHOLE_SECONDS), EngineClient(endpoint, timeout=REQUEST_SECONDS) as client:
            known = replace(known, info=client.engine)
            known = replace(known, driver=await _driver(client))
            ids = [each.id for each in await list_containers(client) if each.state in _RUNNING]
            known = replace(known, running=len(ids))
            details = [await _details(client, id_) for id_ in ids[:MOST_INSPECTED]]
            return replace(known, containers=tuple(each for each in details if each and each.state in _RUNNING))
    except DockerError as error:
        return replace(known, error=error)
    except TimeoutError:
        late = f"{endpoint} did not answer everything within {WHOLE_SECONDS:.0f} s: is the engine hanging?"
        return replace(known, error=EngineUnavailableError(Trouble.TIMEOUT, late))


async def _details(client: EngineClient, id_: str) -> ContainerDetails | None:
    """What a container is; `None`: it has left, or does not answer while the engine does, as its runtime hangs."""
    try:
        return await inspect(client, id_)
    except EngineUnavailableError as error:
        if error.trouble is not Trouble.TIMEOUT:
            raise
        await client.ping(REQUEST_SECONDS)
        return None


async def _driver(client: EngineClient) -> str | None:
    """The cgroup driver; `None` where a filter before the engine does not let that be asked."""
    try:
        return (await client.get_json("/info", wire.INFO, limit_bytes=_INFO_BYTES)).cgroup_driver
    except EngineError:
        return None


def locate(engine: Engine, mounts: CgroupMounts | None, proc: Path) -> tuple[Located, ...]:
    """Look for the cgroup of every container that was inspected."""
    return tuple(
        Located(each, locate_container(mounts, each.id, each.pid, proc) if mounts else None)
        for each in engine.containers
    )


def reachable(engine: Engine | None, *, configured: bool) -> Finding:
    """Whether the engine answers. None at all is as it should be where none was named, and seen less than could be."""
    if engine is None:
        return ok("engine", "switched off (--docker-host none): the kernel's cgroups are watched, without names")
    if engine.error is None:
        return ok("engine", f"answers at {engine.endpoint}")
    trouble = engine.error.trouble if isinstance(engine.error, EngineUnavailableError) else Trouble.OTHER
    todo = _TODO.get(trouble, "is that a Docker engine? name another one with --docker-host, or none")
    absent = trouble in (Trouble.MISSING, Trouble.REFUSED) and not configured
    return (warn if absent else fail)("engine", str(engine.error), todo)


def api(engine: Engine | None) -> Finding | None:
    """Which version of the API is spoken; nothing to say of an engine that does not answer."""
    if engine is None or engine.info is None:
        return None
    return ok("API", f"engine {one_line(engine.info.version) or 'unnamed'}, API {engine.info.api_version}")


def containers(engine: Engine | None, located: tuple[Located, ...]) -> Finding | None:
    """Whether the containers that run have a cgroup here; nothing to say if none of them could be looked at."""
    if engine and engine.running == 0:
        return ok("containers", "none runs: all cgroups of this machine are watched instead")
    if engine is None or not located:
        return None
    lost = [each.container.name for each in located if each.paths is None]
    looked = "" if len(located) == engine.running else f" ({len(located)} of them looked at)"
    if not lost:
        return ok("containers", f"{engine.running} run{looked}, and the cgroup of each is found")
    found = (
        f"{engine.running} run{looked}; no cgroup is found of {len(lost)}, such as {one_line(lost[0])}: the agent "
        "reads them through the engine's stats API, which knows less and costs some hundred times more"
    )
    if engine.endpoint.local:
        todo = f"show podtick the host's whole tree: {HOST_TREE}"
    else:
        todo = "an engine on another machine: run podtick there"
    return warn("containers", found, todo)
