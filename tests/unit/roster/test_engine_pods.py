"""An engine's updates applied to the roster, where their order or timing matters."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from podtick.roster import engine as engine_module
from podtick.roster.engine import EngineRoster
from podtick.roster.names import Names
from podtick.roster.roster import Roster
from podtick.sampler.protocol import Attach, Command, Detach, Told
from podtick.sources.cgroup.discovery import CgroupPaths
from podtick.sources.cgroup.mounts import CgroupMounts
from podtick.sources.docker.containers import ContainerDetails
from podtick.sources.docker.updates import Changed, Listed, Removed, Update
from podtick.sources.docker.versions import EngineInfo
from tests.unit.roster.engine import who

A, B = "a" * 64, "b" * 64
SECOND = 1_000_000_000
FOUND = CgroupPaths(2, unified=Path("/cgroup"))


def container(id_: str, name: str, **changes: object) -> ContainerDetails:
    plain = ContainerDetails(
        id=id_,
        name=name,
        image="",
        labels={},
        state="running",
        pid=10,
        started_at_ns=5 * SECOND,
        finished_at_ns=None,
        exit_code=None,
        oom_killed=None,
        restart_count=0,
        network_mode="bridge",
        cgroup_parent="",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


class Sent(list[Command]):
    def send(self, command: Command) -> None:
        self.append(command)

    def told(self, key: str) -> list[tuple[int, int | None]]:
        return [(each.id, each.values[key]) for each in self if isinstance(each, Told) and key in each.values]


async def these(updates: Sequence[Update]) -> AsyncIterator[Update]:
    for update in updates:
        yield update


async def apply(sent: Sent, *updates: Update) -> Roster:
    """Apply updates one after the other; what follows them is not waited for."""
    roster = Roster(sent)
    follower = EngineRoster(roster, Names(roster, None), CgroupMounts(2), Path("/proc"))
    applied = asyncio.Event()

    async def all_of_them() -> AsyncIterator[Update]:
        async for update in these(updates):
            yield update
        applied.set()
        await asyncio.Event().wait()

    following = asyncio.create_task(follower.follow(all_of_them()))
    await asyncio.wait({following, asyncio.ensure_future(applied.wait())}, return_when=asyncio.FIRST_COMPLETED)
    following.cancel()
    await asyncio.wait({following})
    return roster


@pytest.fixture(autouse=True)
def found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "locate_container", lambda *_: FOUND)


async def test_a_container_that_left_while_it_was_looked_for_is_not_attached(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second look waits while the engine says that the container is gone."""
    looking, gone = threading.Event(), threading.Event()
    looks: list[int] = []

    def look(*_: object) -> CgroupPaths | None:
        looks.append(1)
        if len(looks) == 1:
            return None
        looking.set()
        gone.wait(10)
        return FOUND

    monkeypatch.setattr(engine_module, "locate_container", look)
    sent = Sent()
    roster = Roster(sent)
    follower = EngineRoster(roster, Names(roster, None), CgroupMounts(2), Path("/proc"))
    left = asyncio.Event()

    async def story() -> AsyncIterator[Update]:
        yield Changed(container(A, "web"), ())
        await asyncio.to_thread(looking.wait, 10)
        yield Removed(A, ())
        gone.set()
        left.set()
        await asyncio.Event().wait()

    following = asyncio.create_task(follower.follow(story()))
    await left.wait()
    await asyncio.get_running_loop().shutdown_default_executor()  # the second look has returned
    for _ in range(3):
        await asyncio.sleep(0)
    following.cancel()
    await asyncio.wait({following})
    last = [index for index, each in enumerate(sent) if isinstance(each, Detach)][-1]
    assert len(looks) == 2
    assert not [each for each in sent[last:] if isinstance(each, Attach)]


async def test_who_never_started_has_a_state_and_nothing_else() -> None:
    sent = Sent()
    await apply(sent, Changed(container(A, "web", state="created", pid=None, started_at_ns=None), ()))
    assert [value for _, value in sent.told("restarts_total")] == [None, None]
    assert [value for _, value in sent.told("state")] == [0]
    assert [value for _, value in sent.told("start_time_seconds")] == [None]


async def test_a_pods_restarts_never_fall() -> None:
    sent = Sent()
    guest = container(B, "log", network_mode=f"container:{A}")
    await apply(
        sent,
        Listed(EngineInfo("", ""), (container(A, "web"), guest)),
        Changed(replace(guest, restart_count=3, started_at_ns=6 * SECOND), ()),
        Changed(replace(guest, restart_count=0, started_at_ns=7 * SECOND), ()),
        Changed(replace(guest, restart_count=1, started_at_ns=8 * SECOND), ()),
        Removed(B, ()),
        Changed(container(A, "web", restart_count=1, started_at_ns=9 * SECOND), ()),
    )
    pod = next(each.id for each in sent if isinstance(each, Attach) and not each.parent)
    assert [value for id_, value in sent.told("restarts_total") if id_ == pod] == [0, 3, 4, 5]


async def test_a_renamed_owner_renames_its_guests_pod() -> None:
    sent = Sent()
    guest = container(B, "log", network_mode=f"container:{A}")
    roster = await apply(
        sent,
        Listed(EngineInfo("", ""), (container(A, "web"), guest)),
        Changed(container(A, "shop"), ()),
        Changed(replace(guest, state="paused"), ()),
    )
    assert {(who(each).pod, who(each).container) for each in roster.members()} == {
        ("shop", "shop"),
        ("shop", "log"),
    }


async def test_two_looks_at_once_attach_a_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The retry and a full list look for the same run; a second attach would count all it has used twice."""
    both = threading.Barrier(2, timeout=10)
    looks: list[int] = []

    def look(*_: object) -> CgroupPaths | None:
        looks.append(1)
        if len(looks) == 1:
            return None
        both.wait()
        return FOUND

    monkeypatch.setattr(engine_module, "locate_container", look)
    monkeypatch.setattr(engine_module, "RETRIES", (0.0,))
    sent = Sent()
    roster = Roster(sent)
    follower = EngineRoster(roster, Names(roster, None), CgroupMounts(2), Path("/proc"))
    done = asyncio.Event()

    async def story() -> AsyncIterator[Update]:
        yield Changed(container(A, "web"), ())
        yield Changed(container(A, "web"), ())
        done.set()
        await asyncio.Event().wait()

    following = asyncio.create_task(follower.follow(story()))
    await done.wait()
    await asyncio.get_running_loop().shutdown_default_executor()
    for _ in range(3):
        await asyncio.sleep(0)
    following.cancel()
    await asyncio.wait({following})
    assert len([each for each in sent if isinstance(each, Attach) and each.paths]) == 1
