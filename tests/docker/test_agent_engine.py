"""The engine dead, frozen, late or absent: what /readyz says of it, and what is still sampled."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable

import pytest

from tests.docker.agents import watching
from tests.docker.containers import BUSY, Containers
from tests.support.agent import Agent
from tests.support.engine import Engine
from tests.support.scrape import Scrape

USAGE = "podtick_container_cpu_usage_seconds_total"
POD_USAGE = "podtick_pod_cpu_usage_seconds_total"
Make = Callable[..., Engine]


def says(agent: Agent, status: int, *words: str) -> Callable[[], bool]:
    """Whether /readyz answers with this status and these words about the engine."""

    def look() -> bool:
        answered, body = agent.get("/readyz")
        line = next((line for line in body.splitlines() if " docker: " in line), "")
        return answered == status and all(word in line for word in words)

    return look


def numbers(agent: Agent, name: str) -> Scrape:
    return agent.wait_for(lambda scrape: scrape.value(USAGE, container=name) is not None, f"numbers of {name}")


@pytest.mark.needs("kernel")
def test_samples_go_on_while_the_engine_is_dead(own_engine: Make) -> None:
    engine = own_engine(live_restore=True)
    with Containers(engine) as containers, watching(engine) as agent:
        uid = containers.run("eng-lives", *BUSY, options=["--cpus", "0.3"])
        containers.run("eng-ends", network="bridge")
        numbers(agent, "eng-ends")
        pid = engine.pid("eng-ends")
        ticks = [agent.next_tick()]
        engine.kill()
        agent.wait_until(says(agent, 200, "lost"), "the engine to be lost")
        ticks += [agent.next_tick() for _ in range(3)]
        os.kill(pid, signal.SIGKILL)  # nobody is there to remove its cgroup, but for Podman's monitor
        agent.wait_for(lambda scrape: not scrape.value("podtick_pod_threads", pod="eng-ends"), "the end of its tasks")
        ticks.append(agent.next_tick())
        engine.start()
        agent.wait_until(says(agent, 200, "listed"), "the engine again")
        agent.wait_for(lambda scrape: scrape.state("eng-ends") == "exited", "what ended meanwhile")
        ticks += [agent.next_tick() for _ in range(2)]
        values = [scrape.known(POD_USAGE, pod="eng-lives", uid=uid) for scrape in ticks]
        assert values == sorted(set(values))
        assert not [name for name in ticks[-1].names(pod="eng-ends") if "cpu" in name or "network" in name]


@pytest.mark.needs("one-fate")
def test_containers_that_end_with_their_engine_are_gone(own_engine: Make) -> None:
    engine = own_engine(live_restore=False)
    with Containers(engine) as containers, watching(engine) as agent:
        containers.run("eng-with", network="bridge", options=["--stop-timeout", "1"])
        numbers(agent, "eng-with")
        engine.stop()
        agent.wait_for(lambda scrape: not [name for name in scrape.names(pod="eng-with") if "memory" in name])
        agent.wait_until(says(agent, 200, "lost"), "the engine to be lost")
        assert agent.next_tick().state("eng-with") != "running"
        engine.start()
        agent.wait_for(lambda scrape: scrape.state("eng-with") == "exited")


@pytest.mark.needs("kernel")
def test_a_frozen_engine_is_named_and_comes_back(own_engine: Make) -> None:
    engine = own_engine()
    with Containers(engine) as containers, watching(engine) as agent:
        containers.run("eng-frozen", *BUSY, options=["--cpus", "0.2"])
        numbers(agent, "eng-frozen")
        engine.freeze()
        try:
            agent.wait_until(says(agent, 200, "lost"), "the engine to be lost")
            first, second = agent.next_tick(), agent.next_tick()
            assert first.known(USAGE, container="eng-frozen") < second.known(USAGE, container="eng-frozen")
        finally:
            engine.thaw()
        agent.wait_until(says(agent, 200, "listed"), "the engine again")


@pytest.mark.needs("restored")
def test_a_configured_engine_has_to_answer_before_the_agent_is_ready(own_engine: Make) -> None:
    engine = own_engine()
    with Containers(engine) as containers:
        containers.run("eng-late")
        engine.stop()
        with watching(engine, ready=False) as agent:
            agent.wait_until(says(agent, 503, "waiting", str(engine.socket)), "the engine to be waited for")
            scrape = agent.wait_for(lambda scrape: scrape.tick > 0, "a tick without any engine")
            assert not scrape.names(namespace="_docker")
            assert agent.get("/livez")[0] == 200
            engine.start()
            agent.wait_until(says(agent, 200, "listed"), "the engine")
            numbers(agent, "eng-late")


def test_a_configured_engine_that_never_answers(own_engine: Make) -> None:
    engine = own_engine()
    engine.freeze()
    try:
        with watching(engine, ready=False) as agent:
            agent.wait_until(says(agent, 503, "in time"), "the silence to be named")
            assert agent.get("/livez")[0] == 200
            agent.end()  # also in the middle of a request
    finally:
        engine.thaw()


def test_an_engine_that_appears_under_auto(own_engine: Make) -> None:
    """In a mount namespace of its own, where the engine's folder is /run: with the usual socket, or without."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare (package util-linux) is missing")
    engine = own_engine()
    engine.stop()
    engine.socket.unlink(missing_ok=True)
    wrapper = ["unshare", "--mount", "sh", "-c", f'mount --bind {engine.root} /run && exec "$@"', "sh"]
    if subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespace can be made here")
    with Agent(wrapper=wrapper) as agent:
        assert says(agent, 200, "absent", "no engine found")()
        engine.start()
        agent.wait_until(says(agent, 200, "listed"), "the engine")
        with Containers(engine) as containers:
            containers.run("eng-auto")
            numbers(agent, "eng-auto")


def test_no_engine_is_asked_when_switched_off(engine: Engine) -> None:
    with Agent("--docker-host", "none", environment={"DOCKER_HOST": f"unix://{engine.socket}"}) as agent:
        assert says(agent, 200, "absent", "--docker-host none")()
        assert not agent.next_tick().names(namespace="_docker")
