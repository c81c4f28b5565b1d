"""Talks to a booted guest through one ssh connection that stays open."""

import http.client
import shlex
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.support.guest.errors import GuestError

Driver = Literal["systemd", "cgroupfs"]
DOCKER_SOCKET = "/var/run/docker.sock"


@dataclass(frozen=True, slots=True)
class Guest:
    """A booted guest, known by its state folder; any process may hold one while the guest is up."""

    state: Path
    driver: Driver

    def run(self, command: str | Sequence[str], *, stdin: str = "", timeout: float = 120) -> str:
        """Runs a shell command line, or a program with arguments, as root; its standard output.

        Raises GuestError when it fails or takes longer than `timeout` seconds.
        """
        done = self.attempt(command, stdin=stdin, timeout=timeout)
        if done.returncode != 0:
            raise GuestError(f"{_line(command)!r} in the guest: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def attempt(
        self, command: str | Sequence[str], *, stdin: str = "", timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """The same for a command that is allowed to fail: its exit code and both outputs."""
        call = self._ssh(_line(command))
        try:
            return subprocess.run(call, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired as late:
            raise GuestError(f"{_line(command)!r} in the guest: not done after {timeout:g} s") from late

    @contextmanager
    def running(self, command: str | Sequence[str]) -> Iterator[subprocess.Popen[str]]:
        """A command that goes on in the guest until it ends or the block does (then it gets SIGTERM).

        Both of its outputs are pipes of the yielded process.
        """
        # The end of our input is the only thing a command without a terminal can learn of our death by.
        line = f"exec 3<&0; {_line(command)} </dev/null & (cat <&3; kill $!) >/dev/null 2>&1 & wait %1"
        pipe = subprocess.PIPE
        process = subprocess.Popen(self._ssh(line), stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        with process:
            try:
                yield process
            finally:
                assert process.stdin is not None
                process.stdin.close()
                try:
                    process.wait(timeout=60)
                except subprocess.TimeoutExpired:
                    process.kill()

    def push(self, source: Path, target: str) -> None:
        """Copies a file, or a folder's contents, into the guest's folder `target`."""
        pack = _pack(str(source), folder=source.is_dir())
        self._copy(pack, self._ssh(f"mkdir -p {shlex.quote(target)} && {_unpack(target)}"))

    def pull(self, source: str, target: Path) -> None:
        """Copies the guest's file, or a folder's contents, into the folder `target`."""
        target.mkdir(parents=True, exist_ok=True)
        folder = self.attempt(["test", "-d", source]).returncode == 0
        self._copy(self._ssh(shlex.join(_pack(source, folder=folder))), shlex.split(_unpack(str(target))))

    def forward_socket(self, guest_path: str) -> Path:
        """A unix socket of this machine that leads to one of the guest's, as long as the guest is up."""
        local = self.state / f"{guest_path.strip('/').replace('/', '-')}"
        if not local.exists():
            self._control("forward", "-L", f"{local}:{guest_path}")
        return local

    def forward_port(self, guest_port: int) -> int:
        """A port of 127.0.0.1 here that leads to the guest's own 127.0.0.1, as long as the guest is up."""
        port = free_port()
        self._control("forward", "-L", f"127.0.0.1:{port}:127.0.0.1:{guest_port}")
        return port

    def docker_call(self, method: str, path: str, body: bytes = b"", *, timeout: float = 60) -> bytes:
        """One call of the guest's engine; raises OSError, HTTPException, or GuestError for a bad status."""
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(timeout)
            wire.connect(str(self.forward_socket(DOCKER_SOCKET)))
            head = f"{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Length: {len(body)}\r\n\r\n"
            wire.sendall(head.encode() + body)
            response = http.client.HTTPResponse(wire, method=method)
            response.begin()
            with response:
                answer = response.read()
                if response.status >= 400:
                    raise GuestError(f"{method} {path}: {response.status} {answer.decode(errors='replace')}")
                return answer

    def is_up(self) -> bool:
        """Whether the connection stands."""
        return subprocess.run(self._ssh(control="check"), capture_output=True, check=False).returncode == 0

    def _ssh(self, line: str = "", *, control: str = "") -> list[str]:
        # ProxyCommand=false: without the open connection a call fails instead of dialling a host "guest".
        call = ["ssh", "-F", "none", "-o", f"ControlPath={self.state / 'ssh'}", "-o", "ProxyCommand=false"]
        return [*call, *(["-O", control] if control else []), "root@guest", *([line] if line else [])]

    def _control(self, command: str, *options: str) -> None:
        call = self._ssh(control=command)
        done = subprocess.run([*call[:-1], *options, call[-1]], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise GuestError(f"ssh -O {command} {' '.join(options)}: {done.stderr.strip()}")

    def _copy(self, pack: Sequence[str], unpack: Sequence[str]) -> None:
        with subprocess.Popen(pack, stdout=subprocess.PIPE) as source:
            done = subprocess.run(unpack, stdin=source.stdout, capture_output=True, text=True, timeout=300, check=False)
        if source.returncode != 0 or done.returncode != 0:
            raise GuestError(f"copying: {shlex.join(pack)} | {shlex.join(unpack)}: {done.stderr.strip()}")


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as chosen:
        port: int = chosen.getsockname()[1]
        return port


def _line(command: str | Sequence[str]) -> str:
    return command if isinstance(command, str) else shlex.join(command)


def _pack(path: str, *, folder: bool) -> list[str]:
    parent, _, name = path.rpartition("/")
    return ["tar", "-C", path, "-c", "."] if folder else ["tar", "-C", parent or "/", "-c", name]


def _unpack(folder: str) -> str:
    return shlex.join(["tar", "-x", "--no-same-owner", "--warning=no-timestamp", "-C", folder])
