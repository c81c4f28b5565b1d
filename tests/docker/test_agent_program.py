"""The program itself beside a real engine: its output as others read it, its start, its end."""

import shutil
import subprocess

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.docker.agents import watching
from tests.docker.containers import BUSY, Containers
from tests.support.agent import Agent
from tests.support.engine import Engine

USAGE = "podtick_container_cpu_usage_seconds_total"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def strictly_parsed(body: str) -> list[Metric]:
    return list(text_string_to_metric_families(body))  # type: ignore[no-untyped-call]


@pytest.fixture
def full(agent: Agent, containers: Containers) -> Agent:
    """An agent with something of everything to say."""
    containers.run("prg-busy", *BUSY, options=["--cpus", "0.2", "--memory", "64m", "--pids-limit", "50"])
    containers.run("prg-net", network="bridge")
    containers.create("prg-created")
    agent.wait_for(lambda scrape: {"prg-busy", "prg-net"} <= {each.labels["pod"] for each in scrape.all(USAGE)})
    agent.wait_for(lambda scrape: scrape.state("prg-created") == "created")
    return agent


def test_promtool_has_nothing_to_say(full: Agent) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (package prometheus) is missing")
    status, body = full.get("/metrics")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=body, capture_output=True, text=True, timeout=60, check=False
    )
    assert (status, done.returncode, done.stdout, done.stderr) == (200, 0, "", "")


def test_the_strict_parser_reads_openmetrics(full: Agent) -> None:
    status, body = full.get("/metrics", OPENMETRICS)
    assert status == 200
    families = {family.name: family for family in strictly_parsed(body)}
    usage = families["podtick_pod_cpu_usage_seconds"]
    assert (usage.type, usage.unit) == ("counter", "seconds")
    assert {"prg-busy", "prg-net"} <= {sample.labels["pod"] for sample in usage.samples}
    assert families["podtick_container_state"].samples
    assert not [name for name in families if name.endswith("_created")]


def test_both_formats_say_the_same(full: Agent) -> None:
    query = "namespace=_docker&metric=spec_*,start_time_seconds,state"
    text = full.metrics(query)
    body = full.get(f"/metrics?{query}", OPENMETRICS)[1]
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in strictly_parsed(body)
        for sample in family.samples
    }
    assert samples == {(one.name, tuple(sorted(one.labels.items()))): one.value for one in text.of()}
    assert samples


def test_ctrl_c_leaves_nothing_behind(engine: Engine) -> None:
    with watching(engine) as agent:
        agent.next_tick()
        agent.end(ctrl_c=True)


def test_it_ends_while_a_container_starts(engine: Engine, containers: Containers) -> None:
    with watching(engine) as agent:
        containers.run("prg-last")
        agent.end()


def test_how_long_it_takes_to_be_ready(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    """Measured and said; what is promised (3 s on an idle machine) no test can judge on a busy one."""
    with watching(engine) as agent:
        seconds = agent.seconds_to_ready
        assert seconds > 0
    with capsys.disabled():
        print(f"\npodtick agent: ready {seconds:.2f} s after its start")
