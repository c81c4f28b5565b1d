"""What is said of a cgroup tree: recorded ones and made-up ones."""

import shutil
from pathlib import Path

import pytest

from podtick.check import cgroups
from podtick.check.engine import Engine, Located
from podtick.check.finding import Verdict
from podtick.sources.cgroup.discovery import CgroupPaths, locate_container
from podtick.sources.cgroup.mounts import CgroupMounts, Mount, read_mounts
from podtick.sources.docker.containers import ContainerDetails
from podtick.sources.docker.endpoint import Endpoint
from tests.support.trees import FIXTURES, RECORDED, Tree, lay_out
from tests.unit.roster.engine import details

OK, WARN, FAIL = Verdict
ENGINE = Endpoint(socket_path="/run/docker.sock")


def mounts_of(tree: Tree) -> CgroupMounts:
    found = read_mounts(tree.proc, tree.cgroup)
    assert found is not None
    return found


def located_in(tree: Tree) -> tuple[Located, ...]:
    mounts = mounts_of(tree)
    return tuple(
        Located(container(each.id, each.pid), locate_container(mounts, each.id, each.pid, tree.proc))
        for each in tree.containers.values()
    )


def container(id_: str, pid: int | None) -> ContainerDetails:
    return details("any", id=id_, pid=pid)


def v2(folder: Path, **files: str) -> CgroupMounts:
    for name, text in {"cgroup.procs": "", "cgroup.controllers": "cpu io memory pids", **files}.items():
        (folder / name.replace("_", ".", 1)).write_text(text)
    return CgroupMounts(2, unified=Mount(folder))


@pytest.mark.parametrize("recording", RECORDED)
def test_a_recorded_machine_has_every_controller_and_shows_its_driver(tmp_path: Path, recording: str) -> None:
    tree = lay_out(recording, tmp_path)
    version, _, driver = recording.removeprefix("v").partition("-")
    finding = cgroups.tree(mounts_of(tree), tree.cgroup, None, located_in(tree))
    assert (finding.verdict, finding.todo) == (OK, "")
    assert finding.found.startswith(f"version {version}, driver {driver}; controllers cpu")


def test_what_the_engine_says_of_its_driver_counts_more_than_a_folders_name(tmp_path: Path) -> None:
    tree = lay_out("v2-systemd", tmp_path)
    engine = Engine(ENGINE, driver="something")
    assert "driver something;" in cgroups.tree(mounts_of(tree), tree.cgroup, engine, located_in(tree)).found


def test_no_tree_at_all_is_a_failure(tmp_path: Path) -> None:
    finding = cgroups.tree(None, tmp_path, None, ())
    assert (finding.verdict, str(tmp_path) in finding.found) == (FAIL, True)
    others = (cgroups.view(None), cgroups.block_io(None, ()), cgroups.permissions(None, (), tmp_path))
    assert others == (None, None, None)


def test_a_missing_controller_is_named_with_what_brings_it(tmp_path: Path) -> None:
    finding = cgroups.tree(v2(tmp_path, cgroup_subtree_control="memory pids"), tmp_path, None, ())
    assert (finding.verdict, "without cpu, io," in finding.found) == (WARN, True)
    assert "echo +cpu +io > " in finding.todo
    one = CgroupMounts(1, {"cpu": Mount(tmp_path), "cpuacct": Mount(tmp_path), "blkio": Mount(tmp_path)})
    finding = cgroups.tree(one, tmp_path, None, ())
    assert (finding.verdict, "without memory, pids," in finding.found) == (WARN, True)


def test_what_nobody_tells_of_controllers_is_not_missing(tmp_path: Path) -> None:
    assert cgroups.missing_controllers(v2(tmp_path), []) == []


def test_a_containers_part_of_the_tree_is_known_by_what_the_real_root_has(tmp_path: Path) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    for folder in (whole, part):
        folder.mkdir()
    (whole / "release_agent").touch()
    (part / "cgroup.type").touch()
    seen = [
        cgroups.view(mounts)
        for mounts in (
            CgroupMounts(2, unified=Mount(whole)),
            CgroupMounts(1, {"cpu": Mount(whole)}),
            CgroupMounts(2, unified=Mount(part)),
            CgroupMounts(1, {"cpu": Mount(part)}),
        )
    ]
    assert [each.verdict for each in seen if each] == [OK, OK, WARN, WARN]


@pytest.mark.parametrize(
    ("file", "verdict"),
    [
        ("blkio-devices.txt", OK),
        ("blkio-devices-all-zero.txt", WARN),
        ("blkio-empty.txt", WARN),
        ("blkio-total-only.txt", WARN),
    ],
)
def test_version_1_that_counts_nothing_is_unknown(tmp_path: Path, file: str, verdict: Verdict) -> None:
    shutil.copy(FIXTURES / "variations" / file, tmp_path / "blkio.throttle.io_service_bytes_recursive")
    finding = cgroups.block_io(CgroupMounts(1, {"blkio": Mount(tmp_path)}), ())
    assert finding is not None
    assert finding.verdict is verdict
    assert verdict is OK or "unknown, not 0" in finding.found


def test_a_container_that_is_counted_suffices(tmp_path: Path) -> None:
    root, own = tmp_path / "root", tmp_path / "own"
    for folder, file in ((root, "blkio-total-only.txt"), (own, "blkio-devices.txt")):
        folder.mkdir()
        shutil.copy(FIXTURES / "variations" / file, folder / "blkio.throttle.io_service_bytes_recursive")
    located = [Located(container("ab" * 32, None), CgroupPaths(1, blkio=own))]
    finding = cgroups.block_io(CgroupMounts(1, {"blkio": Mount(root)}), located)
    assert finding is not None
    assert finding.verdict is OK


def test_version_1_without_the_controller_and_version_2(tmp_path: Path) -> None:
    absent = cgroups.block_io(CgroupMounts(1, {"cpu": Mount(tmp_path)}), ())
    assert absent is not None
    assert "not mounted" in absent.found
    empty = cgroups.block_io(v2(tmp_path, io_stat=""), ())
    counted = cgroups.block_io(v2(tmp_path, io_stat="254:0 rbytes=1 wbytes=2\n8:0 \n"), ())
    assert empty is not None
    assert counted is not None
    assert (empty.verdict, counted.verdict, counted.found) == (WARN, OK, "io.stat counts 2 devices")


@pytest.mark.parametrize("recording", RECORDED)
def test_a_recorded_containers_numbers_can_be_read(tmp_path: Path, recording: str) -> None:
    tree = lay_out(recording, tmp_path)
    finding = cgroups.permissions(mounts_of(tree), located_in(tree), tree.proc)
    assert finding is not None
    assert (finding.verdict, "can read memory and network of a container" in finding.found) == (OK, True)


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = lay_out("v2-systemd", tmp_path)

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    located = located_in(tree)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        denied = cgroups.permissions(mounts_of(tree), located, tree.proc)
    assert denied is not None
    assert (denied.verdict, "Permission denied: " in denied.found) == (FAIL, True)
    unseen = cgroups.permissions(mounts_of(tree), located, tmp_path / "no such")
    assert unseen is not None
    assert (unseen.verdict, "network unknown: process" in unseen.found) == (WARN, True)


def test_without_a_cgroup_to_try_it_on_nothing_is_claimed(tmp_path: Path) -> None:
    finding = cgroups.permissions(v2(tmp_path), (), tmp_path)
    assert finding is not None
    assert (finding.verdict, "no cgroup to try it on" in finding.found) == (WARN, True)
