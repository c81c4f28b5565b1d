"""`bytecode.py [--only PACKAGE] HOME`: compiles what an environment imports into HOME/bytecode (PYTHONPYCACHEPREFIX).

The standard library's is valid for its files' size and time, so that another base's is compiled anew, not taken for it.
The packages' is never checked against its sources, which are beside it in the same layer.
"""

import argparse
import compileall
import re
import sys
import sysconfig
from pathlib import Path
from py_compile import PycInvalidationMode

LEFT_OUT = "test|tests|idlelib|tkinter|turtledemo|lib2to3|ensurepip|venv|pydoc_data|site-packages|dist-packages"
"""Of the standard library: what a program that serves never imports."""


def main() -> int:
    """Compile; the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only")
    parser.add_argument("home", type=Path)
    given = parser.parse_args()
    sys.pycache_prefix = str(given.home / "bytecode")
    [packages] = given.home.glob("lib/python3*/site-packages")
    if given.only:
        return 0 if compiled(packages / given.only, PycInvalidationMode.UNCHECKED_HASH) else 1
    library = Path(sysconfig.get_path("stdlib"))
    left_out = re.compile(f"^{re.escape(str(library))}/({LEFT_OUT})/")
    done = compiled(packages, PycInvalidationMode.UNCHECKED_HASH)
    return 0 if compiled(library, PycInvalidationMode.TIMESTAMP, left_out) and done else 1


def compiled(folder: Path, mode: PycInvalidationMode, left_out: re.Pattern[str] | None = None) -> bool:
    """Compile a folder's files; whether all could be."""
    return bool(compileall.compile_dir(folder, quiet=1, rx=left_out, invalidation_mode=mode, maxlevels=20))


if __name__ == "__main__":
    sys.exit(main())
