"""A PID that is not the container's process any more, in a made-up /proc: nobody else's network is ever opened."""

import os
from pathlib import Path

import pytest

from podtick.sources.proc.network import WrongProcessError, open_network

OURS, OTHERS = "a" * 64, "b" * 64
NET_DEV = b"Inter-|   Receive\n face |bytes\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"


def process(proc: Path, pid: int, container: str, text: bytes = NET_DEV) -> Path:
    """A process of a container, as /proc shows it."""
    folder = proc / str(pid)
    (folder / "net").mkdir(parents=True)
    (folder / "cgroup").write_text(f"5:memory:/docker/{container}\n0::/\n")
    (folder / "net" / "dev").write_bytes(text)
    return folder


def descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


def test_a_containers_own_process(tmp_path: Path) -> None:
    folder = process(tmp_path, 10, OURS)
    found = open_network(str(tmp_path), 10, OURS)
    try:
        assert os.pread(found.fd, 4096, 0) == NET_DEV
        assert found.namespace == (folder / "net" / "dev").stat().st_ino
    finally:
        os.close(found.fd)


def test_a_pid_that_another_container_has_now(tmp_path: Path) -> None:
    process(tmp_path, 10, OTHERS)
    before = descriptors()
    with pytest.raises(WrongProcessError, match=r"does not belong to container a{12}$"):
        open_network(str(tmp_path), 10, OURS)
    assert descriptors() == before


def test_a_pid_that_a_process_of_the_host_has_now(tmp_path: Path) -> None:
    folder = process(tmp_path, 10, OURS)
    (folder / "cgroup").write_text("5:memory:/user.slice\n0::/\n")
    with pytest.raises(WrongProcessError):
        open_network(str(tmp_path), 10, OURS)


def test_a_pid_that_nobody_has_now(tmp_path: Path) -> None:
    with pytest.raises(WrongProcessError, match="10 has gone"):
        open_network(str(tmp_path), 10, OURS)


@pytest.mark.parametrize("missing", ["cgroup", "net/dev"])
def test_a_process_that_goes_while_it_is_opened(tmp_path: Path, missing: str) -> None:
    folder = process(tmp_path, 10, OURS)
    (folder / missing).unlink()
    before = descriptors()
    with pytest.raises(WrongProcessError):
        open_network(str(tmp_path), 10, OURS)
    assert descriptors() == before


def test_a_pid_that_changes_hands_while_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the first look and the open; the file of the other is closed again."""
    folder = process(tmp_path, 10, OURS)
    opened = os.open

    def slow_open(path: str, flags: int, *, dir_fd: int | None = None) -> int:
        fd = opened(path, flags, dir_fd=dir_fd)
        if path == "net/dev":
            (folder / "cgroup").write_text(f"5:memory:/docker/{OTHERS}\n")
        return fd

    monkeypatch.setattr(os, "open", slow_open)
    before = descriptors()
    with pytest.raises(WrongProcessError):
        open_network(str(tmp_path), 10, OURS)
    assert descriptors() == before
