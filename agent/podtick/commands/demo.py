"""`podtick demo`: pods of its own, and the agent that watches them."""

import asyncio
import contextlib
import time
from collections.abc import Iterator

from podtick.commands import agent
from podtick.demo import pods
from podtick.demo.owner import Demo, DemoError
from podtick.settings import DemoSettings
from podtick.sources.docker.client import EngineClient
from podtick.sources.docker.containers import list_containers
from podtick.sources.docker.endpoint import Endpoint
from podtick.sources.docker.errors import DockerError

ASK_SECONDS = 2.0
BUSY = ("running", "paused")


def run(settings: DemoSettings) -> int:
    """Run demo pods and an agent until SIGINT or SIGTERM, or the agent alone; returns the exit code."""
    endpoint = settings.agent.docker.endpoint
    if settings.if_idle and endpoint and asyncio.run(has_containers(endpoint)):
        return agent.run(settings.agent)
    with contextlib.ExitStack() as stack:
        try:
            demo = stack.enter_context(Demo(settings.agent.proc, settings.agent.cgroup))
        except DemoError as error:
            lines = [f"no demo pods: {error}"]
            return agent.run(settings.agent, agent.Company(tell=lambda _: lines))
        return agent.run(settings.agent, agent.Company(cgroups=(demo.tree,), tell=_announcement))


async def has_containers(endpoint: Endpoint) -> bool:
    """Whether an engine answers, soon, that it has a container that runs."""
    try:
        async with asyncio.timeout(2 * ASK_SECONDS), EngineClient(endpoint, timeout=ASK_SECONDS) as client:
            return any(each.state in BUSY for each in await list_containers(client))
    except (DockerError, TimeoutError):
        return False


def _announcement(url: str) -> Iterator[str]:
    yield "demo pods, real processes in cgroups of their own, until Ctrl-C (namespace _cgroup):"
    yield from (f"  {line}" for line in pods.lines(time.time()))
    query = "level=pod&namespace=_cgroup&metric=cpu_usage*,cpu_cfs_throttled_s*"
    yield f"watch them: watch -n1 -d \"curl -s '{url}metrics?{query}' | grep demo-\""
