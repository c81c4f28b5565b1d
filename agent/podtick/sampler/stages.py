"""One sweep: the same file of all targets, one after the other.

File by file rather than target by target: on cgroup v2 kernels before 6.16 each switch between `cpu.stat` and
`memory.stat` makes the kernel flush the statistics of the whole tree.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from struct import Struct

from podtick.model.metrics.row import UNKNOWN
from podtick.sampler.descriptors import OpenFile
from podtick.sampler.pods import Pod
from podtick.sources.cgroup.batches import BatchParser
from podtick.sources.cgroup.formats import Parser
from podtick.sources.proc.network import read_paged

WHOLE_BYTES = 1 << 16
MANY = 8
"""From so many changed texts on it pays to parse them together."""


@dataclass(slots=True)
class Tally:
    """What one pass meets on its way: pods whose containers changed, files that failed."""

    changed: set[Pod | None] = field(default_factory=set)
    failed: list[tuple["Stage", OpenFile, OSError]] = field(default_factory=list)
    transient_reads: int = 0


@dataclass(slots=True)
class Stage:
    """A sweep over `files`, each of at most `size` bytes, whose text `parse` turns into the columns from `first` on.

    `read` is `os.pread`, or one of its kind. `transient` files are opened, read and closed at each tick. Texts
    that have changed are gathered in `batch` and stored together: many small ones are parsed at once where they can be.
    """

    first: int
    count: int
    size: int
    parse: Parser
    read: Callable[[int, int, int], bytes] = os.pread
    transient: bool = False
    parse_many: BatchParser | None = None
    files: list[OpenFile] = field(default_factory=list)
    batch: list[OpenFile] = field(default_factory=list)
    pack_into: Callable[..., None] = field(init=False)
    unknown: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.pack_into = Struct(f"<{self.count}Q").pack_into
        self.unknown = (UNKNOWN,) * self.count

    def sweep(
        self, files: Iterator[OpenFile], buffer: memoryview, plane: int, tally: Tally, lost: list[OpenFile | None]
    ) -> None:
        """Read what `files` still gives; what has changed is then in `batch`, for `store`.

        `lost` is empty as long as this thread owns the pass. Once it is not, the file just read is left in it, its text
        unused: whoever owns the pass now goes on with the same iterator.
        """
        read = self._open_read_close if self.transient else None
        pread, size, batch = self.read, self.size, self.batch
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
                        batch.append(file)
                return
            except OSError as error:
                if lost:
                    lost.append(file)
                    return
                tally.failed.append((self, file, error))
                self.blank(file, buffer, plane)
                tally.changed.add(file.pod)

    def store(self, buffer: memoryview, plane: int, tally: Tally) -> None:
        """Parse the texts in `batch` into the plane at byte `plane`."""
        batch, self.batch = self.batch, []
        if not batch:
            return
        texts = [file.last for file in batch]
        if None in texts:  # blanked since it was read
            batch = [file for file in batch if file.last is not None]
        read = [text for text in texts if text is not None]
        if max(map(len, read), default=0) >= self.size:  # longer than expected: never a number cut off
            read = [_whole(file) if len(text) >= self.size else text for file, text in zip(batch, read, strict=True)]
            self.size = min(2 * self.size, WHOLE_BYTES)
        pack_into = self.pack_into
        for file, row in zip(batch, self.rows(batch, read), strict=True):
            pack_into(buffer, plane + file.offset, *row)
        tally.changed.update([file.pod for file in batch])

    def rows(self, files: Sequence[OpenFile], texts: Sequence[bytes]) -> Iterable[Sequence[int]]:
        """The columns of each file, from its text."""
        del files
        columns = self.parse_many(texts) if self.parse_many and len(texts) >= MANY else None
        return zip(*columns, strict=True) if columns else map(self.parse, texts)

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


def _whole(file: OpenFile) -> bytes:
    """The whole text of a file; nothing, which is unknown, when it has gone meanwhile."""
    try:
        fd = file.fd if file.fd >= 0 else os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return read_paged(fd, WHOLE_BYTES)
    except OSError:
        return b""
    finally:
        if fd != file.fd:
            os.close(fd)
