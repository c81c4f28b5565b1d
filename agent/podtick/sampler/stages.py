"""One sweep: the same file of all targets, one after the other.

File by file rather than target by target: on cgroup v2 kernels before 6.16 each switch between `cpu.stat` and
`memory.stat` makes the kernel flush the statistics of the whole tree.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from struct import Struct

from podtick.model.metrics.row import UNKNOWN
from podtick.sampler.descriptors import OpenFile
from podtick.sampler.pods import Pod
from podtick.sources.cgroup.formats import Parser
from podtick.sources.proc.network import read_paged

WHOLE_BYTES = 1 << 20


@dataclass(slots=True)
class Tally:
    """What one pass meets on its way: pods whose containers changed, files that failed."""

    changed: set[Pod | None] = field(default_factory=set)
    failed: list[tuple["Stage", OpenFile, OSError]] = field(default_factory=list)
    transient_reads: int = 0


@dataclass(slots=True)
class Stage:
    """A sweep over `files`, each of at most `size` bytes, whose text `parse` turns into the columns from `first` on.

    `read` is `os.pread`, or one of its kind. `transient` files are opened, read and closed at each tick.
    """

    first: int
    count: int
    size: int
    parse: Parser
    read: Callable[[int, int, int], bytes] = os.pread
    transient: bool = False
    files: list[OpenFile] = field(default_factory=list)
    pack_into: Callable[..., None] = field(init=False)
    unknown: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.pack_into = Struct(f"<{self.count}Q").pack_into
        self.unknown = (UNKNOWN,) * self.count

    def sweep(
        self, files: Iterator[OpenFile], buffer: memoryview, plane: int, tally: Tally, lost: list[OpenFile | None]
    ) -> None:
        """Read what `files` still gives into the plane at byte `plane`.

        `lost` is empty as long as this thread owns the pass. Once it is not, the file just read is left in it, its text
        unused: whoever owns the pass now goes on with the same iterator.
        """
        read = self._open_read_close if self.transient else None
        pread, size, parse, pack_into = self.read, self.size, self.parse, self.pack_into
        changed = tally.changed
        file: OpenFile
        while True:
            try:
                for file in files:
                    data = pread(file.fd, size, 0) if read is None else read(file, tally)
                    if lost:
                        lost.append(file)
                        return
                    if data != file.last:
                        file.last = data
                        if len(data) == size:
                            data = self._whole(file)  # longer than expected: never a number cut off
                        pack_into(buffer, plane + file.offset, *parse(data))
                        changed.add(file.pod)
                return
            except OSError as error:
                if lost:
                    lost.append(file)
                    return
                tally.failed.append((self, file, error))
                self.blank(file, buffer, plane)
                changed.add(file.pod)

    def _whole(self, file: OpenFile) -> bytes:
        fd = file.fd if file.fd >= 0 else os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return read_paged(fd, WHOLE_BYTES)
        finally:
            if fd != file.fd:
                os.close(fd)

    def blank(self, file: OpenFile, buffer: memoryview, plane: int) -> None:
        """Make the columns of a file unknown in a plane, and its next text a new one."""
        file.last = None
        self.pack_into(buffer, plane + file.offset, *self.unknown)

    def _open_read_close(self, file: OpenFile, tally: Tally) -> bytes:
        tally.transient_reads += 1
        fd = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return self.read(fd, self.size, 0)
        finally:
            os.close(fd)
