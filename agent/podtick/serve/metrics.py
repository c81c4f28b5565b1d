"""`/metrics`: the newest tick, streamed in chunks so that the loop never stands still and memory stays bounded."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor

from aiohttp import hdrs, web

from podtick.serve.exposition.body import Coding, Exposition
from podtick.serve.exposition.filters import FilterError, Selection, parse_query
from podtick.serve.exposition.packing import gzipped
from podtick.serve.negotiation import coding, exposition_format
from podtick.serve.problem import problem

log = logging.getLogger(__name__)

_BODIES_AT_ONCE = 32
_WAIT_SECONDS = 5.0  # for one of them to end
_BODY_SECONDS = 60.0  # for a reader to take a whole body
_PACKERS = 2  # threads that compress: more would only take cores from each other


class MetricsRoute:
    """The handler of `/metrics`."""

    def __init__(self, exposition: Exposition, selection: Selection, body_seconds: float = _BODY_SECONDS) -> None:
        self._exposition = exposition
        self._selection = selection
        self._body_seconds = body_seconds
        self._free = asyncio.Semaphore(_BODIES_AT_ONCE)
        self._packers = ThreadPoolExecutor(_PACKERS, thread_name_prefix="podtick gzip")

    async def close(self, _app: web.Application) -> None:
        """Let the threads go."""
        self._packers.shutdown(wait=True, cancel_futures=True)

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Answer GET and HEAD."""
        try:
            selection = parse_query(request.query.items(), self._selection)
        except FilterError as error:
            return problem(400, str(error))
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            busy = f"{_BODIES_AT_ONCE} readers are being served and none has finished: try again later"
            return problem(503, busy, {hdrs.RETRY_AFTER: "1"})
        try:
            return await self._send(request, selection)
        finally:
            self._free.release()

    async def _send(self, request: web.Request, selection: Selection) -> web.StreamResponse:
        text_format = exposition_format(_joined(request, hdrs.ACCEPT))
        packing = coding(_joined(request, hdrs.ACCEPT_ENCODING))
        response = web.StreamResponse()
        response.headers[hdrs.CONTENT_TYPE] = text_format.value
        response.headers[hdrs.VARY] = "Accept, Accept-Encoding"
        response.headers[hdrs.CACHE_CONTROL] = "no-store"
        if packing is not Coding.IDENTITY:
            response.headers[hdrs.CONTENT_ENCODING] = packing
        try:
            async with asyncio.timeout(self._body_seconds):
                await response.prepare(request)
                if request.method != hdrs.METH_HEAD:
                    blocks = self._exposition.blocks(selection, text_format)
                    packed = _plain(blocks) if packing is Coding.IDENTITY else gzipped(blocks, self._packers)
                    async with contextlib.aclosing(packed):
                        async for piece in packed:
                            await response.write(piece)
                await response.write_eof()
        except TimeoutError:
            log.warning("a reader of /metrics took more than %g s and was dropped", self._body_seconds)
            _drop(request)
        except ConnectionError:
            log.debug("a reader of /metrics went away")
        except Exception as error:  # half a body is out: all that is left is to cut it visibly
            log.error("the body of /metrics failed half-way", exc_info=error)
            _drop(request)
        return response


async def _plain(blocks: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    for block in blocks:
        yield block
        await asyncio.sleep(0)


def _drop(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _joined(request: web.Request, header: str) -> str | None:
    values = request.headers.getall(header, [])
    return ",".join(values) if values else None
