"""The agent as this tier starts it: towards an engine, with its numbers from the source that was chosen."""

import time

from tests.support.agent import Agent
from tests.support.engine import Engine
from tests.support.engine.choice import ENGINE, source
from tests.support.scrape import Scrape
from tests.support.served import PATIENCE

USAGE = "podtick_container_cpu_usage_seconds_total"
LAG = 3  # s until everything that the engine has read by then was read after now, and has been told for a tick


def host(engine: Engine) -> tuple[str, ...]:
    """The arguments that turn an agent to an engine."""
    return "--docker-host", f"unix://{engine.socket}", "--source", source()


def watching(engine: Engine, *arguments: str, ready: bool = True, namespace: str = "_docker") -> Agent:
    """An agent of this engine; `namespace`: the one whose pods and containers are looked at."""
    kind = StreamAgent if source() == ENGINE else Agent
    return kind(*host(engine), *arguments, ready=ready, namespace=namespace)


class StreamAgent(Agent):
    """An agent that has its numbers from the engine, which reads when it likes and leaves a second out at times."""

    def next_tick(self) -> Scrape:
        """The first tick in which all that run have numbers, each read after now."""
        wanted, end = int(time.time()) + LAG, time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self._wait_tick(wanted)
            scrape = self.metrics()
            if running(scrape) <= {(each.labels["uid"], each.labels["container"]) for each in scrape.all(USAGE)}:
                return scrape
            wanted = scrape.tick + 1
        raise self.never("numbers of all that run in one tick")


def running(scrape: Scrape) -> set[tuple[str, str]]:
    """Who runs, or is paused, by pod and container."""
    states = [each for state in ("running", "paused") for each in scrape.all("podtick_container_state", state=state)]
    return {(each.labels["uid"], each.labels["container"]) for each in states if each.value}
