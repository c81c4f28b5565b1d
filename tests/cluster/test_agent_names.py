"""The real agent beside a real API server: whose each container is. Cgroups stand for a kubelet's and its runtime's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import SHOP
from tests.support.agent import Agent
from tests.support.cluster import ControlPlane
from tests.support.cluster.account import Account
from tests.support.cluster.pods import ApiPod, KubeletTree
from tests.support.scrape import Scrape

CPU = "podtick_container_cpu_usage_seconds_total"
POD_CPU = "podtick_pod_cpu_usage_seconds_total"


@pytest.fixture
def node(cluster: ControlPlane, name: str) -> str:
    cluster.create("/api/v1/nodes", {"metadata": {"name": name}})
    return name


@pytest.fixture
def tree() -> Iterator[KubeletTree]:
    with KubeletTree() as tree:
        yield tree


@pytest.fixture
def message(tmp_path: Path) -> Path:
    """A kubelet's folder of pods."""
    return tmp_path / "kubelet" / "pods"


def message_of(folder: Path, pod: ApiPod) -> Path:
    """The file that a kubelet makes for the termination message of a pod's container `app`."""
    file = folder / pod.uid / "containers" / "app" / "0a1b2c3d"
    file.parent.mkdir(parents=True)
    file.touch()
    return file


def agent_of(account: Account, node: str, *, ready: bool = True) -> Agent:
    """An agent on a node without an engine."""
    flags = ("--kubernetes", "auto", "--kubeconfig", str(account.kubeconfig), "--node-name", node)
    return Agent("--docker-host", "none", *flags, namespace=SHOP, ready=ready)


def containers(scrape: Scrape) -> set[tuple[str, str, str]]:
    return {(each.labels["pod"], each.labels["uid"], each.labels["container"]) for each in scrape.all(CPU)}


def own(agent: Agent, name: str) -> float:
    """What the agent says of itself."""
    return agent.metrics("level=agent").known(f"podtick_agent_{name}")


def test_a_container_has_the_name_that_the_api_server_tells(
    cluster: ControlPlane, account: Account, node: str, tree: KubeletTree
) -> None:
    """The pod is there at once; its container when the kubelet says which it is; the sandbox never."""
    pod = ApiPod(cluster, SHOP, f"{node}-1", node)
    with agent_of(account, node) as agent, tree.pod(pod.uid) as cgroup, cgroup.container(), cgroup.container() as id_:
        scrape = agent.wait_for(lambda scrape: scrape.value(POD_CPU, uid=pod.uid) is not None)
        assert containers(scrape) == set()
        pod.says(app=id_)
        scrape = agent.wait_for(lambda scrape: scrape.all(CPU) != [])
        assert containers(scrape) == {(f"{node}-1", pod.uid, "app")}
        assert own(agent, "kubernetes_pods") == 1
        assert "1 pods on this node" in agent.get("/readyz")[1]


def test_a_container_made_anew_goes_on_as_the_same_series(
    cluster: ControlPlane, account: Account, node: str, tree: KubeletTree
) -> None:
    pod = ApiPod(cluster, SHOP, f"{node}-1", node)
    with agent_of(account, node) as agent, tree.pod(pod.uid) as cgroup:
        before = 0.0
        for _ in range(2):
            with cgroup.container() as id_:
                pod.says(app=id_)
                scrape = agent.wait_for(lambda scrape: scrape.all(CPU) != [])
                assert containers(scrape) == {(f"{node}-1", pod.uid, "app")}
                assert scrape.known(POD_CPU) >= before
                before = scrape.known(POD_CPU)
            scrape = agent.wait_for(lambda scrape: scrape.all(CPU) == [])
            assert scrape.known(POD_CPU) >= before  # the pod lives, though none of its containers does
    assert "no cgroup" not in agent.log


def test_a_static_pod_is_known_by_the_api_servers_uid(
    cluster: ControlPlane, account: Account, node: str, tree: KubeletTree
) -> None:
    hashed = "0123456789abcdef0123456789abcdef"
    pod = ApiPod(cluster, SHOP, f"{node}-1", node, annotations={"kubernetes.io/config.mirror": hashed})
    with agent_of(account, node) as agent, tree.pod(hashed) as cgroup, cgroup.container() as id_:
        pod.says(app=id_)
        scrape = agent.wait_for(lambda scrape: scrape.all(CPU) != [])
        assert containers(scrape) == {(f"{node}-1", pod.uid, "app")}


def test_without_an_api_server_names_come_later_and_then_stay(
    cluster: ControlPlane, account: Account, node: str, tree: KubeletTree, message: Path
) -> None:
    """It is down as the agent starts; what is known is served after ten seconds; it comes, goes, and names stay."""
    pod = ApiPod(cluster, SHOP, f"{node}-1", node)
    with tree.pod(pod.uid) as cgroup, cgroup.container(), cgroup.container(message_of(message, pod)):
        cluster.stop()
        try:
            with agent_of(account, node, ready=False) as agent:
                stand_in = f'{CPU}{{namespace="_cgroup",pod="{pod.uid}",uid="{pod.uid}",container="app"}}'
                agent.wait_until(lambda: stand_in in agent.get("/metrics?namespace=_cgroup")[1], "a stand-in")
                assert own(agent, "unidentified_containers") >= 1
                status, told = agent.get("/readyz")
                assert status == 503
                assert "NOT OK kubernetes: waiting" in told
                cluster.start()
                scrape = agent.wait_for(lambda scrape: scrape.all(CPU) != [])
                assert containers(scrape) == {(f"{node}-1", pod.uid, "app")}
                assert f'uid="{pod.uid}"' not in agent.get("/metrics?namespace=_cgroup")[1]
                cluster.stop()
                agent.wait_until(lambda: "kubernetes: lost" in agent.get("/readyz")[1], "its loss")
                assert agent.get("/readyz")[0] == 200
                assert containers(agent.next_tick()) == {(f"{node}-1", pod.uid, "app")}
        finally:
            cluster.stop()
            cluster.start()


def test_a_container_is_named_by_its_mounts_before_the_kubelet_says_which_it_is(
    cluster: ControlPlane, account: Account, node: str, tree: KubeletTree, message: Path
) -> None:
    pod = ApiPod(cluster, SHOP, f"{node}-1", node)
    with agent_of(account, node) as agent, tree.pod(pod.uid) as cgroup, cgroup.container(message_of(message, pod)):
        scrape = agent.wait_for(lambda scrape: scrape.all(CPU) != [])
        assert containers(scrape) == {(f"{node}-1", pod.uid, "app")}


def test_a_node_that_does_not_exist_is_no_empty_node(account: Account, name: str) -> None:
    with agent_of(account, name, ready=False) as agent:
        agent.wait_until(lambda: "has no node" in agent.get("/readyz")[1], "its complaint")
        status, told = agent.get("/readyz")
        assert status == 503
        assert "--node-name" in told


def test_two_agents_on_one_node_see_the_same(
    cluster: ControlPlane, account: Account, node: str, tree: KubeletTree
) -> None:
    pod = ApiPod(cluster, SHOP, f"{node}-1", node)
    with tree.pod(pod.uid) as cgroup, cgroup.container() as id_:
        pod.says(app=id_)
        with agent_of(account, node) as one, agent_of(account, node) as other:
            for agent in (one, other):
                scrape = agent.wait_for(lambda scrape: scrape.all(CPU) != [])
                assert containers(scrape) == {(f"{node}-1", pod.uid, "app")}
