"""The suite's own guard: a test that leaves something behind fails, a clean one does not."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.support.leaks import Belongings

ROOT = Path(__file__).parents[2]

LEAKY = """
import asyncio, os, subprocess, threading
KEPT = []

async def test_clean():
    task = asyncio.create_task(asyncio.sleep(0))
    await task
    subprocess.run(["true"], check=True)

async def test_task():
    KEPT.append(asyncio.create_task(asyncio.sleep(1000), name="forgotten"))

def test_thread():
    KEPT.append(threading.Event())
    threading.Thread(target=KEPT[-1].wait, name="forgotten", daemon=True).start()

def test_process():
    KEPT.append(subprocess.Popen(["sleep", "5"]))

def test_descriptor():
    KEPT.append(open("/etc/hostname"))

def test_socket_pair():
    KEPT.append(os.pipe())

def test_end_of_process():
    process = next(kept for kept in KEPT if isinstance(kept, subprocess.Popen))
    process.kill()
    process.wait()
"""


def test_whatever_is_left_behind_fails_its_test(tmp_path: Path) -> None:
    leaky = tmp_path / "test_leaky.py"
    leaky.write_text(LEAKY)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", "pyproject.toml", "-rA", str(leaky)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    summary = done.stdout[done.stdout.index("short test summary info") :]
    failed = sorted(line.rpartition("::")[2].split()[0] for line in summary.splitlines() if line.startswith("ERROR "))
    assert failed == ["test_descriptor", "test_process", "test_socket_pair", "test_task", "test_thread"], done.stdout
    for named in ("task forgotten", "thread forgotten", "process sleep", "descriptor /etc/hostname", "descriptor pipe"):
        assert named in done.stdout


def test_the_child_of_a_thread_that_ends_during_the_look_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes over to the main thread after that one's children were read, and from a thread that is read no more."""
    children: list[subprocess.Popen[bytes]] = []
    begun, end = threading.Event(), threading.Event()

    def begin() -> None:
        children.append(subprocess.Popen(["echo"], stdout=subprocess.PIPE))
        begun.set()
        end.wait()

    thread = threading.Thread(target=begin)
    thread.start()
    begun.wait()
    (child,) = children
    assert child.stdout is not None
    assert child.stdout.read(1) == b"\n"  # so the kernel has its name by now, and keeps it until somebody waits
    task = Path(f"/proc/self/task/{thread.native_id}")
    mine = f"/proc/self/task/{threading.get_native_id()}/children"
    read = Path.read_text

    def read_and_end(path: Path) -> str:
        text = read(path)
        if str(path) == mine and not end.is_set():
            end.set()
            while task.exists():
                time.sleep(0.001)
        return text

    monkeypatch.setattr(Path, "read_text", read_and_end)
    try:
        assert "echo" in Belongings.now().children
    finally:
        end.set()
        thread.join()
        child.communicate()
