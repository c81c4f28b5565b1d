"""Pods by the kubelet's part of the cgroup tree: folders that come and go, in a tree of plain folders."""

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from podtick.model.identity import Identity
from podtick.roster import kubepods as module
from podtick.roster.kubepods import KubepodsRoster
from podtick.roster.names import Claim, Names
from podtick.roster.pods import KnownPods
from podtick.roster.roster import Roster
from podtick.sampler.protocol import Answer, Attach, Command, Detach, Network
from podtick.sources.cgroup import inotify as inotify_module
from podtick.sources.cgroup.kubetree import look
from podtick.sources.cgroup.mounts import CgroupMounts, Mount
from podtick.sources.kube.pods import Pod
from podtick.sources.kube.updates import Listed
from tests.unit.roster.engine import NEVER, RecordingSink

UID = "0f1e2d3c-0000-4000-8000-000000000001"
SLICE = UID.replace("-", "_")
APP, SANDBOX = "a1" * 32, "c3" * 32
POD = Identity("shop", "cart-1", UID)
KNOWN = Pod("shop", "cart-1", UID, UID, {APP: "app"})
ROOTS = {
    "cgroupfs": (f"kubepods/burstable/pod{UID}", "{}"),
    "nested": (f"a/b/kubepods/pod{UID}", "{}"),
    "systemd": (
        f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SLICE}.slice",
        "cri-containerd-{}.scope",
    ),
    "kind": (
        f"kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{SLICE}.slice",
        "cri-containerd-{}.scope",
    ),
    "crio": (f"kubepods.slice/kubepods-pod{SLICE}.slice", "crio-{}.scope"),
}


class Announcing(RecordingSink):
    """Stands for the sampler, and wakes whoever waits for it to be told something."""

    def __init__(self) -> None:
        super().__init__()
        self.told = asyncio.Event()

    def send(self, command: Command) -> None:
        super().send(command)
        self.told.set()


class Node:
    """A machine whose tree is a folder of its own, on version 2, or on version 1 with two hierarchies."""

    def __init__(self, root: Path, *, hierarchies: int = 1) -> None:
        self.root = root
        self.points = [root] if hierarchies == 1 else [root / "cpu", root / "memory"]
        for point in self.points:
            point.mkdir(parents=True, exist_ok=True)
            (point / "cgroup.procs").touch()
        mounts = CgroupMounts(2, unified=Mount(root))
        if hierarchies == 2:
            mounts = CgroupMounts(1, {point.name: Mount(point) for point in self.points})
        self.sink = Announcing()
        self.roster = Roster(self.sink)
        self.pods = KnownPods()
        self.mounts = mounts
        self.proc = root.parent / "proc"
        self.proc.mkdir(exist_ok=True)
        known = asyncio.Event()
        known.set()
        self.wanted = True
        self.known = known
        self.names = Names(self.roster, self.pods)
        self.kubepods = KubepodsRoster(self.roster, self.names, mounts, self.proc, known, lambda: self.wanted)
        self.pods._apply(Listed((KNOWN,)))

    def make(self, path: str, points: list[Path] | None = None) -> None:
        """A cgroup, and those around it."""
        for point in points or self.points:
            folder = point
            for part in path.split("/"):
                folder /= part
                folder.mkdir(exist_ok=True)
                (folder / "cgroup.procs").touch()

    def remove(self, path: str) -> None:
        for point in self.points:
            (point / path / "cgroup.procs").unlink()
            (point / path).rmdir()

    def process(self, pid: int, cgroup: str, mounts: str = "") -> None:
        """A process of the machine."""
        folder = self.proc / str(pid)
        folder.mkdir()
        (folder / "cgroup").write_text(f"0::{cgroup}\n")
        (folder / "mountinfo").write_text(f"1 2 0:1 / / rw - overlay overlay rw\n{mounts}")

    def pod(self, namespace: str = "") -> Identity | None:
        """Who the pod is, by this namespace; `None` where it is not there, or nobody knows it."""
        pod = self.roster.pod(f"{namespace}/{UID}")
        return pod.identity if pod else None

    def containers(self) -> set[Identity | None]:
        return {member.identity for member in self.roster.members()}

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(NEVER):
            while not condition():
                self.sink.told.clear()
                await self.sink.told.wait()

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.kubepods.follow())
        try:
            async with asyncio.timeout(NEVER):
                await self.kubepods.listed.wait()
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setattr(module, "TOLD_SECONDS", NEVER)  # so that nothing but inotify tells
    return Node(tmp_path / "cgroup")


@pytest.mark.parametrize(("pod", "shape"), ROOTS.values(), ids=ROOTS)
async def test_pods_wherever_the_kubelet_has_them(node: Node, pod: str, shape: str) -> None:
    node.make(f"{pod}/{shape.format(APP)}")
    async with node.following():
        assert node.containers() == {Identity("shop", "cart-1", UID, "app")}
        paths = {each.paths["unified"] for each in node.sink.take(Attach) if each.paths}
        assert paths == {f"{node.root}/{pod}", f"{node.root}/{pod}/{shape.format(APP)}"}
        assert node.kubepods.told


@pytest.mark.parametrize("kind", ROOTS)
async def test_the_cgroups_around_them_are_read_too(node: Node, kind: str) -> None:
    pod, shape = ROOTS[kind]
    node.make(f"{pod}/{shape.format(APP)}")
    async with node.following():
        node.sink.take()
        node.roster.answered(Answer("tick", 1))
        paths = [f"{each.paths['unified']}/" for each in node.sink.take(Attach)]
    kubepods = f"{node.root}/{pod}".rpartition("/")[0] + "/"
    assert paths[0] == kubepods, "the pod's class, or all pods where its class has no cgroup"
    assert all(outer != inner and inner.startswith(outer) for inner, outer in pairwise(paths))
    assert paths[-1].endswith(("kubepods/", "kubepods.slice/"))


async def test_what_comes_and_goes_is_told_by_the_kernel(node: Node) -> None:
    pod, _ = ROOTS["cgroupfs"]
    node.make("kubepods")
    async with node.following():
        node.make(f"{pod}/{APP}")
        await node.until(lambda: node.containers() == {Identity("shop", "cart-1", UID, "app")})
        [held] = {member.pod.id for member in node.roster.members()}
        node.remove(f"{pod}/{APP}")
        await node.until(lambda: not node.roster.members())
        assert held not in [each.id for each in node.sink.take(Detach)]  # as long as its own cgroup is there
        node.remove(pod)
        await node.until(lambda: node.roster.pod(f"/{UID}") is None)
        assert [each.id for each in node.sink.take(Detach)] == [held]


@pytest.mark.parametrize("engine", [False, True], ids=["by the tree", "by an engine"])
async def test_a_pod_begins_with_its_own_cgroup(node: Node, engine: bool) -> None:
    """Whoever has its containers: they come later, and find it."""
    pod, _ = ROOTS["cgroupfs"]
    node.make("kubepods")
    node.wanted = not engine
    namespace = "shop" if engine else ""
    async with node.following():
        node.make(pod)
        await node.until(lambda: node.pod(namespace) is not None)
        begun = node.roster.pod(f"{namespace}/{UID}")
        assert begun
        assert (begun.identity, begun.attach.paths) == (POD, {"unified": f"{node.root}/{pod}"})
        assert begun.facts["qos"] == "Burstable"
        if engine:
            labelled = Identity("shop", "cart-1", UID, "app")
            member = node.names.join(f"{UID}/app", Claim(UID, APP, labelled))
            assert (member.pod, member.identity) == (begun, labelled)
            node.roster.leave(member)
        node.remove(pod)
        await node.until(lambda: node.roster.pod(begun.key) is None)
        assert [each.id for each in node.sink.take(Detach)][-1] == begun.id


async def test_beside_an_engine_a_pod_begins_once_the_api_server_tells_its_namespace(node: Node) -> None:
    """By which its containers' labels will find it: those of another namespace find another pod."""
    pod, _ = ROOTS["cgroupfs"]
    node.make(pod)
    node.wanted = False
    node.pods._apply(Listed(()))
    async with node.following():
        assert (node.pod(), node.pod("shop"), node.sink.take(Attach)) == (None, None, [])
        node.pods._apply(Listed((KNOWN,)))
        assert node.pod("shop") == POD
        forged = node.names.join("forged", Claim(UID, APP, Identity("other", "cart-1", UID, "app")))
        assert forged.pod.key == f"other/{UID}"


async def test_a_pod_that_nobody_knows_yet_gets_its_name_without_a_container(node: Node) -> None:
    pod, _ = ROOTS["cgroupfs"]
    node.make(pod)
    node.pods._apply(Listed(()))
    async with node.following():
        *_, begun = node.sink.take(Attach)
        assert (begun.paths, begun.identity) == ({"unified": f"{node.root}/{pod}"}, "")
        node.pods._apply(Listed((KNOWN,)))
        assert node.pod() == POD
        node.pods._apply(Listed((replace(KNOWN, name="renamed"),)))
        assert node.pod() == POD, "what was delivered once is final"


async def test_a_pod_whose_cgroup_is_no_more_is_not_read_again_by_what_was(node: Node) -> None:
    """The API server tells of it on and on while it ends."""
    pod, _ = ROOTS["cgroupfs"]
    node.make(pod)
    async with node.following():
        *_, begun = node.sink.take(Attach)
        node.roster.answered(Answer("gone", begun.id, str(begun.run)))
        node.pods._apply(Listed((replace(KNOWN, facts={"phase": "Failed"}),)))
        assert node.sink.take(Attach) == []


@pytest.mark.parametrize("engine", [False, True], ids=["by the tree", "by an engine"])
@pytest.mark.parametrize("beside", [f"crio-conmon-{APP}.scope", "kata_overhead"])
async def test_what_lies_beside_the_containers_is_not_the_pod(node: Node, engine: bool, beside: str) -> None:
    pod, _ = ROOTS["crio"]
    node.make(f"{pod}/{beside}")
    node.wanted = not engine
    async with node.following():
        begun = node.roster.pod(f"{'shop' if engine else ''}/{UID}")
        assert begun
        assert begun.attach.paths == {"unified": f"{node.root}/{pod}"}
        node.remove(f"{pod}/{beside}")
        node.kubepods.apply(look([f"{node.root}/kubepods.slice"], node.mounts))
        assert (begun.held, node.roster.pod(begun.key)) == (True, begun)


async def test_a_pod_under_two_roots_lives_until_both_have_gone(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a change of the kubelet's cgroup driver."""
    monkeypatch.setattr(module, "TOLD_SECONDS", 0.01)
    (old, _), (new, _) = ROOTS["cgroupfs"], ROOTS["systemd"]
    node.make(old)
    node.make(new)
    async with node.following():
        begun = node.roster.pod(f"/{UID}")
        assert begun
        last = begun.attach.paths["unified"].removeprefix(f"{node.root}/")
        node.remove(last)
        node.roster.answered(Answer("gone", begun.id, str(begun.attach.run)))
        await node.until(lambda: bool(begun.attach.paths))
        assert begun.attach.paths == {"unified": f"{node.root}/{({old, new} - {last}).pop()}"}
        node.remove(*({old, new} - {last}))
        await node.until(lambda: node.roster.pod(begun.key) is None)


async def test_a_pods_cgroup_that_is_made_anew_between_two_looks_is_read_again(node: Node) -> None:
    pod, _ = ROOTS["cgroupfs"]
    node.make(pod)
    async with node.following():
        begun = node.roster.pod(f"/{UID}")
        assert begun
        node.roster.answered(Answer("gone", begun.id, str(begun.attach.run)))
        assert begun.attach.paths == {}
        node.kubepods.apply(look([f"{node.root}/kubepods"], node.mounts))
        assert begun.attach.paths == {"unified": f"{node.root}/{pod}"}


async def test_pods_are_not_read_where_the_engine_alone_has_the_numbers(node: Node) -> None:
    pod, _ = ROOTS["cgroupfs"]
    node.make(pod)
    engine_alone = KubepodsRoster(
        node.roster, node.names, node.mounts, node.proc, node.known, lambda: False, beside=False
    )
    task = asyncio.create_task(engine_alone.follow())
    try:
        async with asyncio.timeout(NEVER):
            await engine_alone.listed.wait()
        assert node.sink.take(Attach) == []
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_pod_of_which_a_folder_is_still_missing_is_waited_for(tmp_path: Path) -> None:
    node = Node(tmp_path / "cgroup", hierarchies=2)
    pod, _ = ROOTS["cgroupfs"]
    node.make(f"{pod}".rpartition("/")[0])
    node.make(pod, node.points[:1])
    async with node.following():
        assert node.pod() is None
        node.make(pod, node.points[1:])
        await node.until(lambda: node.pod() is not None)
        *_, begun = node.sink.take(Attach)
        assert set(begun.paths) == {"cpu", "memory"}


async def test_a_container_of_which_a_folder_is_still_missing_is_waited_for(tmp_path: Path) -> None:
    node = Node(tmp_path / "cgroup", hierarchies=2)
    pod, _ = ROOTS["cgroupfs"]
    node.make(pod)
    node.make(f"{pod}/{APP}", node.points[:1])
    async with node.following():
        assert node.roster.members() == []
        node.make(f"{pod}/{APP}", node.points[1:])
        await node.until(lambda: node.roster.members() != [])
        [started] = [each for each in node.sink.take(Attach) if each.paths and APP in each.paths["cpu"]]
        assert set(started.paths) == {"cpu", "memory"}


async def test_the_process_of_a_container_tells_its_name_and_its_network(node: Node) -> None:
    """What the kubelet mounts into it, before the API server knows of it; a sandbox has no such mount."""
    pod, _ = ROOTS["cgroupfs"]
    node.pods._apply(Listed((Pod("shop", "cart-1", UID, UID, {}),)))
    mount = f"3 2 0:1 /var/lib/kubelet/pods/{UID}/containers/side/0a1b2c3d /dev/termination-log rw - ext4 /dev/sda rw\n"
    for id_ in (APP, SANDBOX):
        node.make(f"{pod}/{id_}")
    node.process(70, f"/../../{pod}/{SANDBOX}")
    node.process(71, f"/../../{pod}/{APP}", mount)
    node.process(72, f"/../../{pod}/{APP}")
    node.process(73, "/system.slice/ssh.service")
    async with node.following():
        await node.until(lambda: Identity("shop", "cart-1", UID, "side") in node.containers())
        assert node.containers() == {Identity("shop", "cart-1", UID), Identity("shop", "cart-1", UID, "side")}
        assert {each.pid for each in node.sink.take(Network)} <= {70, 71}


async def test_a_mount_of_another_pods_folder_names_nobody(node: Node) -> None:
    pod, _ = ROOTS["cgroupfs"]
    node.pods._apply(Listed((Pod("shop", "cart-1", UID, UID, {}),)))
    mount = "3 2 0:1 /pods/another/containers/forged/0a1b2c3d /dev/termination-log rw - ext4 /dev/sda rw\n"
    node.make(f"{pod}/{APP}")
    node.process(71, f"/{pod}/{APP}", mount)
    async with node.following():
        await node.until(lambda: bool(node.sink.take(Network)))
        assert node.containers() == {Identity("shop", "cart-1", UID)}


async def test_containers_that_the_kernel_does_not_know_are_not_shown(node: Node) -> None:
    """Of a sandboxed runtime (gVisor, Kata): their cgroups are empty, and what stands there is not theirs."""
    pod, _ = ROOTS["cgroupfs"]
    facts = {"runtime_class": "gvisor"}
    node.pods._apply(Listed((Pod("shop", "cart-1", UID, UID, {APP: "app", SANDBOX: "seen"}, facts=facts),)))
    for id_ in (APP, SANDBOX):
        node.make(f"{pod}/{id_}")
    node.process(70, f"/{pod}/{SANDBOX}")
    async with node.following():
        assert node.containers() == {Identity("shop", "cart-1", UID), Identity("shop", "cart-1", UID, "seen")}
        assert {member.pod.facts["runtime_class"] for member in node.roster.members()} == {"gvisor"}


async def test_a_pod_of_two_hundred_containers(node: Node) -> None:
    pod, _ = ROOTS["cgroupfs"]
    named = {f"{number:064x}": f"c{number}" for number in range(200)}
    node.pods._apply(Listed((Pod("shop", "cart-1", UID, UID, named),)))
    for id_ in named:
        node.make(f"{pod}/{id_}")
    async with node.following():
        assert {who.container for who in node.containers() if who} == set(named.values())
        assert len({member.pod.id for member in node.roster.members()}) == 1


async def test_without_inotify_the_tree_is_looked_through(
    node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(inotify_module.Inotify, "__init__", refuse)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    pod, _ = ROOTS["cgroupfs"]
    async with node.following():
        assert not node.kubepods.told
        node.make(f"{pod}/{APP}")
        await node.until(lambda: node.containers() == {Identity("shop", "cart-1", UID, "app")})
    assert "no inotify" in caplog.text


async def test_without_watches_enough_the_tree_is_looked_through(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    pod, _ = ROOTS["cgroupfs"]
    node.make("kubepods")
    monkeypatch.setattr(inotify_module.Inotify, "watch", refuse)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    async with node.following():
        node.make(f"{pod}/{APP}")
        await node.until(lambda: node.containers() == {Identity("shop", "cart-1", UID, "app")})
        assert not node.kubepods.told


async def test_who_is_not_wanted_any_more_leaves(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once an engine has the kubelet's containers, it tells of them better."""
    monkeypatch.setattr(module, "TOLD_SECONDS", 0.01)
    pod, _ = ROOTS["cgroupfs"]
    node.make(f"{pod}/{APP}")
    async with node.following():
        assert node.kubepods.followed == 1
        node.wanted = False
        await node.until(lambda: not node.roster.members())
        assert node.roster.pod(f"/{UID}") is None


async def test_who_is_not_wanted_any_more_leaves_at_once_where_somebody_else_has_them(node: Node) -> None:
    """Two of the same labels in one answer would spoil a whole scrape."""
    pod, _ = ROOTS["cgroupfs"]
    node.make(f"{pod}/{APP}")
    async with node.following():
        node.kubepods.give_way()
        assert node.kubepods.followed == 1
        node.wanted = False
        node.kubepods.give_way()
        assert node.roster.members() == []
        assert node.roster.pod(f"/{UID}") is None
        await node.until(lambda: node.pod("shop") == POD)  # as the engine's labels will find it


async def test_another_kubelets_folder_is_found_too(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as that of the same kubelet with another cgroup driver."""
    monkeypatch.setattr(module, "TOLD_SECONDS", 0.01)
    node.make("kubepods")
    async with node.following():
        pod, shape = ROOTS["systemd"]
        node.make(f"{pod}/{shape.format(APP)}")
        await node.until(lambda: node.containers() == {Identity("shop", "cart-1", UID, "app")})


async def test_a_pod_that_is_made_anew_is_watched_anew(node: Node) -> None:
    """Its folder has the same name, and is another one to the kernel."""
    pod, _ = ROOTS["cgroupfs"]
    for _ in range(2):
        node.make(pod)
        async with node.following():
            node.make(f"{pod}/{APP}")
            await node.until(lambda: len(node.roster.members()) == 1)
            node.remove(f"{pod}/{APP}")
            await node.until(lambda: not node.roster.members())
            node.remove(pod)
            await node.until(lambda: node.roster.pod(f"/{UID}") is None)
            node.make(pod)
            node.make(f"{pod}/{APP}")
            await node.until(lambda: len(node.roster.members()) == 1)
            node.remove(f"{pod}/{APP}")
            await node.until(lambda: not node.roster.members())
        node.remove(pod)
