"""`podtick check` on a pure cgroup v2 machine, under both of Docker's cgroup drivers."""

import json

from tests.guest.agent import GuestContainers
from tests.support.guest import Guest


def test_a_version_2_machine_has_all_there_is_to_see(guest: Guest, scene: GuestContainers) -> None:
    done = guest.attempt(["podtick", "check", "--format", "json"])
    checks = {each["check"]: each for each in json.loads(done.stdout)["checks"]}
    assert done.returncode == 0
    assert checks["cgroup"]["found"] == f"version 2, driver {guest.driver}; controllers cpu, memory, io, pids"
    assert checks["containers"]["found"] == f"{len(scene.folders)} run, and the cgroup of each is found"
    assert "costs more" in checks["kernel"]["found"]
    unclear = {name for name, each in checks.items() if each["verdict"] != "ok"}
    assert unclear <= {"clock", "descriptors"}  # nobody keeps its clock; its limits are its distribution's
    assert checks["permissions"]["found"] == "root can read memory and network of a container"
