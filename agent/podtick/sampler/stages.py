"""One sweep: the same file of all targets, one after the other.

File by file rather than target by target: on cgroup v2 kernels before 6.16 each switch between `cpu.stat` and
`memory.stat` makes the kernel flush the statistics of the whole tree.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress, count, repeat
from operator import eq, ne
from struct import Struct
from typing import TypeVar, cast

from podtick.history.layout import NODE_BYTES, ROW_BYTES, WORD
from podtick.model.metrics.row import UNKNOWN
from podtick.sampler.descriptors import OpenFile
from podtick.sampler.pods import Pod
from podtick.sources.cgroup.batches import BatchParser
from podtick.sources.cgroup.formats import Parser
from podtick.sources.proc.network import read_paged

T = TypeVar("T")
Keep = Callable[[Sequence[int], Sequence[bytes | None]], None]
"""What is done with new texts of slots' files; `None`: it is unknown."""
Place = OpenFile | int
"""What is read at one step of a sweep: a file by its path, or an open descriptor."""
WHOLE_BYTES = 1 << 16
MANY = 8
"""From so many changed texts on it pays to parse them together."""
SAMPLED = 16
"""So many texts of a stage, and none of them as it was: then all are taken for changed."""


@dataclass(slots=True)
class Tally:
    """What one pass meets on its way: pods whose containers changed, files that failed."""

    changed: set[Pod | None] = field(default_factory=set)
    failed: list[tuple["Stage", OpenFile, OSError]] = field(default_factory=list)
    transient_reads: int = 0
    latest: list[Pod | None] = field(default_factory=list)

    def change(self, pods: list[Pod | None]) -> None:
        """Containers of these pods have changed. Where all change, each stage says the same: heard once."""
        if pods != self.latest:
            self.latest = pods[:]
            self.changed.update(pods)


@dataclass(slots=True)
class Stage:
    """A sweep over files, each of at most `size` bytes, whose text `parse` turns into the columns from `first` on.

    `read` is `os.pread`, or one of its kind. `transient` files are opened, read and closed at each tick. What has
    changed is stored together: many small texts are parsed at once where they can be. `keep` is given the texts
    themselves, where they are wanted.

    `files`, their `descriptors`, `offsets` (bytes; `words`: the same in words) and `pods` and their `last` texts
    (`None`: not known) stand in the same order: lists of their own, so that neither reading, comparing nor storing
    touches an object a file. `texts` is how far the pass under way has got; `blanked`: not all of it are texts.
    `kept`: some text has been.
    """

    first: int
    count: int
    size: int
    parse: Parser
    read: Callable[[int, int, int], bytes] = os.pread
    transient: bool = False
    parse_many: BatchParser | None = None
    keep: Keep | None = None
    files: list[OpenFile] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)
    pods: list[Pod | None] = field(default_factory=list)
    last: list[bytes | None] = field(default_factory=list)
    texts: list[bytes | None] = field(default_factory=list)
    blanked: bool = False
    kept: bool = False
    pack_into: Callable[..., None] = field(init=False)
    unknown: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.pack_into = Struct(f"<{self.count}Q").pack_into
        self.unknown = (UNKNOWN,) * self.count

    def add(self, file: OpenFile) -> None:
        """Sweep one file more."""
        self.files.append(file)
        self.descriptors.append(file.fd)
        self.offsets.append(file.offset)
        self.words.append(file.offset // WORD)
        self.pods.append(file.pod)
        self.last.append(None)

    def remove(self, file: OpenFile) -> bool:
        """Sweep a file no more; whether it was swept."""
        if file not in self.files:
            return False
        place = self.files.index(file)
        for row in (self.files, self.descriptors, self.offsets, self.words, self.pods, self.last):
            del row[place]
        return True

    def places(self) -> Sequence[Place]:
        """What a sweep goes over, one a file."""
        return self.files if self.transient else self.descriptors

    def sweep(
        self,
        iterator: Iterator[Place],
        buffer: memoryview,
        plane: int,
        tally: Tally,
        lost: list[None],
    ) -> None:
        """Read what `iterator`, which goes over `places`, still gives; the texts are then in `texts`, for `store`.

        The loop is one call, not one turn of the interpreter a file. `lost` is empty as long as this thread owns the
        pass. Once it is not, the iterator has nothing more to give, and what has been read last is not used: whoever
        owns the pass now has made a copy of what there was before.
        """
        texts = self.texts
        reads = (
            map(self._open_read_close, cast(Iterator[OpenFile], iterator), repeat(tally))
            if self.transient
            else map(self.read, cast(Iterator[int], iterator), repeat(self.size), repeat(0))
        )
        while True:
            try:
                texts.extend(reads)
                break
            except OSError as error:
                if lost:
                    break
                file = self.files[len(texts)]
                tally.failed.append((self, file, error))
                self.blank(len(texts), buffer, plane)
                tally.changed.add(file.pod)
                texts.append(None)
        if lost:
            lost.append(None)

    def cut(self, done: int) -> None:
        """Keep `done` texts of the sweep under way, whatever its thread may still add to them."""
        self.texts = self.texts[:done]

    def store(self, buffer: memoryview, plane: int, tally: Tally) -> None:
        """Parse the texts that have changed into the plane at byte `plane`."""
        texts, self.texts = self.texts, []
        blanked, self.blanked = self.blanked, False
        if texts == self.last:
            return
        places = None if not blanked and self._all_changed(texts) else [*compress(count(), map(ne, texts, self.last))]
        files, offsets, words, pods = self.files, self.offsets, self.words, self.pods
        if places is None or len(places) == len(texts):
            read = cast(list[bytes], texts)
            self.last = texts
        else:  # none where a read failed: its last text is forgotten
            files, pods = _at(files, places), _at(pods, places)
            offsets, words = _at(offsets, places), _at(words, places)
            read = cast(list[bytes], _at(texts, places))
            for place, text in zip(places, read, strict=True):
                self.last[place] = text
        if max(map(len, read)) >= self.size:  # longer than expected: never a number cut off
            read = [_whole(file) if len(text) >= self.size else text for file, text in zip(files, read, strict=True)]
            self.size = min(2 * self.size, WHOLE_BYTES)
        if self.keep and (self.kept or b":" in b"".join(read)):
            self.kept = True
            slots = [(offset - NODE_BYTES) // ROW_BYTES for offset in offsets]
            self.keep(slots, [text if b":" in text else None for text in read])  # `MAJ:MIN` or `NAME:`, or no device
        columns, row = self.columns(files, read), buffer[plane:]
        if self.count == 1:  # one call for all files, not a turn of the interpreter each
            deque(map(row.cast("Q").__setitem__, words, columns[0]), maxlen=0)
        else:
            deque(map(self.pack_into, repeat(row), offsets, *columns), maxlen=0)
        tally.change(pods)

    def _all_changed(self, texts: Sequence[bytes | None]) -> bool:
        """Whether it seems so. On a busy node all do, and asking each costs more than writing some anew.

        Never where texts are kept: those must have changed.
        """
        step = len(texts) // SAMPLED
        return bool(step) and not self.keep and not any(map(eq, texts[::step], self.last[::step]))

    def columns(self, files: Sequence[OpenFile], texts: Sequence[bytes]) -> Sequence[Iterable[int]]:
        """For each column the values of all files, from their texts."""
        del files
        columns = self.parse_many(texts) if self.parse_many and len(texts) >= MANY else None
        return columns or list(zip(*map(self.parse, texts), strict=True))

    def blank(self, place: int, buffer: memoryview, plane: int) -> None:
        """Make the columns of a file unknown in a plane, and its next text a new one."""
        file = self.files[place]
        self.last[place] = None
        self.blanked = True
        self.pack_into(buffer, plane + file.offset, *self.unknown)
        self.forget(file)

    def forget(self, file: OpenFile) -> None:
        """What was kept of a file's texts is of no time any more."""
        if self.keep:
            self.keep([(file.offset - NODE_BYTES) // ROW_BYTES], [None])

    def _open_read_close(self, file: OpenFile, tally: Tally) -> bytes:
        tally.transient_reads += 1
        fd = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return self.read(fd, self.size, 0)
        finally:
            os.close(fd)


def _at(row: Sequence[T], places: Iterable[int]) -> list[T]:
    return [row[place] for place in places]


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
