"""Bare cgroups, where no engine has a container."""

import asyncio
import os
from pathlib import Path

import pytest

from podtick.model.identity import CGROUP, NAME_BYTES
from podtick.roster import cgroups as module
from podtick.roster.cgroups import CgroupRoster
from podtick.roster.roster import Roster
from podtick.sampler.protocol import Answer, Attach, Detach, Network
from podtick.sources.cgroup.discovery import CgroupPaths
from podtick.sources.cgroup.mounts import CgroupMounts, Mount
from tests.unit.roster.engine import NEVER, RecordingSink


def paths(folder: str) -> CgroupPaths:
    return CgroupPaths(2, unified=Path("/sys/fs/cgroup") / folder)


def roster(root: Path, *, wanted: bool = True) -> tuple[CgroupRoster, Roster, RecordingSink]:
    sink = RecordingSink()
    inner = Roster(sink)
    mounts = CgroupMounts(2, unified=Mount(root))
    return CgroupRoster(inner, mounts, asyncio.Event(), lambda: wanted), inner, sink


def test_cgroups_come_and_go(tmp_path: Path) -> None:
    cgroups, inner, sink = roster(tmp_path)
    found = {"/": paths(""), "/system.slice/ssh.service": paths("ssh"), "/a\nb": paths("b")}
    cgroups.apply(found)
    assert cgroups.followed == 2
    identities = {member.identity for member in inner.members()}
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
    uids = {member.identity.uid for member in inner.members()}
    assert len(uids) == 3
    assert "/a?" in uids


def test_a_long_path_is_bounded(tmp_path: Path) -> None:
    cgroups, inner, _ = roster(tmp_path)
    cgroups.apply({f"/{'x' * 5000}{number}": paths("x") for number in range(2)})
    names = [member.identity.pod for member in inner.members()]
    assert len(set(names)) == 2
    assert all(len(name) <= NAME_BYTES for name in names)


@pytest.mark.parametrize("wanted", [True, False])
async def test_the_tree_is_followed_while_it_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    monkeypatch.setattr(module, "SCAN_SECONDS", 0.0)
    for name in ("", "one"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "cgroup.procs").write_text("1\n" if name else "")
    known = asyncio.Event()
    inner = Roster(RecordingSink())
    cgroups = CgroupRoster(inner, CgroupMounts(2, unified=Mount(tmp_path)), known, lambda: wanted)
    task = asyncio.create_task(cgroups.follow())
    try:
        await asyncio.sleep(0)
        assert not cgroups.listed.is_set()
        known.set()
        async with asyncio.timeout(NEVER):
            await cgroups.listed.wait()
        assert [member.identity.pod for member in inner.members()] == (["/one"] if wanted else [])
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
