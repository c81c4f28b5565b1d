import json
from typing import Any

import pytest

from podtick.model.metrics.row import UNLIMITED
from podtick.sources.docker.client import EngineClient
from podtick.sources.docker.containers import ContainerDetails, ContainerSummary, inspect, list_containers
from podtick.sources.docker.errors import EngineError, EngineProtocolError
from tests.unit.docker.scripted import ScriptedEngine, answer, answer_json, container_id, inspected, listed

UNLIMITED_LIMITS = dict.fromkeys(("spec_cpu_limit_cores", "spec_memory_limit_bytes", "threads_max"), UNLIMITED)


async def details(**fields: Any) -> ContainerDetails:
    async with ScriptedEngine() as engine, EngineClient(engine.endpoint) as client:
        engine.containers[1] = listed(1), inspected(1, **fields)
        found = await inspect(client, container_id(1))
        assert found is not None
        return found


async def summary(**fields: Any) -> ContainerSummary:
    async with ScriptedEngine() as engine, EngineClient(engine.endpoint) as client:
        engine.containers[1] = listed(1, **fields), inspected(1)
        (found,) = await list_containers(client)
        assert any("/containers/json?all=1" in line for line in engine.lines)
        return found


async def test_details_of_a_running_container() -> None:
    assert await details() == ContainerDetails(
        id=container_id(1),
        name="c1",
        image="busybox:1",
        labels={},
        state="running",
        pid=4001,
        started_at_ns=1795514401_123456789,
        finished_at_ns=None,
        exit_code=None,
        oom_killed=False,
        restart_count=0,
        network_mode="bridge",
        cgroup_parent="",
        limits=UNLIMITED_LIMITS,
    )


@pytest.mark.parametrize("number", [-5, 2**31, 2**64])
async def test_a_number_that_can_be_none_is_unknown_and_costs_nothing_else(number: int) -> None:
    found = await details(RestartCount=number, state={"Pid": number, "StartedAt": "9999-01-01T00:00:00Z"})
    assert (found.restart_count, found.pid, found.started_at_ns) == (None, None, None)
    assert found.state == "running"


async def test_nothing_secret_is_kept() -> None:
    assert "hunter2" not in repr(await details())
    assert "hunter2" not in repr(await summary())


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"Status": "exited", "ExitCode": 0, "FinishedAt": "2026-11-24T10:00:02Z"}, ("exited", 0)),
        ({"Status": "exited", "ExitCode": 137, "FinishedAt": "2026-11-24T10:00:02Z"}, ("exited", 137)),
        ({"Status": "restarting", "ExitCode": 1, "FinishedAt": "2026-11-24T10:00:02Z"}, ("restarting", 1)),
        ({"Status": "running", "ExitCode": 0, "FinishedAt": "2026-11-24T09:00:02Z"}, ("running", None)),
        ({"Status": "paused", "ExitCode": 0}, ("paused", None)),
        ({"Status": "created", "ExitCode": 0}, ("created", None)),
        ({"Status": "created", "ExitCode": 127}, ("created", 127)),
        ({"Status": "stopped", "ExitCode": 3, "FinishedAt": "2026-11-24T10:00:02Z"}, ("exited", 3)),
        ({"Status": "dead", "ExitCode": None}, ("dead", None)),
        ({"Status": "on fire"}, (None, None)),
        ({"Status": None}, (None, None)),
    ],
)
async def test_state_and_exit_code(state: dict[str, Any], expected: tuple[str | None, int | None]) -> None:
    found = await details(state=state)
    assert (found.state, found.exit_code) == expected


async def test_unknown_is_none_not_zero() -> None:
    nothing = dict.fromkeys(("Pid", "StartedAt", "FinishedAt", "ExitCode", "OOMKilled"))
    found = await details(state=nothing, RestartCount=None, Config=None, HostConfig=None, Name=None)
    assert (found.pid, found.started_at_ns, found.finished_at_ns, found.exit_code) == (None,) * 4
    assert (found.oom_killed, found.restart_count) == (None, None)
    assert (found.name, found.image, found.labels, found.cgroup_parent) == ("", "", {}, "")
    assert (await details(state={"Pid": 0, "StartedAt": "0001-01-01T00:00:00Z"})).pid is None


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("default", "bridge"), ("", "bridge"), (None, "bridge"), ("host", "host"), ("none", "none"), ("net1", "net1")],
)
async def test_network_modes(mode: str | None, expected: str) -> None:
    assert (await details(HostConfig={"NetworkMode": mode})).network_mode == expected
    assert (await summary(HostConfig={"NetworkMode": mode})).network_mode == expected


@pytest.mark.parametrize(
    "name", ['quo"te', "back\\slash", "new\nline", "\N{SNOWMAN}\N{GREEK SMALL LETTER PI}", "\0", "x" * 4096]
)
async def test_names_are_kept_as_they_are(name: str) -> None:
    assert (await details(Name=f"/{name}")).name == name
    assert (await summary(Names=[f"/{name}"])).name == name


async def test_long_texts_are_cut() -> None:
    labels = {"io.kubernetes." + "k" * 5000: "v" * 5000}
    found = await details(Name="/" + "n" * 5000, Config={"Image": "i" * 5000, "Labels": labels})
    assert (len(found.name), len(found.image)) == (4096, 4096)
    assert [(len(key), len(value)) for key, value in found.labels.items()] == [(4096, 4096)]


async def test_only_labels_asked_for_are_kept_and_a_bounded_number() -> None:
    labels = {
        "io.kubernetes.pod.name": "web",
        "annotation.io.kubernetes.container.restartCount": "2",
        "com.example.secret": "hunter2",
        "kubernetes.io/x": "y",
    }
    kept = {key: labels[key] for key in list(labels)[:2]}
    assert (await details(Config={"Labels": labels})).labels == kept
    assert (await summary(Labels=labels)).labels == kept
    many = {f"io.kubernetes.{n}": "" for n in range(1000)}
    assert len((await details(Config={"Labels": many})).labels) == 64


async def test_null_lists_and_maps_in_a_list() -> None:
    found = await summary(Names=None, Labels=None, HostConfig=None, Image=None, State=None, Status=None, Created=None)
    assert (found.name, found.labels, found.image, found.state, found.status) == ("", {}, "", None, "")
    async with ScriptedEngine() as engine, EngineClient(engine.endpoint) as client:
        engine.answers["/containers/json"] = answer(b"null")
        assert await list_containers(client) == []


async def test_a_link_is_no_name() -> None:
    assert (await summary(Names=["/web/db", "/db"])).name == "db"


@pytest.mark.parametrize("bad", ["", "../../info", "a" * 63, "A" * 64, container_id(1) + "\n"])
async def test_an_id_that_is_none_never_gets_into_a_path(bad: str) -> None:
    async with ScriptedEngine() as engine, EngineClient(engine.endpoint) as client:
        engine.answers["/containers/json"] = answer(json.dumps([listed(1, Id=bad)]).encode())
        with pytest.raises(EngineProtocolError, match="no container ID"):
            await list_containers(client)
        with pytest.raises(EngineProtocolError, match="no container ID"):
            await inspect(client, bad)
        assert len(engine.lines) == 2


async def test_a_container_that_is_gone_is_ordinary() -> None:
    async with ScriptedEngine() as engine, EngineClient(engine.endpoint) as client:
        assert await inspect(client, container_id(5)) is None


async def test_any_other_error_is_an_error() -> None:
    path = f"/containers/{container_id(5)}/json"
    async with ScriptedEngine() as engine, EngineClient(engine.endpoint) as client:
        engine.answers[path] = answer(b"{}", "500 Oh")
        with pytest.raises(EngineError):
            await inspect(client, container_id(5))
        engine.answers[path] = answer_json(inspected(6))
        with pytest.raises(EngineProtocolError, match="another container"):
            await inspect(client, container_id(5))


@pytest.mark.parametrize(
    ("host", "limits"),
    [
        ({"NanoCpus": 300_000_000, "Memory": 64 << 20, "PidsLimit": 50}, (300_000_000, 64 << 20, 50)),
        ({"CpuQuota": 50_000, "CpuPeriod": 0, "PidsLimit": None}, (500_000_000, UNLIMITED, UNLIMITED)),
        ({"CpuQuota": 50_000, "CpuPeriod": 25_000, "Memory": 0}, (2_000_000_000, UNLIMITED, UNLIMITED)),
        ({"CpuQuota": -1, "Memory": -1, "PidsLimit": -1}, (UNLIMITED,) * 3),
        ({"NanoCpus": 2**70}, (UNLIMITED,) * 3),
    ],
)
async def test_limits_as_the_engine_was_asked_for_them(host: dict[str, Any], limits: tuple[int, ...]) -> None:
    found = await details(HostConfig={"NetworkMode": "default"} | host)
    assert tuple(found.limits.values()) == limits


async def test_limits_are_unknown_without_a_host_configuration() -> None:
    assert (await details(HostConfig=None)).limits == {}
