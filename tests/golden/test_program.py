"""The real program's output over recorded machines: `podtick agent`, told of their containers by a scripted engine."""

import asyncio
from pathlib import Path

import pytest

from tests.support.agent import Agent
from tests.support.golden import Golden
from tests.support.promtool import CADVISORS_OWN, lint
from tests.support.trees import RECORDED, Tree, lay_out
from tests.unit.docker.scripted import ScriptedEngine, inspected, listed

LEVELS = "/metrics?level=container,pod,node"
CADVISOR = "/metrics/cadvisor?level=container,pod,node"
CPU = "\npodtick_container_cpu_usage_seconds_total{"


def describe(engine: ScriptedEngine, tree: Tree) -> None:
    """Let the engine have the containers that were recorded."""
    for name, container in tree.containers.items():
        number = int(container.id, 16)
        host = {"HostConfig": {"NetworkMode": "host"}} if name == "host-network" else {}
        state = {"Pid": container.pid, "Status": "paused" if name == "paused" else "running"}
        engine.containers[number] = (
            listed(number, Names=[f"/{name}"], State=state["Status"], **host),
            inspected(number, Name=f"/{name}", state=state, **host),
        )


def output(engine: ScriptedEngine, tree: Tree) -> tuple[str, str]:
    """What the agent serves once it has read every container, under its own names and under cAdvisor's."""
    where = ("--proc", str(tree.proc), "--cgroup", str(tree.cgroup), "--docker-host", str(engine.endpoint))
    with Agent(*where, "--node-name", "node-1") as agent:
        agent.wait_until(lambda: agent.get(LEVELS)[1].count(CPU) == len(tree.containers), "every container read")
        return agent.get(LEVELS)[1], agent.get(CADVISOR)[1]


@pytest.mark.parametrize("recording", RECORDED)
async def test_a_recorded_machine(golden: Golden, tmp_path: Path, recording: str) -> None:
    tree = lay_out(recording, tmp_path)
    async with ScriptedEngine() as engine:
        describe(engine, tree)
        text, cadvisor = await asyncio.to_thread(output, engine, tree)
    golden.check(f"{recording}.txt", text)
    golden.check(f"{recording}.cadvisor.txt", cadvisor)
    assert lint(cadvisor) == CADVISORS_OWN
