"""What Podman's socket says differently from Docker's: recorded from Podman 4.3 (tests/fixtures/podman-4.3)."""

import json
from pathlib import Path

import pytest

from podtick.model.dockerstats import columns, docker_stats, has_reading_before
from podtick.sources.docker.client import EngineClient
from podtick.sources.docker.events import container_events, parse_event
from podtick.sources.docker.updates import Listed
from tests.unit.docker.scripted import ScriptedEngine, container_id, event, streamed
from tests.unit.roster.engine import INFO
from tests.unit.roster.test_streams import CPU, RECEIVED, container, remote

STATS = json.loads((Path(__file__).parents[2] / "fixtures/podman-4.3/stats.json").read_text())
THROTTLED = ("cpu_cfs_periods_total", "cpu_cfs_throttled_periods_total", "cpu_cfs_throttled_seconds_total")


def test_what_it_says_0_of_without_knowing_is_unknown() -> None:
    found = columns(STATS)
    assert (found[CPU], found["memory_usage_bytes"], found["threads"]) == (105310689, 491520, 1)
    assert [found[key] for key in THROTTLED] == [None] * 3
    assert [found[f"fs_{what}_total"] for what in ("reads", "writes", "reads_bytes", "writes_bytes")] == [None] * 4
    docker = STATS | {"memory_stats": {"usage": 1, "stats": {"total_inactive_file": 0}}}
    assert [columns(docker)[key] for key in THROTTLED] == [0] * 3


def test_its_single_answer_has_no_reading_before_it() -> None:
    assert not has_reading_before(STATS)
    assert docker_stats(STATS).cpu_percent is None


@pytest.mark.parametrize("mode", ["none", "host", f"container:{container_id(2)}"])
async def test_a_network_that_is_no_containers_own_is_not_told(mode: str) -> None:
    async with remote() as there:
        there.says(1, streamed(json.dumps(STATS).encode() + b"\n"))
        await there.give(Listed(INFO, (container(1, network_mode=mode),)))
        await there.ear.told(CPU, 1)
        assert there.ear.once(RECEIVED) == []


@pytest.mark.parametrize(("theirs", "ours"), [("die", "die"), ("died", "die"), ("remove", "destroy")])
def test_its_words_for_what_happened(theirs: str, ours: str) -> None:
    found = parse_event(event(theirs, 1))
    assert found is not None
    assert found.kind == ours


async def test_it_is_asked_in_its_own_words_too() -> None:
    async with ScriptedEngine() as engine, EngineClient(engine.endpoint) as client, container_events(client):
        assert all(kind in engine.lines[-1] for kind in ("died", "remove", "die", "destroy"))
