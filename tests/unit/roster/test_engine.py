"""What an engine's containers become: pods, members, and what the sampler is told of them."""

import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from podtick.history.records import IDENTITY_BYTES, TargetKind
from podtick.model.identity import DOCKER, NAME_BYTES
from podtick.model.metrics.row import Level
from podtick.model.metrics.state import STATES
from podtick.roster import engine as engine_module
from podtick.roster.engine import MOST_STOPPED
from podtick.sampler.protocol import Answer, Attach, Detach, Keep, Limits, Network, Rename, Told
from podtick.sources.docker.events import ContainerEvent
from podtick.sources.docker.updates import Changed, Unavailable
from tests.unit.roster.engine import LATER, Node, container_id, details, stopped, who

RUNNING = STATES.index("running")


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with Node(tmp_path / "cgroup") as node:
        yield node


async def test_a_container_is_a_pod_of_one(node: Node) -> None:
    await node.list(details("web"))
    pod, bare, started, network, told, pod_told = node.sink.take()
    member = node.member("web")
    assert (pod.id, pod.kind, pod.paths) == (member.pod.id, TargetKind.POD, {})
    assert json.loads(pod.identity) == {"namespace": DOCKER, "pod": "web", "uid": container_id("web")}
    assert json.loads(bare.identity) == {**json.loads(pod.identity), "container": "web"}
    assert bare == Attach(member.id, TargetKind.CONTAINER, pod.id, identity=bare.identity)
    folder = str(node.root / "docker" / container_id("web"))
    assert started == Attach(member.id, TargetKind.CONTAINER, pod.id, 2, {"unified": folder}, bare.identity, True, 1)
    assert network == Network(pod.id, member.id, 300, container_id("web"))
    assert told == Told(member.id, {"start_time_seconds": LATER, "restarts_total": 0, "state": RUNNING})
    assert pod_told == Told(pod.id, {"restarts_total": 0, "start_time_seconds": LATER})


async def test_the_same_again_is_not_said_again(node: Node) -> None:
    await node.list(details("web"), details("db"))
    node.sink.take()
    await node.list(details("web"), details("db"))
    await node.change(details("web"))
    assert node.sink.take() == []


async def test_of_the_first_list_all_count_wholly_then_only_who_is_started(node: Node) -> None:
    await node.list(details("first", started_at_ns=10**18))
    assert [each.fresh for each in node.sink.take(Attach) if each.paths] == [True]
    later = (details("old", started_at_ns=10**18), details("unknown", started_at_ns=None), details("new"))
    await node.list(details("first", started_at_ns=10**18), *later)
    started = {each.id: each.fresh for each in node.sink.take(Attach) if each.paths}
    assert started == {
        node.member("old").id: False,
        node.member("unknown").id: False,
        node.member("new").id: True,
    }


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_containers_of_one_network_are_one_pod(node: Node, order: tuple[int, ...]) -> None:
    """Also through one another, and whoever is listed first."""
    containers = (details("web"), details("side", shares="web", pid=301), details("far", shares="side", pid=302))
    await node.list(*(containers[place] for place in order))
    members = [node.member(name) for name in ("web", "side", "far")]
    assert {who(member.pod).uid for member in members} == {container_id("web")}
    assert {who(member).container for member in members} == {"web", "side", "far"}
    assert {who(member).pod for member in members} == {"web"}
    owners = [each.owner for each in node.sink.take(Network)]
    assert owners[-1] == node.member("web").id


async def test_a_network_of_nobody_and_rings_end(node: Node) -> None:
    await node.list(details("a", shares="b"), details("b", shares="a"), details("lone", shares="nobody"))
    assert who(node.member("lone").pod).uid == container_id("lone")
    assert len({node.member(name).pod.id for name in ("a", "b")}) <= 2


@pytest.mark.parametrize("mode", ["host", "none"])
async def test_without_a_network_of_its_own(node: Node, mode: str) -> None:
    await node.list(details("web", network_mode=mode))
    assert node.sink.take(Network) == []
    assert node.member("web").running


async def test_a_restart_begins_a_new_run(node: Node) -> None:
    await node.list(details("web"))
    await node.change(stopped("web", restart_count=0))
    assert not node.member("web").running
    node.sink.take()
    await node.change(details("web", pid=400, started_at_ns=LATER + 10))
    [started] = node.sink.take(Attach)
    assert started.fresh
    assert started.id == node.member("web").id
    assert node.member("web").process == 400


async def test_restarts_of_a_pod_are_a_sum_that_never_falls(node: Node) -> None:
    """`docker restart` and a new container of the same pod start to count at 0 again."""
    await node.list(details("web", restart_count=2), details("side", shares="web", restart_count=1))
    pod = node.member("web").pod
    seen = [node.told(pod.id)["restarts_total"]]
    for web, side in ((3, 1), (3, 4), (0, 4), (1, 4), (None, 4), (1, 5)):
        await node.change(details("web", restart_count=web))
        await node.change(details("side", shares="web", restart_count=side))
        seen.append(node.told(pod.id)["restarts_total"])
    await node.remove("side")
    await node.change(details("web", restart_count=2))
    seen.append(node.told(pod.id)["restarts_total"])
    known = [value for value in seen if value is not None]
    assert known == sorted(known)
    assert seen[:5] == [3, 4, 7, 7, 8]


async def test_a_new_name_is_the_pods_and_its_members(node: Node) -> None:
    await node.list(details("web"), details("side", shares="web"))
    before, version = node.member("web").id, node.roster.version
    node.sink.take()
    await node.change(details("web", name="front"))
    renamed = {each.id: json.loads(each.identity) for each in node.sink.take(Rename)}
    web, side = node.member("web"), node.member("side")
    assert web.id == before
    assert (who(web).pod, who(web).container) == ("front", "front")
    assert (who(side).pod, who(side).container) == ("front", "side")
    assert set(renamed) == {web.id, side.id, web.pod.id}
    assert renamed[web.pod.id] == {"namespace": DOCKER, "pod": "front", "uid": container_id("web")}
    assert node.roster.version > version


async def test_who_leaves_is_detached_and_its_pod_after_its_last(node: Node) -> None:
    await node.list(details("web"), details("side", shares="web"))
    web, side = node.member("web"), node.member("side")
    node.sink.take()
    await node.remove("web")
    assert node.sink.take(Detach, Network) == [Detach(web.id), Network(web.pod.id, side.id, 300, side.key)]
    await node.remove("side")
    assert node.sink.take() == [Detach(side.id), Detach(web.pod.id)]
    await node.remove("side")
    await node.remove("never heard of")
    assert node.sink.take() == []
    assert node.roster.members() == []
    assert node.roster.targets(Level.POD) == []


async def test_who_is_not_listed_has_left(node: Node) -> None:
    await node.list(details("web"), details("db"))
    gone = node.member("db")
    node.sink.take()
    await node.list(details("web"))
    assert node.sink.take() == [Detach(gone.id), Detach(gone.pod.id)]


async def test_a_name_used_again_is_another_pod(node: Node) -> None:
    await node.list(details("web"))
    old = node.member("web").pod.id
    other = details("web", id=container_id("another web"))
    await node.list(other)
    member = node.roster.member(other.id)
    assert member is not None
    assert member.pod.id != old
    assert who(member.pod).pod == "web"


async def test_the_stopped_are_bounded_the_newest_ends_kept(node: Node) -> None:
    many = [stopped(f"job-{number}", finished_at_ns=number) for number in range(MOST_STOPPED + 50)]
    await node.list(details("web"), *many)
    kept = {who(member).container for member in node.roster.members()}
    assert kept == {"web"} | {f"job-{number}" for number in range(50, MOST_STOPPED + 50)}
    assert node.engine.state.running == 1


async def test_a_stopped_container_is_a_state_and_no_more(node: Node) -> None:
    await node.list(stopped("job"))
    job = node.member("job")
    assert node.told(job.id)["state"] == STATES.index("exited")
    assert not [each for each in node.sink.take(Attach) if each.paths]


async def test_a_container_never_started_has_not_been_restarted(node: Node) -> None:
    await node.list(details("new", state="created", pid=None, started_at_ns=None, restart_count=0))
    assert node.told(node.member("new").id)["restarts_total"] is None


async def test_a_state_nobody_knows_is_unknown(node: Node) -> None:
    await node.list(details("odd", state=None))
    assert node.told(node.member("odd").id)["state"] is None


async def test_changed_limits_are_read_again(node: Node) -> None:
    await node.list(details("web"))
    node.sink.take()
    event = ContainerEvent("update", container_id("web"), 1, "web", None)
    await node.give(Changed(details("web"), (event,)))
    assert node.sink.take() == [Limits(node.member("web").id)]


@pytest.mark.parametrize(
    "name",
    ["x" * 4096, 'quotes " and \\', "two\nlines\r", "ünïcödé" * 200, "\u202eright to left", " ", "{}", "a\0b"],
    ids=range(8),
)
async def test_hostile_names_stay_names(node: Node, name: str) -> None:
    hostile = details(name, id=container_id("hostile"), image="y" * 4096)
    await node.list(hostile)
    identities = [each.identity for each in node.sink.take(Attach)]
    assert identities
    for identity in identities:
        assert "\n" not in identity
        assert len(identity.encode()) <= IDENTITY_BYTES
        assert len(json.loads(identity)["pod"].encode()) <= NAME_BYTES


async def test_a_container_without_a_name_has_its_id(node: Node) -> None:
    await node.list(details("", id=container_id("nameless")))
    member = node.roster.member(container_id("nameless"))
    assert member is not None
    assert who(member).pod == who(member).container == container_id("nameless")[:12]


async def test_a_cgroup_that_comes_late_is_looked_for_again(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "RETRIES", (0.0, 0.0, 0.0))
    await node.list(details("web"), cgroups=False)
    assert node.engine.state.unreadable == {container_id("web")}
    assert not node.member("web").running
    await node.list(details("web"))
    assert node.member("web").running
    assert node.engine.state.unreadable == set()


async def test_a_cgroup_that_never_comes_is_said_once(
    node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine_module, "RETRIES", (0.0, 0.0, 0.0))
    for _ in range(12):
        await node.list(details("web"), cgroups=False)
    assert [record.getMessage() for record in caplog.records if "no cgroup" in record.getMessage()] == [
        f"no cgroup found container=web id={container_id('web')[:12]}"
    ]
    await node.remove("web")
    assert node.engine.state.unreadable == set()


async def test_an_engine_that_does_not_answer_is_told(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    await node.list(details("web"))
    await node.give(Unavailable("connection refused"))
    assert node.engine.state.lost == "connection refused"
    assert node.engine.state.listed
    assert node.engine.known.is_set()
    assert node.member("web").running, "its samples go on"
    assert "connection refused" in caplog.text
    await node.list(details("web"))
    assert node.engine.state.lost == ""
    assert node.engine.state.name == "20.10.24"


async def test_while_it_does_not_answer_only_a_cgroup_tells_that_one_runs(node: Node) -> None:
    await node.list(details("web"))
    lost = details("lost")  # whose cgroup is not to be found
    await node.list(details("web"), lost, stopped("old"), cgroups=False)
    states = {name: node.member(name).told["state"] for name in ("web", "lost", "old")}
    assert states == {"web": RUNNING, "lost": RUNNING, "old": STATES.index("exited")}
    await node.give(Unavailable("connection refused"))
    assert {name: node.member(name).told["state"] for name in states} == states | {"lost": None}
    await node.list(details("web"), lost, stopped("old"), cgroups=False)
    assert {name: node.member(name).told["state"] for name in states} == states


async def test_a_start_time_told_later_is_no_second_start(node: Node) -> None:
    await node.list(details("web", started_at_ns=None, pid=None), cgroups=False)
    node.make_cgroup(details("web"))
    await node.list(details("web", started_at_ns=None, pid=None), cgroups=False)
    assert node.member("web").running
    node.sink.take()
    await node.change(details("web"))
    assert node.sink.take(Attach) == []
    assert node.member("web").process == 300


async def test_a_new_sampler_is_told_all(node: Node) -> None:
    await node.list(details("web"), details("side", shares="web", pid=301), stopped("job"))
    await node.change(details("web", name="front"))
    await node.remove("job")
    known = node.known_to_sampler()
    node.sink.take()
    replayed = [*node.roster.replay()]
    attached = {each.id: each for each in replayed if isinstance(each, Attach)}
    assert set(attached) == known | {1}
    assert attached[1].kind is TargetKind.NODE
    assert json.loads(attached[node.member("web").id].identity)["pod"] == "front"
    assert json.loads(attached[node.member("web").pod.id].identity)["pod"] == "front"
    assert attached[node.member("web").id].paths == node.member("web").attach.paths
    assert not attached[node.member("web").id].fresh
    assert replayed[-1] == Keep((1, *sorted(known)))
    told = {each.id for each in replayed if isinstance(each, Told)}
    assert told == known
    assert [each.owner for each in node.sink.take(Network)] == [node.member("web").id]
    places = {each.id: place for place, each in enumerate(replayed) if isinstance(each, Attach)}
    assert all(places[each.parent] < places[each.id] for each in attached.values() if each.parent)


async def test_answers_make_targets_served(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    await node.list(details("web"))
    web, roster = node.member("web"), node.roster
    assert roster.targets(Level.CONTAINER) == []
    version = roster.version
    roster.answered(Answer("attached", web.id, "7 12"))
    roster.answered(Answer("attached", web.pod.id, "8 12 /sys/x: Permission denied"))
    [container] = roster.targets(Level.CONTAINER)
    [pod] = roster.targets(Level.POD)
    assert (container.slot, container.first, container.container) == (7, 12, "web")
    assert (pod.slot, pod.container, pod.namespace, pod.pod) == (8, None, DOCKER, "web")
    assert pod.uid == container_id("web")
    assert roster.targets(Level.NODE) == []
    assert roster.version > version
    assert "Permission denied" in caplog.text
    again = roster.version
    roster.answered(Answer("attached", web.id, "7 12"))
    assert roster.version == again


@pytest.mark.parametrize(
    ("answer", "logged"),
    [
        (Answer("full", 2, "all 4096 slots"), "all 4096 slots"),
        (Answer("error", 0, "ProtocolError: x"), "ProtocolError: x"),
        (Answer("network", 2, "unreadable: Permission denied"), "Permission denied"),
        (Answer("tick", 2, ""), ""),
        (Answer("attached", 99, "1 1"), ""),
        (Answer("gone", 99, ""), ""),
        (Answer("never heard of", 2, "x"), ""),
    ],
)
async def test_answers_that_change_nothing(
    node: Node, answer: Answer, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    await node.list(details("web"))
    node.sink.take()
    node.roster.answered(answer)
    assert node.sink.take() == []
    assert logged in caplog.text
    assert bool(logged) == bool(caplog.records)


async def test_when_the_owner_of_a_network_goes_another_takes_its_place(node: Node) -> None:
    await node.list(details("web"), details("side", shares="web", pid=301))
    web, side = node.member("web"), node.member("side")
    node.sink.take()
    node.roster.answered(Answer("gone", side.id, "1"))
    assert node.sink.take() == [Told(side.id, {"state": None})], "what became of it only the engine knows"
    node.roster.answered(Answer("gone", web.id, "1"))
    assert web.process is None
    assert not web.running
    assert node.sink.take(Network) == []
    assert web.pod.network_owner is None
    await node.change(details("side", shares="web", pid=310, started_at_ns=LATER + 1))
    assert node.sink.take(Network) == [Network(web.pod.id, side.id, 310, side.key)]


async def test_a_process_that_is_another_ones_is_not_asked_again(node: Node) -> None:
    await node.list(details("web"), details("side", shares="web", pid=301))
    web, side = node.member("web"), node.member("side")
    node.sink.take()
    node.roster.answered(Answer("network", web.pod.id, "gone: process 300 has gone"))
    assert node.sink.take() == [Network(web.pod.id, side.id, 301, side.key)]
    node.roster.answered(Answer("network", web.pod.id, "gone: process 301 has gone"))
    assert node.sink.take() == []
    assert web.pod.network_owner is None
