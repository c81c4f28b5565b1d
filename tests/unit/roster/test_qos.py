"""The cgroups around pods, as the roster finds them by the pods' own: in a tree of plain folders."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from podtick.history.records import TargetKind
from podtick.model.identity import Identity
from podtick.model.metrics.row import Level
from podtick.roster.roster import Roster
from podtick.sampler.protocol import Answer, Attach, Keep
from tests.unit.roster.engine import RecordingSink

UID, OTHER = "0f1e2d3c-0000-4000-8000-000000000001", "0f1e2d3c-0000-4000-8000-000000000002"
CGROUPFS = ("burstable/pod{0}", "besteffort/pod{0}", "pod{0}", "burstable", "besteffort")
SHAPES = {
    "cgroupfs": ("kubepods", *CGROUPFS),
    "nested": ("docker/abc/kubelet/kubepods", *CGROUPFS),
    "systemd": (
        "kubepods.slice",
        "kubepods-burstable.slice/kubepods-burstable-pod{1}.slice",
        "kubepods-besteffort.slice/kubepods-besteffort-pod{1}.slice",
        "kubepods-pod{1}.slice",
        "kubepods-burstable.slice",
        "kubepods-besteffort.slice",
    ),
    "kind": (
        "kubelet.slice/kubelet-kubepods.slice",
        "kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod{1}.slice",
        "kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod{1}.slice",
        "kubelet-kubepods-pod{1}.slice",
        "kubelet-kubepods-burstable.slice",
        "kubelet-kubepods-besteffort.slice",
    ),
}
V1, V2 = ("cpu", "memory", "pids"), ("unified",)
READ = dict[str | None, dict[str, str]]


class Node:
    """A machine's cgroup tree, the roster, and the sampler's ear and mouth."""

    def __init__(self, root: Path, controllers: tuple[str, ...] = V2) -> None:
        self.points = {name: root / name for name in controllers}
        self.version = 2 if controllers == V2 else 1
        self.sink = RecordingSink()
        self.roster = Roster(self.sink)
        self.ticks = 0

    def make(self, path: str, controllers: tuple[str, ...] = ()) -> None:
        for name in controllers or tuple(self.points):
            folder = self.points[name]
            for part in path.split("/"):
                folder /= part
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "cgroup.procs").touch()

    def remove(self, path: str) -> None:
        for point in self.points.values():
            (point / path / "cgroup.procs").unlink()
            (point / path).rmdir()

    def folders(self, path: str) -> dict[str, str]:
        return {name: f"{point}/{path}" for name, point in self.points.items()}

    def start(self, pod: str, uid: str = UID, controllers: tuple[str, ...] = ()) -> None:
        """A container of a pod runs, whose own cgroup this is, in all hierarchies or in these."""
        self.make(pod, controllers)
        member = self.roster.join(uid * 2, Identity("shop", uid, uid, "app"))
        found = {name: f"{self.points[name]}/{pod}" for name in controllers or self.points}
        folders = {name: f"{folder}/app" for name, folder in found.items()}
        self.roster.start(member, self.version, folders, None, fresh=True, pod_paths=found)

    def stop(self, uid: str = UID) -> None:
        """The pod's own cgroup goes, with its containers; whoever found it keeps it."""
        member = self.roster.member(uid * 2)
        assert member is not None
        for each in (member, member.pod):
            self.roster.answered(Answer("gone", each.id, str(each.attach.run)))

    def end(self, uid: str = UID) -> None:
        member = self.roster.member(uid * 2)
        assert member is not None
        self.roster.leave(member)

    def tick(self) -> list[Attach]:
        """The next tick; what the sampler is told of cgroups around pods from it on."""
        self.ticks += 1
        self.sink.take()
        self.roster.answered(Answer("tick", self.ticks))
        return [each for each in self.sink.take(Attach) if each.kind is TargetKind.QOS]

    def read(self) -> READ:
        """Which folders a new sampler would read, by class."""
        told = [each for each in self.roster.replay() if isinstance(each, Attach) and each.kind is TargetKind.QOS]
        return {json.loads(each.identity).get("qos_class"): dict(each.paths) for each in told if each.paths}


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def kubelet(node: Node, shape: str = "cgroupfs") -> READ:
    """The kubelet makes its cgroups; those that there are to be read, by class."""
    kubepods, *_, burstable, besteffort = SHAPES[shape]
    for path in (f"{kubepods}/{burstable}", f"{kubepods}/{besteffort}"):
        node.make(path)
    return {
        "Burstable": node.folders(f"{kubepods}/{burstable}"),
        "BestEffort": node.folders(f"{kubepods}/{besteffort}"),
        None: node.folders(kubepods),
    }


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pod", [1, 2, 3], ids=["burstable", "besteffort", "guaranteed"])
@pytest.mark.parametrize("controllers", [V1, V2], ids=["v1", "v2"])
def test_a_pod_of_any_class_tells_where_they_are(
    tmp_path: Path, shape: str, pod: int, controllers: tuple[str, ...]
) -> None:
    node = Node(tmp_path, controllers)
    expected = kubelet(node, shape)
    node.start(f"{SHAPES[shape][0]}/{SHAPES[shape][pod].format(UID, UID.replace('-', '_'))}")
    attached = node.tick()
    assert node.read() == expected
    assert [dict(each.paths) for each in attached] == list(expected.values()), "inner ones first"
    assert {each.version for each in attached} == {node.version}
    assert len({each.id for each in attached}) == 3


def test_a_node_without_a_kubelet_has_none(node: Node) -> None:
    member = node.roster.join(UID, Identity("_docker", "web", UID, "web"))
    node.roster.start(member, 2, node.folders("docker/abc"), None, fresh=True)
    node.make("kubepods/burstable")  # left by a kubelet that is no more
    assert node.tick() == []
    assert node.read() == {}


def test_they_are_served_once_they_have_a_place(node: Node) -> None:
    kubelet(node)
    node.start(f"kubepods/pod{UID}")
    burstable, besteffort, kubepods = node.tick()
    assert [node.roster.targets(level) for level in (Level.QOS, Level.KUBEPODS)] == [[], []]
    version = node.roster.version
    for slot, each in enumerate((burstable, besteffort, kubepods)):
        node.roster.answered(Answer("attached", each.id, f"{slot} {slot + 5}"))
    assert node.roster.version > version
    served = [target for level in (Level.QOS, Level.KUBEPODS) for target in node.roster.targets(level)]
    assert [(each.level, each.slot, each.first, dict(each.facts)) for each in served] == [
        (Level.QOS, 0, 5, {"qos_class": "Burstable"}),
        (Level.QOS, 1, 6, {"qos_class": "BestEffort"}),
        (Level.KUBEPODS, 2, 7, {}),
    ]
    assert node.roster.targets(Level.NODE) == []
    assert burstable.id in next(each.ids for each in node.roster.replay() if isinstance(each, Keep))


def test_at_rest_nothing_is_asked_of_the_kernel(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    kubelet(node)
    node.start(f"kubepods/burstable/pod{UID}")
    assert len(node.tick()) == 3

    def asked(path: str) -> bool:
        raise AssertionError(path)

    with monkeypatch.context() as patched:
        patched.setattr(os.path, "exists", asked)
        assert [node.tick() for _ in range(3)] == [[], [], []]


def test_one_that_goes_is_read_again_once_it_is_made_anew(node: Node) -> None:
    expected = kubelet(node)
    node.start(f"kubepods/burstable/pod{UID}")
    besteffort = node.tick()[1]
    node.remove("kubepods/besteffort")
    node.roster.answered(Answer("gone", besteffort.id, str(besteffort.run)))
    assert node.tick() == []
    assert node.read() == {name: paths for name, paths in expected.items() if name != "BestEffort"}
    node.make("kubepods/besteffort")
    again = node.tick()
    assert [dict(each.paths) for each in again] == list(expected.values()), "what is around it is read after it"
    assert (again[1].id, again[1].run) == (besteffort.id, besteffort.run + 1)
    node.roster.answered(Answer("gone", besteffort.id, str(besteffort.run)))  # crosses the command
    assert node.read() == expected


@pytest.mark.parametrize("reason", ["No such file or directory", "No such device"])
def test_one_that_went_before_it_was_opened_is_looked_for_again(node: Node, reason: str) -> None:
    kubelet(node)
    node.start(f"kubepods/pod{UID}")
    burstable = node.tick()[0]
    node.roster.answered(Answer("attached", burstable.id, f"0 1 /x/cpu.stat: {reason}"))
    assert burstable.id in {each.id for each in node.tick()}


def test_one_that_may_not_be_read_is_not_asked_for_again_and_again(node: Node) -> None:
    kubelet(node)
    node.start(f"kubepods/pod{UID}")
    burstable = node.tick()[0]
    node.roster.answered(Answer("attached", burstable.id, "0 1 /x/cpu.stat: Permission denied"))
    assert node.tick() == []


def test_a_class_without_a_cgroup_has_none_until_it_is_in_every_hierarchy(tmp_path: Path) -> None:
    node = Node(tmp_path, V1)
    node.start(f"kubepods/pod{UID}")
    node.tick()
    assert set(node.read()) == {None}
    node.make("kubepods/burstable", V1[:2])
    node.tick()
    assert set(node.read()) == {None}
    node.make("kubepods/burstable")
    node.tick()
    assert node.read() == {"Burstable": node.folders("kubepods/burstable"), None: node.folders("kubepods")}


@pytest.mark.parametrize("controllers", [V1[1:], V1[:1]], ids=["without the first", "the first alone"])
@pytest.mark.parametrize("first", [False, True], ids=["last", "first"])
def test_a_pod_that_is_not_in_every_hierarchy_is_of_the_same_kubelet(
    tmp_path: Path, controllers: tuple[str, ...], first: bool
) -> None:
    """As one of a sandboxed runtime, or one whose container is ending when it is found."""
    node = Node(tmp_path, V1)
    expected = kubelet(node)
    pods: list[tuple[str, tuple[str, ...]]] = [(UID, ()), (OTHER, controllers)]
    for uid, some in pods[::-1] if first else pods:
        node.start(f"kubepods/pod{uid}", uid, some)
        node.tick()
    assert node.read() == expected


@pytest.mark.parametrize("over", [Node.end, Node.stop], ids=["ended", "kept"])
def test_they_outlive_the_last_pod_and_move_with_the_next_ones(node: Node, over: Callable[[Node], None]) -> None:
    """A kubelet that is started with another driver makes its cgroups elsewhere; the former ones may stay."""
    former, now = kubelet(node, "cgroupfs"), kubelet(node, "systemd")
    node.start(f"kubepods/pod{UID}")
    first = node.tick()
    over(node)
    assert node.tick() == []
    assert node.read() == former
    node.start(f"kubepods.slice/kubepods-pod{OTHER.replace('-', '_')}.slice", OTHER)
    between = node.tick()
    assert [dict(each.paths) for each in between] == [{}] * 3, "else the counters of both make a rate"
    second = node.tick()
    assert node.read() == now
    assert [each.id for each in first] == [each.id for each in between] == [each.id for each in second]


@pytest.mark.parametrize(
    ("other", "read"),
    [
        ("docker/abc/kubelet/kubepods", "kubepods"),  # of a node in a container on this one
        ("kubepods.slice", None),
    ],
)
@pytest.mark.parametrize("turn", [lambda pods: pods, lambda pods: pods[::-1]], ids=["first", "last"])
def test_of_two_kubelets_the_outer_one_is_the_nodes_and_of_equals_neither_is(
    node: Node, other: str, read: str | None, turn: Callable[[list[tuple[str, str]]], list[tuple[str, str]]]
) -> None:
    for path in ("kubepods", other):
        node.make(path)
    child = f"kubepods-pod{OTHER.replace('-', '_')}.slice" if other.endswith(".slice") else f"pod{OTHER}"
    for pod, uid in turn([(f"kubepods/pod{UID}", UID), (f"{other}/{child}", OTHER)]):
        node.start(pod, uid)
        node.tick()
    node.tick()
    assert node.read() == ({None: node.folders(read)} if read else {})
    node.end(OTHER)
    node.tick()
    assert node.read() == {None: node.folders("kubepods")}
