"""Installs Debian packages without a question asked, and without the package manager's chatter."""

import os
import re
import subprocess
from pathlib import Path

PATIENCE = 900.0  # s for one apt-get
QUIET = {
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_SUSPEND": "1",
    "LC_ALL": "C",
}


def may_install() -> bool:
    """Whether this is root on a Debian or one of its kin."""
    return os.geteuid() == 0 and Path("/usr/bin/apt-get").exists()


def install(packages: list[str]) -> str | None:
    """Install packages; None, or what went wrong in words that name no package server."""
    print(f"installing {' '.join(packages)} ...", flush=True)
    command = ["install", "--yes", "--no-install-recommends", *packages]
    if _apt(*command) is None:
        return None
    problem = _apt("update") or _apt(*command)  # no package lists yet, or old ones
    if problem:
        print(f"apt-get could not install them:\n{problem}", flush=True)
    return problem


def _apt(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["apt-get", "--quiet", "--quiet", *arguments],
            env=os.environ | QUIET,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"apt-get {arguments[0]}: no end within {PATIENCE:.0f} s"
    if done.returncode == 0:
        return None
    errors = [line for line in done.stdout.splitlines() if line.startswith(("E:", "dpkg: error"))]
    return re.sub(r"\S+://\S+", "(address)", "\n".join(errors or done.stdout.splitlines()[-5:]))
