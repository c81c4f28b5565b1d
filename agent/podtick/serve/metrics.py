"""`/metrics`: the newest tick, streamed in chunks so that the loop never stands still and memory stays bounded."""

import asyncio
from collections.abc import Iterator

from aiohttp import hdrs, web

from podtick.serve.bodies import BODY_SECONDS, Bodies, joined
from podtick.serve.exposition.body import Exposition
from podtick.serve.exposition.filters import FilterError, Selection, parse_query
from podtick.serve.negotiation import exposition_format
from podtick.serve.problem import problem

BODIES_AT_ONCE = 32


class MetricsRoute:
    """The handler of `/metrics`."""

    def __init__(self, exposition: Exposition, selection: Selection, body_seconds: float = BODY_SECONDS) -> None:
        self._exposition = exposition
        self._selection = selection
        self._bodies = Bodies(BODIES_AT_ONCE, body_seconds, _next)

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Answer GET and HEAD."""
        try:
            selection = parse_query(request.query.items(), self._selection)
        except FilterError as error:
            return problem(400, str(error))
        text_format = exposition_format(joined(request, hdrs.ACCEPT))

        async def answer() -> web.StreamResponse:
            blocks = self._exposition.blocks(selection, text_format)
            return await self._bodies.send(request, text_format.value, hdrs.ACCEPT, blocks)

        return await self._bodies.in_turn(answer)


async def _next(pieces: Iterator[bytes]) -> bytes | None:
    await asyncio.sleep(0)  # writing alone does not always let others have their turn
    return next(pieces, None)
