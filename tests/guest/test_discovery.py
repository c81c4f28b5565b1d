"""Discovery on a pure cgroup v2 machine, under both of Docker's cgroup drivers."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.guest.agent import GuestContainers
from tests.support.guest import Guest

POD = "1234abcd-0000-4000-8000-00000000beef"
SLICE = f"kubepods-burstable-pod{POD.replace('-', '_')}.slice"
LOCATE = """
import json, sys
from pathlib import Path
from podtick.sources.cgroup.discovery import list_cgroups, locate_container
from podtick.sources.cgroup.kubepods import parse_kubepods_path
from podtick.sources.cgroup.mounts import read_mounts
container_id, pid = sys.argv[1:]
proc = Path("/proc")
mounts = read_mounts(proc, Path("/sys/fs/cgroup"))
answer = {"version": mounts.version, "view": (proc / pid / "cgroup").read_text().strip()}
for name, known in (("by_pid", int(pid)), ("by_walk", None)):
    paths = locate_container(mounts, container_id, known, proc)
    answer[name] = paths and str(paths.unified)
answer["pod"] = parse_kubepods_path(answer["by_pid"] or "")
answer["usage"] = (Path(answer["by_pid"]) / "cpu.stat").read_text().split()[0] if answer["by_pid"] else None
answer["listed"] = [path for path, _ in list_cgroups(mounts) if container_id in path]
print(json.dumps(answer))
"""


@pytest.fixture
def idle(scene: GuestContainers) -> tuple[str, str]:
    """A container that idles; its ID and PID."""
    return id_and_pid(scene.guest, "client")


@contextmanager
def container(guest: Guest, *options: str) -> Iterator[tuple[str, str]]:
    """One of the test's own."""
    name = f"discovery-{secrets.token_hex(4)}"
    guest.run(["docker", "run", "-d", "--name", name, "--network=none", *options, "busybox", "sleep", "1000"])
    try:
        yield id_and_pid(guest, name)
    finally:
        guest.run(["docker", "rm", "-f", name])


def id_and_pid(guest: Guest, name: str) -> tuple[str, str]:
    container_id, pid = guest.run(["docker", "inspect", "-f", "{{.Id}} {{.State.Pid}}", name]).split()
    return container_id, pid


def locate(guest: Guest, container_id: str, pid: str, *, prefix: str = "") -> dict[str, object]:
    answer: dict[str, object] = json.loads(guest.run(f"{prefix} python3 - {container_id} {pid}", stdin=LOCATE))
    return answer


def test_the_machine_is_what_it_is_there_for(guest: Guest) -> None:
    driver = guest.run(["docker", "info", "-f", "{{.CgroupDriver}} {{.CgroupVersion}}"]).split()
    assert driver == [guest.driver, "2"]
    assert "some" in guest.run("cat /proc/pressure/cpu")


def test_a_container_is_found_under_both_drivers(guest: Guest, idle: tuple[str, str]) -> None:
    container_id, _ = idle
    answer = locate(guest, *idle)
    relative = f"system.slice/docker-{container_id}.scope" if guest.driver == "systemd" else f"docker/{container_id}"
    assert answer == {
        "version": 2,
        "view": f"0::/{relative}",
        "by_pid": f"/sys/fs/cgroup/{relative}",
        "by_walk": f"/sys/fs/cgroup/{relative}",
        "pod": None,
        "usage": "usage_usec",
        "listed": [f"/{relative}"],
    }


def test_a_pods_container_is_found_with_its_pod(guest: Guest) -> None:
    parent = SLICE if guest.driver == "systemd" else f"/kubepods/burstable/pod{POD}"
    with container(guest, f"--cgroup-parent={parent}") as (container_id, pid):
        answer = locate(guest, container_id, pid)
    assert isinstance(answer["by_pid"], str)
    assert answer["by_walk"] == answer["by_pid"]
    assert answer["pod"] == ["Burstable", POD, container_id]


@pytest.mark.parametrize("below", ["/sys/fs/cgroup/reader/deeper"])
def test_a_cgroup_namespace_hides_nothing(guest: Guest, idle: tuple[str, str], below: str) -> None:
    enter = f"mkdir -p {below} && echo $$ >{below}/cgroup.procs && unshare --cgroup"
    seen, plain = locate(guest, *idle, prefix=enter), locate(guest, *idle)
    assert str(seen["view"]).startswith("0::/../../")
    assert (seen["by_pid"], seen["by_walk"]) == (plain["by_pid"], plain["by_pid"])
