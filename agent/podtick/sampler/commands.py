"""The sampler's ends of the two pipes: taking commands between ticks, and answering without ever waiting."""

import os
import select
import time
from collections import deque

from podtick.history.writer import FullError
from podtick.sampler.protocol import (
    MAX_LINE,
    Answer,
    Attach,
    Command,
    Detach,
    Keep,
    Limits,
    Network,
    ProtocolError,
    Rename,
    Told,
    decode_command,
    encode_answer,
)
from podtick.sampler.targets import Targets
from podtick.sources.proc.network import WrongProcessError

CHUNK = 65536
PENDING_ANSWERS = 16384
"""Answers kept while the agent does not read: hours of ticks. Over it the oldest are dropped."""
SLICE_NS = 20_000_000
"""No command is begun so short before a deadline."""


class Commands:
    """Serves the agent's commands. `source` is read, `sink` written; both are pipes."""

    def __init__(self, source: int, sink: int, targets: Targets) -> None:
        self._source = source
        self._sink = sink
        self._targets = targets
        self._partial = b""
        self._waiting: deque[bytes] = deque()
        self._answers: deque[bytes] = deque(maxlen=PENDING_ANSWERS)
        self._rest = b""
        os.set_blocking(source, False)
        os.set_blocking(sink, False)

    def serve_until(self, deadline_ns: int) -> bool:
        """Do what the agent asks until the deadline (monotonic); `False` when the agent has gone."""
        while True:
            left = deadline_ns - time.monotonic_ns()
            if left <= 0:
                return True
            if self._waiting and left > SLICE_NS:
                self._do(self._waiting.popleft())
                continue
            readable, _, _ = select.select([] if self._waiting else [self._source], [], [], left / 1e9)
            if readable and not self._read():
                return False

    def _read(self) -> bool:
        try:
            data = os.read(self._source, CHUNK)
        except BlockingIOError:
            return True
        if not data:
            return False
        *lines, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > MAX_LINE:
            self._partial = b""
            self.say("error", text=f"a command of more than {MAX_LINE} bytes")
        self._waiting.extend(lines)
        return True

    def _do(self, line: bytes) -> None:
        try:
            self._obey(decode_command(line))
        except (ProtocolError, KeyError, ValueError) as error:
            self.say("error", text=f"{type(error).__name__}: {error}")

    def _obey(self, command: Command) -> None:
        match command:
            case Attach():
                self._attach(command)
            case Network():
                self._network(command)
            case Told():
                self._targets.tell(command)
            case Rename():
                self._targets.rename(command)
            case Limits():
                target = self._targets.by_id.get(command.id)
                if target:
                    self._targets.read_limits(target)
            case Detach():
                self._targets.detach(command.id)
            case Keep():
                self._targets.keep(command.ids)
                self.say("kept")

    def _attach(self, command: Attach) -> None:
        try:
            problem = self._targets.attach(command)
        except FullError as error:
            self.say("full", command.id, str(error))
            return
        target = self._targets.by_id[command.id]
        self.say("attached", command.id, f"{target.slot} {target.first} {problem}".rstrip())

    def _network(self, command: Network) -> None:
        try:
            self.say("network", command.id, self._targets.network(command))
        except WrongProcessError as error:
            self.say("network", command.id, f"gone: {error}")
        except OSError as error:
            self.say("network", command.id, f"unreadable: {error.strerror}")

    def say(self, kind: str, id_: int = 0, text: str = "") -> None:
        """Answer, now if the agent reads, else later."""
        self._answers.append(encode_answer(Answer(kind, id_, text)))
        self._flush()

    def _flush(self) -> None:
        while self._rest or self._answers:
            chunk = self._rest or self._answers.popleft()
            try:
                written = os.write(self._sink, chunk)
            except BlockingIOError:
                self._rest = chunk
                return
            except BrokenPipeError:  # the agent has gone: the source tells the same
                return
            self._rest = chunk[written:]
