"""The sampler's ends of the pipes: every line is answered or refused, and nothing ever waits for the agent."""

import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import pytest

from podtick.history.writer import FullError
from podtick.sampler.commands import PENDING_ANSWERS, Commands
from podtick.sampler.protocol import (
    MAX_LINE,
    Answer,
    Attach,
    Command,
    Detach,
    Keep,
    Limits,
    Network,
    Rename,
    Told,
    decode_answer,
    encode_command,
)
from podtick.sampler.targets import Targets
from podtick.sources.proc.network import WrongProcessError

HOUR_NS = 3600 * 10**9


@dataclass
class Place:
    slot: int
    first: int = 12


@dataclass
class Recorder:
    """Stands for the targets: keeps what it was asked, answers or fails as told."""

    asked: list[object] = field(default_factory=list)
    fails: dict[type, Exception] = field(default_factory=dict)
    by_id: dict[int, Place] = field(default_factory=lambda: {1: Place(7), 2: Place(8)})
    problem: str = ""
    network_is: str = "own 9"

    def _take(self, command: object) -> None:
        if type(command) in self.fails:
            raise self.fails[type(command)]
        self.asked.append(command)

    def attach(self, command: Attach) -> str:
        self._take(command)
        return self.problem

    def network(self, command: Network) -> str:
        self._take(command)
        return self.network_is

    def tell(self, command: Told) -> None:
        self._take(command)

    def rename(self, command: Rename) -> None:
        self._take(command)

    def read_limits(self, target: Place) -> None:
        self._take(target)

    def detach(self, id_: int) -> None:
        self._take(Detach(id_))

    def keep(self, ids: tuple[int, ...]) -> None:
        self._take(Keep(ids))


class Ends:
    """Both pipes, and the agent's ends of them."""

    def __init__(self) -> None:
        self.targets = Recorder()
        source, self.to_sampler = os.pipe()
        self.from_sampler, sink = os.pipe()
        fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, 4096)
        self._sampler_ends = [source, sink]
        self.commands = Commands(source, sink, cast(Targets, self.targets))
        os.set_blocking(self.from_sampler, False)
        self._rest = b""

    def close_agent(self) -> None:
        for end in (self.to_sampler, self.from_sampler):
            if end >= 0:
                os.close(end)
        self.to_sampler = self.from_sampler = -1

    def close(self) -> None:
        self.close_agent()
        for end in self._sampler_ends:
            os.close(end)

    def serve(self, data: bytes) -> list[Answer]:
        """What the sampler answers to this, after which the agent has gone."""
        os.write(self.to_sampler, data)
        os.close(self.to_sampler)
        self.to_sampler = -1
        assert self.commands.serve_until(time.monotonic_ns() + HOUR_NS) is False
        return self.answers()

    def answers(self) -> list[Answer]:
        try:
            while data := os.read(self.from_sampler, 65536):
                self._rest += data
        except BlockingIOError:
            pass
        *lines, self._rest = self._rest.split(b"\n")
        return [decode_answer(line) for line in lines]


@pytest.fixture
def ends() -> Iterator[Ends]:
    ends = Ends()
    yield ends
    ends.close()


EVERY: list[Command] = [
    Attach(1, 3, paths={"cpu": "/a"}, version=1),
    Network(1, 2, 300, "abc"),
    Told(1, {"state": 1, "restarts_total": None}),
    Rename(1, "new"),
    Detach(2),
    Keep((1, 2)),
]


def test_every_command_reaches_the_targets_in_order(ends: Ends) -> None:
    answers = ends.serve(b"".join(encode_command(command) for command in [*EVERY, Limits(1), Limits(99)]))
    assert ends.targets.asked == [*EVERY, Place(7)]
    assert answers == [Answer("attached", 1, "7 12"), Answer("network", 1, "own 9"), Answer("kept")]


@pytest.mark.parametrize(
    ("error", "command", "answer"),
    [
        (FullError("all 2 slots"), EVERY[0], Answer("full", 1, "all 2 slots")),
        (WrongProcessError("process 300 has gone"), EVERY[1], Answer("network", 1, "gone: process 300 has gone")),
        (PermissionError(13, "Permission denied"), EVERY[1], Answer("network", 1, "unreadable: Permission denied")),
        (KeyError("no_such_metric"), EVERY[2], Answer("error", 0, "KeyError: 'no_such_metric'")),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogate"), EVERY[3], None),
    ],
)
def test_what_fails_is_answered(ends: Ends, error: Exception, command: Command, answer: Answer | None) -> None:
    ends.targets.fails[type(command)] = error
    answers = ends.serve(encode_command(command) + encode_command(Keep((9,))))
    assert ends.targets.asked == [Keep((9,))]
    assert answers[-1] == Answer("kept")
    assert answers[:-1] == [answer] if answer else answers[0].kind == "error"


@pytest.mark.parametrize("said", ["host", "shared"])
def test_whose_network_it_is(ends: Ends, said: str) -> None:
    ends.targets.network_is = said
    assert ends.serve(encode_command(EVERY[1])) == [Answer("network", 1, said)]


def test_a_target_that_cannot_be_read_whole_is_attached_with_the_reason(ends: Ends) -> None:
    ends.targets.problem = "/a/memory.stat: No such file or directory"
    assert ends.serve(encode_command(EVERY[0])) == [
        Answer("attached", 1, "7 12 /a/memory.stat: No such file or directory")
    ]


@pytest.mark.parametrize(
    "garbage",
    [b"\n", b"not json\n", b"{}\n", b'{"do": "attach"}\n', b"\xff\xfe\0\n", b'{"do": "detach", "id": "x"}\n'],
    ids=repr,
)
def test_garbage_is_refused_and_the_next_command_done(ends: Ends, garbage: bytes) -> None:
    answers = ends.serve(garbage + encode_command(Detach(2)))
    assert [answer.kind for answer in answers] == ["error"]
    assert ends.targets.asked == [Detach(2)]


def test_a_line_without_end_is_refused(ends: Ends) -> None:
    """Whatever stood in it is never done, and what follows its end is."""
    overlong = b'{"do": "detach", "id": 1, "x": "' + b"y" * (3 * MAX_LINE) + b'"}\n'
    fcntl.fcntl(ends.to_sampler, fcntl.F_SETPIPE_SZ, 1 << 20)
    answers = ends.serve(overlong + encode_command(Detach(2)))
    assert {answer.kind for answer in answers} == {"error"}
    assert all(len(answer.text) < 1000 for answer in answers)
    assert ends.targets.asked == [Detach(2)]


def test_a_torn_command_is_never_done(ends: Ends) -> None:
    assert ends.serve(encode_command(Detach(2))[:-3]) == []
    assert ends.targets.asked == []


def test_a_command_in_pieces_is_one(ends: Ends) -> None:
    line = encode_command(Detach(2))
    for at in range(len(line)):
        os.write(ends.to_sampler, line[at : at + 1])
        assert ends.commands.serve_until(time.monotonic_ns() + 1_000_000)
    ends.serve(b"")
    assert ends.targets.asked == [Detach(2)]


def test_a_deadline_that_has_passed_is_served_nothing(ends: Ends) -> None:
    os.write(ends.to_sampler, encode_command(Detach(2)))
    assert ends.commands.serve_until(time.monotonic_ns())
    assert ends.targets.asked == []


def test_no_command_is_begun_shortly_before_a_deadline(ends: Ends) -> None:
    os.write(ends.to_sampler, encode_command(Detach(2)))
    assert ends.commands.serve_until(time.monotonic_ns() + 15_000_000)
    assert ends.targets.asked == []
    ends.serve(b"")
    assert ends.targets.asked == [Detach(2)]


def test_an_agent_that_does_not_read_holds_up_nothing(ends: Ends) -> None:
    said = PENDING_ANSWERS + 5000
    for number in range(said):
        ends.commands.say("tick", number)
    heard = []
    while more := [answer for answer in ends.answers() if answer.kind == "tick"]:
        heard += more
        ends.commands.say("more")
    ticks = [answer.id for answer in heard]
    assert ticks == sorted(set(ticks))
    assert ticks[0] == 0
    assert ticks[-1] == said - 1
    assert PENDING_ANSWERS - 100 <= len(ticks) < said


def test_an_agent_that_has_gone_is_noticed(ends: Ends) -> None:
    ends.close_agent()
    ends.commands.say("tick", 1)
    assert ends.commands.serve_until(time.monotonic_ns() + HOUR_NS) is False
