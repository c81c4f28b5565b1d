"""Whose a container is: the API server's word, labels, the cgroup's path, and how long a name is waited for."""

import json
from dataclasses import replace

import pytest

from podtick.model.identity import CGROUP, Identity
from podtick.model.metrics.row import Level
from podtick.roster.names import RUNNING, WAIT_SECONDS, Claim, Names
from podtick.roster.pods import KnownPods
from podtick.roster.roster import Roster
from podtick.sampler.protocol import Answer, Rename
from podtick.sources.kube.pods import Container, Pod
from podtick.sources.kube.updates import Changed, Confirmed, Listed, Removed, Unavailable
from tests.unit.roster.engine import RecordingSink

UID, HASH = "0f1e2d3c-0000-4000-8000-000000000001", "0123456789abcdef0123456789abcdef"
APP, SIDE, SANDBOX = "a1" * 32, "b2" * 32, "c3" * 32
API_POD = Pod("shop", "cart-1", UID, UID, {APP: "app"})
POD = Identity("shop", "cart-1", UID)
LABELLED = Identity("shop", "cart-1", UID, "app")
STATIC = Pod("kube-system", "proxy-node", UID, HASH, {APP: "proxy"})


class World:
    """A roster, what the API server has said, and a clock."""

    def __init__(self, *, kubernetes: bool = True) -> None:
        self.sink = RecordingSink()
        self.roster = Roster(self.sink)
        self.pods = KnownPods() if kubernetes else None
        self.now = 1000.0
        self.names = Names(self.roster, self.pods, lambda: self.now)

    def say(self, *updates: Listed | Changed | Removed | Confirmed | Unavailable) -> None:
        assert self.pods is not None
        for update in updates:
            self.pods._apply(update)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.names.look()

    def shown(self, level: Level = Level.CONTAINER) -> list[Identity]:
        """Who is served, once the sampler has given everybody a place."""
        for member in self.roster.members():
            for entry in (member, member.pod):
                self.roster.answered(Answer("attached", entry.id, f"{entry.id} 1"))
        return [target.identity for target in self.roster.targets(level)]


@pytest.fixture
def world() -> World:
    return World()


def test_a_container_that_the_api_server_knows_has_its_name_at_once(world: World) -> None:
    world.say(Listed((API_POD,)))
    world.names.join(APP, Claim(UID, APP))
    assert world.shown() == [LABELLED]
    assert world.shown(Level.POD) == [POD]


def test_nobody_sees_a_container_before_its_name_is_known(world: World) -> None:
    member = world.names.join(APP, Claim(UID, APP))
    world.wait(WAIT_SECONDS - 1)
    assert (world.shown(), world.shown(Level.POD)) == ([], [])
    world.say(Listed((replace(API_POD, containers={}),)))
    assert (world.shown(), world.shown(Level.POD)) == ([], [POD])
    world.sink.take()
    version = world.roster.version
    world.say(Changed(API_POD))
    assert world.shown() == [LABELLED]
    assert world.roster.version != version
    [renamed] = world.sink.take(Rename)
    assert (renamed.id, json.loads(renamed.identity)) == (member.id, json.loads(LABELLED.text()))


def test_what_is_unknown_after_ten_seconds_is_served_with_what_is_known(world: World) -> None:
    world.names.join(APP, Claim(UID, APP))
    world.wait(WAIT_SECONDS)
    assert world.shown() == [Identity(CGROUP, UID, UID, APP[:12])]
    assert world.names.unidentified == 1
    world.say(Listed((API_POD,)))  # a stand-in is no name: it ends when the name comes
    assert world.shown() == [LABELLED]
    assert world.names.unidentified == 0


def test_without_an_api_server_nobody_waits() -> None:
    world = World(kubernetes=False)
    world.names.join(APP, Claim(UID, APP))
    world.names.join(SIDE, Claim(UID, SIDE, name="side"))
    assert {each.container for each in world.shown()} == {APP[:12], "side"}
    assert world.names.unidentified == 2  # of both the pod's name is unknown


def test_the_sandbox_counts_in_its_pod_and_is_never_shown(world: World) -> None:
    """The API server knows every container but that one."""
    world.say(Listed((API_POD,)))
    world.names.join(SANDBOX, Claim(UID, SANDBOX))
    world.names.join(APP, Claim(UID, APP))
    world.wait(2 * WAIT_SECONDS)
    assert world.shown() == [LABELLED]
    assert world.names.unidentified == 0


def test_a_sandbox_that_is_known_to_be_one_is_not_shown_without_an_api_server_either(world: World) -> None:
    world.say(Unavailable("no route to host"))
    world.names.join(SANDBOX, Claim(UID, SANDBOX, sandbox=True))
    world.names.join(APP, Claim(UID, APP, name="app"))
    world.wait(2 * WAIT_SECONDS)
    assert [each.container for each in world.shown()] == ["app"]


def test_while_the_api_server_is_silent_who_knows_whether_it_is_a_sandbox(world: World) -> None:
    world.say(Listed((API_POD,)), Unavailable("no route to host"))
    world.names.join(SIDE, Claim(UID, SIDE))
    world.wait(WAIT_SECONDS)
    assert world.shown() == [Identity("shop", "cart-1", UID, SIDE[:12])]
    assert world.names.unidentified == 1


def test_labels_need_no_api_server(world: World) -> None:
    world.say(Unavailable("no route to host"))
    world.names.join("key", Claim(UID, APP, LABELLED))
    assert world.shown() == [LABELLED]
    assert world.names.unidentified == 0


def test_the_api_servers_word_counts_more_than_labels(world: World) -> None:
    world.say(Listed((API_POD,)))
    world.names.join("key", Claim(UID, APP, replace(LABELLED, container="forged")))
    assert world.shown() == [LABELLED]


def test_a_static_pod_waits_for_the_uid_that_the_api_server_gave_it(world: World) -> None:
    labelled = Identity("kube-system", "proxy-node", HASH, "proxy")
    world.names.join("key", Claim(HASH, APP, labelled))
    assert world.shown() == []
    world.say(Listed((STATIC,)))
    assert world.shown() == [replace(labelled, uid=UID)]
    assert world.shown(Level.POD) == [Identity("kube-system", "proxy-node", UID)]


def test_a_static_pod_without_an_api_server_is_served_by_its_labels(world: World) -> None:
    labelled = Identity("kube-system", "proxy-node", HASH, "proxy")
    world.names.join("key", Claim(HASH, APP, labelled))
    world.wait(WAIT_SECONDS)
    assert world.shown() == [labelled]
    assert world.names.unidentified == 1
    alone = World(kubernetes=False)
    alone.names.join("key", Claim(HASH, APP, labelled))
    assert alone.shown() == [labelled]


def test_a_name_that_was_found_is_final(world: World) -> None:
    """Whatever is said later, and whoever asks again when nobody knows the pod any more."""
    world.say(Listed((STATIC,)))
    claim = Claim(HASH, APP, Identity("kube-system", "proxy-node", HASH, "proxy"))
    world.names.join("key", claim)
    before = world.shown()
    world.say(Removed(STATIC))
    world.names.join("key", claim)
    world.wait(WAIT_SECONDS)
    world.names.join(
        "other", replace(claim, container_id=SIDE, labelled=replace(before[0], uid=HASH, container="side"))
    )
    assert world.shown() == [*before, replace(before[0], container="side")]


def test_a_container_made_anew_goes_on_as_the_one_of_its_name(world: World) -> None:
    world.say(Listed((API_POD,)))
    world.names.join(APP, Claim(UID, APP))
    world.names.join(SIDE, Claim(UID, SIDE))
    world.say(Changed(replace(API_POD, containers={APP: "app", SIDE: "app"})))
    assert world.shown() == [LABELLED]
    assert world.roster.member(APP) is None
    assert world.roster.member(SIDE) is not None


def test_who_has_left_is_forgotten(world: World) -> None:
    world.roster.leave(world.names.join(APP, Claim(UID, APP)))
    world.say(Listed((API_POD,)))
    world.names.look()
    assert world.names._waiting == {}
    assert world.roster.members() == []


def test_what_is_known_stays_known_while_the_api_server_is_silent(world: World) -> None:
    assert world.pods is not None
    ages = [world.pods.age]
    world.say(Listed((API_POD, STATIC)), Unavailable("no route to host"))
    assert world.pods.get(UID) == API_POD
    assert world.pods.get(HASH) == STATIC
    assert world.pods.state.lost == "no route to host"
    ages.append(world.pods.age)
    assert [age is None for age in ages] == [True, False]
    world.say(Listed((STATIC,)))
    assert world.pods.get(UID) is None


def test_an_api_server_that_says_that_nothing_has_changed_is_there_again(world: World) -> None:
    assert world.pods is not None
    world.say(Listed((API_POD,)), Unavailable("no route to host"), Confirmed())
    assert world.pods.state.lost == ""
    assert world.pods.get(UID) == API_POD


def test_what_the_api_server_knows_besides_names(world: World) -> None:
    """Owner, class, phase, image and requests; of the container that runs now its start and restarts too."""
    facts = {"owner_kind": "Deployment", "owner_name": "cart", "qos": "Burstable", "phase": "Running"}
    app = Container("app", "cart:2", 250, 1024, APP, 3, 77)
    pod = replace(API_POD, details={"app": app}, facts=facts, cpu_request=750, memory_request=4096, started=55)
    world.say(Listed((pod,)))
    member = world.names.join(APP, Claim(UID, APP))
    assert member.pod.facts == facts
    assert member.facts == {"image": "cart:2"}
    assert member.told == {
        "cpu_request_cores": 250,
        "memory_request_bytes": 1024,
        "restarts_total": 3,
        "start_time_seconds": 77,
        "state": RUNNING,
    }
    pod_told = {"cpu_request_cores": 750, "memory_request_bytes": 4096, "restarts_total": 3, "start_time_seconds": 55}
    assert member.pod.told == pod_told
    version = world.roster.version
    world.say(Changed(replace(pod, facts=facts | {"phase": "Succeeded"}, details={"app": replace(app, restarts=1)})))
    assert member.pod.facts["phase"] == "Succeeded"
    assert member.pod.told["restarts_total"] == 3  # a pod's counter never falls
    assert world.roster.version != version


def test_a_label_that_was_taken_off_a_pod_is_not_shown_any_more(world: World) -> None:
    world.say(Listed((replace(API_POD, facts={"label_tier": "web", "label_team": "shop", "qos": "Burstable"}),)))
    member = world.names.join(APP, Claim(UID, APP))
    world.say(Changed(replace(API_POD, facts={"label_team": "shop"})))
    assert member.pod.facts == {"label_team": "shop", "qos": "Burstable"}  # the class stays what it was


def test_what_is_said_of_a_former_container_is_not_said_of_the_one_that_runs(world: World) -> None:
    app = Container("app", "cart:2", id=SIDE, restarts=3, started=77)
    world.say(Listed((replace(API_POD, details={"app": app}),)))
    assert world.names.join(APP, Claim(UID, APP)).told == {}


def test_what_an_engine_tells_is_left_to_it(world: World) -> None:
    app = Container("app", "cart:2", 250, 1024, APP, 3, 77)
    world.say(Listed((replace(API_POD, details={"app": app}, started=55),)))
    member = world.names.join("key", Claim(UID, APP, LABELLED))
    assert member.told == {"cpu_request_cores": 250, "memory_request_bytes": 1024}
    assert member.pod.told == {}
