"""What a peer is to the benchmark: a program that watches the same containers, whose work and yield can be counted."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench.loads import Load
from bench.machine import resident_bytes, tree, tree_cpu_ns

Times = Mapping[str, Iterable[float]]
"""Of each container, by its ID, the moments (Unix time) of which there is data."""


class Running(ABC):
    """A peer at work: the process `pid` and all that descend from it; `page` is what a Prometheus asks of it."""

    def __init__(self, pid: int, page: str | None = None) -> None:
        self.pid = pid
        self.page = page

    def cpu_ns(self) -> int:
        """CPU time of all its processes until now."""
        return tree_cpu_ns(self.pid)

    def memory_bytes(self) -> int:
        """Memory of all its processes, pages of files that several map once.

        Not PSS: the benchmark itself and other test programs are Python too, and would halve podtick's share of it.
        """
        return resident_bytes(tree(self.pid))

    @abstractmethod
    def times(self, began: float, ended: float) -> Times:
        """The data that a client has, or can have by asking, of the time between two moments just past."""


@dataclass(frozen=True, slots=True)
class Peer:
    """How to have a peer, and to run it.

    `prepare` installs or builds it and returns its version; it and `run` raise `MissingError` where that cannot be.
    `asks`: it has its numbers from the engine, so that what the engine burns meanwhile is its doing.
    `repeats`: it may show a container's old numbers again, and nothing tells them from new ones that are equal.
    """

    name: str
    prepare: Callable[[], str]
    run: Callable[[Load, Path], AbstractContextManager[Running]]
    asks: bool
    repeats: bool = False


def seconds_covered(times: Iterable[float], began: float, ended: float) -> int:
    """Of how many of the seconds since `began` there is data."""
    return len({int(moment - began) for moment in times if began <= moment < ended})
