"""Discovery of a real engine's containers on this machine's kernel."""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from podtick.sources.cgroup.discovery import list_cgroups, locate_container
from podtick.sources.cgroup.mounts import read_mounts
from tests.support.engine import Engine

PROC = Path("/proc")


CGROUP = Path("/sys/fs/cgroup")
PARENT = f"podtick-test-{secrets.token_hex(4)}"


@pytest.fixture
def parent() -> Iterator[str]:
    """A parent for containers; the engine makes it and leaves it."""
    yield f"/{PARENT}"
    for folder in (CGROUP / PARENT, *CGROUP.glob(f"*/{PARENT}")):
        for child in (*folder.glob("*/"), folder):  # Podman's monitor has one of its own
            remove(child)


def remove(folder: Path) -> None:
    """Remove a cgroup once its last process has gone, which nothing announces."""
    end = time.monotonic() + 20
    while folder.exists():
        try:
            folder.rmdir()
        except OSError:
            assert time.monotonic() < end, f"{folder} is still in use"
            time.sleep(0.02)


def test_a_container_is_found_while_it_lives(engine: Engine) -> None:
    check(engine)


def test_a_container_is_found_below_a_parent_of_its_own(engine: Engine, parent: str) -> None:
    check(engine, f"--cgroup-parent={parent}")


def check(engine: Engine, *options: str) -> None:
    mounts = read_mounts(PROC, CGROUP)
    assert mounts is not None
    name = f"discovery-{secrets.token_hex(4)}"
    engine.run(name, "sleep", "1000", options=options)
    try:
        container_id = engine.docker("inspect", "-f", "{{.Id}}", name).strip()
        pid = engine.pid(name)
        paths = locate_container(mounts, container_id, pid, PROC)
        assert paths is not None
        assert paths == locate_container(mounts, container_id, None, PROC)
        for folder in paths.folders():
            assert str(pid) in (folder / "cgroup.procs").read_text().split()
        assert paths in [listed for path, listed in list_cgroups(mounts) if container_id in path]
    finally:
        engine.remove(name)
    assert locate_container(mounts, container_id, pid, PROC) is None
