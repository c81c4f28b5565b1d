"""`install.py SOURCE HOME`: puts the package podtick, and the command of that name, into a virtual environment."""

import shutil
import sys
from pathlib import Path

LAUNCHER = """#!{python}
import sys

from podtick.cli import main

sys.exit(main())
"""


def install(source: Path, home: Path) -> None:
    """Copy the package and write the command, which needs no shell."""
    [packages] = home.glob("lib/python3*/site-packages")
    shutil.copytree(source, packages / source.name)
    command = home / "bin" / source.name
    command.write_text(LAUNCHER.format(python=home / "bin" / "python3"))
    command.chmod(0o755)


if __name__ == "__main__":
    install(Path(sys.argv[1]), Path(sys.argv[2]))
