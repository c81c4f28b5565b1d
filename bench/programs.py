"""The C programs that stand beside podtick, built on the spot."""

import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent / "floor"
FLAGS = ("-O2", "-Wall", "-Wextra", "-static")  # static: `load` also runs in a container that has no library


class MissingError(Exception):
    """This machine lacks something that the benchmark needs; the message says what."""


def build(name: str, into: Path, sources: Path = SOURCES) -> Path:
    """Compile NAME.c of a folder, `floor/` unless told otherwise, with cc and return the program."""
    program = into / name
    try:
        subprocess.run(["cc", *FLAGS, "-o", program, sources / f"{name}.c"], check=True, timeout=60)
    except FileNotFoundError:
        raise MissingError("there is no C compiler: install gcc (Debian: gcc libc6-dev)") from None
    return program
