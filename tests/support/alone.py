"""For tests that look at what a whole machine has one of: one at a time, of all test runs that there are."""

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(what: str) -> Iterator[None]:
    """Nobody else does the same meanwhile; the lock goes with its holder, however that ends."""
    with (Path(tempfile.gettempdir()) / f"podtick-tests-{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
