"""Boots the guest in plain QEMU, without KVM, and ends it with every change that was made in it."""

import http.client
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.guest.connection import Driver, Guest, free_port
from tests.support.guest.errors import GuestError
from tests.support.guest.image import Image, cached_image

INIT: dict[Driver, str] = {"systemd": "/sbin/init", "cgroupfs": "/plain-init"}
MEMORY_MIB = 3072
CPU = "Nehalem"  # the vectors of a newer one, in which C libraries copy memory, are the dearest of all to emulate
BOOT_SECONDS = 900  # it takes 8 to 20, beside builds on every core some hundred; a safety net, not a promise
KERNEL_OPTIONS = (
    # dockerd needs apparmor off where its profile tool is missing; psi is off by default in Debian's kernel
    "console=ttyS0 quiet net.ifnames=0 mitigations=off apparmor=0 psi=1 systemd.unified_cgroup_hierarchy=1 panic=-1"
)


@contextmanager
def booted(driver: Driver, *, state: Path | None = None) -> Iterator[Guest]:
    """A guest with a pure cgroup v2 tree, PSI and an engine that answers and has the image `busybox`.

    Its only state is one folder, removed at the end together with every change made in the guest: `state`
    (short, for it holds sockets), else a new one in the system's temporary folder.
    """
    image = cached_image()
    folder = state or Path(tempfile.mkdtemp(prefix="guest-"))
    folder.mkdir(parents=True, exist_ok=True)
    guest = Guest(folder, driver)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        port = free_port()
        machine = stack.enter_context(_child(_qemu(image, guest, port), folder / "qemu.log"))
        boot = _Boot(guest, machine, time.monotonic() + BOOT_SECONDS)
        boot.wait_until(lambda: _greets(port), "sshd does not answer")
        stack.enter_context(_child(_ssh(image, guest, port), folder / "ssh.log"))
        boot.wait_until(guest.is_up, "ssh does not let us in")
        guest.run(f"date -s @{time.time():.3f}")
        boot.wait_until(lambda: _pings(guest), "the engine does not answer")
        busybox = "/images/create?fromSrc=-&repo=busybox&tag=latest"
        guest.docker_call("POST", busybox, image.busybox.read_bytes())
        yield guest


@dataclass(frozen=True, slots=True)
class _Boot:
    """One boot in progress: waits for its stages; shows the guest's last words when one does not come."""

    guest: Guest
    machine: subprocess.Popen[bytes]
    deadline: float

    def wait_until(self, reached: Callable[[], bool], otherwise: str) -> None:
        while not reached():
            if (code := self.machine.poll()) is not None:
                raise GuestError(f"the guest ended ({code}): {otherwise}\n{self._last_words()}")
            if time.monotonic() > self.deadline:
                raise GuestError(f"no boot in {BOOT_SECONDS} s: {otherwise}\n{self._last_words()}")
            time.sleep(0.2)

    def _last_words(self) -> str:
        said = []
        for name in ("console", "qemu.log", "ssh.log"):
            path = self.guest.state / name
            text = path.read_text(errors="replace") if path.exists() else ""
            if text:
                said.append(f"--- end of {name}\n" + "\n".join(text.splitlines()[-60:]))
        return "\n".join(said)


@contextmanager
def _child(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with this block, or with this process if that is killed."""
    environment = os.environ | {"TMPDIR": str(log.parent)}  # QEMU keeps the disk's overlay there
    with log.open("wb") as output:
        call = ["setpriv", "--pdeathsig", "KILL", *command]
        process = subprocess.Popen(call, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _qemu(image: Image, guest: Guest, port: int) -> list[str]:
    drive = f"file={image.disk},format=raw,if=virtio,snapshot=on,cache=unsafe"
    network = f"user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"
    append = f"{KERNEL_OPTIONS} GUEST_INIT={INIT[guest.driver]}"
    return [
        *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", CPU, "-smp", "2"),
        *("-m", str(MEMORY_MIB), "-nodefaults", "-display", "none", "-no-reboot"),
        *("-serial", f"file:{guest.state / 'console'}", "-device", "virtio-rng-pci", "-drive", drive),
        *("-netdev", network, "-device", "virtio-net-pci,netdev=n,romfile="),
        *("-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", append),
    ]


def _ssh(image: Image, guest: Guest, port: int) -> list[str]:
    """The one connection that all calls share."""
    options = {
        "ControlMaster": "yes",
        "ControlPath": str(guest.state / "ssh"),
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
        "LogLevel": "ERROR",
        "BatchMode": "yes",
        "ConnectTimeout": "60",
    }
    settings = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "none", "-N", "-i", str(image.key), "-p", str(port), *settings, "root@127.0.0.1"]


def _greets(port: int) -> bool:
    """Whether sshd says its version; QEMU itself accepts connections long before."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as wire:
            return wire.recv(4) == b"SSH-"
    except OSError:
        return False


def _pings(guest: Guest) -> bool:
    """Whether the engine answers."""
    try:
        return guest.docker_call("GET", "/_ping", timeout=5) == b"OK"
    except (OSError, http.client.HTTPException, GuestError):
        return False
