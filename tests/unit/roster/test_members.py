"""What the roster tells the sampler as members come, go, are renamed, and as a sampler starts anew."""

from dataclasses import dataclass, field, replace

import pytest

from podtick.model.identity import Identity
from podtick.model.metrics.row import Level
from podtick.roster.members import Member
from podtick.roster.roster import Roster
from podtick.sampler.protocol import Answer, Attach, Command, Detach, Network

OWNER, GUEST = "a" * 64, "b" * 64
PATHS = {"unified": "/cgroup"}


@dataclass
class Sent:
    commands: list[Command] = field(default_factory=list)

    def send(self, command: Command) -> None:
        self.commands.append(command)

    def networks(self) -> list[Network]:
        return [each for each in self.commands if isinstance(each, Network)]


def named(container: str, pod: str = "web") -> Identity:
    return Identity("_docker", pod, OWNER, container)


def two_running(sent: Sent) -> Roster:
    """A pod of an owner of the network (process 10) and a guest (process 20)."""
    roster = Roster(sent)
    for key, name, process in ((OWNER, "web", 10), (GUEST, "log", 20)):
        roster.start(roster.join(key, named(name)), 2, PATHS, process, fresh=True)
    return roster


def test_a_network_is_asked_for_through_its_owner() -> None:
    sent = Sent()
    roster = Roster(sent)
    roster.start(roster.join(GUEST, named("log")), 2, PATHS, 20, fresh=True)
    roster.start(roster.join(OWNER, named("web")), 2, PATHS, 10, fresh=True)
    assert [(each.pid, each.container) for each in sent.networks()] == [(20, GUEST), (10, OWNER)]


def test_a_member_in_fewer_hierarchies_takes_none_of_its_pods_away() -> None:
    sent = Sent()
    roster = Roster(sent)
    both = {"cpu": "/cpu/pod1", "memory": "/memory/pod1"}
    for key, name, folders in ((OWNER, "web", both), (GUEST, "log", {"cpu": "/cpu/pod1"})):
        roster.start(roster.join(key, named(name)), 1, PATHS, None, fresh=True, pod_paths=folders)
    pod = roster.member(OWNER).pod  # type: ignore[union-attr]
    assert [each.paths for each in sent.commands if isinstance(each, Attach) and each.id == pod.id][-1] == both
    assert pod.attach.paths == both
    anew = {"cpu": "/other/pod1"}
    roster.start(roster.join(GUEST, named("log")), 1, PATHS, None, fresh=True, pod_paths=anew)
    assert pod.attach.paths == anew, "a cgroup in another place is another one"


def test_a_process_that_has_gone_is_not_asked_again() -> None:
    """However many have gone: each once, until the engine names another."""
    sent = Sent()
    roster = two_running(sent)
    pod = sent.networks()[0].id
    for _ in range(5):
        roster.answered(Answer("network", pod, "gone: process 10 has gone"))
    assert [each.pid for each in sent.networks()] == [10, 20]
    owner = roster.member(OWNER)
    assert owner is not None
    roster.found_process(owner, 11)
    assert [each.pid for each in sent.networks()] == [10, 20, 11]


def test_the_end_of_a_former_run_is_not_the_end_of_this_one() -> None:
    """The answer of a pass under way crosses the command that tells of the new run."""
    sent = Sent()
    roster = two_running(sent)
    owner = roster.member(OWNER)
    assert owner is not None
    former = owner.attach.run
    roster.stop(owner)
    roster.start(owner, 2, PATHS, 11, fresh=True)
    roster.answered(Answer("gone", owner.id, str(former)))
    assert owner.running
    assert owner.process == 11
    assert [each for each in roster.replay() if isinstance(each, Attach) and each.id == owner.id] == [
        replace(owner.attach, fresh=False)
    ]
    roster.answered(Answer("gone", owner.id, str(owner.attach.run)))
    assert not owner.running


def test_a_new_sampler_is_told_the_present_names() -> None:
    sent = Sent()
    roster = two_running(sent)
    roster.join(OWNER, named("shop", pod="shop"))
    roster.join(GUEST, named("log", pod="shop"))
    told = [command.identity for command in roster.replay() if isinstance(command, Attach) and command.identity]
    assert len(told) == 3
    assert not [text for text in told if '"web"' in text]


def test_a_pod_ends_with_its_last_member() -> None:
    sent = Sent()
    roster = two_running(sent)
    ids = {command.id for command in sent.commands if isinstance(command, Attach)}
    for key in (OWNER, GUEST):
        member = roster.member(key)
        assert member is not None
        roster.leave(member)
    assert {command.id for command in sent.commands if isinstance(command, Detach)} == ids
    assert not roster.members()


def test_a_file_that_cannot_be_read_is_told_once_and_an_absent_one_never(caplog: pytest.LogCaptureFixture) -> None:
    sent = Sent()
    roster = two_running(sent)
    ids = [command.id for command in sent.commands if isinstance(command, Attach)]
    for id_ in ids:
        roster.answered(Answer("attached", id_, f"{id_} 1 /x/{id_}/memory.stat: Permission denied"))
        roster.answered(Answer("attached", id_, f"{id_} 1 /x/{id_}/cpu.stat: No such file or directory"))
    (line,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert "memory.stat: Permission denied" in line


def test_who_found_no_room_is_asked_for_again_when_somebody_leaves() -> None:
    sent = Sent()
    roster = two_running(sent)
    other = roster.join("c" * 64, Identity("_docker", "other", "c" * 64, "other"))
    roster.start(other, 2, PATHS, 30, fresh=True)
    roster.answered(Answer("full", other.id, "all slots are taken"))
    sent.commands.clear()
    guest = roster.member(GUEST)
    assert guest is not None
    roster.leave(guest)
    assert sent.commands == [Detach(guest.id), other.attach]
    sent.commands.clear()
    owner = roster.member(OWNER)
    assert owner is not None
    roster.leave(owner)
    assert other.attach not in sent.commands, "once is enough until it is refused again"


def sharing(sent: Sent) -> tuple[Roster, Member]:
    """A pod of two, and one of a third container (process 30) whose network turned out to be theirs."""
    roster = two_running(sent)
    other = roster.join("c" * 64, Identity("_docker", "other", "c" * 64, "other"))
    roster.start(other, 2, PATHS, 30, fresh=True)
    for asked in sent.networks():
        roster.answered(Answer("network", asked.id, "shared" if asked.id == other.pod.id else "own"))
    sent.commands.clear()
    return roster, other


def member_of(roster: Roster, key: str) -> Member:
    member = roster.member(key)
    assert member is not None
    return member


def test_a_shared_network_is_asked_for_again_when_the_pod_that_had_it_is_no_more() -> None:
    sent = Sent()
    roster, other = sharing(sent)
    owner, guest = member_of(roster, OWNER), member_of(roster, GUEST)
    roster.leave(guest)
    roster.answered(Answer("network", other.pod.id, "shared"))
    sent.commands.clear()
    roster.leave(owner)
    asked = Network(other.pod.id, other.id, 30, other.key)
    assert sent.commands == [Detach(owner.id), Detach(owner.pod.id), asked]
    roster.answered(Answer("network", other.pod.id, "own"))
    roster.leave(roster.join("d" * 64, named("late", pod="late")))
    assert sent.networks() == [asked], "once it has it, it is not asked for again"


@pytest.mark.parametrize("what", ["cgroup", "process"])
def test_another_member_of_the_pod_that_had_a_shared_network_comes_first(what: str) -> None:
    sent = Sent()
    roster, _ = sharing(sent)
    owner = member_of(roster, OWNER)
    if what == "cgroup":
        roster.answered(Answer("gone", owner.id, str(owner.attach.run)))
    else:
        roster.answered(Answer("network", owner.pod.id, "gone: process 10 has gone"))
    assert [each.pid for each in sent.networks()] == [20, 30]


def test_a_shared_network_is_asked_for_again_when_the_pod_that_had_it_has_another() -> None:
    sent = Sent()
    roster, _ = sharing(sent)
    owner = member_of(roster, OWNER)
    roster.stop(owner)
    roster.start(owner, 2, PATHS, 11, fresh=True)
    assert [each.pid for each in sent.networks()] == [11, 30]


def test_a_pod_that_shared_a_network_and_left_is_not_asked_for() -> None:
    sent = Sent()
    roster, other = sharing(sent)
    roster.leave(other)
    roster.leave(member_of(roster, OWNER))
    assert [each.pid for each in sent.networks()] == [20]


def test_pods_of_namespaces_that_are_not_served_have_no_identity() -> None:
    """Neither here nor in the history; each is still a pod of its own."""
    sent = Sent()
    roster = Roster(sent, namespaces=frozenset({"shop"}))
    members = [
        roster.join(key, Identity(namespace, "web", uid, "app"))
        for key, namespace, uid in (("a", "shop", "1"), ("b", "other", "2"), ("c", "other", "3"))
    ]
    for entry in (each for member in members for each in (member, member.pod)):
        roster.answered(Answer("attached", entry.id, f"{entry.id} 1"))
    assert [target.namespace for level in (Level.POD, Level.CONTAINER) for target in roster.targets(level)] == [
        "shop"
    ] * 2
    assert len({member.pod.id for member in members}) == 3
    texts = [command.identity for command in sent.commands if isinstance(command, Attach)]
    assert "other" not in "".join(texts)
