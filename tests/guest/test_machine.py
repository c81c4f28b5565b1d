"""The guest itself: what it is asked for arrives, and what goes wrong is said."""

import json
import socket
from pathlib import Path

import pytest

from tests.support.guest import Guest, GuestError, booted, machine

SERVE = (
    'python3 -u -c \'import socketserver as s; h = s.BaseRequestHandler; h.handle = lambda r: r.request.sendall(b"hi");'
)
SERVE += ' t = s.TCPServer(("127.0.0.1", 9009), h); print("listens"); t.serve_forever()\''


def test_files_go_in_and_come_out(guest: Guest, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "below").mkdir(parents=True)
    (source / "below" / "file").write_text("content\n")
    guest.push(source, "/tmp/pushed here")
    guest.push(source / "below" / "file", "/tmp/pushed here")
    assert guest.run(["cat", "/tmp/pushed here/below/file", "/tmp/pushed here/file"]) == "content\n" * 2
    guest.pull("/tmp/pushed here", tmp_path / "back")
    guest.pull("/tmp/pushed here/file", tmp_path / "alone")
    assert (tmp_path / "back" / "below" / "file").read_text() == "content\n"
    assert [path.name for path in (tmp_path / "alone").iterdir()] == ["file"]


def test_a_command_that_fails_says_why(guest: Guest) -> None:
    with pytest.raises(GuestError, match=r"exit 2\n.*No such file"):
        guest.run(["ls", "/no such"])
    assert guest.attempt("exit 7").returncode == 7


def test_a_command_goes_on_until_its_block_ends(guest: Guest) -> None:
    with guest.running(SERVE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listens\n"
        port = guest.forward_port(9009)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
            assert wire.recv(2) == b"hi"
    assert guest.attempt(["pgrep", "-f", "TCPServer"]).stdout == ""


def test_the_engine_answers_here(guest: Guest) -> None:
    assert guest.docker_call("GET", "/_ping") == b"OK"
    assert json.loads(guest.docker_call("GET", "/info"))["CgroupVersion"] == "2"


def test_podtick_is_there(guest: Guest) -> None:
    assert "podtick" in guest.run(["podtick", "--help"])


def test_a_boot_that_fails_shows_the_console(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(machine.INIT, "systemd", "/no/such/init")
    state = tmp_path / "state"
    with (
        pytest.raises(
            GuestError, match=r"the guest ended .*sshd does not answer\n--- end of console(?s:.*)Kernel panic"
        ),
        booted("systemd", state=state),
    ):
        pytest.fail("it booted")
    assert not state.exists()
