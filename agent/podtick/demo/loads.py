"""What the demo's processes do. Each function is one process's whole life; most have no end, they are killed.

Everything follows the wall clock, so that a burst lies where a person who looks at a graph expects it.
"""

import contextlib
import fcntl
import mmap
import os
import tempfile
import time

MIB = 1 << 20
MINUTE = 60
BURST_SECONDS = 12
"""From each whole minute on."""
CLIMB_SECONDS, LIMIT_SECONDS, TOOTH_SECONDS = 20, 5, 30
CLIMB_BYTES = 2 * MIB
LAZY_BYTES = 16 * MIB
MEMORY_LIMIT = 64 * MIB
"""More than the climb and an interpreter (about 50 MiB), less than these and what is touched at the limit."""
WRITE_SECONDS, WRITE_BYTES = 5, 8 * MIB
JOB_SECONDS, JOB_EVERY = 7, 20
JOB_BYTES = 24 * MIB
_PIECE = bytes(MIB)


def seconds_to_burst(now: float) -> float:
    """How long until the next burst begins; 0 while there is one. `now` in unix seconds."""
    second = now % MINUTE
    return 0.0 if second < BURST_SECONDS else MINUTE - second


def burst() -> None:
    """Use all CPU there is to have in the first seconds of each minute."""
    while True:
        while seconds_to_burst(time.time()) == 0:
            pass
        time.sleep(seconds_to_burst(time.time()))


def sawtooth() -> None:
    """Take a little more memory each second, then for some seconds more than the limit allows, then give all back.

    What is over the limit is memory that the kernel was told it may take away (MADV_FREE): it does, the limit is met
    and counted, and nobody is killed.
    """
    while True:
        held = []
        for _ in range(CLIMB_SECONDS):
            held.append(touched(CLIMB_BYTES))
            _sleep_to_second()
        for _ in range(LIMIT_SECONDS):
            for _ in range(LAZY_BYTES // MIB):
                held.append(touched(MIB))
                held[-1].madvise(mmap.MADV_FREE)
            _sleep_to_second()
        held.clear()
        time.sleep(TOOTH_SECONDS - CLIMB_SECONDS - LIMIT_SECONDS)


def writer() -> None:
    """Write a file anew every few seconds, past the page cache where the file system can; it never has a name."""
    piece = touched(MIB)  # whole pages, as O_DIRECT wants them
    with tempfile.TemporaryFile(dir=_disk_folder(), buffering=0) as file:
        _past_the_cache(file.fileno())
        while True:
            for offset in range(0, WRITE_BYTES, MIB):
                os.pwrite(file.fileno(), piece, offset)
            os.fdatasync(file.fileno())
            time.sleep(WRITE_SECONDS - time.time() % WRITE_SECONDS)


def job() -> None:
    """Be a third busy for a few seconds, with some memory, and end."""
    end = time.monotonic() + JOB_SECONDS
    held = touched(JOB_BYTES)
    while time.monotonic() < end:
        pause = time.monotonic() + 1 / 3
        while time.monotonic() < pause:
            pass
        time.sleep(2 / 3)
    held.close()


def touched(size: int) -> mmap.mmap:
    """Memory of the process's own that is really there: `size` bytes, whole MiB."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for _ in range(size // MIB):
        memory.write(_PIECE)
    return memory


def _disk_folder() -> str:
    """Where a temporary file is likely to be on a disk: /tmp often is none."""
    return "/var/tmp" if os.access("/var/tmp", os.W_OK) else tempfile.gettempdir()  # noqa: S108


def _past_the_cache(fd: int) -> None:
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    with contextlib.suppress(OSError):  # tmpfs and some others know no such thing
        fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_DIRECT)


def _sleep_to_second() -> None:
    time.sleep(1 - time.time() % 1)
