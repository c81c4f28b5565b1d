"""Programs that tests are run beside, built from their published Go modules once and kept below $PODTICK_CACHE."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

PATIENCE = 3600.0  # s for one step of a first build: minutes of CPU on two cores
WITHOUT_C = {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-mod=mod -buildvcs=false"}


class GoBuildError(Exception):
    """A program could not be built; the message has the end of what was said."""


def kept(place: str, names: Sequence[str], make: Callable[[Sequence[str], Path], None]) -> Path:
    """The folder `place` of the cache, with these programs; `make` builds those that nobody has yet, in a folder.

    Raises:
        GoBuildError: they could not be built.
    """
    folder = Path(os.environ.get("PODTICK_CACHE") or Path.home() / ".cache" / "podtick") / place
    folder.mkdir(parents=True, exist_ok=True)
    if not all((folder / name).exists() for name in names):
        with (folder / "lock").open("w") as lock:  # who comes second waits for the first
            fcntl.flock(lock, fcntl.LOCK_EX)
            if missing := [name for name in names if not (folder / name).exists()]:
                with tempfile.TemporaryDirectory(dir=folder) as made:
                    make(missing, Path(made))
                    for name in missing:  # each whole or not at all
                        shutil.move(Path(made) / name, folder / name)
    return folder


def go(folder: Path, *words: str) -> str:
    """What one `go` command printed, run in a folder; without C."""
    try:
        done = subprocess.run(
            ["go", *words],
            cwd=folder,
            env=os.environ | WITHOUT_C,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except FileNotFoundError:
        raise GoBuildError("no go to build with: install Go 1.26, or set KUBEBUILDER_ASSETS") from None
    except subprocess.TimeoutExpired:
        raise GoBuildError(f"go {words[0]}: no end within {PATIENCE:.0f} s") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "://" not in line]
        raise GoBuildError(f"go {' '.join(words[:2])} failed:\n" + "\n".join(lines[-10:]))
    return done.stdout


def build(folder: Path, module: str, version: str, packages: Sequence[str], *options: str, linker: str = "") -> None:
    """Build packages of a module, by their paths in it, into a folder, which may have a go.mod of its own already.

    `linker`: more for the linker.
    """
    if not (folder / "go.mod").exists():
        go(folder, "mod", "init", "podtick.test/programs")
    go(folder, "mod", "edit", f"-require={module}@v{version}")
    paths = [f"{module}/{package}" for package in packages]
    go(folder, "build", "-trimpath", *options, "-ldflags", f"-s -w {linker}", "-o", f"{folder}/", *paths)
