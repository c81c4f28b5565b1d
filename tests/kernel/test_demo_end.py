"""Nothing of a demo is left, however it ends: no process, no cgroup."""

import fcntl
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from podtick.demo.cgroups import PREFIX
from tests.kernel.demo import UIDS, alive, demo, folders, keeper_of, no_other_demo, pods_of, processes, until
from tests.support.agent import ADDRESS, Agent
from tests.support.cgroups import host_mounts
from tests.support.served import PATIENCE

SEARCH = ("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")
NOBODY = ("setpriv", "--reuid", "65533", "--regid", "65533", "--clear-groups", *SEARCH)
"""Somebody who may write nothing, but read: the interpreter may lie in root's own folder."""
READ_ONLY = 'for each in /sys/fs/cgroup /sys/fs/cgroup/*; do mount -o remount,bind,ro "$each" 2>&-; done; exec "$@"'


@pytest.fixture(autouse=True)
def only_one() -> Iterator[None]:
    with no_other_demo():
        yield


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything(number: signal.Signals) -> None:
    with demo() as running:
        running.end(number=number)
        assert folders() == []


def test_ctrl_c_ends_everything() -> None:
    """A terminal sends it to every process of the group."""
    with demo() as running:
        running.end(ctrl_c=True)
        assert folders() == []


def test_a_demo_that_is_killed_leaves_nothing() -> None:
    with demo() as running:
        pids = processes()
        assert pids
        running.kill()
        until(lambda: not alive(pids), "the end of its processes")
        until(lambda: not folders(), "the end of its cgroups")


def test_a_keeper_that_is_killed_takes_its_processes_along_and_the_rest_goes_at_the_end() -> None:
    with demo() as running:
        pids = processes()
        os.kill(keeper_of(running), signal.SIGKILL)
        until(lambda: not alive(pids), "their end")
        running.wait_for(lambda scrape: not pods_of(scrape) & UIDS, "the pods' leave")
        assert folders()
        running.end()
        assert folders() == []


def test_a_demo_all_of_which_is_killed_is_swept_up_by_the_next() -> None:
    with demo() as running:
        pids = processes()
        os.killpg(running.pid, signal.SIGKILL)
        running.kill()
        until(lambda: not alive(pids), "their end")
        left = folders()
        assert left
        with demo() as another:
            assert not set(folders()) & set(left)
            another.end()


def test_a_living_demo_is_spared() -> None:
    points = {mount.point for _, mount in host_mounts().hierarchies()}
    mine = [point / f"{PREFIX}living" for point in points]
    locks = []
    try:
        for folder in mine:
            folder.mkdir()
            locks.append(os.open(folder, os.O_RDONLY))
            fcntl.flock(locks[-1], fcntl.LOCK_EX)
        with Agent("--docker-host", "none", command="demo", namespace="_cgroup") as running:
            running.end()
        assert all(folder.exists() for folder in mine)
    finally:
        for fd in locks:
            os.close(fd)
        for folder in mine:
            folder.rmdir()


def test_an_address_in_use_is_told_and_leaves_nothing() -> None:
    with demo() as running:
        before = folders()
        found = re.search(ADDRESS, running.log)
        assert found
        address = f"127.0.0.1:{found[2]}"
        command = [sys.executable, "-m", "podtick", "demo", "--docker-host", "none", "--listen", address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"podtick: {address} is in use" in done.stderr
        assert "Traceback" not in done.stderr
        assert folders() == before


def test_who_is_not_root_is_told_what_would_show_more() -> None:
    with Agent("--docker-host", "none", command="demo", namespace="_cgroup", wrapper=NOBODY) as running:
        running.wait_until(lambda: "no demo pods: demo pods need root" in running.log, "the reason")
        assert folders() == []


def test_where_cgroups_are_read_only_the_agent_alone_runs_and_says_why() -> None:
    wrapper = ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh"]
    with Agent("--docker-host", "none", command="demo", namespace="_cgroup", wrapper=wrapper) as running:
        running.wait_until(lambda: "no demo pods: cgroups cannot be made here (Read-only" in running.log, "the reason")
        assert folders() == []
