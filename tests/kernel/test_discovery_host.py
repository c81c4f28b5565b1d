"""Discovery on the kernel of the machine that runs the tests, whichever cgroup version it has."""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from podtick.sources.cgroup.discovery import CgroupPaths, list_cgroups, locate_container, locate_path
from podtick.sources.cgroup.mounts import CgroupMounts, read_mounts

PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")
REPOSITORY = Path(__file__).parents[2]
LOCATE = """
import json, sys
from pathlib import Path
from podtick.sources.cgroup.discovery import locate_container
from podtick.sources.cgroup.mounts import read_mounts
mounts = read_mounts(Path("/proc"), Path("/sys/fs/cgroup"))
view = Path(f"/proc/{sys.argv[2]}/cgroup").read_text()
paths = locate_container(mounts, sys.argv[1], int(sys.argv[2]), Path("/proc"))
print(json.dumps([view, sorted(map(str, paths.folders())) if paths else []]))
"""


@pytest.fixture(scope="module")
def mounts() -> CgroupMounts:
    found = read_mounts(PROC, CGROUP)
    assert found is not None
    return found


@contextmanager
def cgroup_with_process(mounts: CgroupMounts, path: str) -> Iterator[int]:
    """Makes a cgroup in every hierarchy, with one process that waits; its PID."""
    with ExitStack() as stack:
        folders = [mount.point / path for mount in dict(mounts.hierarchies()).values()]
        for folder in dict.fromkeys(folders):
            for parent in (*[p for p in reversed(folder.parents) if not p.exists()], folder):
                parent.mkdir()
                stack.callback(parent.rmdir)
        process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
        stack.enter_context(process)
        stack.callback(process.wait)
        stack.callback(process.kill)
        for folder in dict.fromkeys(folders):
            (folder / "cgroup.procs").write_text(str(process.pid))
        yield process.pid


@pytest.mark.parametrize("shape", ["{id}", "docker-{id}.scope", "pod/{id}"])
def test_a_cgroup_is_found_by_id_with_and_without_its_process(mounts: CgroupMounts, shape: str) -> None:
    container_id = secrets.token_hex(32)
    path = f"podtick-test-{secrets.token_hex(4)}/{shape.format(id=container_id)}"
    with cgroup_with_process(mounts, path) as pid:
        by_pid = locate_container(mounts, container_id, pid, PROC)
        assert by_pid is not None
        assert by_pid == locate_path(mounts, path)
        assert locate_container(mounts, container_id, None, PROC) == by_pid
        for folder in by_pid.folders():
            assert str(pid) in (folder / "cgroup.procs").read_text().split()
    assert locate_container(mounts, container_id, None, PROC) is None


def test_files_are_where_the_paths_say(mounts: CgroupMounts) -> None:
    container_id = secrets.token_hex(32)
    with cgroup_with_process(mounts, f"podtick-test-{container_id}") as pid:
        paths = locate_container(mounts, container_id, pid, PROC)
        assert isinstance(paths, CgroupPaths)
        files = ["cpu.stat", "memory.stat", "pids.current"]
        files += ["cpuacct.usage", "blkio.throttle.io_serviced_recursive"] if mounts.version == 1 else ["cpu.pressure"]
        for file in files:
            folder = paths.folder_of(file)
            assert folder is not None
            assert (folder / file).read_text() is not None


def test_listing_shows_the_leaf_that_has_the_process(mounts: CgroupMounts) -> None:
    top = f"podtick-test-{secrets.token_hex(4)}"
    with cgroup_with_process(mounts, f"{top}/middle/leaf"):
        assert [path for path, _ in list_cgroups(mounts, f"/{top}")] == [f"/{top}/middle/leaf"]


def test_a_cgroup_namespace_hides_nothing(mounts: CgroupMounts) -> None:
    """From inside a namespace below, `/proc/PID/cgroup` reads `/../...`; the folder is found all the same."""
    container_id = secrets.token_hex(32)
    top = f"podtick-test-{secrets.token_hex(4)}"
    with (
        cgroup_with_process(mounts, f"{top}/{container_id}") as pid,
        cgroup_with_process(mounts, f"{top}/reader/deeper") as reader,
    ):
        here = [str(PROC / str(reader) / "ns" / "cgroup"), sys.executable, "-c", LOCATE, container_id, str(pid)]
        enter = f"for f in {CGROUP}/{top}/reader/deeper {CGROUP}/*/{top}/reader/deeper; do"
        enter += ' [ ! -e "$f" ] || echo $$ >"$f/cgroup.procs"; done; exec unshare --cgroup "$@"'
        call = ["sh", "-c", enter, "sh", *here[1:]]
        environment = {"PYTHONPATH": str(REPOSITORY / "agent"), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(call, env=environment, capture_output=True, text=True, check=True, timeout=60)
        view, folders = json.loads(done.stdout)
        assert f"/../../{container_id}" in view
        expected = locate_container(mounts, container_id, pid, PROC)
        assert expected is not None
        assert folders == sorted(map(str, expected.folders()))
