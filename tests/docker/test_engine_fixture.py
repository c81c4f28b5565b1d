"""The engine that all tests of this tier stand on is a real one, and leaves nothing behind."""

import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.support.engine import Engine, EngineError, programs
from tests.support.engine.choice import chosen
from tests.support.engine.runtime import may_lower_oom_score

CGROUPS = Path("/sys/fs/cgroup")
ROOT = Path(__file__).parents[2]


def test_it_is_an_engine_with_the_cgroupfs_driver(engine: Engine) -> None:
    assert engine.docker("info", "--format", "{{.CgroupDriver}}") == "cgroupfs"


@pytest.mark.needs("live-restore")
def test_it_keeps_its_containers_alive(engine: Engine) -> None:
    assert engine.docker("info", "--format", "{{.LiveRestoreEnabled}}") == "true"


def test_a_container_runs_and_ends(engine: Engine) -> None:
    container = engine.run("fixture-runs", options=["--memory", "64m"])
    try:
        assert len(container) == 64
        assert container in Path(f"/proc/{engine.pid('fixture-runs')}/cgroup").read_text()
        assert engine.docker("exec", "fixture-runs", "echo", "alive") == "alive"
    finally:
        engine.remove(container)
    assert container not in engine.docker("ps", "--all", "--quiet", "--no-trunc")


def test_containers_reach_each_other_over_the_bridge(engine: Engine) -> None:
    engine.run("fixture-one")
    engine.run("fixture-two")
    try:
        address = engine.docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", "fixture-one")
        assert "1 packets received" in engine.docker("exec", "fixture-two", "ping", "-c", "1", address)
    finally:
        engine.remove("fixture-one", "fixture-two")


def test_a_sandbox_score_is_allowed_or_raised_by_the_wrapper(engine: Engine) -> None:
    engine.run("fixture-score", options=["--oom-score-adj", "-998"])
    try:
        score = int(Path(f"/proc/{engine.pid('fixture-score')}/oom_score_adj").read_text())
        own = int(Path("/proc/self/oom_score_adj").read_text())
        assert score == -998 if may_lower_oom_score() else score >= own
    finally:
        engine.remove("fixture-score")


def test_containers_live_through_a_killed_and_a_restarted_engine(engine: Engine) -> None:
    engine.run("fixture-lives")
    try:
        pid, first = engine.pid("fixture-lives"), engine.socket.stat().st_ctime_ns
        engine.kill()
        assert engine.dockerd_pid is None
        os.kill(pid, 0)
        engine.start()
        assert engine.pid("fixture-lives") == pid
        engine.restart()
        assert engine.pid("fixture-lives") == pid
        assert engine.socket.stat().st_ctime_ns != first
    finally:
        engine.remove("fixture-lives")


def test_a_frozen_engine_never_answers(engine: Engine) -> None:
    engine.freeze()
    try:
        with pytest.raises(EngineError, match="no end within"):
            engine.docker("ps", timeout=1)
    finally:
        engine.thaw()
    engine.docker("ps")


def test_it_leaves_nothing_behind_however_it_died() -> None:
    with chosen().make(tcp=True, live_restore=False) as own:
        root = own.root
        container = own.run("fixture-left")
        assert own.docker("--host", own.tcp or f"unix://{own.socket}", "ps", "--quiet", "--no-trunc") == container
        bridge = (root / "bridge").read_text()
        index = Path(f"/sys/class/net/{bridge}/ifindex").read_text().strip()  # its name may be another's at once
        pid = own.pid("fixture-left")
        own.kill()
        os.kill(pid, 0)  # goes on without its engine
    assert not root.exists()
    assert programs.started(pid) is None
    assert not list(programs.shims(root))
    assert not [folder for folder, _, _ in os.walk(CGROUPS) if container in folder]
    assert str(root) not in Path("/proc/self/mountinfo").read_text()
    assert f"{index}: {bridge}" not in subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout


def test_it_is_cleaned_up_after_a_test_run_that_was_killed() -> None:
    root = Path(tempfile.mkdtemp(prefix="pt-", dir="/tmp"))
    up = [sys.executable, "-m", "tests.support.engine", "up", str(root)]
    with subprocess.Popen(up, cwd=ROOT, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert b"DOCKER_HOST" in holder.stdout.readline()
        dockerd = programs.pid_of(root, chosen().make.DAEMON)
        assert dockerd is not None
        ended = os.pidfd_open(dockerd)
        holder.kill()
    try:
        assert select.select([ended], [], [], 60)[0]
    finally:
        os.close(ended)
    for _ in range(600):
        if not root.exists():
            return
        time.sleep(0.1)  # the guard is no child of ours: nothing announces its last step
    pytest.fail(f"{root} is still there")
