"""What the roster tells the sampler as members come, go, are renamed, and as a sampler starts anew."""

from dataclasses import dataclass, field, replace

import pytest

from podtick.model.identity import Identity
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
