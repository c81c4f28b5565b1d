"""The unit tier once more, on the newest Python that podtick is tested on, where there is one."""

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from tests.tiers.report import Row
from tests.tiers.runs import Run, perform

VERSION = "3.13"
ENVIRONMENT = Path(f".venv-{VERSION}")
NAME = f"unit on {VERSION}"
WHAT = f"the unit tier on Python {VERSION}"
MINUTES = 2
COMMAND = f"make test PYTHON{VERSION.replace('.', '')}=/path/to/python{VERSION}"


def run_units(record: Path) -> Row:
    """Run the unit tier in an environment of its own; its row."""
    row = Row(NAME, WHAT, command=COMMAND)
    python = find_python()
    if python is None:
        return replace(row, verdict="did not run", why=f"no Python {VERSION} on this machine")
    if problem := _prepare(python):
        return replace(row, verdict="did not run", why=problem, failed=True)
    return perform(Run("unit", MINUTES, python=f"{ENVIRONMENT}/bin/python"), row, record, (), strict=True)


def find_python() -> str | None:
    """An interpreter of that very version: PYTHON313, on PATH, or one of pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [
        os.environ.get(f"PYTHON{VERSION.replace('.', '')}", ""),
        shutil.which(f"python{VERSION}") or "",
        *(str(path) for path in sorted(pyenv.glob(f"{VERSION}.*/bin/python"))),
    ]
    return next((path for path in candidates if path and _is_that_version(path)), None)


def _is_that_version(path: str) -> bool:
    question = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run([path, "-c", question], capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return False
    return answer.stdout.strip() == VERSION


def _prepare(python: str) -> str | None:
    """Make the environment, or renew it when the pinned requirements are newer; what failed, or None."""
    pins, stamp = Path("requirements/dev.txt"), ENVIRONMENT / "dev"
    if stamp.exists() and stamp.stat().st_mtime >= pins.stat().st_mtime:
        return None
    pip = ["-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    pip += ["--require-hashes", "--no-deps", "-r", str(pins)]
    for command in ([python, "-m", "venv", "--clear", str(ENVIRONMENT)], [str(ENVIRONMENT / "bin/python"), *pip]):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return f"{' '.join(command[:4])} failed with exit {done.returncode}"
    (site,) = ENVIRONMENT.glob("lib/python*/site-packages")
    (site / "podtick.pth").write_text(f"{Path('agent').resolve()}\n")
    stamp.touch()
    return None
