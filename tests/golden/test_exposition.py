"""The whole text of a small made-up node, in both formats, and what Prometheus' own linter says of it."""

import shutil
import subprocess

import pytest

from podtick.serve.exposition.agent import SELF_ROWS, AgentMetrics
from podtick.serve.exposition.body import Exposition
from podtick.serve.exposition.filters import EVERYTHING, Selection
from podtick.serve.exposition.format import Format
from podtick.serve.exposition.labels import LabelCache
from podtick.serve.exposition.samples import SampleWriter
from tests.support.golden import Golden
from tests.support.world import World, small_world

# What the agent says about its own process differs from run to run.
SAME_EVERYWHERE = Selection(levels=frozenset({"container", "pod", "node"}))


def exposed(world: World, text_format: Format, selection: Selection) -> str:
    agent = AgentMetrics(world.own, world.health)
    agent.answered("/metrics", 200)
    agent.scraped(0.01)
    samples = SampleWriter(LabelCache(world.roster), world.parsers)
    return "".join(Exposition(world.history, samples, agent, world.health).text(selection, text_format))


@pytest.mark.parametrize(
    ("text_format", "name"), [(Format.TEXT, "metrics.txt"), (Format.OPENMETRICS, "metrics.openmetrics.txt")]
)
def test_the_text_of_a_small_node(golden: Golden, text_format: Format, name: str) -> None:
    golden.check(name, exposed(small_world(), text_format, SAME_EVERYWHERE))


def test_the_agents_own_families(golden: Golden) -> None:
    world = small_world()
    world.own.numbers = {row.name: 1.0 for row in SELF_ROWS}
    text = exposed(world, Format.TEXT, Selection(levels=frozenset({"agent"})))
    golden.check("agent.txt", "".join(line + "\n" for line in text.splitlines() if line.startswith("#")))


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed: apt-get install prometheus")
def test_promtool_has_nothing_to_say() -> None:
    world = small_world()
    world.own.numbers = {row.name: 1.0 for row in SELF_ROWS}
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=exposed(world, Format.TEXT, EVERYTHING),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
