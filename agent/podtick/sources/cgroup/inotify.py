"""Be told of folders that are made and removed: inotify(7), which the kernel offers on its cgroup trees too."""

import ctypes
import errno
import os
import struct
from collections.abc import Iterator

CREATE, DELETE = 0x100, 0x200
OVERFLOW, IGNORED = 0x4000, 0x8000
_ONLYDIR = 0x01000000
_CLOEXEC, _NONBLOCK = os.O_CLOEXEC, os.O_NONBLOCK
_HEAD = struct.Struct("iIII")
_READ_BYTES = 64 * 1024


class Inotify:
    """One instance: at most 128 a user and node have one. `descriptor` becomes readable when there is news.

    Raises `OSError` when the system has no more of them (EMFILE).
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = self._called("inotify_init1", _CLOEXEC | _NONBLOCK)
        self._watches: dict[str, int] = {}

    def close(self) -> None:
        """Give it back."""
        os.close(self.descriptor)

    def watch(self, folders: set[str]) -> bool:
        """Watch these folders and no others; one that has gone meanwhile is left out. Whether there are new ones.

        What was made in a new one before is not told. Raises `OSError` when the system allows no more watches (ENOSPC).
        """
        for folder in [folder for folder in self._watches if folder not in folders]:
            number = self._watches.pop(folder)
            self._libc.inotify_rm_watch(self.descriptor, number)  # fails for one whose folder is no more
        new = folders - self._watches.keys()
        for folder in new:
            wanted = CREATE | DELETE | _ONLYDIR
            try:
                self._watches[folder] = self._called(
                    "inotify_add_watch", self.descriptor, os.fsencode(folder), ctypes.c_uint32(wanted)
                )
            except FileNotFoundError:
                continue
        return bool(new)

    def read(self) -> bool:
        """Take what has been told; whether a folder was made or removed, or events were lost."""
        news = False
        while True:
            try:
                told = os.read(self.descriptor, _READ_BYTES)
            except BlockingIOError:
                return news
            for number, mask in _events(told):
                news = news or bool(mask & (CREATE | DELETE | OVERFLOW))
                if mask & IGNORED:  # its folder has gone: one that is made anew is another one
                    self._watches = {folder: known for folder, known in self._watches.items() if known != number}

    def _called(self, name: str, *arguments: object) -> int:
        result: int = getattr(self._libc, name)(*arguments)
        if result < 0:
            number = ctypes.get_errno() or errno.EINVAL
            raise OSError(number, f"{name}: {os.strerror(number)}")
        return result


def _events(told: bytes) -> Iterator[tuple[int, int]]:
    """For each event the number of its watch and what happened."""
    place = 0
    while place + _HEAD.size <= len(told):
        number, mask, _, length = _HEAD.unpack_from(told, place)
        place += _HEAD.size + length
        yield number, mask
