"""Finding a container's cgroup in recorded trees, and never another's."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podtick.sources.cgroup.discovery import (
    CgroupPaths,
    carries_id,
    list_cgroups,
    locate_container,
    locate_path,
)
from podtick.sources.cgroup.mounts import V1_CONTROLLERS, CgroupMounts, Mount, read_mounts
from tests.support.trees import RECORDED, Tree, lay_out

ID = "ab" * 32
OTHER = "cd" * 32
NOWHERE = Path("/nowhere")


@pytest.fixture(params=RECORDED, scope="module")
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return lay_out(request.param, tmp_path_factory.mktemp(request.param))


def mounts_of(tree: Tree) -> CgroupMounts:
    mounts = read_mounts(tree.proc, tree.cgroup)
    assert mounts is not None
    return mounts


def own_tree(root: Path, *relatives: str) -> CgroupMounts:
    for relative in ("", *relatives):
        for folder in (root / relative, *(root / relative).parents):
            if folder.is_relative_to(root):
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "cgroup.procs").touch()
    return CgroupMounts(2, unified=Mount(root))


def process(root: Path, pid: int, text: str) -> Path:
    (root / "proc" / str(pid)).mkdir(parents=True)
    (root / "proc" / str(pid) / "cgroup").write_text(text)
    return root / "proc"


@pytest.mark.parametrize("with_pid", [True, False])
def test_every_recorded_container_is_found(tree: Tree, with_pid: bool) -> None:
    mounts = mounts_of(tree)
    for container in tree.containers.values():
        paths = locate_container(mounts, container.id, container.pid if with_pid else None, tree.proc)
        assert paths is not None
        assert paths.version == mounts.version
        assert all(container.id in folder.name for folder in paths.folders())
        if mounts.version == 2:
            assert paths.unified is not None
        else:
            assert None not in {getattr(paths, controller) for controller in V1_CONTROLLERS}


def test_the_folders_have_the_kernels_files(tree: Tree) -> None:
    mounts = mounts_of(tree)
    container = tree.containers["throttled"]
    paths = locate_container(mounts, container.id, container.pid, tree.proc)
    assert paths is not None
    files = ("cpu.stat", "memory.stat", "pids.current", "cgroup.procs")
    wanted = files[:3] if mounts.version == 1 else files
    for file in (*wanted, "cpuacct.usage", "blkio.throttle.io_serviced_recursive")[: 3 + 2 * (mounts.version == 1)]:
        folder = paths.folder_of(file)
        assert folder is not None
        assert (folder / file).is_file()


def test_a_container_with_children_is_its_own_folder(tree: Tree) -> None:
    container = tree.containers["nested"]
    assert "/inner" in (tree.proc / str(container.pid) / "cgroup").read_text()
    paths = locate_container(mounts_of(tree), container.id, container.pid, tree.proc)
    assert paths is not None
    assert all((folder / "inner").is_dir() for folder in paths.folders())


def test_pressure_comes_from_the_unified_tree_alone() -> None:
    hybrid = CgroupPaths(1, memory=Path("/m"), unified=Path("/u"))
    assert hybrid.folder_of("memory.pressure") == Path("/u")
    assert hybrid.folder_of("memory.stat") == Path("/m")
    assert hybrid.folder_of("cpu.stat") is None
    assert hybrid.folder_of("version") is None
    assert CgroupPaths(1, memory=Path("/m")).folder_of("memory.pressure") is None
    assert CgroupPaths(2, unified=Path("/u")).folder_of("io.stat") == Path("/u")


def test_a_controller_that_lacks_the_container_is_none(tmp_path: Path) -> None:
    tree = lay_out("v1-cgroupfs", tmp_path)
    container = tree.containers["idle"]
    shutil.rmtree(tree.cgroup / "blkio" / "docker" / container.id)
    shutil.rmtree(tree.cgroup / "unified")
    paths = locate_container(mounts_of(tree), container.id, container.pid, tree.proc)
    assert paths is not None
    assert (paths.blkio, paths.unified) == (None, None)
    assert paths.memory == tree.cgroup / "memory" / "docker" / container.id


def test_controllers_may_have_different_paths(tmp_path: Path) -> None:
    own_tree(tmp_path / "memory", f"here/{ID}")
    own_tree(tmp_path / "pids", f"there/{ID}")
    mounts = CgroupMounts(1, {name: Mount(tmp_path / name) for name in ("memory", "pids")})
    proc = process(tmp_path, 7, f"2:memory:/here/{ID}\n1:pids:/there/{ID}\n0::/\n")
    expected = CgroupPaths(1, memory=tmp_path / "memory" / "here" / ID, pids=tmp_path / "pids" / "there" / ID)
    assert locate_container(mounts, ID, 7, proc) == expected


@pytest.mark.parametrize(
    "relative",
    [
        f"docker/{ID}",
        f"system.slice/docker-{ID}.scope",
        f"machine.slice/libpod-{ID}.scope",
        f"kubepods/burstable/pod1/{ID}",
        f"kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope",
        f"kubepods.slice/kubepods-pod1.slice/crio-{ID}.scope",
        f"docker/{OTHER}/kubelet/kubepods/pod1/{ID}",
        f"system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:{ID}",
    ],
)
def test_without_a_pid_the_tree_is_searched(relative: str, tmp_path: Path) -> None:
    mounts = own_tree(tmp_path, relative, f"docker/{OTHER}", f"system.slice/crio-conmon-{ID}.scope")
    assert locate_container(mounts, ID, None, NOWHERE) == CgroupPaths(2, unified=tmp_path / relative)


@pytest.mark.parametrize(
    ("view", "root"),
    [
        (f"/../../docker/{ID}", "/../.."),
        (f"/../{ID}", "/.."),
        (f"/{ID}", "/docker"),
        (f"/docker/{ID}", "/docker"),
        (f"/docker/{ID}/init", "/"),
        ("/", "/"),
        ("/../..", "/"),
    ],
)
def test_a_view_from_another_namespace_still_leads_there(view: str, root: str, tmp_path: Path) -> None:
    top = tmp_path / "cgroup"
    own_tree(top, f"docker/{ID}/init")
    mounts = CgroupMounts(2, unified=Mount(top, root))
    proc = process(tmp_path, 7, f"0::{view}\n")
    assert locate_container(mounts, ID, 7, proc) == CgroupPaths(2, unified=top / "docker" / ID)


def test_a_mount_of_a_part_is_joined_below_that_part(tmp_path: Path) -> None:
    top = tmp_path / "cgroup"
    own_tree(top, f"burstable/pod1/{ID}")
    mounts = CgroupMounts(2, unified=Mount(top, "/kubepods"))
    proc = process(tmp_path, 7, f"0::/kubepods/burstable/pod1/{ID}\n")
    assert locate_container(mounts, ID, 7, proc) == CgroupPaths(2, unified=top / "burstable" / "pod1" / ID)


def test_a_pid_that_is_another_containers_by_now_leads_nowhere(tmp_path: Path) -> None:
    top = tmp_path / "cgroup"
    mounts = own_tree(top, f"docker/{OTHER}")
    proc = process(tmp_path, 7, f"0::/docker/{OTHER}\n")
    assert locate_container(mounts, ID, 7, proc) is None


def test_a_view_cannot_lead_out_of_the_tree(tmp_path: Path) -> None:
    (tmp_path / ID).mkdir()
    (tmp_path / ID / "cgroup.procs").touch()
    mounts = own_tree(tmp_path / "cgroup" / "below")
    proc = process(tmp_path, 7, f"0::/x/../../../{ID}\n")
    assert locate_container(mounts, ID, 7, proc) is None


@pytest.mark.parametrize("container_id", ["", ID[:12], ID + "0", ID.upper(), "../" * 20, f"{ID}\n"])
def test_only_a_full_id_is_looked_for(container_id: str, tmp_path: Path) -> None:
    mounts = own_tree(tmp_path, f"docker/{ID}")
    assert locate_container(mounts, container_id, None, NOWHERE) is None


def test_the_search_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podtick.sources.cgroup.discovery.WALK_FOLDERS", 50)
    mounts = own_tree(tmp_path, *(f"a/{number}" for number in range(60)), f"z/z/{ID}", f"y/{OTHER}")
    assert locate_container(mounts, ID, None, NOWHERE) is None
    assert locate_container(mounts, OTHER, None, NOWHERE) is None
    too_deep = "/".join("d" * 13)
    assert locate_container(own_tree(tmp_path / "deep", f"{too_deep}/{ID}"), ID, None, NOWHERE) is None


@given(st.text(alphabet="ab-:.scopen/", max_size=12), st.text(alphabet="ab-:.scope", max_size=12))
def test_a_name_that_carries_the_id_contains_it_whole(before: str, after: str) -> None:
    name = f"{before}{ID}{after}"
    if carries_id(name, ID):
        assert after in {"", ".scope"}
        assert not before or before[-1] in "-:"


@pytest.mark.parametrize("name", [f"crio-conmon-{ID}.scope", f"docker-{ID}.mount", f"x{ID}", ID[:63], f"{ID}-x"])
def test_names_that_are_not_the_containers(name: str) -> None:
    assert not carries_id(name, ID)


def test_a_path_is_located_in_every_hierarchy(tree: Tree) -> None:
    mounts = mounts_of(tree)
    root = locate_path(mounts, "/")
    assert root is not None
    assert set(root.folders()) == {mount.point for _, mount in mounts.hierarchies()}
    assert locate_path(mounts, "/no/such") is None
    assert locate_path(mounts, "/../cgroup") is None


def test_without_an_engine_every_leaf_with_processes_is_listed(tree: Tree) -> None:
    mounts = mounts_of(tree)
    listed = dict(list_cgroups(mounts))
    for name, container in tree.containers.items():
        [path] = (path for path in listed if container.id in path)
        assert path.endswith("/inner") == (name == "nested")
        assert all(str(folder).endswith(path) for folder in listed[path].folders())
    assert len(listed) == len(tree.containers)


def test_the_list_can_begin_and_end_anywhere(tree: Tree) -> None:
    pods = {path for path, _ in list_cgroups(mounts_of(tree), "/kubepods")}
    slices = {path for path, _ in list_cgroups(mounts_of(tree), "/kubepods.slice")}
    ids = {tree.containers[name].id for name in ("burstable", "sidecar", "guaranteed")}
    assert len(pods | slices) == 3
    assert all(any(container_id in path for container_id in ids) for path in pods | slices)
    assert list(list_cgroups(mounts_of(tree), depth=1)) == []
