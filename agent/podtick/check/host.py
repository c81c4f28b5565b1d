"""The machine: /proc, pressure, descriptors, clock, kernel, Python."""

import ctypes
import errno
import os
import platform
import re
import resource
import time
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from podtick.check.finding import Finding, fail, ok, warn
from podtick.model.metrics.table import TARGET_ROWS
from podtick.sampler.descriptors import RESERVE
from podtick.sources.cgroup.mounts import CgroupMounts
from podtick.sources.cgroup.plan import compile_plan

INITIAL_PID_NAMESPACE = "pid:[4026531836]"
ENOUGH_CONTAINERS = 500
CHEAP_STATISTICS = (6, 16)
BORN = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
"""A clock that shows less is wrong: podtick is younger."""
_CGROUPS_EACH = 2
"""A container has the files of its pod's sandbox or own cgroup beside its own."""
_UNSYNCHRONIZED, _TIME_ERROR = 0x40, 5
_TIMEX_WORDS, _STATUS_WORD = 64, 5
"""`struct timex`: more than its length in longs, and where `status` is in it."""
_SYNCHRONIZED = Path("/run/systemd/timesync/synchronized")


def proc(folder: Path) -> Finding:
    """Whether /proc can be read, and whose processes it shows."""
    name, host = "/proc", "show the host's: --pid host, or -v /proc:/host/proc:ro --proc /host/proc"
    try:
        (folder / "stat").read_bytes()
    except OSError as error:
        return fail(name, f"{error.strerror}: {folder}/stat", f"mount it, or say where it is: --proc; {host}")
    if not os.path.exists(folder / "1"):  # unlike Path.exists(), at peace with a forbidden folder
        return warn(
            name,
            f"{folder} hides other users' processes: no network of any container",
            "run as root, or mount it without hidepid",
        )
    match whose(folder):
        case True:
            return ok(name, f"{folder} shows the whole machine's processes")
        case False:
            return warn(name, f"{folder} shows a container's own processes: no network of any other", host)
    return warn(name, f"{folder} does not tell whose processes it shows", host)


def whose(folder: Path) -> bool | None:
    """Whether a procfs shows the host's processes; `None` if it does not say.

    This process has more than one number there if that procfs is of a PID namespace outside of its own.
    """
    try:
        status = (folder / "self" / "status").read_text()
        own = os.readlink("/proc/self/ns/pid")
    except OSError:
        return None
    numbers = re.search(r"^NSpid:((?:\s+\d+)+)$", status, re.MULTILINE)
    if numbers is None:
        return None
    return len(numbers[1].split()) > 1 or own == INITIAL_PID_NAMESPACE


def pressure(folder: Path, mounts: CgroupMounts | None) -> Finding:
    """Whether the kernel tells pressure (PSI), of the node and of each cgroup."""
    name = "pressure"
    try:
        text = (folder / "pressure" / "cpu").read_text()
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return warn(name, "switched off: unknown", "boot with psi=1")
        if error.errno == errno.ENOENT:
            return warn(name, "this kernel has none: unknown", "boot one with CONFIG_PSI (4.20 and newer), with psi=1")
        return warn(name, f"unknown: {error.strerror}: {error.filename}", "run as root")
    if "some" not in text:
        return warn(name, f"{folder}/pressure/cpu says what makes no sense: unknown", "boot with psi=1")
    if mounts is None or mounts.unified is None:
        return warn(name, "of the node only: cgroups have it in the version 2 tree", "mount it: -t cgroup2")
    return ok(name, "of the node and of cgroups")


def descriptors(limits: tuple[int, int], version: int, running: int | None) -> Finding:
    """For how many containers files may stay open; `limits` of descriptors, soft and hard, -1 for none."""
    name, (soft, hard) = "descriptors", limits
    each = len(compile_plan(TARGET_ROWS, version)) * _CGROUPS_EACH
    if hard == resource.RLIM_INFINITY:
        return ok(name, f"{soft}, which may be raised without limit")
    enough = max(0, hard - RESERVE) // each
    found = f"{soft}, raised to {hard}: enough for {enough} containers in pods of their own"
    if enough >= max(running or 0, ENOUGH_CONTAINERS):
        return ok(name, found)
    wanted = max(running or 0, ENOUGH_CONTAINERS) * each + RESERVE
    todo = f"for {max(running or 0, ENOUGH_CONTAINERS)}: ulimit -Hn {wanted}, LimitNOFILE={wanted} in a unit of systemd"
    return warn(name, f"{found}; of more, small files are opened anew each second, which costs more", todo)


def clock(now: float, state: tuple[int, int] | None, *, told: bool) -> Finding:
    """Whether the clock is right, as far as anybody knows: the kernel (`state` of `adjtimex`) or systemd (`told`)."""
    name, todo = "clock", "see to it that one of them runs: timedatectl status, chronyc tracking, ntpq -p"
    if now < BORN:
        return fail(name, f"it shows {datetime.fromtimestamp(now, UTC):%Y-%m-%d}: no collector takes that", todo)
    if told:
        return ok(name, "synchronized, says systemd-timesyncd")
    if state is None:
        return warn(name, "nobody tells whether it is synchronized: unknown", todo)
    answer, status = state
    if answer == _TIME_ERROR or status & _UNSYNCHRONIZED:
        return warn(name, "nobody has told the kernel that it is synchronized: unknown", todo)
    return ok(name, "synchronized, says the kernel")


def kernel(release: str, mounts: CgroupMounts | None) -> Finding:
    """What is known of this kernel."""
    numbers = re.match(r"(\d+)\.(\d+)", release)
    old = numbers is not None and (int(numbers[1]), int(numbers[2])) < CHEAP_STATISTICS
    if mounts and mounts.version == 2 and old:
        return ok("kernel", f"{release}; before 6.16 memory.stat of version 2 costs more, and lags up to 2 s behind")
    return ok("kernel", release)


def python() -> Finding:
    """Which interpreter, and what packs answers."""
    packer = "isal" if find_spec("isal") else "zlib (slower than isal, which there is for amd64 and arm64)"
    return ok("Python", f"{platform.python_version()}, gzip by {packer}")


def read_limits() -> tuple[int, int]:
    """The limits of descriptors, soft and hard."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)


def read_clock() -> Finding:
    """The clock of this machine."""
    return clock(time.time(), _adjtimex(), told=_SYNCHRONIZED.exists())


def _adjtimex() -> tuple[int, int] | None:
    """What `adjtimex` answers, changing nothing, and its status word; `None` where it may not be asked."""
    words = (ctypes.c_long * _TIMEX_WORDS)()
    answer = ctypes.CDLL(None, use_errno=True).adjtimex(words)
    if answer < 0:
        return None
    return answer, ctypes.c_int.from_buffer(words, _STATUS_WORD * ctypes.sizeof(ctypes.c_long)).value
