"""Containers of a kubelet on a Docker node: whose they are by their labels, without an API server."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from podtick.history.records import TargetKind
from podtick.model.identity import Identity
from podtick.model.metrics.row import Level
from podtick.sampler.protocol import Answer, Attach, Detach, Network
from podtick.sources.docker.containers import ContainerDetails
from tests.unit.roster.engine import LATER, Node, container_id, details, who

UID = "0f1e2d3c-0000-4000-8000-000000000001"
POD = Identity("shop", "cart-1", UID)
APP = Identity("shop", "cart-1", UID, "app")
PARENT = f"/kubepods/burstable/pod{UID}"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with Node(tmp_path / "cgroup") as node:
        yield node


def kubelet(id_: str, container: str = "app", restarts: int = 0, uid: str = UID, **changes: Any) -> ContainerDetails:
    """A container as a kubelet makes it; container `POD` is the sandbox."""
    sandbox = container == "POD"
    labels = {
        "io.kubernetes.pod.namespace": "shop",
        "io.kubernetes.pod.name": "cart-1",
        "io.kubernetes.pod.uid": uid,
        "io.kubernetes.container.name": container,
        "io.kubernetes.docker.type": "podsandbox" if sandbox else "container",
        "annotation.io.kubernetes.container.restartCount": str(restarts),
    }
    if sandbox:
        del labels["annotation.io.kubernetes.container.restartCount"]
    mode = "none" if sandbox else f"container:{container_id('sandbox')}"
    plain = {"labels": labels, "network_mode": mode, "cgroup_parent": f"/kubepods/burstable/pod{uid}"}
    return details(id_, **{**plain, **changes})


def ended(id_: str, **changes: Any) -> ContainerDetails:
    return kubelet(id_, **{"state": "exited", "pid": None, "exit_code": 0, **changes})


def place(node: Node) -> None:
    """The sampler gives everybody a place."""
    for member in node.roster.members():
        for entry in (member, member.pod):
            node.roster.answered(Answer("attached", entry.id, f"{entry.id} 1"))


def shown(node: Node, level: Level) -> list[Identity]:
    place(node)
    return [target.identity for target in node.roster.targets(level)]


async def test_a_container_is_its_pods_and_the_sandbox_is_none(node: Node) -> None:
    await node.list(kubelet("app1", pid=301), kubelet("sandbox", "POD"))
    assert shown(node, Level.POD) == [POD]
    assert shown(node, Level.CONTAINER) == [APP]
    assert len({member.pod.id for member in node.roster.members()}) == 1


async def test_the_pods_own_cgroup_is_read_before_the_containers_in_it(node: Node) -> None:
    await node.list(kubelet("sandbox", "POD"), kubelet("app1", pid=301))
    attached = [each for each in node.sink.take(Attach) if each.paths]
    assert [each.kind for each in attached] == [TargetKind.POD, TargetKind.CONTAINER, TargetKind.CONTAINER]
    assert attached[0].paths == {"unified": str(node.root / PARENT[1:])}
    assert attached[0].version == 2
    assert json.loads(attached[0].identity) == {"namespace": "shop", "pod": "cart-1", "uid": UID}


async def test_the_cgroups_around_the_pods_are_read_too(node: Node) -> None:
    await node.list(kubelet("sandbox", "POD"), kubelet("app1", pid=301))
    around = [node.root / "kubepods" / "burstable", node.root / "kubepods"]
    for folder in around:
        (folder / "cgroup.procs").touch()
    node.sink.take()
    node.roster.answered(Answer("tick", 1))
    attached = node.sink.take()
    assert [(each.kind, each.version) for each in attached] == [(TargetKind.QOS, 2)] * 2
    assert [each.paths for each in attached] == [{"unified": str(folder)} for folder in around]


async def test_a_pods_cgroup_that_went_is_read_again_with_the_next_container(node: Node) -> None:
    await node.list(kubelet("sandbox", "POD"))
    pod = node.roster.members()[0].pod
    node.sink.take()
    node.roster.answered(Answer("gone", pod.id, str(pod.attach.run)))
    assert not pod.attach.paths
    await node.change(kubelet("app1", pid=301))
    assert next(each.id for each in node.sink.take(Attach) if each.paths) == pod.id


async def test_the_network_is_the_sandboxs_whatever_docker_calls_it(node: Node) -> None:
    """A CNI plugin gives a sandbox its network, which the engine was told is `none`."""
    await node.list(kubelet("app1", pid=301), kubelet("sandbox", "POD", pid=300))
    assert node.sink.take(Network)[-1].pid == 300
    assert node.sink.sent == []


async def test_a_host_network_pod_has_none_of_its_own_by_its_sandbox(node: Node) -> None:
    await node.list(kubelet("sandbox", "POD", network_mode="host"))
    assert node.sink.take(Network) == []


async def test_a_container_made_anew_is_the_same_one(node: Node) -> None:
    """One target, another run of it: one series, and restarts that the kubelet counts."""
    await node.list(kubelet("sandbox", "POD"), kubelet("first", pid=301))
    app = next(each for each in node.roster.members() if each.identity == APP)
    await node.change(ended("first"))
    assert app.process is None
    node.sink.take(Attach)
    await node.change(kubelet("second", restarts=1, pid=302, started_at_ns=LATER + 1))
    (again,) = node.sink.take(Attach)
    assert (again.id, again.run) == (app.id, 2)
    assert again.paths["unified"].endswith(container_id("second"))
    assert shown(node, Level.CONTAINER) == [APP]
    assert app.told["restarts_total"] == app.pod.told["restarts_total"] == 1
    await node.remove("first")
    assert app.running
    assert node.sink.take(Attach, Detach) == []


async def test_of_two_at_once_the_one_that_runs_is_shown_in_whatever_order_they_are_listed(node: Node) -> None:
    old, new = ended("first"), kubelet("second", restarts=1, started_at_ns=LATER + 1)
    await node.list(kubelet("sandbox", "POD"), new, old)
    app = next(each for each in node.roster.members() if each.identity == APP)
    assert app.container_id == new.id
    assert app.told["restarts_total"] == 1
    await node.list(kubelet("sandbox", "POD"), old, new)
    assert app.container_id == new.id
    assert app.running


async def test_a_successor_in_the_same_list_takes_the_member_over(node: Node) -> None:
    """What happened between two lists: the old container was removed and another made."""
    await node.list(kubelet("first", pid=301))
    app = node.roster.members()[0]
    node.sink.take()
    await node.list(kubelet("second", restarts=1, pid=302, started_at_ns=LATER + 1))
    assert node.roster.members() == [app]
    assert node.sink.take(Detach) == []
    assert app.container_id == container_id("second")


async def test_a_second_look_never_takes_a_former_container(node: Node) -> None:
    """The cgroup of the first run is found no more; the retry for it must not touch its successor."""
    first = kubelet("first", pid=301)
    await node.list(first, cgroups=False)
    await node.change(kubelet("second", restarts=1, pid=302, started_at_ns=LATER + 1))
    app = node.roster.members()[0]
    run = app.attach.run
    node.make_cgroup(first)
    node.engine._retry.put_nowait(first.id)
    await node.change(kubelet("sandbox", "POD"))
    assert (app.container_id, app.attach.run) == (container_id("second"), run)


async def test_a_finished_init_container_does_not_hide_its_pod(node: Node) -> None:
    await node.list(kubelet("sandbox", "POD"), ended("setup", container="init-db"), kubelet("app1", pid=301))
    assert {each.container for each in shown(node, Level.CONTAINER)} == {"init-db", "app"}
    assert shown(node, Level.POD) == [POD]
    assert {who(each).container: each.running for each in node.roster.members()} == {
        None: True,
        "init-db": False,
        "app": True,
    }


async def test_a_successor_of_the_same_name_is_another_pod(node: Node) -> None:
    other = UID[:-1] + "2"
    await node.list(kubelet("sandbox", "POD"), kubelet("app1", pid=301))
    await node.change(kubelet("app2", uid=other, pid=302))
    assert sorted(each.uid for each in shown(node, Level.POD)) == [UID, other]
    assert len({member.pod.id for member in node.roster.members()}) == 2


async def test_a_strangers_container_in_a_pods_network_is_no_part_of_it(node: Node) -> None:
    """`docker run --network container:SANDBOX`: nobody's pod, and the pod's traffic is not counted twice."""
    guest = details("debug", pid=310, network_mode=f"container:{container_id('sandbox')}")
    await node.list(kubelet("sandbox", "POD", pid=300), guest, details("beside", pid=311, shares="debug"))
    identity = who(node.member("debug"))
    assert (identity.namespace, identity.pod, identity.container) == ("_docker", "debug", "debug")
    assert {each.pid for each in node.sink.take(Network)} == {300}


async def test_a_pod_ends_with_its_last_container(node: Node) -> None:
    await node.list(kubelet("sandbox", "POD"), kubelet("app1", pid=301))
    pod = node.roster.members()[0].pod
    await node.remove("app1")
    assert shown(node, Level.POD) == [POD]
    await node.remove("sandbox")
    assert shown(node, Level.POD) == []
    assert pod.id not in node.known_to_sampler()


async def test_who_has_found_pods_in_another_way_gives_way_before_they_join(tmp_path: Path) -> None:
    members: list[int] = []
    node = Node(tmp_path / "cgroup")
    node.engine._applied = lambda: members.append(len(node.roster.members()) if node.engine.has_pods else -1)
    async with node:
        await node.list(details("web"))
        await node.change(kubelet("app1"))
    assert members == [-1, 1, 2]  # after the first list, before the pod's container, after it
