"""`podtick check` beside a real engine: what it finds there, and what it says to those who may not."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from podtick.check.finding import Finding, Verdict
from podtick.sources.docker import wire
from podtick.sources.docker.versions import negotiate
from tests.docker.containers import Containers
from tests.support.cgroups import host_mounts
from tests.support.engine import Engine

REPOSITORY = Path(__file__).parents[2]
SEARCH = ("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")
NOBODY = ("setpriv", "--reuid", "65533", "--regid", "65533", "--clear-groups", *SEARCH)
"""Somebody who may write nothing, but read: the interpreter may lie in root's own folder."""


def check(*arguments: str, wrapper: Sequence[str] = (), code: int | None = None) -> dict[str, Finding]:
    """What it finds, by the check's name; the exit code must fit, and be `code` if one is given."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("PODTICK_", "DOCKER_"))}
    command = [*wrapper, sys.executable, "-m", "podtick", "check", "--format", "json", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=REPOSITORY, timeout=120, check=False
    )
    assert done.stderr == ""
    document = json.loads(done.stdout)
    assert done.returncode == (document["verdict"] == "fail")
    assert code in (None, done.returncode)
    return {each["check"]: Finding(**each | {"verdict": Verdict(each["verdict"])}) for each in document["checks"]}


def host(engine: Engine) -> tuple[str, str]:
    return "--docker-host", f"unix://{engine.socket}"


def test_an_engine_with_containers(engine: Engine, containers: Containers) -> None:
    containers.run("chk-one")
    containers.run("chk-two", network="bridge")
    containers.create("chk-created")
    found = check(*host(engine), code=0)
    assert found["engine"].verdict is Verdict.OK
    version, theirs = engine.docker("version", "--format", "{{.Server.Version}} {{.Server.APIVersion}}").split()
    spoken = negotiate(wire.Version(version, theirs)).api_version
    assert found["API"].found == f"engine {version}, API {spoken}"
    assert found["containers"].found == "2 run, and the cgroup of each is found"
    driver = engine.docker("info", "--format", "{{.CgroupDriver}}")
    assert found["cgroup"].found.startswith(f"version {host_mounts().version}, driver {driver};")
    assert found["permissions"].found == "root can read memory and network of a container"
    assert found["permissions"].verdict is Verdict.OK


def test_an_engine_without_a_container(engine: Engine) -> None:
    found = check(*host(engine), code=0)
    assert found["containers"].found.startswith("none runs")


def test_who_may_not_ask_is_told_how_to_be_allowed(engine: Engine) -> None:
    found = check(*host(engine), wrapper=NOBODY, code=1)
    assert found["engine"].verdict is Verdict.FAIL
    assert "permission denied" in found["engine"].found
    assert "usermod" in found["engine"].todo
    assert "API" not in found


def test_a_frozen_engine_is_told_within_its_time(engine: Engine) -> None:
    engine.freeze()
    try:
        found = check(*host(engine), code=1)
    finally:
        engine.thaw()
    assert "did not answer" in found["engine"].found
    assert found["cgroup"].verdict is Verdict.OK


@pytest.mark.parametrize(
    ("address", "words"),
    [("unix:///no/such/docker.sock", "no such socket"), ("tcp://127.0.0.1:1", "connection refused")],
)
def test_an_engine_that_was_named_and_is_not_there(address: str, words: str) -> None:
    found = check("--docker-host", address, code=1)
    assert (found["engine"].verdict, words in found["engine"].found) == (Verdict.FAIL, True)
    assert found["engine"].todo


def test_a_machine_without_an_engine_is_no_failure() -> None:
    found = check("--docker-host", "none", code=0)
    assert found["engine"].verdict is Verdict.OK
    assert found["cgroup"].verdict is Verdict.OK
