"""Puts podtick, as it is in this tree, and what it needs into a guest (Debian 12: Python 3.11, amd64)."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.guest.connection import Guest
from tests.support.guest.errors import GuestError
from tests.support.guest.image import cache_folder

REPOSITORY = Path(__file__).parents[3]
LOCK = REPOSITORY / "requirements" / "run.txt"
HOME = "/opt/podtick"
LAUNCHER = '#!/bin/sh\nexec python3 -m podtick "$@"\n'


def install_podtick(guest: Guest) -> None:
    """Makes `podtick` and `python3 -m podtick...` work in the guest; again after a change of the tree.

    Raises GuestError when a package cannot be had or cannot be imported there.
    """
    if guest.attempt(["test", "-d", f"{HOME}/packages"]).returncode != 0:
        guest.push(_packages(), f"{HOME}/packages")
    guest.run(["rm", "-rf", f"{HOME}/agent"])
    guest.push(REPOSITORY / "agent", f"{HOME}/agent")
    paths = f"{HOME}/agent\n{HOME}/packages\n"
    guest.run("cat >/usr/lib/python3/dist-packages/podtick.pth", stdin=paths)
    guest.run("cat >/usr/local/bin/podtick && chmod +x /usr/local/bin/podtick", stdin=LAUNCHER)
    guest.run(["python3", "-c", "import aiohttp, msgspec, prometheus_client, podtick"])


def _packages() -> Path:
    """A folder of the pinned packages for the guest's interpreter, whatever interpreter runs the tests.

    Compiled by the latter: where it is of the same version, the guest is spared that.
    """
    folder = cache_folder() / f"compiled-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"
    partial = folder.with_suffix(".partial")
    with (cache_folder() / "packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder
        shutil.rmtree(partial, ignore_errors=True)
        platforms = [f"--platform=manylinux{tag}_x86_64" for tag in ("_2_28", "_2_17", "2014")]
        options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--python-version=3.11"]
        call = [sys.executable, "-m", "pip", "install", "-q", *options, *platforms]
        call += ["--target", str(partial), "-r", str(LOCK)]
        if subprocess.run(call, capture_output=True, check=False).returncode != 0:
            raise GuestError(f"pip could not get the packages of {LOCK.name} for Python 3.11 on amd64")
        # 60 MB that nothing in a plain Docker guest imports
        shutil.rmtree(partial / "kubernetes")
        partial.rename(folder)
    return folder
