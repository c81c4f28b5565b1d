"""Bare cgroups, where no engine has a container."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from podtick.model.identity import CGROUP, NAME_BYTES, Identity
from podtick.roster import cgroups as module
from podtick.roster.cgroups import CgroupRoster, container_path
from podtick.roster.roster import Roster
from podtick.sampler.protocol import Answer, Attach, Detach, Network
from podtick.sources.cgroup.discovery import CgroupPaths
from podtick.sources.cgroup.mounts import CgroupMounts, Mount
from tests.unit.roster.engine import NEVER, RecordingSink, who

C, D = "ab" * 32, "cd" * 32


def paths(folder: str) -> CgroupPaths:
    return CgroupPaths(2, unified=Path("/sys/fs/cgroup") / folder)


def roster(
    root: Path, wanted: Callable[[], tuple[str, ...]] = lambda: ("/",), known: asyncio.Event | None = None
) -> tuple[CgroupRoster, Roster, RecordingSink]:
    sink = RecordingSink()
    inner = Roster(sink)
    mounts = CgroupMounts(2, unified=Mount(root))
    if known is None:
        known = asyncio.Event()
        known.set()
    return CgroupRoster(inner, mounts, known, wanted), inner, sink


def populated(root: Path, *names: str) -> None:
    """Folders that stand for cgroups with a process, in a tree that has none elsewhere."""
    (root / "cgroup.procs").touch()
    for name in names:
        (root / name).mkdir(parents=True)
        (root / name / "cgroup.procs").write_text("1\n")


@contextlib.asynccontextmanager
async def following(cgroups: CgroupRoster) -> AsyncIterator[None]:
    """While it follows the tree, from when it has listed it once."""
    task = asyncio.create_task(cgroups.follow())
    try:
        async with asyncio.timeout(NEVER):
            await cgroups.listed.wait()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def announced(event: asyncio.Event, method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, and the event when it has been called."""

    def call(*arguments: object) -> Any:
        event.set()
        return method(*arguments)

    return call


def test_cgroups_come_and_go(tmp_path: Path) -> None:
    cgroups, inner, sink = roster(tmp_path)
    found = {"/": paths(""), "/system.slice/ssh.service": paths("ssh"), "/a\nb": paths("b")}
    cgroups.apply(found)
    assert cgroups.followed == 2
    identities = {who(member) for member in inner.members()}
    assert {(each.namespace, each.pod, each.container) for each in identities} == {
        (CGROUP, "/system.slice/ssh.service", "ssh.service"),
        (CGROUP, "/a\nb", "a\nb"),
    }
    started = [each for each in sink.take(Attach) if each.paths]
    assert [each.paths for each in started] == [{"unified": "/sys/fs/cgroup/ssh"}, {"unified": "/sys/fs/cgroup/b"}]
    assert sink.take(Network) == []
    cgroups.apply(found)
    assert sink.take() == []
    cgroups.apply({})
    assert len(sink.take(Detach)) == 4
    assert inner.members() == []


def test_a_cgroup_made_anew_under_its_old_path_is_read_again(tmp_path: Path) -> None:
    """A service that starts again between two scans: the sampler has lost its files, the path is the same."""
    cgroups, inner, sink = roster(tmp_path)
    found = {"/system.slice/ssh.service": paths("ssh")}
    cgroups.apply(found)
    (member,) = inner.members()
    sink.take()
    inner.answered(Answer("gone", member.id, str(member.attach.run)))
    cgroups.apply(found)
    assert [each.paths for each in sink.take(Attach)] == [{"unified": "/sys/fs/cgroup/ssh"}]
    assert inner.members() == [member]
    cgroups.apply(found)
    assert sink.take() == []


def test_names_that_are_not_utf_8_stay_apart(tmp_path: Path) -> None:
    cgroups, inner, _ = roster(tmp_path)
    cgroups.apply({f"/{os.fsdecode(name)}": paths("x") for name in (b"a\xff", b"a\xfe", b"a?")})
    uids = {who(member).uid for member in inner.members()}
    assert len(uids) == 3
    assert "/a?" in uids


def test_a_long_path_is_bounded(tmp_path: Path) -> None:
    cgroups, inner, _ = roster(tmp_path)
    cgroups.apply({f"/{'x' * 5000}{number}": paths("x") for number in range(2)})
    names = [who(member).pod for member in inner.members()]
    assert len(set(names)) == 2
    assert all(len(name) <= NAME_BYTES for name in names)


def test_what_the_kubelet_named_are_containers_of_their_pod(tmp_path: Path) -> None:
    cgroups, inner, _ = roster(tmp_path)
    slice_ = "/kubepods.slice/kubepods-podaa_bb.slice"
    cgroups.apply(
        {
            f"/kubepods/burstable/podone/{C}": paths("1"),
            f"/nested/kubepods/burstable/podone/{D}": paths("2"),
            f"{slice_}/cri-containerd-{C}.scope": paths("3"),
            "/kubepods/besteffort": paths("4"),
            "/kubepods/podalone": paths("5"),
        }
    )
    assert {member.identity for member in inner.members()} == {
        Identity(CGROUP, "one", "one", C[:12]),
        Identity(CGROUP, "one", "one", D[:12]),
        Identity(CGROUP, "aa-bb", "aa-bb", C[:12]),
        Identity(CGROUP, "/kubepods/besteffort", "/kubepods/besteffort", "besteffort"),
        Identity(CGROUP, "/kubepods/podalone", "/kubepods/podalone", "podalone"),
    }
    pods = {who(member).pod: len(member.pod.members) for member in inner.members()}
    assert (pods["one"], pods["aa-bb"]) == (2, 1)


def test_a_container_in_two_places_is_one_and_stays_while_one_of_them_is_there(tmp_path: Path) -> None:
    """The same container of version 1 can have another path in another hierarchy."""
    cgroups, inner, _ = roster(tmp_path)
    first, second = f"/kubepods/podone/{C}", f"/other/kubepods/podone/{C}"
    both = {first: paths("first"), second: paths("second")}
    cgroups.apply(both)
    assert [member.attach.paths for member in inner.members()] == [{"unified": "/sys/fs/cgroup/first"}]
    cgroups.apply({second: both[second]})
    assert [member.attach.paths for member in inner.members()] == [{"unified": "/sys/fs/cgroup/second"}]


@pytest.mark.parametrize(
    ("path", "whole"),
    [
        (f"/kubepods/podone/{C}", f"/kubepods/podone/{C}"),
        (f"/kubepods/podone/{C}/inner/deep", f"/kubepods/podone/{C}"),
        (
            f"/kubepods.slice/kubepods-podx.slice/crio-{C}.scope/a",
            f"/kubepods.slice/kubepods-podx.slice/crio-{C}.scope",
        ),
        ("/kubepods/podone", "/kubepods/podone"),
        (f"/docker/{C}/inner", f"/docker/{C}/inner"),
        ("/", "/"),
    ],
)
def test_what_a_container_made_below_its_own_cgroup_is_the_container(path: str, whole: str) -> None:
    assert container_path(path) == whole


async def test_an_engines_containers_leave_what_is_watched_beside_them(tmp_path: Path) -> None:
    everything = ["demo/a", "demo/b", "demonstrate", "docker/c"]
    populated(tmp_path, *everything)
    wanted: list[tuple[str, ...]] = [("/", "/demo")]
    cgroups, inner, _ = roster(tmp_path, lambda: wanted[-1])
    async with following(cgroups):
        assert {who(member).pod for member in inner.members()} == {f"/{name}" for name in everything}
        members = {who(member).pod: member for member in inner.members()}
        wanted.append(("/demo",))
        cgroups.give_way()
        assert inner.members() == [members["/demo/a"], members["/demo/b"]]
        wanted.append(())
        cgroups.give_way()
        assert (inner.members(), cgroups.followed) == ([], 0)


async def test_what_has_gone_is_not_told_again_until_it_is_seen_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SCAN_SECONDS", 0.001)
    populated(tmp_path, "one", "two")
    cgroups, inner, sink = roster(tmp_path)
    scan = cgroups._scan
    monkeypatch.setattr(cgroups, "_scan", lambda part: (scan(part)[0], 1e9))
    left = asyncio.Event()
    async with following(cgroups):
        one = next(member for member in inner.members() if who(member).pod == "/one")
        monkeypatch.setattr(inner, "leave", announced(left, inner.leave))
        sink.take()
        inner.answered(Answer("gone", one.id, str(one.attach.run)))
        async with asyncio.timeout(NEVER):
            await left.wait()
        assert [who(member).pod for member in inner.members()] == ["/two"]
        assert sink.take(Attach) == []


async def test_a_small_part_is_looked_through_while_a_large_one_rests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SCAN_SECONDS", 0.001)
    populated(tmp_path, "one", "demo/a")
    cgroups, inner, _ = roster(tmp_path, lambda: ("/", "/demo"))
    scan = cgroups._scan
    monkeypatch.setattr(cgroups, "_scan", lambda part: (scan(part)[0], 1e9 if part == "/" else 0.0))
    joined = asyncio.Event()
    async with following(cgroups):
        monkeypatch.setattr(inner, "join", announced(joined, inner.join))
        populated(tmp_path, "two", "demo/b")
        async with asyncio.timeout(NEVER):
            await joined.wait()
        assert {who(member).pod for member in inner.members()} == {"/one", "/demo/a", "/demo/b"}


async def test_a_container_with_cgroups_below_is_read_as_a_whole(tmp_path: Path) -> None:
    top = f"kubepods/podone/{C}"
    populated(tmp_path, f"{top}/a", f"{top}/b")
    (tmp_path / top / "cgroup.procs").write_text("")
    cgroups, inner, _ = roster(tmp_path)
    async with following(cgroups):
        assert [member.attach.paths for member in inner.members()] == [{"unified": str(tmp_path / top)}]


@pytest.mark.parametrize(("wanted", "pods"), [(("/",), ["/one"]), (("/one",), ["/one"]), (("/two",), []), ((), [])])
async def test_the_tree_is_followed_while_it_is_wanted(
    tmp_path: Path, wanted: tuple[str, ...], pods: list[str]
) -> None:
    populated(tmp_path, "one")
    known = asyncio.Event()
    cgroups, inner, _ = roster(tmp_path, lambda: wanted, known)
    task = asyncio.create_task(cgroups.follow())
    try:
        await asyncio.sleep(0)
        assert not cgroups.listed.is_set()
        known.set()
        async with asyncio.timeout(NEVER):
            await cgroups.listed.wait()
        assert [who(member).pod for member in inner.members()] == pods
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
