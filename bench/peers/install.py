"""Gets what a peer is made of, once: a Debian package, a built Go module, Python packages in a folder of their own."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.programs import MissingError
from tests.tiers.install import install, may_install

PATIENCE = 1200.0
SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/go/bin"


def debian_daemon(name: str, package: str) -> str:
    """The path of a daemon, its package installed when it is not there; one that the package starts is stopped.

    Raises:
        MissingError: it is not there and cannot be installed.
    """
    if not shutil.which(name, path=SYSTEM_PATH):
        if not may_install():
            raise MissingError(f"no {name}: install the package {package} (as root on Debian that is done for you)")
        if problem := install([package]):
            raise MissingError(f"no {name}: {' '.join(problem.split())}")
        for command in (["service", name, "stop"], ["update-rc.d", name, "disable"]):
            subprocess.run(command, capture_output=True, check=False, timeout=60)
    found = shutil.which(name, path=SYSTEM_PATH)
    assert found
    return found


def go_program(name: str, source: Path) -> Path:
    """A program built from a folder with a main package and its go.mod.

    Raises:
        MissingError: there is no Go, or the build failed.
    """
    go = shutil.which("go", path=SYSTEM_PATH)
    if not go:
        raise MissingError("no Go compiler: install Go")
    texts = b"".join((source / file).read_bytes() for file in ("go.mod", "go.sum", "main.go"))
    program = _cache() / f"{name}-{hashlib.sha256(texts).hexdigest()[:12]}"
    if not program.exists():
        _call(name, [go, "build", "-C", source, "-trimpath", "-o", program, "."], {"GOTOOLCHAIN": "local"})
    return program


def python_packages(name: str, pins: Sequence[str]) -> Path:
    """The interpreter of an environment that holds these packages.

    Raises:
        MissingError: they cannot be installed.
    """
    folder = _cache() / "-".join([name, *pins])
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _call(name, [sys.executable, "-m", "venv", folder])
        pip = ("-m", "pip", "--disable-pip-version-check", "--quiet", "install")
        _call(name, [folder / "bin" / "python", *pip, *pins])
        (folder / "complete").touch()
    return folder / "bin" / "python"


def _cache() -> Path:
    folder = Path(os.environ.get("PODTICK_CACHE") or Path.home() / ".cache" / "podtick") / "peers"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _call(name: str, command: Sequence[str | Path], environment: dict[str, str] | None = None) -> None:
    print(f"making {name} ...", file=sys.stderr, flush=True)
    try:
        done = subprocess.run(
            command,
            env=os.environ | (environment or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise MissingError(f"making {name} took more than {PATIENCE:.0f} s") from None
    if done.returncode:
        said = re.sub(r"\S+://\S+", "(address)", " ".join((done.stderr or done.stdout).split()))
        raise MissingError(f"{name} could not be made: {said[-500:]}")
