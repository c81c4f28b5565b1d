"""Following a node's pods at a real kube-apiserver."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from podtick.sources.kube.client import KubeClient
from podtick.sources.kube.owners import Owners
from podtick.sources.kube.pods import NOTHING, Pod
from podtick.sources.kube.updates import Changed, Confirmed, Listed, Removed, Unavailable, Update, WatchTiming
from podtick.sources.kube.watch import _Pods, _Session, watch_pods
from podtick.sources.updates import Updates
from tests.cluster.conftest import SHOP
from tests.support.cluster import ControlPlane
from tests.support.cluster.account import Account

T = TypeVar("T", bound=Update)
PODS = f"/api/v1/namespaces/{SHOP}/pods"
TIMING = WatchTiming(steady=0.2, retry_first=0.05, retry_most=0.5, refused_most=0.5)
SHORT = replace(TIMING, watch=1)
PLAIN = _Pods(NOTHING, Owners())
ID = "a1" * 32


@asynccontextmanager
async def watched(account: Account, node: str, timing: WatchTiming = TIMING) -> AsyncIterator[Updates[Update]]:
    async with asyncio.timeout(120), watch_pods(account.access, node, timing=timing) as updates:
        yield updates


async def next_of(kind: type[T], updates: Updates[Update], such: Callable[[T], bool] = lambda _: True) -> T:
    async for update in updates:
        if isinstance(update, kind) and such(update):
            return update
    raise AssertionError("the watch ended")


def make_node(cluster: ControlPlane, name: str) -> str:
    cluster.create("/api/v1/nodes", {"metadata": {"name": name}})
    return name


def make_pod(cluster: ControlPlane, name: str, node: str, **metadata: Any) -> str:
    """A pod on a node; its UID."""
    spec = {"nodeName": node, "containers": [{"name": "app", "image": "x"}]}
    return str(cluster.create(PODS, {"metadata": {"name": name, **metadata}, "spec": spec})["metadata"]["uid"])


def named(pods: tuple[Pod, ...]) -> set[str]:
    return {pod.name for pod in pods}


@pytest.fixture
def node(cluster: ControlPlane, name: str) -> str:
    return make_node(cluster, name)


async def test_this_nodes_pods_and_their_containers(cluster: ControlPlane, account: Account, node: str) -> None:
    uid = make_pod(cluster, f"{node}-1", node)
    make_pod(cluster, f"{node}-elsewhere", "another-node")
    async with watched(account, node) as updates:
        listed = await next_of(Listed, updates)
        assert [(pod.namespace, pod.name, pod.uid, pod.node_uid) for pod in listed.pods] == [
            (SHOP, f"{node}-1", uid, uid)
        ]
        status = {"name": "app", "containerID": f"containerd://{ID}", "image": "x", "imageID": "", "ready": True}
        await asyncio.to_thread(
            cluster.patch, f"{PODS}/{node}-1/status", {"status": {"containerStatuses": [status | {"restartCount": 0}]}}
        )
        assert (await next_of(Changed, updates)).pod.containers == {ID: "app"}
        mirror = {"kubernetes.io/config.mirror": "5f6d7e8a"}
        second = await asyncio.to_thread(make_pod, cluster, f"{node}-2", node, annotations=mirror)
        added = (await next_of(Changed, updates)).pod
        assert (added.uid, added.node_uid) == (second, "5f6d7e8a")
        await asyncio.to_thread(cluster.delete, f"{PODS}/{node}-1")
        assert (await next_of(Removed, updates)).pod.uid == uid


async def test_a_role_taken_away_and_given_back(cluster: ControlPlane, account: Account, node: str) -> None:
    """A watch that is open goes on; the next one is refused."""
    make_pod(cluster, f"{node}-1", node)
    async with watched(account, node, SHORT) as updates:
        await next_of(Confirmed, updates)
        await asyncio.to_thread(account.revoke)
        reason = (await next_of(Unavailable, updates)).reason
        assert "HTTP 403" in reason
        assert "may get, list and watch pods" in reason
        await asyncio.to_thread(account.grant)
        assert named((await next_of(Listed, updates)).pods) == {f"{node}-1"}


async def test_a_token_that_is_accepted_no_more(cluster: ControlPlane, account: Account, node: str) -> None:
    account.write("no.such.token")
    async with watched(account, node, SHORT) as updates:
        assert "HTTP 401" in (await next_of(Unavailable, updates)).reason
        await asyncio.to_thread(account.renew)
        await next_of(Confirmed, updates)


async def test_a_node_that_does_not_exist_yet(cluster: ControlPlane, account: Account, name: str) -> None:
    async with watched(account, name) as updates:
        assert f"no node '{name}'" in (await next_of(Unavailable, updates)).reason
        await asyncio.to_thread(make_node, cluster, name)
        await next_of(Listed, updates)


async def test_an_api_server_that_hangs_then_stops_then_is_back(
    cluster: ControlPlane, account: Account, node: str
) -> None:
    make_pod(cluster, f"{node}-1", node)
    async with watched(account, node, replace(TIMING, silence=1, request=1)) as updates:
        await next_of(Confirmed, updates)
        cluster.freeze()
        try:
            await next_of(Unavailable, updates, lambda update: "did not answer" in update.reason)
        finally:
            cluster.thaw()
        assert named((await next_of(Listed, updates)).pods) == {f"{node}-1"}
        await asyncio.to_thread(cluster.stop)
        await next_of(Unavailable, updates, lambda update: "cannot connect" in update.reason)
        await asyncio.to_thread(cluster.start)
        await asyncio.to_thread(make_pod, cluster, f"{node}-2", node)
        async for update in updates:
            if isinstance(update, Listed) and len(update.pods) == 2:
                break
            if isinstance(update, Changed) and update.pod.name == f"{node}-2":
                break


async def test_the_server_forgets_and_knows_less_than_we(account: Account, node: str) -> None:
    """What it answers to a version that is too old, and to one that it never had."""
    told: list[Update] = []

    async def put(update: Update) -> None:
        told.append(update)

    async with KubeClient(account.access, 30) as client:
        assert not await _Session(client, node, "1", put, PLAIN, TIMING)._follow()
        ahead = _Session(client, node, "999999999", put, PLAIN, TIMING)
        await ahead._list()
    assert isinstance(told[-1], Listed)
    assert 0 < int(ahead.version) < 999999999


def job_of(cluster: ControlPlane, name: str) -> dict[str, Any]:
    """A Job that a CronJob made; how a pod refers to it."""
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": "x", "controller": True}
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "x"}]}}
    body = {"metadata": {"name": name, "ownerReferences": [owner]}, "spec": {"template": template}}
    uid = cluster.create(f"/apis/batch/v1/namespaces/{SHOP}/jobs", body)["metadata"]["uid"]
    return {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid, "controller": True}


@pytest.mark.parametrize("allowed", [True, False], ids=["allowed", "refused"])
async def test_the_cronjob_of_a_job_is_told_where_that_may_be_asked(
    cluster: ControlPlane, account: Account, node: str, allowed: bool
) -> None:
    """Where not, the Job; and the pod is told of before anybody is asked."""
    if allowed:
        account.allow({"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get"]})
    owner = job_of(cluster, f"{node[-50:]}-job".strip("-"))
    make_pod(cluster, f"{node}-1", node, ownerReferences=[owner])
    async with watched(account, node) as updates:
        (pod,) = (await next_of(Listed, updates)).pods
        assert (pod.facts["owner_kind"], pod.facts["owner_name"]) == ("Job", owner["name"])
        if allowed:
            pod = (await next_of(Changed, updates)).pod
            assert (pod.facts["owner_kind"], pod.facts["owner_name"]) == ("CronJob", "nightly")
        await asyncio.to_thread(cluster.patch, f"{PODS}/{node}-1", {"metadata": {"labels": {"a": "b"}}})
        pod = (await next_of(Changed, updates)).pod
        assert pod.facts["owner_kind"] == ("CronJob" if allowed else "Job")
