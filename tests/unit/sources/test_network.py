"""/proc/PID/net/dev: sums, interfaces, and never another process behind a PID."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from podtick.model.metrics.network import NETWORK
from podtick.model.metrics.row import MAX_VALUE, UNKNOWN
from podtick.sources.proc.network import (
    KEYS,
    WrongProcessError,
    host_namespace,
    interfaces,
    open_network,
    pod_interfaces,
    read_paged,
    real_interfaces,
    totals,
    totals_of_many,
)

HEAD = (
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast"
    "|bytes    packets errs drop fifo colls carrier compressed\n"
)
NOTHING = [UNKNOWN] * 8


def line(name: str, *numbers: int) -> str:
    return f"{name:>6}: " + " ".join(str(number) for number in numbers) + "\n"


ETH0 = line("eth0", *range(1, 17))
ETH0_VALUES = [1, 2, 3, 4, 9, 10, 11, 12]


def test_the_keys_are_those_of_the_table() -> None:
    assert [row.v2 for row in NETWORK] == [f"net/dev:{key}" for key in KEYS]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (HEAD + line("lo", *[7] * 16) + ETH0, ETH0_VALUES),
        (HEAD + ETH0 + line("eth1", *[100] * 16), [value + 100 for value in ETH0_VALUES]),
        (HEAD + line("flo", *[1] * 16), [1] * 8),  # not the loopback
        (HEAD + line("eth0:1", *[1] * 16), [1] * 8),
        (HEAD + line("lo", *[7] * 16), NOTHING),
        (HEAD, NOTHING),
        ("", NOTHING),
        (HEAD + ETH0[:-1], NOTHING),
        (HEAD + ETH0[:-9] + "\n", NOTHING),
        (HEAD + ETH0 + "something else\n", NOTHING),
        (HEAD + line("eth0", *[-1] * 16), NOTHING),
        (HEAD + line("eth0", *[MAX_VALUE] * 16) + ETH0, NOTHING),
        (HEAD + ETH0.replace("eth0: ", "eth0:"), ETH0_VALUES),  # a wide number leaves no blank
    ],
)
def test_the_sums_of_a_namespace(text: str, values: list[int]) -> None:
    assert list(totals(text.encode())) == values


LO = line("lo", *[7] * 16)
ONE = [HEAD + LO, HEAD + LO + ETH0, HEAD + LO + line("eth0", 5, 6, *[0] * 14)]
ODD = [HEAD + ETH0 + LO, HEAD + LO + ETH0 + ETH0, HEAD + LO + ETH0[:-3], HEAD + LO[:-4], HEAD, "", "a:b\n"]


@given(st.lists(st.sampled_from(ONE), min_size=1, max_size=12))
def test_usual_namespaces_are_summed_together(texts: list[str]) -> None:
    columns = totals_of_many([text.encode() for text in texts])
    assert columns is not None
    assert [list(row) for row in zip(*columns, strict=True)] == [list(totals(text.encode())) for text in texts]


@given(st.lists(st.sampled_from(ONE + ODD), min_size=1, max_size=8))
def test_together_they_are_what_they_are_one_by_one_or_nothing(texts: list[str]) -> None:
    columns = totals_of_many([text.encode() for text in texts])
    if columns is not None:
        assert [list(row) for row in zip(*columns, strict=True)] == [list(totals(text.encode())) for text in texts]


@given(st.binary(max_size=200))
@example(b"\n\neth0: " + b"1 " * 15 + "\u0661".encode() + b"\n")
def test_no_text_raises(data: bytes) -> None:
    for text in (data, HEAD.encode() + data, (HEAD + ETH0).encode() + data):
        assert len(totals(text)) == len(KEYS)
        for values in interfaces(text).values():
            assert set(values) == set(KEYS)


def test_interfaces_by_name() -> None:
    text = (
        HEAD + ETH0 + line("veth0a1", *[5] * 16) + line("lo", *[5] * 16) + line("bond0", *[2**64] * 16) + "torn: 1 2\n"
    )
    found = interfaces(text.encode())
    assert list(found) == ["eth0", "veth0a1", "lo", "bond0"]
    assert list(found["eth0"].values()) == ETH0_VALUES
    assert set(found["bond0"].values()) == {UNKNOWN}
    assert list(real_interfaces(text.encode())) == ["eth0", "bond0"]


def test_a_pods_interfaces_are_those_of_its_sums() -> None:
    text = HEAD + line("lo", *[5] * 16) + line("lowpan0", *[1] * 16) + line("veth0", *[2] * 16) + ETH0
    found = pod_interfaces(text.encode())
    assert list(found) == ["lowpan0", "veth0", "eth0"]
    assert [sum(values) for values in zip(*(one.values() for one in found.values()), strict=True)] == list(
        totals(text.encode())
    )
    assert pod_interfaces(text[:-1].encode()) == {}, "its last number may have lost a digit"


@pytest.mark.parametrize("size", [0, 100, 2999, 3001, 4096, 20_000])
def test_a_long_file_is_read_whole(tmp_path: Path, size: int) -> None:
    text = os.urandom(size)
    (tmp_path / "file").write_bytes(text)
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    try:
        assert read_paged(fd, 32768) == text
        assert read_paged(fd, 4096) == text
    finally:
        os.close(fd)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    for pid, owner in ((1, "init"), (300, "c0ffee"), (301, "another")):
        (tmp_path / str(pid) / "net").mkdir(parents=True)
        (tmp_path / str(pid) / "net" / "dev").write_text(HEAD + ETH0)
        (tmp_path / str(pid) / "cgroup").write_text(f"4:memory:/docker/{owner}\n")
    return tmp_path


@pytest.fixture
def opened(proc: Path) -> Iterator[int]:
    found = open_network(str(proc), 300, "c0ffee")
    yield found.fd
    os.close(found.fd)


def test_the_network_of_a_containers_process(proc: Path, opened: int) -> None:
    assert os.pread(opened, 4096, 0).decode() == HEAD + ETH0
    assert os.fstat(opened).st_ino == (proc / "300" / "net" / "dev").stat().st_ino


def test_the_hosts_namespace(proc: Path) -> None:
    assert host_namespace(str(proc)) == (proc / "1" / "net" / "dev").stat().st_ino
    assert host_namespace(str(proc / "nowhere")) is None


def drop(path: Path) -> None:
    path.unlink()


def another_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("file", ["cgroup", "net/dev"])
def test_a_process_that_goes_while_it_is_opened(proc: Path, file: str) -> None:
    drop(proc / "300" / file)
    with pytest.raises(WrongProcessError, match="process 300 has gone"):
        open_network(str(proc), 300, "c0ffee")


def test_what_is_another_process(proc: Path) -> None:
    with pytest.raises(WrongProcessError, match="process 301 does not belong to container c0ffee"):
        open_network(str(proc), 301, "c0ffee")
    with pytest.raises(WrongProcessError, match="process 302 has gone"):
        open_network(str(proc), 302, "c0ffee")
    another_folder(proc / "300" / "cgroup")
    with pytest.raises((WrongProcessError, OSError)):
        open_network(str(proc), 300, "c0ffee")


def test_a_pid_used_again_while_the_file_is_opened(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process belonged to the container, its successor does not."""
    open_ = os.open

    def opening(path: str, flags: int, *args: int, dir_fd: int | None = None) -> int:
        fd = open_(path, flags, *args, dir_fd=dir_fd)
        if path == "net/dev":
            (proc / "300" / "cgroup").write_text("4:memory:/docker/another\n")
        return fd

    monkeypatch.setattr(os, "open", opening)
    with pytest.raises(WrongProcessError, match="does not belong"):
        open_network(str(proc), 300, "c0ffee")
