"""The engine client against a real Docker engine."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

import pytest

from podtick.sources.docker.client import EngineClient
from podtick.sources.docker.containers import ContainerDetails, inspect, list_containers
from podtick.sources.docker.endpoint import parse_endpoint
from podtick.sources.docker.updates import Changed, Listed, Removed, Unavailable, Update, WatchTiming
from podtick.sources.docker.watch import watch_containers
from podtick.sources.updates import Updates
from tests.support.engine import Engine
from tests.support.engine.choice import chosen

T = TypeVar("T", bound=Update)
QUIET = WatchTiming(relist=3600)
APIS = {"20.10": "1.41", "29": "1.51", "4.3": "1.41"}  # what is spoken with these engines; the last is Podman


@pytest.fixture(scope="module")
def own_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that these tests may restart and freeze."""
    if lacking := chosen().make.missing():
        pytest.skip(f"no engine can run here, missing: {', '.join(lacking)}")
    with chosen().make(live_restore=True, tcp=True) as engine:
        yield engine


@contextmanager
def removed_after(engine: Engine, *names: str) -> Iterator[None]:
    try:
        yield
    finally:
        engine.remove(*names)


def run(engine: Engine, name: str, *command: str, options: Sequence[str] = ("--network", "none")) -> str:
    """Start a container that is on one network only; its full ID."""
    words = command or ("sleep", "100000")
    return engine.docker("run", "--detach", "--name", name, *options, Engine.IMAGE, *words)


async def details(engine: Engine, id_: str) -> ContainerDetails:
    async with EngineClient(parse_endpoint(f"unix://{engine.socket}")) as client:
        found = await inspect(client, id_)
        assert found is not None
        return found


@asynccontextmanager
async def watched(engine: Engine, timing: WatchTiming = QUIET) -> AsyncIterator[Updates[Update]]:
    endpoint = parse_endpoint(f"unix://{engine.socket}")
    async with asyncio.timeout(120), watch_containers(endpoint, timing=timing) as updates:
        yield updates


async def next_of(kind: type[T], updates: Updates[Update], such: Callable[[T], bool] = lambda _: True) -> T:
    async for update in updates:
        if isinstance(update, kind) and such(update):
            return update
    raise AssertionError("the watch ended")


def said(kind: str, id_: str) -> Callable[[Changed], bool]:
    return lambda update: update.container.id == id_ and any(event.kind == kind for event in update.events)


async def docker(engine: Engine, *words: str) -> str:
    """As `engine.docker`, while the watch goes on."""
    return await asyncio.to_thread(engine.docker, *words)


async def test_details_are_right(engine: Engine) -> None:
    before = time.time_ns()
    id_ = run(engine, "ec-web", options=["-e", "TOKEN=hunter2", "-l", "io.kubernetes.pod.name=web", "-l", "other=x"])
    with removed_after(engine, "ec-web"):
        found = await details(engine, id_)
        assert (found.id, found.name) == (id_, "ec-web")
        assert found.image.removeprefix("docker.io/library/") == Engine.IMAGE  # Podman's is the whole name
        assert (found.state, found.pid) == ("running", engine.pid("ec-web"))
        assert found.started_at_ns is not None
        assert before < found.started_at_ns < time.time_ns()
        assert (found.finished_at_ns, found.exit_code, found.oom_killed, found.restart_count) == (None, None, False, 0)
        assert found.labels == {"io.kubernetes.pod.name": "web"}
        assert found.network_mode == "bridge"
        assert "hunter2" not in repr(found)
        async with EngineClient(parse_endpoint(f"unix://{engine.socket}")) as client:
            apis = [api for version, api in APIS.items() if client.engine.version.startswith(version)]
            assert apis in ([], [client.engine.api_version])
            summaries = {one.id: one for one in await list_containers(client)}
        assert (summaries[id_].name, summaries[id_].state, summaries[id_].labels) == ("ec-web", "running", found.labels)


async def test_network_modes_and_cgroup_parent(engine: Engine) -> None:
    names = ["ec-host", "ec-none", "ec-owner", "ec-guest"]
    with removed_after(engine, *names):
        owner = run(engine, "ec-owner", options=["--cgroup-parent", "/ec-parent"])
        host = run(engine, "ec-host", options=["--network", "host"])
        none = run(engine, "ec-none")
        guest = run(engine, "ec-guest", options=["--network", "container:ec-owner"])
        assert (await details(engine, host)).network_mode == "host"
        assert (await details(engine, none)).network_mode == "none"
        assert (await details(engine, guest)).network_mode == f"container:{owner}"
        assert (await details(engine, owner)).cgroup_parent == "/ec-parent"


async def test_a_life_is_followed_event_by_event(engine: Engine) -> None:
    async with watched(engine) as updates:
        await next_of(Listed, updates)
        id_ = await docker(engine, "create", "--name", "ec-life", "--network", "none", Engine.IMAGE, "sleep", "1000")
        created = await next_of(Changed, updates, said("create", id_))
        assert (created.container.state, created.container.pid, created.container.exit_code) == ("created", None, None)
        await docker(engine, "start", "ec-life")
        started = await next_of(Changed, updates, said("start", id_))
        assert started.container.pid == engine.pid("ec-life")
        await docker(engine, "pause", "ec-life")
        assert (await next_of(Changed, updates, said("pause", id_))).container.state == "paused"
        await docker(engine, "unpause", "ec-life")
        assert (await next_of(Changed, updates, said("unpause", id_))).container.state == "running"
        await docker(engine, "rename", "ec-life", "ec-afterlife")
        assert (await next_of(Changed, updates, said("rename", id_))).container.name == "ec-afterlife"
        await docker(engine, "kill", "ec-afterlife")
        died = await next_of(Changed, updates, said("die", id_))
        assert (died.container.state, died.container.exit_code, died.container.pid) == ("exited", 137, None)
        assert died.container.finished_at_ns is not None
        assert died.events[-1].exit_code == 137
        await docker(engine, "rm", "ec-afterlife")
        removed = await next_of(Removed, updates)
        assert (removed.id, removed.events[-1].kind) == (id_, "destroy")


@pytest.mark.needs("update")
async def test_a_changed_limit_is_told(engine: Engine) -> None:
    id_ = run(engine, "ec-update")
    with removed_after(engine, "ec-update"):
        async with watched(engine) as updates:
            await next_of(Listed, updates)
            await docker(engine, "update", "--memory", "64m", "--memory-swap", "64m", "ec-update")
            changed = await next_of(Changed, updates, said("update", id_))
            assert changed.container.limits["spec_memory_limit_bytes"] == 64 << 20


async def test_a_restart_and_a_short_life(engine: Engine) -> None:
    id_ = run(engine, "ec-again")
    with removed_after(engine, "ec-again"):
        async with watched(engine) as updates:
            listed = await next_of(Listed, updates)
            (first,) = (one for one in listed.containers if one.id == id_)
            await docker(engine, "restart", "--time", "0", "ec-again")
            again = await next_of(Changed, updates, said("start", id_))
            assert again.container.started_at_ns is not None
            assert first.started_at_ns is not None
            assert again.container.started_at_ns > first.started_at_ns
            assert again.container.pid == engine.pid("ec-again")
            assert again.container.exit_code is None
            await docker(engine, "run", "--rm", "--name", "ec-short", "--network", "none", Engine.IMAGE, "true")
            assert (await next_of(Removed, updates, lambda one: one.events[-1].kind == "destroy")).events


async def test_restarts_by_policy_are_counted(engine: Engine) -> None:
    async with watched(engine) as updates:
        await next_of(Listed, updates)
        options = ["--network", "none", "--restart", "on-failure:2"]
        id_ = await asyncio.to_thread(run, engine, "ec-flaky", "sh", "-c", "exit 3", options=options)
        with removed_after(engine, "ec-flaky"):
            last = await next_of(
                Changed,
                updates,
                lambda one: (one.container.id, one.container.state, one.container.restart_count) == (id_, "exited", 2),
            )
            assert last.container.exit_code == 3


@pytest.mark.needs("oom-event")
async def test_an_oom_kill_is_seen(engine: Engine) -> None:
    async with watched(engine) as updates:
        await next_of(Listed, updates)
        options = ["--network", "none", "--memory", "8m", "--memory-swap", "8m"]
        # The runtime's watch for kills is set up a moment after the start: a kill before it is never told.
        hungry = ["sh", "-c", "sleep 1; dd if=/dev/zero of=/dev/null bs=64M count=1; sleep 1"]
        id_ = await asyncio.to_thread(run, engine, "ec-oom", *hungry, options=options)
        with removed_after(engine, "ec-oom"):
            kinds: list[str] = []
            killed: bool | None = None
            while not {"oom", "die"} <= set(kinds):
                changed = await next_of(Changed, updates, lambda one: one.container.id == id_)
                kinds += [event.kind for event in changed.events]
                killed = changed.container.oom_killed
            assert killed is True


async def test_health_checks_and_execs_make_no_update(engine: Engine) -> None:
    id_ = run(engine, "ec-exec")
    with removed_after(engine, "ec-exec"):
        async with watched(engine) as updates:
            await next_of(Listed, updates)
            await docker(engine, "exec", "ec-exec", "true")
            await docker(engine, "pause", "ec-exec")
            first = await next_of(Changed, updates)
            assert (first.container.id, [event.kind for event in first.events]) == (id_, ["pause"])
            await docker(engine, "unpause", "ec-exec")


async def test_unchanged_containers_stay_the_same_list_after_list(engine: Engine) -> None:
    ids = {run(engine, f"ec-many{number}") for number in range(5)}
    with removed_after(engine, *(f"ec-many{number}" for number in range(5))):
        async with watched(engine, WatchTiming(relist=0.3)) as updates:
            await next_of(Listed, updates)
            lists = [await next_of(Listed, updates) for _ in range(3)]
            assert all(ids <= {one.id for one in listed.containers} for listed in lists)
            assert lists[-1].containers == lists[0].containers


async def test_a_restarted_engine_is_listed_anew(own_engine: Engine) -> None:
    engine = own_engine
    id_ = run(engine, "ec-kept")
    with removed_after(engine, "ec-kept"):
        async with watched(engine) as updates:
            before = await next_of(Listed, updates)
            made = os.stat(engine.socket).st_ctime_ns
            await asyncio.to_thread(engine.restart)
            assert (await next_of(Unavailable, updates)).reason
            after = await next_of(Listed, updates)
            assert os.stat(engine.socket).st_ctime_ns != made
            assert [(one.id, one.pid) for one in after.containers] == [(one.id, one.pid) for one in before.containers]
            assert [one.id for one in after.containers] == [id_]


async def test_what_ended_while_the_engine_was_dead_is_found(own_engine: Engine) -> None:
    engine = own_engine
    id_ = run(engine, "ec-orphan")
    with removed_after(engine, "ec-orphan"):
        pid = engine.pid("ec-orphan")
        async with watched(engine) as updates:
            await next_of(Listed, updates)
            await asyncio.to_thread(engine.kill)
            await next_of(Unavailable, updates)
            os.kill(pid, signal.SIGKILL)
            await asyncio.to_thread(engine.start)
            state = ""
            while state != "exited":
                update = await anext(updates)
                if isinstance(update, Listed):
                    (state,) = (one.state or "" for one in update.containers if one.id == id_)
                elif isinstance(update, Changed):
                    state = update.container.state or ""


async def test_a_frozen_engine_is_unavailable_and_comes_back(own_engine: Engine) -> None:
    timing = WatchTiming(relist=3600, ping=0.2, ping_answer=0.5, request=0.5)
    async with watched(own_engine, timing) as updates:
        await next_of(Listed, updates)
        own_engine.freeze()
        try:
            assert "in time" in (await next_of(Unavailable, updates)).reason
        finally:
            own_engine.thaw()
        await next_of(Listed, updates)


@pytest.mark.needs("tcp")
async def test_the_same_over_tcp(own_engine: Engine) -> None:
    assert own_engine.tcp is not None
    async with EngineClient(parse_endpoint(own_engine.tcp)) as client:
        assert client.engine.version
        assert await list_containers(client) == []
