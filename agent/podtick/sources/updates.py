"""What a watch hands to its consumer: updates in order, never more than a few at once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Generic, Self, TypeVar

T = TypeVar("T")
_QUEUE = 256


class Updates(Generic[T]):
    """The updates in order; at most 256 wait, then the watch waits for its consumer.

    An iterator without end; it raises what ended the watch, should that ever happen.
    """

    def __init__(self, bound: int = _QUEUE) -> None:
        self._slots = asyncio.Semaphore(bound)
        self._queue: asyncio.Queue[T | asyncio.Task[None]] = asyncio.Queue()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        update = await self._queue.get()
        if isinstance(update, asyncio.Task):
            self._queue.put_nowait(update)
            update.result()
            raise StopAsyncIteration
        self._slots.release()
        return update

    async def put(self, update: T) -> None:
        """Append one update, once there is room."""
        await self._slots.acquire()
        self._queue.put_nowait(update)

    def end(self, watch: "asyncio.Task[None]") -> None:
        """Append the end, for which there is always room."""
        self._queue.put_nowait(watch)


@contextlib.asynccontextmanager
async def watching(watch: Callable[[Updates[T]], Coroutine[None, None, None]], name: str) -> AsyncIterator[Updates[T]]:
    """Run `watch`, as a task of this name, which puts its updates into what is yielded, until the context is left."""
    updates = Updates[T]()
    task = asyncio.create_task(watch(updates), name=name)
    task.add_done_callback(updates.end)
    try:
        yield updates
    finally:
        task.cancel()
        await asyncio.wait({task})
