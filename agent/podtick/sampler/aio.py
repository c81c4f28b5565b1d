"""Many reads in one system call: the kernel's own asynchronous I/O, `io_submit(2)`.

Of files in a cgroup tree it is not asynchronous: each is read, as `pread` would read it, before the call returns. What
is saved is a turn of the interpreter and an entry into the kernel for each file. Kernels before 5.11, whose cgroup
files cannot be read so, and sandboxes that do not let us, refuse it: then each file is read by itself.

Source: `include/uapi/linux/aio_abi.h`, `fs/aio.c`.
"""

import ctypes
import errno
import os
import platform
import sys
from array import array
from collections.abc import Sequence
from itertools import compress, count
from operator import ne
from struct import Struct

MOST = 512
"""Files of one call."""
_NUMBERS = {"x86_64": (206, 207, 209, 208), "aarch64": (0, 1, 2, 4)}
"""Of the system calls io_setup, io_destroy, io_submit, io_getevents."""
_REQUEST_WORDS, _EVENT_WORDS, _WORD = 8, 4, 8
_FD, _BUFFER, _BYTES = 2, 3, 4
"""Words of `struct iocb`; in the first of these the descriptor is the upper half, and nothing else is set."""
_REQUEST, _RESULT = 1, 2
"""Words of `struct io_event`: whose it is, and bytes read, or an error's negative number."""


class AioRefusedError(OSError):
    """The kernel does not take what was submitted."""


class Aio:
    """A context of the kernel's, for one thread at a time. Raises `OSError` where the kernel has none for us."""

    def __init__(self) -> None:
        numbers = _NUMBERS.get(platform.machine())
        if numbers is None or sys.byteorder != "little" or ctypes.sizeof(ctypes.c_void_p) != _WORD:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        self._syscall = ctypes.CDLL(None, use_errno=True).syscall
        self._syscall.argtypes = [ctypes.c_long] * 6
        self._syscall.restype = ctypes.c_long
        setup, self._destroy, self._submit, self._get_events = numbers
        context = ctypes.c_ulong(0)
        self._called(setup, MOST, ctypes.addressof(context))
        self._context = context.value

    @classmethod
    def opened(cls) -> "Aio | None":
        """One, or `None` where the kernel has none for us."""
        try:
            return cls()
        except OSError:
            return None

    def submit(self, count: int, requests: int, events: int) -> None:
        """Have `count` requests done, whose addresses lie at `requests`; what became of each lies at `events` then.

        Raises `AioRefusedError` when not all were: nothing is known of any of them then.
        """
        try:
            taken = self._called(self._submit, self._context, count, requests)
            done = self._called(self._get_events, self._context, taken, taken, events, 0)
        except OSError as error:
            raise AioRefusedError(error.errno, error.strerror) from error
        if done < count:
            raise AioRefusedError(errno.EINVAL, f"the kernel did {done} of {count} reads")

    def close(self) -> None:
        """Give it back."""
        self._called(self._destroy, self._context)

    def _called(self, *arguments: int) -> int:
        while True:
            result: int = self._syscall(*arguments, *(0,) * (6 - len(arguments)))
            if result >= 0:
                return result
            number = ctypes.get_errno()
            if number != errno.EINTR:
                raise OSError(number, os.strerror(number))


class Batch:
    """Reads of up to `MOST` open files, each of at most `size` bytes.

    What lies behind a text is not written to: where lengths are equal, equal buffers are equal texts.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.longest = 0  # of the texts that were read last
        self._descriptors: list[int] = []
        self._texts: list[bytes | None] = []
        self._lengths: list[int] = []
        self._apart = Struct("")
        self._make(0)

    def _make(self, capacity: int) -> None:
        self._capacity = capacity
        self._bytes = bytearray(capacity * self.size)
        self._address = _address(self._bytes)
        self._requests = bytearray(capacity * _REQUEST_WORDS * _WORD)
        self._request_words = words = memoryview(self._requests).cast("Q")
        first, step = _address(self._requests), _REQUEST_WORDS * _WORD
        self._pointers = array("Q", range(first, first + capacity * step, step))
        end = self._address + capacity * self.size
        words[_BUFFER::_REQUEST_WORDS] = array("Q", range(self._address, end, self.size))
        words[_BYTES::_REQUEST_WORDS] = array("Q", [self.size] * capacity)
        self._events = bytearray(capacity * _EVENT_WORDS * _WORD)
        self._done = memoryview(self._events).cast("Q")[_REQUEST::_EVENT_WORDS]
        self._results = memoryview(self._events).cast("q")[_RESULT::_EVENT_WORDS]
        self.forget()

    def forget(self) -> None:
        """What was read before counts for nothing."""
        self._before: tuple[bytes, bytes] = (b"", b"")

    def _aim(self, descriptors: list[int]) -> None:
        if len(descriptors) > self._capacity:
            self._make(min(MOST, max(2 * self._capacity, len(descriptors))))
        words, end = self._request_words, len(descriptors) * _REQUEST_WORDS
        words[_FD:end:_REQUEST_WORDS] = array("Q", [descriptor << 32 for descriptor in descriptors])
        self._descriptors = descriptors
        self.forget()

    def read(self, aio: Aio, descriptors: list[int]) -> tuple[Sequence[bytes | None], dict[int, OSError]]:
        """The texts of these files; by their places those that failed, whose texts are `None`.

        Where nothing has changed they are the same objects as before. Raises `AioRefusedError`.
        """
        if descriptors != self._descriptors:
            self._aim(descriptors)
        files = len(descriptors)
        aio.submit(files, self._pointers.buffer_info()[0], _address(self._events))
        texts, events = self._before
        if self._events == events and self._bytes == texts:
            return self._texts, {}
        if self._done[:files].tolist() != self._pointers[:files].tolist():
            raise AioRefusedError(errno.EINVAL, "the kernel reads in an order of its own")
        self._before = texts, events = bytes(self._bytes), bytes(self._events)
        lengths = self._results[:files].tolist()
        failed: dict[int, OSError] = {}
        if min(lengths) < 0:
            failed = {place: OSError(-n, os.strerror(-n)) for place, n in enumerate(lengths) if n < 0}
            lengths = [max(0, length) for length in lengths]
            self.forget()
        self.longest = max(lengths)
        self._texts = self._cut(texts, lengths)
        for place in failed:
            self._texts[place] = None
        return self._texts, failed

    def _cut(self, texts: bytes, lengths: list[int]) -> list[bytes | None]:
        """Each text out of the buffer: mostly they are as long as the last ones, which one call tells apart."""
        other = [*compress(count(), map(ne, lengths, self._lengths))] if len(lengths) == len(self._lengths) else lengths
        if len(other) > len(lengths) // 8:
            self._lengths, other = lengths, []
            self._apart = Struct("".join([f"{length}s{self.size - length}x" for length in lengths]))
        cut: list[bytes | None] = list(self._apart.unpack_from(texts))
        for place in other:
            begin = place * self.size
            cut[place] = texts[begin : begin + lengths[place]]
        return cut

    def give_up(self) -> None:
        """A thread is stuck in it: what that has not read yet it shall not read any more."""
        for place in range(len(self._pointers)):
            self._pointers[place] = 0


def _address(buffer: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer)) if buffer else 0
