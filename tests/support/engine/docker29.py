"""A current engine: dockerd of the Docker 29 line, built from its Go module once and kept; the rest is Debian's.

Its images are in containerd (the default of fresh installs since 29), not in a storage driver of its own.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from tests.support.engine.engine import PROGRAMS, Engine
from tests.support.engine.errors import EngineError
from tests.support.engine.runtime import runtime_settings

MODULE = "github.com/moby/moby/v2"
VERSION = "v2.0.0-beta.24"
RELEASE = "29-v2.0.0-beta.24"
PATIENCE = 1800.0  # s for the build: four minutes on two idle cores
OLD_CLIENTS = {"DOCKER_MIN_API_VERSION": "1.41"}  # Debian's `docker` speaks nothing newer


class Docker29(Engine):
    """As `Engine`, of the Docker 29 line."""

    PROGRAMS: ClassVar[Mapping[str, str]] = {
        **{name: package for name, package in PROGRAMS.items() if name != "dockerd"},
        "go": "golang-go, 1.26 or newer",
    }
    ENVIRONMENT: ClassVar[Mapping[str, str]] = OLD_CLIENTS

    def _command(self) -> list[str]:
        return [str(cached_dockerd()), *super()._command()[1:]]

    def _settings(self) -> dict[str, object]:
        settings = super()._settings() | runtime_settings(self.root, always=True)
        del settings["oom-score-adjust"]  # no longer a setting
        return settings | {"ip6tables": False, "userland-proxy": False}


def cached_dockerd() -> Path:
    """The program, built first where the cache has none of this version; who comes second waits for the first."""
    folder = Path(os.environ.get("PODTICK_CACHE") or Path.home() / ".cache" / "podtick") / "dockerd"
    program = folder / VERSION
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not program.exists():
                build(program)
    return program


def build(program: Path) -> None:
    """Build `dockerd` and move it to where it is to be, whole or not at all.

    Raises:
        EngineError: it could not be built; the end of what the compiler said is in the message.
    """
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        version = f"-X {MODULE}/dockerversion.Version={RELEASE}"
        go(folder, "mod", "init", "podtick.test/dockerd")
        go(folder, "get", f"{MODULE}/cmd/dockerd@{VERSION}")
        go(folder, "build", "-trimpath", "-ldflags", f"-s -w {version}", "-o", "dockerd", f"{MODULE}/cmd/dockerd")
        shutil.move(Path(folder) / "dockerd", program)


def go(folder: str, *words: str) -> None:
    """One `go` command, without C."""
    environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-mod=mod -buildvcs=false"}
    try:
        done = subprocess.run(
            ["go", *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise EngineError(f"go {words[0]}: no end within {PATIENCE:.0f} s") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "://" not in line]
        raise EngineError(f"go {' '.join(words[:2])} failed:\n" + "\n".join(lines[-10:]))


if __name__ == "__main__":
    cached_dockerd()
