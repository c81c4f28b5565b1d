"""The routes, and what holds for all of them: counted, answered in one form when they fail, never a traceback."""

import logging
import time
from dataclasses import dataclass

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from podtick.serve.api.answers import Answers
from podtick.serve.api.facts import Facts
from podtick.serve.api.routes import ApiRoutes
from podtick.serve.exposition.agent import AgentMetrics
from podtick.serve.exposition.body import Exposition
from podtick.serve.exposition.cadvisor import CadvisorWriter
from podtick.serve.exposition.filters import EVERYTHING, Selection
from podtick.serve.exposition.labels import LabelCache
from podtick.serve.exposition.samples import DeviceParsers, SampleWriter
from podtick.serve.interfaces import Health, Hour, Roster, SelfMetrics
from podtick.serve.metrics import MetricsRoute
from podtick.serve.probes import Probes
from podtick.serve.problem import problem

log = logging.getLogger(__name__)
SCRAPED = ("/metrics", "/metrics/cadvisor")
"""Routes whose answers are scrapes."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes read from, the node's name, and the agent's default selection (`--levels`, `--metrics`)."""

    history: Hour
    roster: Roster
    health: Health
    own: SelfMetrics
    parsers: DeviceParsers
    node: str
    selection: Selection = EVERYTHING


def make_app(services: Services) -> web.Application:
    """The web application; `HttpServer` puts it on sockets."""
    agent = AgentMetrics(services.own, services.health)
    samples = SampleWriter(LabelCache(services.roster, services.node), services.parsers)
    metrics = MetricsRoute(Exposition(services.history, samples, agent, services.health), services.selection)
    same = CadvisorWriter(services.history, services.roster, services.parsers)
    cadvisor = MetricsRoute(Exposition(services.history, same, None, services.health), services.selection)
    probes = Probes(services.health)
    app = web.Application(middlewares=[_guard(agent)])
    app.on_response_prepare.append(_name_server)
    app.router.add_get("/metrics", metrics.get)
    app.router.add_get("/metrics/cadvisor", cadvisor.get)
    answers = Answers(services.history, services.node, services.parsers, Facts(services.roster))
    ApiRoutes(answers, services.selection).add_to(app.router)
    app.router.add_get("/livez", probes.live)
    app.router.add_get("/healthz", probes.live)
    app.router.add_get("/readyz", probes.ready)
    app.router.add_get("/version", probes.version)
    app.router.add_get("/", probes.index)
    return app


async def _name_server(request: web.Request, response: web.StreamResponse) -> None:
    # Instead of the versions of Python and aiohttp, which are nobody's business.
    response.headers[hdrs.SERVER] = "podtick"


def _guard(agent: AgentMetrics) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.monotonic()
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "other"
        response = await _answer(request, handler)
        agent.answered(route, response.status)
        if route in SCRAPED:
            agent.scraped(time.monotonic() - started)
        return response

    return guard


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.can_read_body:
        refused = problem(413, "no route takes a body: send the request without one")
        refused.force_close()
        return refused
    try:
        return await handler(request)
    except web.HTTPNotFound:
        routes = ", ".join(sorted(r.canonical for r in request.app.router.resources()))
        return problem(404, f"there is nothing here; there is {routes}")
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        return problem(405, f"only {allowed} work here", {"Allow": allowed})
    except web.HTTPException as error:
        return problem(error.status, error.reason)
    except ConnectionError:
        raise
    except Exception as error:  # the last line of defence: logged, answered, never shown
        log.error("GET %s failed", request.path, exc_info=error)
        return problem(500, "the agent failed to answer; its log says more")
