"""The handlers of `/api/v1`. Bodies are made in a thread, piece by piece, so that the event loop never stands still."""

import asyncio
from collections.abc import Callable, Collection, Iterator

from aiohttp import hdrs, web

from podtick.model.metrics.row import Level
from podtick.serve.api.answers import Answers, NoTickError
from podtick.serve.api.cursor import CursorError
from podtick.serve.api.directory import NotHereError
from podtick.serve.api.query import MOST_FOR_ALL, Query, read_query
from podtick.serve.bodies import BODY_SECONDS, Bodies
from podtick.serve.exposition.filters import FilterError, Selection
from podtick.serve.problem import problem

BODIES_AT_ONCE = 8
THREADS = 2
"""Pieces that are made at once: readers of any speed share them, and nobody else's threads are taken."""
_NODE_LEVELS = (Level.NODE, Level.QOS, Level.KUBEPODS)
_POD_LEVELS = (Level.POD, Level.CONTAINER)
Make = Callable[[Query], Iterator[bytes]]


class ApiRoutes:
    """The handlers; `selection` is the agent's default, of which the metrics and levels hold here too."""

    def __init__(self, answers: Answers, selection: Selection, body_seconds: float = BODY_SECONDS) -> None:
        self._answers = answers
        self._selection = selection
        self._bodies = Bodies(BODIES_AT_ONCE, body_seconds, self._next)
        self._turn = asyncio.Semaphore(THREADS)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the routes."""
        pod = "/api/v1/namespaces/{namespace:[^/]+}/pods/{pod:[^/]+}"  # also with braces: cgroups have any name
        router.add_get("/api/v1/node", self.node)
        router.add_get("/api/v1/pods", self.pods)
        router.add_get(pod, self.pod)
        router.add_get(pod + "/containers/{container:[^/]+}", self.container)

    async def node(self, request: web.Request) -> web.StreamResponse:
        """`/api/v1/node`."""
        return await self._answer(request, ("metric", "window", "since"), _NODE_LEVELS, self._answers.node)

    async def pods(self, request: web.Request) -> web.StreamResponse:
        """`/api/v1/pods`."""
        allowed = ("level", "metric", "namespace", "window", "since")
        return await self._answer(request, allowed, _POD_LEVELS, self._answers.pods, MOST_FOR_ALL)

    async def pod(self, request: web.Request) -> web.StreamResponse:
        """One pod, its containers below it."""
        namespace, name = (request.match_info[part] for part in ("namespace", "pod"))
        allowed = ("level", "metric", "uid", "window", "since")
        return await self._answer(
            request, allowed, _POD_LEVELS, lambda query: self._answers.pod(namespace, name, query)
        )

    async def container(self, request: web.Request) -> web.StreamResponse:
        """One container of a pod."""
        namespace, name, container = (request.match_info[part] for part in ("namespace", "pod", "container"))
        allowed = ("metric", "uid", "window", "since")
        return await self._answer(
            request,
            allowed,
            (Level.CONTAINER,),
            lambda query: self._answers.container(namespace, name, container, query),
        )

    async def _answer(
        self,
        request: web.Request,
        allowed: Collection[str],
        levels: Collection[Level],
        make: Make,
        most: int | None = None,
    ) -> web.StreamResponse:
        try:
            query = read_query(request.query.items(), allowed, levels, self._selection, most)
        except FilterError as error:
            return problem(400, str(error))
        return await self._bodies.in_turn(lambda: self._make(request, query, make))

    async def _make(self, request: web.Request, query: Query, make: Make) -> web.StreamResponse:
        """Make the first piece, so that what is wrong is told by the status, then send it and the others."""
        try:
            async with self._turn:
                self._answers.facts.gather()  # here, where the roster does not change meanwhile
                first, rest = await asyncio.to_thread(_begun, make, query)
        except CursorError as error:
            return problem(400, str(error))
        except NotHereError as error:
            return problem(404, str(error))
        except NoTickError:
            return problem(503, "nothing has been sampled yet: try again in a second", {hdrs.RETRY_AFTER: "1"})
        return await self._bodies.send(request, "application/json", "", _chained(first, rest))

    async def _next(self, pieces: Iterator[bytes]) -> bytes | None:
        async with self._turn:
            return await asyncio.to_thread(next, pieces, None)


def _begun(make: Make, query: Query) -> tuple[bytes, Iterator[bytes]]:
    pieces = make(query)
    return next(pieces), pieces


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
