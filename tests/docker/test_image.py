"""The shipped image, built by the shipped Dockerfile: its size, its user, and an agent in it that sees the node."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from podtick import __version__
from tests.docker.containers import Containers
from tests.docker.shipped import VIEW, Shipped
from tests.support.engine import Engine, EngineError, EngineUnavailable
from tests.support.image import BASE, IMAGE, load_image
from tests.support.served import PATIENCE
from tests.unit.kube.scripted import NODE, ScriptedApi, answer, pod, pods, streamed

pytestmark = pytest.mark.usefixtures("image")
MOST_ADDED = 80_000_000
READ = "import sys; print(len(open(sys.argv[1], 'rb').read()))"
NOBODY = "65534:65534"


@pytest.fixture(scope="module")
def image(engine: Engine) -> str:
    try:
        return load_image(engine)
    except EngineUnavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def shipped(engine: Engine, image: str) -> Iterator[Shipped]:
    assert image
    with Shipped(engine, "img-agent") as running:
        yield running.wait_ready()


def size(engine: Engine, image: str) -> int:
    return int(engine.docker("image", "inspect", "--format", "{{.Size}}", image))


@pytest.mark.needs("image-size")
def test_it_adds_little_to_its_base(engine: Engine) -> None:
    added = size(engine, IMAGE) - size(engine, BASE)
    print(f"podtick adds {added / 1e6:.1f} MB to its base")
    assert 0 < added <= MOST_ADDED


def test_what_it_says_of_itself(engine: Engine) -> None:
    said = json.loads(engine.docker("image", "inspect", "--format", "{{json .Config}}", IMAGE))
    assert (said["User"], said["Entrypoint"], said["Cmd"]) == ("9752:9752", ["podtick"], ["agent"])
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in said["Labels"].items()}
    assert labels["title"] == "podtick"
    assert labels["licenses"] == "Apache-2.0"
    assert (labels["version"], labels["revision"], labels["base.name"]) == (__version__, "test", BASE)
    assert labels["description"]
    assert "9752/tcp" in said["ExposedPorts"]


def test_an_agent_without_privilege_sees_other_containers(shipped: Shipped, containers: Containers) -> None:
    containers.run("img-limited", options=["--memory", "64m"], network="bridge")
    labels = {"namespace": "_docker", "pod": "img-limited"}
    assert shipped.wait_value("podtick_pod_spec_memory_limit_bytes", **labels) == 64 << 20
    assert shipped.wait_value("podtick_container_memory_usage_bytes", container="img-limited", **labels) > 0
    assert shipped.wait_value("podtick_pod_network_receive_bytes_total", **labels) >= 0
    assert shipped.execute("python3", "-c", "import os; print(os.getuid(), os.getgid())").split() == ["9752", "9752"]


def test_it_runs_without_a_shell(shipped: Shipped) -> None:
    with pytest.raises(EngineError, match=r"exit 12[67]"):
        shipped.execute("sh", "-c", "true")


def test_every_command_works_in_it(shipped: Shipped, containers: Containers) -> None:
    containers.run("img-other")
    assert shipped.execute("podtick", "--version").strip() == f"podtick {__version__}"
    shown = shipped.execute("podtick", "stats", "--no-stream", "--format", "json")
    assert '"img-other"' in shown
    findings = json.loads(shipped.execute("podtick", "check", "--format", "json"))
    assert findings


def test_sigterm_ends_it_well(engine: Engine) -> None:
    with Shipped(engine, "img-ending") as ending:
        ending.wait_ready()
        engine.docker("stop", "--time", "30", ending.name)
        assert ending.told("{{.State.ExitCode}} {{.State.OOMKilled}}") == "0 false"
        assert ending.log.startswith("podtick ticks once a second")


def test_the_environment_of_others_is_closed_to_it(engine: Engine, shipped: Shipped, containers: Containers) -> None:
    containers.run("img-nobody", options=["--user", NOBODY, "--env", "SECRET=1"])
    path = f"/host/proc/{engine.pid('img-nobody')}/environ"
    read = ("--rm", "--user", NOBODY, *VIEW, "--entrypoint", "python3", IMAGE, "-c", READ, path)
    assert int(engine.docker("run", *read)) > 0  # as the user that most images choose it is open
    with pytest.raises(EngineError, match="PermissionError"):
        shipped.execute("python3", "-c", READ, path)


@pytest.fixture
def readable(tmp_path: Path) -> Path:
    """A folder that every user may enter."""
    tmp_path.chmod(0o755)
    return tmp_path


async def test_the_api_server_is_followed_from_within(engine: Engine, readable: Path) -> None:
    """With what the image has of `kubernetes`: a kubeconfig read, a list and a watch asked with its token."""
    watched = asyncio.Event()

    async def watch(writer: asyncio.StreamWriter) -> None:
        watched.set()
        await streamed()(writer)

    api = ScriptedApi(readable)
    api.lists, api.watches = [answer(pods(5, pod("web", container=1)))], [watch]
    words = ("agent", "--kubeconfig", "/kube/kubeconfig", "--node-name", NODE, "--listen", "127.0.0.1:0")
    volume = ("--volume", f"{readable}:/kube:ro")
    following = Shipped(engine, "img-kube", *volume, network="host", words=words)
    async with api.serving():
        await asyncio.to_thread(following.__enter__)
        try:
            async with asyncio.timeout(PATIENCE):
                await watched.wait()
        finally:
            await asyncio.to_thread(following.__exit__, None, None, None)
    asked = [headers for path, _, headers in api.asked if path == "/api/v1/pods"]
    assert {headers["authorization"] for headers in asked} == {"bearer first-token"}
    assert api.queries("list")[0]["fieldSelector"] == f"spec.nodeName={NODE}"
