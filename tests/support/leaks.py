"""What a test left behind: tasks, threads, child processes, file descriptors.

Compared by what they are, not by number alone: a child that was replaced by another of its kind (an engine
that a test restarted) is no leak, one more of its kind is.
"""

import asyncio
import contextlib
import gc
import os
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Self

# What may stay open after a test, and why; everything else fails it.
ALLOWED_DESCRIPTORS = re.compile(
    r"/dev/(null|urandom)$"  # opened once by libraries, for the life of the process
    r"|.*/\.coverage\."  # the coverage measurement itself
)
PATIENCE = 2.0  # s that a thread or process which was told to end may take to be gone


@dataclass(frozen=True, slots=True)
class Belongings:
    """What this process holds right now, counted by name."""

    threads: Counter[str]
    children: Counter[str]
    descriptors: Counter[str]

    @classmethod
    def now(cls) -> Self:
        """Look around."""
        return cls(
            threads=Counter(thread.name for thread in threading.enumerate()),
            children=Counter(_children()),
            descriptors=Counter(_descriptors()),
        )

    def leaked(self, after: Self) -> list[str]:
        """What `after` holds more than this, in words."""
        pairs = (
            ("thread", self.threads, after.threads),
            ("process", self.children, after.children),
            ("descriptor", self.descriptors, after.descriptors),
        )
        return [f"{kind} {name}" for kind, old, new in pairs for name in sorted((new - old).elements())]


def wait_for_leaks(before: Belongings) -> list[str]:
    """What stays more than `before` although it was given time and a garbage collection."""
    leaked = before.leaked(Belongings.now())
    if leaked:
        gc.collect()
    end = time.monotonic() + PATIENCE
    while leaked and time.monotonic() < end:
        time.sleep(0.01)  # a thread's or process's end is announced to its owner only, and we are not it
        leaked = before.leaked(Belongings.now())
    return leaked


class TaskWatch:
    """Reports tasks that outlive their event loop, where asyncio would cancel them without a word.

    `asyncio.Runner` and `asyncio.run` cancel whatever is pending when they close a loop: by then a test and its
    fixtures are over, so a pending task is one that nobody owned. There is no public place to see that moment.
    """

    def __init__(self) -> None:
        self._cancel_all = asyncio.runners._cancel_all_tasks  # type: ignore[attr-defined]
        self._seen: list[str] = []
        asyncio.runners._cancel_all_tasks = self._watch  # type: ignore[attr-defined]

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._seen += [f"task {task.get_name()}: {task.get_coro()}" for task in asyncio.all_tasks(loop)]
        self._cancel_all(loop)

    def take(self) -> list[str]:
        """The tasks seen since the last call."""
        seen, self._seen = self._seen, []
        return seen

    def end(self) -> None:
        """Give asyncio its function back."""
        asyncio.runners._cancel_all_tasks = self._cancel_all  # type: ignore[attr-defined]


def _children() -> list[str]:
    """Names of the child processes.

    The kernel lists them by the thread that began them, and a thread that ends leaves its own to another, which
    may have been read already: only what two looks in a row found is all.
    """
    found = _child_pids()
    while (again := _child_pids()) != found:
        found = again
    return [_command(pid) for pid in sorted(found)]


def _child_pids() -> set[int]:
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended just now
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return "(gone)"


def _descriptors() -> list[str]:
    found = []
    for entry in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own descriptor
            target = re.sub(r"^(socket|pipe):\[\d+\]$", r"\1", os.readlink(f"/proc/self/fd/{entry}"))
            if not ALLOWED_DESCRIPTORS.match(target):
                found.append(target)
    return found
