"""Docker 1.12, which speaks API 1.24: the oldest that podtick speaks.

No such engine can be run here any more. tests/fixtures/engine-1.24 was not recorded from one: it was written by hand
from the reference of API 1.24 and the changes listed for later versions. What is not there yet: `MinAPIVersion` of
/version, `NanoCpus` of an inspected container (1.25), `online_cpus` and `name` of stats (1.27).
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from podtick import cli
from podtick.model.dockerstats import columns, network_columns
from podtick.sources.docker.client import EngineClient
from podtick.sources.docker.frames import frames
from podtick.sources.docker.updates import Changed, Listed
from podtick.sources.docker.watch import watch_containers
from tests.unit.docker.scripted import ScriptedEngine, answer_json, streamed

FOLDER = Path(__file__).parents[2] / "fixtures/engine-1.24"
ID = "8dfafdbc3a40b0f7c8a4c7c1a3a5b25bd1f49b4e3f6b2a5f3f1e4d6c7b8a9f01"


def fixture(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def lines(*values: object) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def engine_1_12() -> ScriptedEngine:
    """An engine that answers with the files; its events come with the subscription."""
    engine = ScriptedEngine(version=fixture("version"))
    engine.answers |= {
        "/containers/json": answer_json(fixture("list")),
        f"/containers/{ID}/json": answer_json(fixture("inspect")),
        f"/containers/{ID}/stats": answer_json(fixture("stats")),
        "/events": streamed(lines(*fixture("events"))),
    }
    return engine


async def test_its_version_is_spoken_and_its_containers_are_followed() -> None:
    async with engine_1_12() as engine, watch_containers(engine.endpoint) as updates, asyncio.timeout(20):
        listed = await anext(updates)
        assert isinstance(listed, Listed)
        assert (listed.engine.version, listed.engine.api_version) == ("1.12.6", "1.24")
        (found,) = listed.containers
        assert (found.id, found.name, found.image, found.state) == (ID, "boring_feynman", "ubuntu", "running")
        assert (found.pid, found.restart_count, found.exit_code) == (15442, 1, None)
        assert (found.network_mode, found.labels) == ("bridge", {"io.kubernetes.pod.name": "web"})
        assert found.limits["spec_cpu_limit_cores"] == 500_000_000
        assert found.limits["spec_memory_limit_bytes"] == 6537216
        assert "hunter2" not in repr(found)
        changed = await anext(updates)
        assert isinstance(changed, Changed)
        assert [(event.kind, event.exit_code) for event in changed.events] == [("pause", None), ("die", 137)]
        asked = {line.split()[1].partition("?")[0] for line in engine.lines}
        assert asked == {"/version", "/v1.24/events", "/v1.24/containers/json", f"/v1.24/containers/{ID}/json"}


async def test_a_frame_of_its_stats_stream() -> None:
    async with engine_1_12() as engine, EngineClient(engine.endpoint) as client, asyncio.timeout(20):
        engine.answers[f"/containers/{ID}/stats"] = streamed(lines(fixture("stats")), None)
        (frame,) = [frame async for frame in frames(client, ID)]
    found = columns(frame)
    assert found["cpu_usage_seconds_total"] == 800_000_000
    assert found["memory_usage_bytes"] == 6537216
    assert found["memory_rss_bytes"] == 6_000_000  # of the subtree
    assert (found["fs_reads_bytes_total"], found["fs_writes_bytes_total"]) == (192512, 4096)
    assert (found["fs_reads_total"], found["threads"]) == (None, 3)
    assert network_columns(frame)["network_receive_bytes_total"] == 5338 + 4641


async def test_podtick_stats(capsys: pytest.CaptureFixture[str]) -> None:
    async with engine_1_12() as engine:
        command = ["stats", "--no-stream", "--docker-host", str(engine.endpoint), "--format", "json"]
        assert await asyncio.to_thread(cli.main, command, {}) == 0
        assert f"/v1.24/containers/{ID}/stats" in "".join(engine.lines)
    line = json.loads(capsys.readouterr().out)
    assert (line["id"], line["name"]) == (ID, "boring_feynman")
    assert line["cpu_percent"] == 400_000_000 / 4_000_000_000 * 3 * 100  # three of its four CPUs were ever used
    assert (line["memory_usage_bytes"], line["memory_limit_bytes"]) == (6537216 - 360448, 67108864)
    assert (line["network_receive_bytes"], line["network_transmit_bytes"]) == (9979, 1338)
    assert (line["block_read_bytes"], line["block_write_bytes"], line["pids"]) == (192512, 4096, 3)
