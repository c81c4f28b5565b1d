"""The small routes: probes, version, and the list of routes."""

import platform

import msgspec
from aiohttp import hdrs, web

from podtick import __version__
from podtick.serve.health import Report, live, ready
from podtick.serve.interfaces import Health
from podtick.serve.negotiation import wants_json

_NO_STORE = {hdrs.CACHE_CONTROL: "no-store", hdrs.VARY: "Accept"}
_INDEX = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>podtick</title>
<style>body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem; max-width: 44rem }</style>
<h1>podtick</h1>
<p>What every pod on this node did, in every single second.</p>
<ul>
<li><a href="/metrics">/metrics</a>: the newest second of everything, for Prometheus
<li><a href="/metrics?level=pod">/metrics?level=pod</a>: pods only; also <code>container</code>, <code>node</code>,
<code>agent</code>, and <code>metric=cpu_*</code>, <code>namespace=NAME</code>
<li><a href="/api/v1/pods">/api/v1/pods</a>, <a href="/api/v1/node">/api/v1/node</a>: the same as JSON;
<a href="/api/v1/pods?window=60s">?window=60s</a>: peaks and percentiles; <code>since=</code>: every second
<li><a href="/readyz">/readyz</a>: which sources have been found, and how they are
<li><a href="/livez">/livez</a>: whether the sampler ticks
<li><a href="/version">/version</a>
</ul>
</html>
"""


class Probes:
    """Handlers that need nothing but the agent's health."""

    def __init__(self, health: Health) -> None:
        self._health = health

    async def live(self, request: web.Request) -> web.Response:
        """`/livez` and `/healthz`."""
        return _told(request, live(self._health))

    async def ready(self, request: web.Request) -> web.Response:
        """`/readyz`."""
        return _told(request, ready(self._health))

    async def version(self, request: web.Request) -> web.Response:
        """`/version`."""
        del request
        body = msgspec.json.encode({"version": __version__, "python": platform.python_version()})
        return web.Response(body=body + b"\n", content_type="application/json", headers=_NO_STORE)

    async def index(self, request: web.Request) -> web.Response:
        """`/`."""
        del request
        return web.Response(text=_INDEX, content_type="text/html")


def _told(request: web.Request, report: Report) -> web.Response:
    if wants_json(request.headers.get(hdrs.ACCEPT)):
        return web.Response(
            status=report.status, body=report.json(), content_type="application/json", headers=_NO_STORE
        )
    return web.Response(status=report.status, text=report.text(), headers=_NO_STORE)
