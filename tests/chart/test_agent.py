"""What the chart tells the agent is what the agent understands, and the probes ask what it answers."""

from pathlib import Path

import pytest

from podtick import __version__
from podtick.flags import DockerChoice, unknown_variables
from podtick.serve.exposition.filters import parse_levels
from podtick.settings import AgentSettings, Given, read_settings
from podtick.sources.kube.pods import Kept
from tests.support.helm import CASES, HelmError, of_kind, pod_spec, rendered

HOST = "/host"


def told(case: str, here: Path) -> tuple[dict[str, str], list[str]]:
    """Environment and arguments of an agent, with the host's directories below `here`."""
    container = pod_spec(*CASES[case])["containers"][0]
    environ = {each["name"]: each.get("value", "node-7").replace(HOST, f"{here}") for each in container["env"]}
    for mount in container["volumeMounts"]:
        Path(mount["mountPath"].replace(HOST, f"{here}")).mkdir(parents=True)
    return environ, container["args"]


def settings(case: str, here: Path) -> AgentSettings:
    environ, arguments = told(case, here)
    assert arguments[0] == "agent"
    flags = {name.removeprefix("--"): text for name, text in zip(arguments[1::2], arguments[2::2], strict=True)}
    assert unknown_variables(environ) == []
    return read_settings(Given(flags, frozenset(), (), environ))


@pytest.mark.parametrize("case", sorted(CASES))
def test_the_agent_understands_it(case: str, tmp_path: Path) -> None:
    read = settings(case, tmp_path)
    assert read.cgroup == tmp_path / "sys/fs/cgroup"
    assert read.listen.port == pod_spec(*CASES[case])["containers"][0]["ports"][0]["containerPort"]


def test_an_engine_that_need_not_be_there_and_one_that_must(tmp_path: Path) -> None:
    chosen = {case: settings(case, tmp_path / case).docker for case in ("default", "mixed", "docker")}
    assert [each.choice for each in chosen.values()] == [DockerChoice.OFF, DockerChoice.AUTO, DockerChoice.CONFIGURED]
    assert chosen["mixed"].endpoint is not None
    assert chosen["mixed"].endpoint.socket_path == f"{tmp_path}/mixed/var/run/docker.sock"


def test_extra_arguments_are_flags_of_the_agent(tmp_path: Path) -> None:
    assert settings("full", tmp_path).source == "cgroup"


def test_what_is_served_of_pods(tmp_path: Path) -> None:
    chosen, usual = (settings(case, tmp_path / case) for case in ("full", "default"))
    assert chosen.namespaces == frozenset({"shop", "kube-system"})
    assert chosen.kept == Kept(frozenset({"app.kubernetes.io/name", "team"}), frozenset({"owner"}))
    assert (usual.namespaces, usual.kept) == (None, Kept())


def test_it_listens_on_both_families_at_the_port_that_everybody_asks(tmp_path: Path) -> None:
    environ, _ = told("default", tmp_path)
    assert environ["PODTICK_LISTEN"] == "[::]:9752"
    container = pod_spec()["containers"][0]
    assert container["ports"] == [{"name": "metrics", "containerPort": 9752, "protocol": "TCP"}]
    for probe, path in (("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": "metrics"}


def test_it_is_called_what_its_node_is_called() -> None:
    (node,) = (each for each in pod_spec()["containers"][0]["env"] if each["name"] == "NODE_NAME")
    assert node["valueFrom"] == {"fieldRef": {"fieldPath": "spec.nodeName"}}


def test_the_chart_is_of_this_version() -> None:
    assert of_kind("DaemonSet")["metadata"]["labels"]["app.kubernetes.io/version"] == __version__


def test_the_service_leads_to_agents_that_are_not_ready_too() -> None:
    service = of_kind("Service")["spec"]
    assert service["clusterIP"] == "None"
    assert service["publishNotReadyAddresses"]
    local = next(each for each in rendered(*CASES["full"]) if each["metadata"]["name"].endswith("-local"))
    assert local["spec"]["internalTrafficPolicy"] == "Local"
    assert "podtick.io/scrape" not in local["metadata"]["labels"]  # or a ServiceMonitor would scrape each agent twice


@pytest.mark.parametrize(
    ("wrong", "told_of"),
    [
        ("agent.history=ten", "/agent/history"),
        ("agent.levels=pods", "/agent/levels"),
        ("agent.levels=all\\,pod", "/agent/levels"),
        ("agent.logLevel=loud", "/agent/logLevel"),
        ("port=0", "/port"),
    ],
)
def test_what_the_agent_would_refuse_helm_refuses_first(wrong: str, told_of: str) -> None:
    with pytest.raises(HelmError, match=told_of):
        rendered("--set", wrong)


@pytest.mark.parametrize("written", ["128MiB", 134217728])
def test_bytes_in_a_file_of_values_are_what_they_are(written: str | int, tmp_path: Path) -> None:
    """A number of a file is a floating one to templates, which may write it with an exponent."""
    file = tmp_path / "values.yaml"
    file.write_text(f"agent: {{historyBytes: {written}}}")
    environ = {each["name"]: each.get("value") for each in pod_spec("--values", str(file))["containers"][0]["env"]}
    assert environ["PODTICK_HISTORY_BYTES"] == str(written)


def test_several_levels_may_be_chosen() -> None:
    chosen = "pod, qos,kubepods"
    environ = {
        each["name"]: each.get("value")
        for each in pod_spec("--set-json", f'agent.levels="{chosen}"')["containers"][0]["env"]
    }
    assert parse_levels(environ["PODTICK_LEVELS"] or "") == {"pod", "qos", "kubepods"}
