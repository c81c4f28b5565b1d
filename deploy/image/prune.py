"""`prune.py HOME`: takes away what no command of podtick imports (docs/decisions/0012-image.md)."""

import shutil
import sys
from pathlib import Path

GENERATED = ("api", "models")
"""Of `kubernetes`' clients: a file a kind of object, each imported only by whoever asks for it by name."""


def prune(packages: Path) -> None:
    """Remove the generated API calls and models of `kubernetes`, and every package's own tests and stubs."""
    for client in (packages / "kubernetes" / "client", packages / "kubernetes" / "aio" / "client"):
        for folder in GENERATED:
            for path in (client / folder).glob("*.py"):
                if path.name != "__init__.py":
                    path.unlink()
    for name in ("test", "tests"):
        for tests in list(packages.rglob(name)):
            if tests.is_dir():
                shutil.rmtree(tests)
    for pattern in ("*.pyx", "*.pxd", "*.pyi", "*.c", "*.h"):
        for path in packages.rglob(pattern):
            path.unlink()


if __name__ == "__main__":
    [found] = Path(sys.argv[1]).glob("lib/python3*/site-packages")
    prune(found)
