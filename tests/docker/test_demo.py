"""`podtick demo` beside a real engine: demo pods where it has no container, and beside those that come later."""

from collections.abc import Callable, Iterator

import pytest

from podtick.demo.cgroups import leftovers
from podtick.demo.pods import PODS
from tests.docker.containers import Containers
from tests.kernel.demo import no_other_demo
from tests.support.agent import Agent
from tests.support.cgroups import host_mounts
from tests.support.engine import Engine
from tests.support.scrape import Scrape

UIDS = {pod.uid for pod in PODS}
USAGE = "podtick_pod_cpu_usage_seconds_total"
Start = Callable[..., Agent]


@pytest.fixture
def demo(engine: Engine) -> Iterator[Agent]:
    """A demo that has not been started."""
    with no_other_demo():
        here = ("--docker-host", f"unix://{engine.socket}", "--if-idle")
        yield Agent(*here, command="demo", namespace="_cgroup,_docker")
        assert list(leftovers(host_mounts())) == []


def pods(scrape: Scrape) -> set[str]:
    return {each.labels["pod"] for each in scrape.all(USAGE)}


def test_an_idle_engine_gets_demo_pods_which_stay_beside_its_containers(demo: Agent, containers: Containers) -> None:
    with demo as agent:
        agent.wait_for(lambda scrape: pods(scrape) >= UIDS, "the demo's pods")
        containers.run("demo-guest")
        scrape = agent.wait_for(lambda scrape: "demo-guest" in pods(scrape), "the container")
        assert pods(scrape) >= UIDS
        assert {each.labels["pod"] for each in scrape.all(USAGE, namespace="_docker")} == {"demo-guest"}
        apart = {each.labels["pod"] for each in scrape.all(USAGE, namespace="_cgroup")}
        assert {pod for pod in apart - UIDS if not pod.startswith("demo-job-")} == set()


def test_an_engine_with_a_container_needs_no_demo(demo: Agent, containers: Containers) -> None:
    containers.run("demo-busy")
    with demo as agent:
        agent.wait_for(lambda scrape: "demo-busy" in pods(scrape), "the container")
        agent.wait_until(lambda: "containers run" in agent.log, "the announcement")
        assert "demo pods" not in agent.log
        assert list(leftovers(host_mounts())) == []
