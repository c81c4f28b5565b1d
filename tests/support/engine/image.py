"""A container image without a registry: Debian's static busybox and its applets, as a tar."""

import io
import struct
import subprocess
import tarfile
from pathlib import Path

from tests.support.engine.errors import EngineUnavailable

BUSYBOX = Path("/bin/busybox")
FILES = {
    "etc/passwd": b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
    "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
}


def busybox_tar() -> bytes:
    """A root file system of one program.

    Raises:
        EngineUnavailable: this machine has no busybox, or one that needs shared libraries.
    """
    if not BUSYBOX.exists():
        raise EngineUnavailable(f"{BUSYBOX} is missing: install busybox-static")
    program = BUSYBOX.read_bytes()
    if _needs_loader(program):
        raise EngineUnavailable(f"{BUSYBOX} is not static: install busybox-static")
    listed = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True, timeout=10)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in ("bin", "etc", "tmp", "proc", "sys", "dev", "root"):
            _add(tar, folder, kind=tarfile.DIRTYPE, mode=0o1777 if folder == "tmp" else 0o755)
        _add(tar, "bin/busybox", program, mode=0o755)
        for applet in listed.stdout.split():
            if applet != "busybox":
                _add(tar, f"bin/{applet}", kind=tarfile.SYMTYPE, linkname="busybox", mode=0o777)
        for name, content in FILES.items():
            _add(tar, name, content, mode=0o644)
    return buffer.getvalue()


def _needs_loader(elf: bytes) -> bool:
    """Whether a 64-bit ELF program has a PT_INTERP header, which names its dynamic loader (elf(5))."""
    (offset,) = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    return any(struct.unpack_from("<I", elf, offset + size * number)[0] == 3 for number in range(count))


def _add(
    tar: tarfile.TarFile,
    name: str,
    content: bytes = b"",
    *,
    mode: int,
    kind: bytes = tarfile.REGTYPE,
    linkname: str = "",
) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.linkname, entry.size = kind, mode, linkname, len(content)
    tar.addfile(entry, io.BytesIO(content) if content else None)
