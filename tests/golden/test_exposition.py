"""The whole text of a small made-up node, in both formats, and what Prometheus' own linter says of it."""

from dataclasses import replace

import pytest

from podtick.history.layout import PIECES
from podtick.serve.exposition.agent import SELF_ROWS, AgentMetrics
from podtick.serve.exposition.body import Exposition
from podtick.serve.exposition.cadvisor import CadvisorWriter
from podtick.serve.exposition.filters import EVERYTHING, Selection
from podtick.serve.exposition.format import Format
from podtick.serve.exposition.labels import LabelCache
from podtick.serve.exposition.samples import SampleWriter
from podtick.sources.cgroup.devices import block_devices
from podtick.sources.proc.network import pod_interfaces
from tests.support.golden import Golden
from tests.support.promtool import CADVISORS_OWN, lint
from tests.support.world import World, small_world

NET_DEV = b"    lo: 9 9 9 9 0 0 0 0 9 9 9 9 0 0 0 0\n  eth0: 1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0\n"
IO_STAT = b"8:0 rbytes=4096 wbytes=8192 rios=1 wios=2\n259:1 rbytes=7 wbytes=0 rios=3 wios=0\n"
# What the agent says about its own process differs from run to run.
SAME_EVERYWHERE = Selection(levels=frozenset({"container", "pod", "qos", "kubepods", "node"}))


BOTH = pytest.mark.parametrize(
    ("text_format", "ending"), [(Format.TEXT, "txt"), (Format.OPENMETRICS, "openmetrics.txt")]
)


def exposed(world: World, text_format: Format, selection: Selection) -> str:
    agent = AgentMetrics(world.own, world.health)
    agent.answered("/metrics", 200)
    agent.scraped(0.01)
    samples = SampleWriter(LabelCache(world.roster, "node-1"), world.parsers)
    return "".join(Exposition(world.history, samples, agent, world.health).text(selection, text_format))


def under_cadvisors_names(world: World, text_format: Format) -> str:
    writer = CadvisorWriter(world.history, world.roster, world.parsers)
    return "".join(Exposition(world.history, writer, None, world.health).text(EVERYTHING, text_format))


def world_with_devices() -> World:
    """The small world, with disks of a container and interfaces of its pod, and an image."""
    world = small_world()
    pod, container = world.roster.all_targets[:2]
    world.roster.all_targets[1] = replace(container, facts={"image": "registry.example/shop:1", "container_id": "5a1e"})
    world.history.piece_texts = {(pod.slot, PIECES["net/dev"]): NET_DEV, (container.slot, PIECES["io.stat"]): IO_STAT}
    world.parsers = replace(
        world.parsers, block=block_devices, pod_net_dev=pod_interfaces, names=lambda _: {"8:0": "sda"}
    )
    return world


@BOTH
def test_the_text_of_a_small_node(golden: Golden, text_format: Format, ending: str) -> None:
    golden.check(f"metrics.{ending}", exposed(small_world(), text_format, SAME_EVERYWHERE))


@BOTH
def test_the_same_under_cadvisors_names(golden: Golden, text_format: Format, ending: str) -> None:
    golden.check(f"cadvisor.{ending}", under_cadvisors_names(world_with_devices(), text_format))


def test_promtool_finds_in_cadvisors_names_what_is_in_them() -> None:
    assert lint(under_cadvisors_names(world_with_devices(), Format.TEXT)) == CADVISORS_OWN


def test_the_agents_own_families(golden: Golden) -> None:
    world = small_world()
    world.own.numbers = {row.name: 1.0 for row in SELF_ROWS}
    text = exposed(world, Format.TEXT, Selection(levels=frozenset({"agent"})))
    golden.check("agent.txt", "".join(line + "\n" for line in text.splitlines() if line.startswith("#")))


def test_promtool_has_nothing_to_say() -> None:
    world = small_world()
    world.own.numbers = {row.name: 1.0 for row in SELF_ROWS}
    assert lint(exposed(world, Format.TEXT, EVERYTHING)) == []
