"""Bodies on their way to readers: how many at once, in which coding, for how long, what becomes of one that breaks."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator

from aiohttp import hdrs, web

from podtick.serve.exposition.body import Coding
from podtick.serve.exposition.packing import gzipped
from podtick.serve.negotiation import coding
from podtick.serve.problem import problem

log = logging.getLogger(__name__)

WAIT_SECONDS = 5.0  # for one of them to end
BODY_SECONDS = 60.0  # for a reader to take a whole body
Advance = Callable[[Iterator[bytes]], Awaitable[bytes | None]]
"""Makes the next piece, without holding up the event loop; `None` at the end."""


class Bodies:
    """Sends at most `at_once` bodies, each within `seconds`, piece by piece so that memory stays bounded."""

    def __init__(self, at_once: int, seconds: float, advance: Advance) -> None:
        self._at_once = at_once
        self._seconds = seconds
        self._advance = advance
        self._free = asyncio.Semaphore(at_once)

    async def in_turn(self, answer: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        """What `answer` gives once there is a place for it; 503 when none becomes free."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            busy = f"{self._at_once} readers are being served and none has finished: try again later"
            return problem(503, busy, {hdrs.RETRY_AFTER: "1"})
        try:
            return await answer()
        finally:
            self._free.release()

    async def send(
        self, request: web.Request, content_type: str, vary: str, pieces: Iterator[bytes]
    ) -> web.StreamResponse:
        """Answer with these pieces, packed where that is welcome; HEAD makes none. `vary`: what else they depend on."""
        response = web.StreamResponse()
        response.headers[hdrs.CONTENT_TYPE] = content_type
        response.headers[hdrs.VARY] = ", ".join(filter(None, (vary, hdrs.ACCEPT_ENCODING)))
        response.headers[hdrs.CACHE_CONTROL] = "no-store"
        packing = coding(joined(request, hdrs.ACCEPT_ENCODING))
        if packing is not Coding.IDENTITY:
            response.headers[hdrs.CONTENT_ENCODING] = packing
            pieces = gzipped(pieces)
        try:
            async with asyncio.timeout(self._seconds):
                await response.prepare(request)
                while request.method != hdrs.METH_HEAD and (piece := await self._advance(pieces)) is not None:
                    if piece:
                        await response.write(piece)
                await response.write_eof()
        except TimeoutError:
            log.warning("a reader of %r took more than %g s and was dropped", request.path, self._seconds)
            _drop(request)
        except ConnectionError:
            log.debug("a reader of %r went away", request.path)
        except Exception as error:  # half a body is out: all that is left is to cut it visibly
            log.error("the body of %r failed half-way", request.path, exc_info=error)
            _drop(request)
        return response


def joined(request: web.Request, header: str) -> str | None:
    """A header that may be given several times, as one; `None` where it is not given."""
    values = request.headers.getall(header, [])
    return ",".join(values) if values else None


def _drop(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
