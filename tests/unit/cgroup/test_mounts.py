"""Which hierarchies there are: from mountinfo, or from the folder itself."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podtick.sources.cgroup.mounts import (
    V1_CONTROLLERS,
    CgroupMounts,
    Mount,
    parse_mountinfo,
    parse_process_cgroups,
    read_mounts,
)
from tests.support.trees import lay_out

ANY_TEXT = st.lists(
    st.sampled_from(
        [
            *"0123456789:/- ,\
",
            "cpu",
            "cgroup",
            "cgroup2",
            "\040",
            "é",
        ]
    ),
    max_size=30,
).map("".join)
NAME = st.text(st.characters(exclude_characters="/\0\n\t \\", codec="utf-8"), min_size=1)


def mount_line(point: Path, kind: str, options: str, root: str = "/") -> str:
    escaped = str(point).replace("\\", r"\134").replace(" ", r"\040")
    return f"31 23 0:28 {root} {escaped} rw,nosuid shared:9 - {kind} {kind} rw,{options}\n"


def hierarchy(folder: Path, *files: str) -> Path:
    folder.mkdir(parents=True)
    for file in ("cgroup.procs", *files):
        (folder / file).touch()
    return folder


def write_mountinfo(root: Path, *lines: str) -> Path:
    (root / "proc" / "self").mkdir(parents=True, exist_ok=True)
    (root / "proc" / "self" / "mountinfo").write_text("".join(lines))
    return root / "proc"


@pytest.mark.parametrize("recording", ["v2-systemd", "v2-cgroupfs"])
def test_version_2_is_one_tree(recording: str, tmp_path: Path) -> None:
    tree = lay_out(recording, tmp_path)
    assert read_mounts(tree.proc, tree.cgroup) == CgroupMounts(2, unified=Mount(tree.cgroup))


def test_version_1_with_a_unified_tree_beside_is_version_1(tmp_path: Path) -> None:
    tree = lay_out("v1-cgroupfs", tmp_path)
    mounts = read_mounts(tree.proc, tree.cgroup)
    assert mounts is not None
    assert mounts.version == 1
    assert mounts.v1 == {name: Mount(tree.cgroup / name) for name in V1_CONTROLLERS}
    assert mounts.unified == Mount(tree.cgroup / "unified")


@pytest.mark.parametrize("recording", ["v1-cgroupfs", "v2-systemd", "v2-cgroupfs"])
def test_the_folder_alone_tells_the_same_as_mountinfo(recording: str, tmp_path: Path) -> None:
    tree = lay_out(recording, tmp_path)
    told = read_mounts(tree.proc, tree.cgroup)
    (tree.proc / "self" / "mountinfo").unlink()
    assert read_mounts(tree.proc, tree.cgroup) == told


def test_controllers_mounted_together_share_a_mount(tmp_path: Path) -> None:
    together = hierarchy(tmp_path / "cgroup" / "cpu,cpuacct")
    memory = hierarchy(tmp_path / "cgroup" / "memory")
    lines = [mount_line(together, "cgroup", "cpu,cpuacct"), mount_line(memory, "cgroup", "memory")]
    proc = write_mountinfo(tmp_path, *lines)
    expected = CgroupMounts(1, {"cpu": Mount(together), "cpuacct": Mount(together), "memory": Mount(memory)})
    assert read_mounts(proc, tmp_path / "cgroup") == expected
    assert read_mounts(tmp_path / "no proc", tmp_path / "cgroup") == expected


def test_a_named_hierarchy_has_no_controller(tmp_path: Path) -> None:
    systemd = hierarchy(tmp_path / "cgroup" / "systemd")
    proc = write_mountinfo(tmp_path, mount_line(systemd, "cgroup", "xattr,name=systemd"))
    assert read_mounts(proc, tmp_path / "cgroup") is None


def test_mounts_outside_of_the_folder_do_not_count(tmp_path: Path) -> None:
    own = hierarchy(tmp_path / "own", "cgroup.controllers")
    host = hierarchy(tmp_path / "host", "cgroup.controllers")
    proc = write_mountinfo(tmp_path, mount_line(own, "cgroup2", "x"), mount_line(host, "cgroup2", "x", "/../.."))
    assert read_mounts(proc, host) == CgroupMounts(2, unified=Mount(host, "/../.."))


def test_of_two_mounts_the_whole_hierarchy_is_taken(tmp_path: Path) -> None:
    part = hierarchy(tmp_path / "cgroup" / "memory")
    whole = hierarchy(tmp_path / "cgroup" / "deeper" / "memory")
    lines = [mount_line(part, "cgroup", "memory", "/docker/x"), mount_line(whole, "cgroup", "memory")]
    assert read_mounts(write_mountinfo(tmp_path, *lines), tmp_path) == CgroupMounts(1, {"memory": Mount(whole)})


def test_a_mount_that_something_else_covers_is_none(tmp_path: Path) -> None:
    covered = tmp_path / "cgroup" / "memory"
    covered.mkdir(parents=True)
    proc = write_mountinfo(tmp_path, mount_line(covered, "cgroup", "memory"))
    assert read_mounts(proc, tmp_path / "cgroup") is None


def test_a_folder_with_a_space_in_its_name(tmp_path: Path) -> None:
    point = hierarchy(tmp_path / "c g\\roup")
    proc = write_mountinfo(tmp_path, mount_line(point, "cgroup2", "nsdelegate"))
    assert read_mounts(proc, point) == CgroupMounts(2, unified=Mount(point))


@pytest.mark.parametrize("folder", ["nothing here", "empty"])
def test_no_hierarchy_is_none(folder: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert read_mounts(tmp_path, tmp_path / folder) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0::/docker/x\n", {"": "/docker/x"}),
        ("4:memory:/a\n3:cpu,cpuacct:/b\n", {"memory": "/a", "cpu": "/b", "cpuacct": "/b"}),
        ("1:name=systemd:/a:b c\n", {"name=systemd": "/a:b c"}),
        ("0::/gone (deleted)\n", {}),
        ("0::/../../kubepods/x\n", {"": "/../../kubepods/x"}),
        ("0::relative\nx::/a\n:::\n7\n\n", {}),
    ],
)
def test_process_cgroups(text: str, expected: dict[str, str]) -> None:
    assert parse_process_cgroups(text) == expected


@given(ANY_TEXT)
def test_whatever_stands_in_them_the_parsers_read_on(text: str) -> None:
    good = "9:memory:/m\n"
    assert parse_process_cgroups(f"{text}\n{good}")["memory"] == "/m"
    assert [*parse_mountinfo(f"{text}\n{mount_line(Path('/x'), 'cgroup', 'memory')}")][-1].point == "/x"


@given(st.lists(NAME, min_size=1, max_size=4))
def test_paths_come_back_as_they_were(names: list[str]) -> None:
    path = "/" + "/".join(names)
    if not path.endswith(" (deleted)"):
        assert parse_process_cgroups(f"0::{path}\n") == {"": path}
    assert [line.point for line in parse_mountinfo(mount_line(Path(path), "cgroup2", "x"))] == [str(Path(path))]
