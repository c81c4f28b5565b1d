"""Every setting: its default, its flag, its twin, and what it refuses."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from podtick.flags import OPTIONS, DockerChoice, DockerHost, SourceChoice, unknown_variables
from podtick.logs import LogFormat, LogLevel
from podtick.options import SettingsError, parse_bytes, parse_duration
from podtick.serve.exposition.filters import EVERYTHING, Selection
from podtick.serve.listen import Address
from podtick.settings import AgentSettings, Given, read_settings
from podtick.sources.docker.endpoint import Endpoint
from podtick.sources.kube.access import HOST, KubeAccess
from podtick.sources.kube.pods import Kept

HERE = Path(__file__).parent


def _read(flags: Mapping[str, str | None], environ: Mapping[str, str]) -> AgentSettings:
    return read_settings(Given(flags, frozenset(), (), environ))


def read(environ: dict[str, str] | None = None, **flags: str) -> AgentSettings:
    return _read({name.replace("_", "-"): value for name, value in flags.items()}, environ or {})


def errors(environ: dict[str, str] | None = None, **flags: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as raised:
        read(environ, **flags)
    return raised.value.errors


def test_defaults() -> None:
    assert read(cgroup=str(HERE)) == AgentSettings(
        listen=Address("127.0.0.1", 9752),
        docker=DockerHost(DockerChoice.AUTO, Endpoint("/var/run/docker.sock")),
        source=SourceChoice.AUTO,
        kubernetes=None,
        node=os.uname().nodename,
        proc=Path("/proc"),
        cgroup=HERE,
        history_seconds=3600,
        history_bytes=64 << 20,
        selection=EVERYTHING,
        namespaces=None,
        kept=Kept(),
        log_level=LogLevel.INFO,
        log_format=LogFormat.TEXT,
    )


GIVEN = {
    "listen": "[::]:1234",
    "docker-host": "tcp://engine:2375",
    "source": "engine",
    "kubernetes": "auto",
    "kubeconfig": __file__,
    "node-name": "node-7",
    "proc": str(HERE),
    "cgroup": str(HERE),
    "history": "90s",
    "history-bytes": "1GiB",
    "levels": "pod,agent",
    "metrics": "cpu_*",
    "namespaces": "shop,_docker",
    "pod-labels": "app.kubernetes.io/name,team",
    "pod-annotations": "owner",
    "log-level": "debug",
    "log-format": "json",
}
EXPECTED = AgentSettings(
    listen=Address("::", 1234),
    docker=DockerHost(DockerChoice.CONFIGURED, Endpoint(host="engine", port=2375)),
    source=SourceChoice.ENGINE,
    kubernetes=KubeAccess(Path(__file__)),
    node="node-7",
    proc=HERE,
    cgroup=HERE,
    history_seconds=90,
    history_bytes=1 << 30,
    selection=Selection(levels=frozenset({"pod", "agent"}), metrics=("cpu_*",)),
    namespaces=frozenset({"shop", "_docker"}),
    kept=Kept(frozenset({"app.kubernetes.io/name", "team"}), frozenset({"owner"})),
    log_level=LogLevel.DEBUG,
    log_format=LogFormat.JSON,
)


def test_every_flag_and_every_twin_says_the_same() -> None:
    assert GIVEN.keys() == {option.name for option in OPTIONS}
    twins = {option.twin: GIVEN[option.name] for option in OPTIONS}
    assert _read(GIVEN, {}) == EXPECTED
    assert _read({}, twins) == EXPECTED


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_a_flag_wins_over_its_twin(option: object) -> None:
    name = option.name  # type: ignore[attr-defined]
    twin = option.twin  # type: ignore[attr-defined]
    assert _read(GIVEN, {twin: "non sense"}) == EXPECTED
    (told,) = errors({twin: "non sense", **_others(name)})
    assert told.startswith(f"{twin}: ")


def _others(name: str) -> dict[str, str]:
    return {option.twin: GIVEN[option.name] for option in OPTIONS if option.name != name}


def test_an_empty_variable_is_none() -> None:
    assert read({"PODTICK_HISTORY": " ", "DOCKER_HOST": ""}, cgroup=str(HERE)).history_seconds == 3600


@pytest.mark.parametrize(
    ("environ", "flag", "expected"),
    [
        ({}, "auto", DockerHost(DockerChoice.AUTO, Endpoint("/var/run/docker.sock"))),
        ({}, "auto:unix:///x", DockerHost(DockerChoice.AUTO, Endpoint("/x"))),
        ({"DOCKER_HOST": "unix:///d"}, "auto:unix:///x", DockerHost(DockerChoice.AUTO, Endpoint("/x"))),
        ({}, "none", DockerHost(DockerChoice.OFF, None)),
        ({}, "unix:///x", DockerHost(DockerChoice.CONFIGURED, Endpoint("/x"))),
        ({"DOCKER_HOST": "unix:///d"}, "auto", DockerHost(DockerChoice.CONFIGURED, Endpoint("/d"))),
        ({"DOCKER_HOST": "unix:///d"}, "none", DockerHost(DockerChoice.OFF, None)),
        ({"DOCKER_HOST": "unix:///d"}, "unix:///x", DockerHost(DockerChoice.CONFIGURED, Endpoint("/x"))),
    ],
)
def test_which_engine(environ: dict[str, str], flag: str, expected: DockerHost) -> None:
    assert read(environ, cgroup=str(HERE), docker_host=flag).docker == expected


def test_the_twin_of_docker_host_wins_over_dockers_own() -> None:
    environ = {"PODTICK_DOCKER_HOST": "none", "DOCKER_HOST": "unix:///d"}
    assert read(environ, cgroup=str(HERE)).docker.choice is DockerChoice.OFF


def test_an_engine_that_docker_can_reach_and_we_cannot() -> None:
    (told,) = errors({"DOCKER_HOST": "ssh://somewhere"}, cgroup=str(HERE))
    assert told.startswith("DOCKER_HOST: ")
    assert "ssh:// is not supported" in told
    assert "none asks no engine" in told


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("listen", "nowhere", "'nowhere' has no port"),
        ("docker-host", "/run/docker.sock", "did you mean unix:///run/docker.sock"),
        ("docker-host", "auto:/run/docker.sock", "did you mean unix:///run/docker.sock"),
        ("kubernetes", "on", "'on' is none of auto, off"),
        ("kubernetes", "off", f"--kubernetes off asks no API server, so --kubeconfig {__file__} is for nothing"),
        ("kubeconfig", "/no/such/file", "'/no/such/file' cannot be read: No such file or directory"),
        ("kubeconfig", "/null\0byte", "cannot be read: "),
        ("node-name", "Node_7", "'Node_7' is no name of a node"),
        ("proc", "proc", "'proc' is not an absolute path"),
        ("cgroup", "/no/such/place", "'/no/such/place' is not a directory here"),
        ("cgroup", "/proc/version/below", "is not a directory here"),
        ("cgroup", "/" + "x" * 300, "cannot be looked at: File name too long"),
        ("proc", "/null\0byte", "cannot be looked at: it has a null byte"),
        ("history", "3600", "write a number and s, m or h"),
        ("history", "59s", "out of range: 1m to 6h"),
        ("history", "7h", "out of range: 1m to 6h"),
        ("history", "-1m", "no duration"),
        ("history", "9" * 400 + "h", "no duration"),
        ("history-bytes", "64MB", "write a number and KiB, MiB or GiB"),
        ("history-bytes", "1MiB", "out of range: 8MiB to 4GiB"),
        ("history-bytes", "5GiB", "out of range: 8MiB to 4GiB"),
        ("levels", "pots", "levels are container, pod, qos, kubepods, node, agent"),
        ("metrics", "cpu usage", "no pattern of metric names"),
        ("namespaces", "a b", "cannot be the name of a namespace"),
        ("pod-labels", "app,", "'' is no name of a label"),
        ("pod-annotations", "a/b/c", "'a/b/c' is no name of a label"),
        ("log-level", "INFO", "'INFO' is none of debug, info, warning, error"),
        ("log-format", "xml", "'xml' is none of text, json"),
        ("log-format", "", "--log-format needs a value, such as text"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(name: str, text: str, told: str) -> None:
    with pytest.raises(SettingsError) as raised:
        _read({**GIVEN, name: text}, {})
    (line,) = raised.value.errors
    assert line.startswith(f"--{name}")
    assert told in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("environ", "flags", "expected"),
    [
        ({}, {}, None),
        ({HOST: "10.0.0.1"}, {}, KubeAccess(environ={HOST: "10.0.0.1"})),
        ({HOST: "10.0.0.1"}, {"kubernetes": "off"}, None),
        ({HOST: "10.0.0.1"}, {"kubeconfig": __file__}, KubeAccess(Path(__file__))),
    ],
)
def test_which_api_server(environ: dict[str, str], flags: dict[str, str], expected: KubeAccess | None) -> None:
    """That of the cluster whose pod this is, or of a kubeconfig that is named; never one that lies around."""
    environ = {"KUBECONFIG": __file__, **environ}
    found = read(environ, cgroup=str(HERE), **flags).kubernetes
    assert (found and (found.kubeconfig, found.in_cluster)) == (expected and (expected.kubeconfig, expected.in_cluster))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [({"NODE_NAME": "a"}, "a"), ({"NODE_NAME": "a", "PODTICK_NODE_NAME": "b"}, "b"), ({}, os.uname().nodename)],
)
def test_which_node(environ: dict[str, str], expected: str) -> None:
    assert read(environ, cgroup=str(HERE)).node == expected


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = errors({"PODTICK_LEVELS": "pots", "PODTICK_PROC": "x"}, listen="x", history="y", cgroup=str(HERE))
    assert [line.partition(":")[0] for line in found] == [
        "--listen",
        "PODTICK_PROC",
        "--history",
        "PODTICK_LEVELS",
    ]


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("60m", 3600), ("1h", 3600), ("0s", 0), ("007m", 420)])
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("64MiB", 64 << 20), ("8388608", 8 << 20), ("1KiB", 1024), ("4GiB", 4 << 30), ("5B", 5)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", " ", "1", "m", "1.5h", "1d", "+1m", "٣m", "1m 2s", "1M"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        parse_duration(text)


def test_a_variable_that_sets_nothing_is_named_with_the_nearest() -> None:
    environ = {
        "PODTICK_HISTRY": "1h",
        "PODTICK_LISTEN": "x",
        "PODTICK_ZZZ": "",
        "OTHER": "",
        # Kubernetes sets these for a Service called `podtick`
        "PODTICK_SERVICE_HOST": "10.0.0.1",
        "PODTICK_SERVICE_PORT_METRICS": "9752",
        "PODTICK_PORT": "tcp://10.0.0.1:9752",
        "PODTICK_PORT_9752_TCP_ADDR": "10.0.0.1",
    }
    assert unknown_variables(environ) == [
        "the environment variable PODTICK_HISTRY sets nothing: did you mean PODTICK_HISTORY?",
        "the environment variable PODTICK_ZZZ sets nothing: podtick agent --help names those that do",
    ]


def test_no_twin_is_a_name_that_kubernetes_sets() -> None:
    for option in OPTIONS:
        assert unknown_variables({option.twin: "x"}) == []
        assert not option.twin.startswith(("PODTICK_PORT", "PODTICK_SERVICE"))
