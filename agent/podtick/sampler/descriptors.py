"""Open kernel files, and what to do when there may be no more of them."""

import os
import resource
from dataclasses import dataclass

from podtick.sampler.pods import Pod

RESERVE = 128
"""Descriptors left for everything that is no kernel file of a target."""


class OpenFile:
    """One kernel file of one target: read with `pread` where it stays open, else opened at each tick by its path.

    `offset` is where its columns begin in a plane, in bytes; `owner` whoever is told that the cgroup has gone; `pod`
    whose sum its values go into, if any.
    """

    __slots__ = ("fd", "offset", "owner", "path", "pod")

    def __init__(self, fd: int, path: str, offset: int, owner: int, pod: Pod | None) -> None:
        self.fd = fd
        self.path = path
        self.offset = offset
        self.owner = owner
        self.pod = pod

    def close(self) -> None:
        """Give the descriptor back; a second call does nothing."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


@dataclass(slots=True)
class DescriptorBudget:
    """How many kernel files may stay open. Near the limit the small files, cheapest to open again, do not."""

    limit: int
    open: int = 0

    @classmethod
    def of_process(cls) -> "DescriptorBudget":
        """The hard limit of this process, to which the soft one is raised."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
                soft = hard
            except (OSError, ValueError):
                pass  # what there is must do
        return cls(soft - RESERVE if soft != resource.RLIM_INFINITY else 1 << 20)

    def may_stay_open(self, *, dear: bool) -> bool:
        """Whether one more file may stay open; `dear` ones (large, or not to be opened by path) up to the limit."""
        return self.open < (self.limit if dear else self.limit * 9 // 10)

    def may_exceed(self) -> bool:
        """Whether one more may stay open that cannot be opened anew: of what is reserved, half."""
        return self.open < self.limit + RESERVE // 2
