"""The guest's kernel, initrd and disk, made of Debian packages once and kept in the cache.

A change of this folder's files makes another image; nothing else does. The addresses of the machine's package
mirrors reach neither the log nor the image: the log is scrubbed as it is written, the image searched.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.guest.errors import GuestError, GuestUnavailableError

FILES = Path(__file__).parent / "files"
RELEASE = "bookworm"
KERNEL = "linux-image-cloud-amd64"
DISK_SIZE = "8G"  # sparse
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "udev", "kmod", "tini", "busybox-static", "procps", "iproute2"),
    *("openssh-server", "docker.io", "iptables", "python3"),
)
DRIVERS = ("virtio_pci", "virtio_blk", "virtio_net", "virtio-rng")
UNWANTED_UNITS = (
    *("getty@tty1.service", "serial-getty@ttyS0.service", "apt-daily.timer", "apt-daily-upgrade.timer"),
    *("e2scrub_reap.service", "e2scrub_all.timer", "dpkg-db-backup.timer", "fstrim.timer"),
)
HOST_PROGRAMS = {  # program -> the Debian package that has it
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "ssh": "openssh-client",
    "cpio": "cpio",
    "mke2fs": "e2fsprogs",
    "setpriv": "util-linux",
}


@dataclass(frozen=True, slots=True)
class Image:
    """Files of one built guest. The disk is only ever booted with a throw-away overlay."""

    folder: Path

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd"

    @property
    def disk(self) -> Path:
        return self.folder / "disk"

    @property
    def key(self) -> Path:
        """Private ssh key that the guest's root accepts."""
        return self.folder / "key"

    @property
    def busybox(self) -> Path:
        """A root file system with busybox alone, for `docker import`."""
        return self.folder / "busybox.tar"


def cache_folder() -> Path:
    """Where built guests are kept: below $PODTICK_CACHE, else below ~/.cache/podtick."""
    return Path(os.environ.get("PODTICK_CACHE") or Path.home() / ".cache" / "podtick") / "guest"


def lacking() -> str | None:
    """What this machine lacks for a guest, as a sentence; None when it lacks nothing."""
    if os.geteuid() != 0:
        return "building the guest needs root"
    packages = [package for program, package in HOST_PROGRAMS.items() if shutil.which(program) is None]
    return f"apt-get install {' '.join(packages)}" if packages else None


def cached_image() -> Image:
    """The built guest, made first (about half a minute) when the cache has none of this content."""
    folder = cache_folder() / f"image-{content_key()}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.parent / "lock"):
        if not folder.exists():
            if (reason := lacking()) is not None:
                raise GuestUnavailableError(reason)
            _Build(folder.with_suffix(".partial")).run()
            os.rename(folder.with_suffix(".partial"), folder)
            for outdated in set(folder.parent.glob("image-*")) - {folder}:
                shutil.rmtree(outdated)
    return Image(folder)


def content_key() -> str:
    """Names the image by everything in this folder that goes into it."""
    digest = hashlib.sha256()
    for path in (Path(__file__), *sorted(FILES.iterdir())):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class _Build:
    """One build in a folder of its own, which is renamed into the cache only when it is complete."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.staging = folder / "staging"
        self.log = folder / "build.log"
        self.sources = ""
        self.hosts: list[str] = []

    def run(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.staging / "modules").mkdir(parents=True)
        self._read_sources()
        self._root_file_system()
        release = self._kernel()
        self._initrd(release)
        self._configure()
        self._forget_sources()
        size = ["-L", "guest", "-d", str(self.root), str(self.folder / "disk"), DISK_SIZE]
        self._call(["mke2fs", "-q", "-t", "ext4", *size])
        for folder in (self.root, self.staging):
            shutil.rmtree(folder)

    def _read_sources(self) -> None:
        """The machine's own apt sources of this release, with Debian's key."""
        self._call(["apt-get", "update", "-qq"])
        keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
        line = f"deb [signed-by={keyring}] $(REPO_URI) $(RELEASE) $(COMPONENT)"
        printed = self._call(["apt-get", "indextargets", "--format", line, "Created-By: Packages"], quiet=True)
        wanted = [row for row in printed.splitlines() if f" {RELEASE}" in row]
        if not wanted:
            raise GuestUnavailableError(f"the machine's apt sources have no Debian {RELEASE}")
        self.sources = "\n".join(dict.fromkeys(wanted)) + "\n"
        proxies = self._call(["apt-config", "dump", "Acquire"], quiet=True)
        self.hosts = sorted(set(re.findall(r"://(?:[^/@\s]*@)?([^/:\s\"]+)", self.sources + proxies)))

    def _root_file_system(self) -> None:
        include = f"--include={','.join(PACKAGES)}"
        self._call(["mmdebstrap", "--variant=minbase", include, RELEASE, str(self.root), "-"], self.sources)

    def _kernel(self) -> str:
        """Unpacks the kernel without its maintainer scripts, which would build an initrd of their own."""
        depends = self._call(["apt-cache", "depends", KERNEL])
        package = re.search(r"Depends: (linux-image-(\S+))", depends)
        if package is None:
            raise GuestError(f"{KERNEL} depends on no kernel image")
        self._call(["apt-get", "download", "-qq", package[1]], cwd=self.staging)
        [archive] = self.staging.glob("*.deb")
        unpacked = self.staging / "kernel"
        self._call(["dpkg-deb", "-x", str(archive), str(unpacked)])
        shutil.copytree(unpacked / "lib", self.root / "lib", dirs_exist_ok=True)
        shutil.copy(unpacked / "boot" / f"vmlinuz-{package[2]}", self.folder / "vmlinuz")
        self._call(["chroot", str(self.root), "depmod", package[2]])
        return package[2]

    def _initrd(self, release: str) -> None:
        """Busybox and the few modules that bring up the disk and the network card."""
        tree = self.staging / "initrd"
        for name in ("bin", "dev", "proc", "sys", "new", "modules"):
            (tree / name).mkdir(parents=True)
        shutil.copy(self.root / "bin" / "busybox", tree / "bin")
        (tree / "bin" / "sh").symlink_to("busybox")
        shutil.copy(FILES / "initrd-init", tree / "init")
        (tree / "init").chmod(0o755)
        command = ["chroot", str(self.root), "modprobe", "-S", release, "--show-depends"]
        printed = "".join(self._call([*command, driver]) for driver in DRIVERS)
        modules = list(dict.fromkeys(re.findall(r"^insmod (\S+)", printed, re.MULTILINE)))
        for module in modules:
            shutil.copy(self.root / module.lstrip("/"), tree / "modules")
        names = "".join(f"/modules/{Path(module).name}\n" for module in modules)
        (tree / "modules" / "list").write_text(names)
        pack = f"find . | cpio --quiet -o -H newc | gzip -1 >'{self.folder / 'initrd'}'"
        self._call(["sh", "-c", pack], cwd=tree)

    def _configure(self) -> None:
        """An ssh key, a quiet systemd, the script that is PID 1 without it, a busybox for the engine."""
        key = self.folder / "key"
        self._call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "guest", "-f", str(key)])
        (self.root / "root" / ".ssh").mkdir(mode=0o700, exist_ok=True)
        shutil.copy(key.with_suffix(".pub"), self.root / "root" / ".ssh" / "authorized_keys")
        shutil.copy(FILES / "sshd.conf", self.root / "etc" / "ssh" / "sshd_config.d" / "guest.conf")
        files = {
            "hostname": "guest\n",
            "hosts": "127.0.0.1 localhost guest\n",
            "fstab": "",
            "resolv.conf": "",
        }
        for name, content in files.items():
            (self.root / "etc" / name).unlink(missing_ok=True)
            (self.root / "etc" / name).write_text(content)
        self._call(["chroot", str(self.root), "systemctl", "-q", "mask", *UNWANTED_UNITS])
        shutil.copy(FILES / "plain-init", self.root / "plain-init")
        (self.root / "plain-init").chmod(0o755)
        busybox = self.staging / "busybox"
        (busybox / "bin").mkdir(parents=True)
        shutil.copy(self.root / "bin" / "busybox", busybox / "bin")
        self._call(["chroot", str(busybox), "/bin/busybox", "--install", "/bin"])
        self._call(["tar", "-C", str(busybox), "-cf", str(self.folder / "busybox.tar"), "."])

    def _forget_sources(self) -> None:
        """Removes apt's sources, then proves that no mirror's name is left in what was made here.

        Outside of these folders lie the packages' own files, in which Debian itself names its public mirror.
        """
        for pattern in ("etc/apt/sources.list*", "var/lib/apt/lists/*", "var/cache/apt/*", "var/log/*.log"):
            for path in self.root.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        made_here = [str(self.root / name) for name in ("etc", "var", "root", "plain-init")]
        for host in self.hosts:
            if subprocess.run(["grep", "-rqF", host, *made_here], check=False).returncode == 0:
                raise GuestError("a package mirror's address is left in the guest's files")

    def _call(self, command: Sequence[str], stdin: str = "", *, cwd: Path | None = None, quiet: bool = False) -> str:
        """Runs one step and logs what it prints, scrubbed; its output, unscrubbed, is the answer."""
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            command, input=stdin, cwd=cwd, env=environment, capture_output=True, text=True, check=False
        )
        printed = "" if quiet else done.stdout
        with self.log.open("a") as log:
            log.write(f"$ {command[0]}: {done.returncode}\n{self._scrub(printed + done.stderr)}")
        if done.returncode != 0:
            tail = self._scrub(done.stderr)[-1500:]
            raise GuestError(f"{command[0]} failed ({done.returncode}) building the guest, see {self.log}\n{tail}")
        return done.stdout

    def _scrub(self, text: str) -> str:
        for host in self.hosts:
            text = text.replace(host, "MIRROR")
        return re.sub(r"[a-z]+://\S*", "URL", text)
