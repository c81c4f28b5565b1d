"""The demo's cgroups in folders that stand for a tree: where they lie, what is swept away and what is not."""

from pathlib import Path

import pytest

from podtick.demo.cgroups import PREFIX, Tree, leftovers, remove_tree, sweep
from podtick.demo.pods import PODS
from podtick.sources.cgroup.kubepods import parse_kubepods_path
from podtick.sources.cgroup.mounts import CgroupMounts, Mount


@pytest.fixture
def mounts(tmp_path: Path) -> CgroupMounts:
    """Two controllers mounted together, one apart."""
    for name in ("cpu,cpuacct", "memory"):
        (tmp_path / name).mkdir()
    together, apart = Mount(tmp_path / "cpu,cpuacct"), Mount(tmp_path / "memory")
    return CgroupMounts(1, {"cpu": together, "cpuacct": together, "memory": apart})


def paths(mounts: CgroupMounts) -> set[str]:
    """All folders in every hierarchy, as paths from its root."""
    points = {mount.point for _, mount in mounts.hierarchies()}
    return {f"/{path.relative_to(point)}" for point in points for path in point.rglob("*")}


def test_a_pod_lies_where_the_kubelet_would_have_it_and_leaves_nothing(mounts: CgroupMounts) -> None:
    tree = Tree.make(mounts)
    containers = [tree.container(pod.uid) for pod in PODS]
    kubelets = [parse_kubepods_path(path) for path in sorted(paths(mounts))]
    found = [(each.qos, each.pod_uid) for each in kubelets if each and each.container_id]
    assert sorted(found) == sorted(("Burstable", pod.uid) for pod in PODS)
    containers[0].remove()
    assert not [path for path in paths(mounts) if PODS[0].uid in path]
    tree.remove()
    assert paths(mounts) == set()


def test_what_a_dead_demo_left_is_swept_and_a_living_ones_is_not(mounts: CgroupMounts) -> None:
    living = Tree.make(mounts)
    living.container("lives")
    before = paths(mounts)
    for name in (f"{PREFIX}dead/kubepods/burstable/podgone/{'ab' * 32}", "docker/other"):
        (mounts.v1["memory"].point / name).mkdir(parents=True)
    sweep(mounts)
    assert paths(mounts) == before | {"/docker", "/docker/other"}
    living.remove()
    sweep(mounts)
    assert paths(mounts) == {"/docker", "/docker/other"}


def test_where_one_hierarchy_refuses_nothing_is_left_in_the_others(mounts: CgroupMounts) -> None:
    broken = CgroupMounts(1, {**mounts.v1, "pids": Mount(mounts.v1["memory"].point / "no such")})
    with pytest.raises(FileNotFoundError):
        Tree.make(broken)
    assert list(leftovers(mounts)) == []


def test_version_2_lets_the_pods_have_the_controllers_there_are(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu memory pids\n")
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory\n")
    tree = Tree.make(CgroupMounts(2, unified=Mount(tmp_path)))
    assert (tmp_path / "cgroup.subtree_control").read_text().startswith("+pids")
    tree.remove()


def test_who_still_has_something_in_it_stays(tmp_path: Path) -> None:
    """A folder with a file in it stands for a cgroup with a process: neither can be removed."""
    (tmp_path / "top" / "empty").mkdir(parents=True)
    (tmp_path / "top" / "busy").mkdir()
    (tmp_path / "top" / "busy" / "process").touch()
    with pytest.raises(OSError, match="not empty"):
        remove_tree(tmp_path / "top")
    assert (tmp_path / "top" / "busy").exists()
