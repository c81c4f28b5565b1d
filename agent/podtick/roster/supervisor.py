"""The owner of the sampler process: starts it, passes commands, notices its death, starts it again."""

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from io import FileIO
from pathlib import Path

import podtick
from podtick.sampler.protocol import MAX_LINE, Answer, Command, ProtocolError, decode_answer, encode_command

log = logging.getLogger(__name__)
SILENT_SECONDS = 10.0
"""A sampler that has not ticked for so long is ended and started again."""
STOP_SECONDS = 2.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0
"""Seconds before a sampler is started again: a fresh death costs next to nothing, one that keeps dying waits."""
STEADY_SECONDS = 30.0
MOST_UNREAD = 32 * 1024 * 1024
"""Bytes of commands that a sampler may leave unread before it counts as stuck."""


class Supervisor:
    """Runs one sampler after the other on the history `fd`.

    `replay` gives what a new sampler has to know, `answered` takes in what it says.
    """

    def __init__(self, fd: int, proc: Path) -> None:
        self._fd = fd
        self._proc = proc
        self._pipe: asyncio.WriteTransport | None = None
        self._process: asyncio.subprocess.Process | None = None
        self.ticked = asyncio.Event()
        self.last_tick = time.monotonic()  # before the first one: when waiting for it began, whatever is started since
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """The sampler's process, while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    def send(self, command: Command) -> None:
        """Pass a command on; without a sampler nothing, as the next one is told everything."""
        if self._pipe is None:
            return
        self._pipe.write(encode_command(command))
        if self._pipe.get_write_buffer_size() > MOST_UNREAD:
            self._end("it does not read its commands")

    async def run(self, replay: Callable[[], Iterable[Command]], answered: Callable[[Answer], None]) -> None:
        """Keep a sampler running until cancelled."""
        pause = FIRST_PAUSE
        while True:
            began = time.monotonic()
            code: int | None
            try:
                code = await self._run_once(replay, answered)
                log.error("the sampler ended, starting it again exit_code=%s", code)
            except OSError as error:  # no descriptor, no memory, no process left just now
                code = None
                log.error("the sampler cannot be started, trying again reason=%s", error.strerror or error)
            pause = FIRST_PAUSE if time.monotonic() - began > STEADY_SECONDS else min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(pause if self.starts != 1 or code else FIRST_PAUSE)

    async def _run_once(
        self, replay: Callable[[], Iterable[Command]], answered: Callable[[Answer], None]
    ) -> int | None:
        loop = asyncio.get_running_loop()
        with _pipe() as (commands, writing), _pipe() as (reading, answers):
            process = await self._spawn(commands.fileno(), answers.fileno())
            commands.close()
            answers.close()
            self._process = process
            self.starts += 1
            source: asyncio.BaseTransport | None = None
            try:
                heard = _Answers(partial(self._heard, answered))
                source, _ = await loop.connect_read_pipe(lambda: heard, reading)
                self._pipe, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, writing)
                for command in replay():
                    self.send(command)
                await self._listen(heard)
            finally:
                (writing if self._pipe is None else self._pipe).close()
                (reading if source is None else source).close()
                self._pipe = None
                code = await self._reap(process)
        return code

    async def _spawn(self, commands: int, answers: int) -> asyncio.subprocess.Process:
        descriptors = {"--history": self._fd, "--commands": commands, "--answers": answers}
        arguments = [text for name, fd in descriptors.items() for text in (name, str(fd))]
        path = str(Path(podtick.__file__).parent.parent)
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "podtick.sampler.process", *arguments, "--proc", str(self._proc)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            pass_fds=tuple(descriptors.values()),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [path, os.environ.get("PYTHONPATH")]))},
        )

    async def _listen(self, heard: "_Answers") -> None:
        """Until the sampler closes its end, or falls silent."""
        while (left := heard.last + SILENT_SECONDS - time.monotonic()) > 0:
            if (await asyncio.wait([heard.ended], timeout=left))[0]:
                if problem := heard.ended.result():
                    self._end(problem)
                return
        self._end(f"no tick for {SILENT_SECONDS:.0f} s")

    def _heard(self, answered: Callable[[Answer], None], line: bytes) -> None:
        try:
            answer = decode_answer(line)
        except ProtocolError as error:
            log.error("the sampler says what makes no sense reason=%s", error)
            return
        if answer.kind == "tick":
            self.ticked.set()
            self.last_tick = time.monotonic()
        answered(answer)

    def _end(self, reason: str, level: int = logging.ERROR) -> None:
        if self._process and self._process.returncode is None:
            log.log(level, "ending the sampler pid=%s reason=%s", self._process.pid, reason)
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _reap(self, process: asyncio.subprocess.Process) -> int | None:
        """Its command pipe is closed, so it ends by itself; if not, it is ended."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                return await process.wait()
        except TimeoutError:
            self._end("it does not end")
            return await process.wait()
        except asyncio.CancelledError:
            self._end("podtick ends", logging.DEBUG)
            await process.wait()
            raise


class _Answers(asyncio.Protocol):
    """The lines that a sampler writes, each passed on at once: there is one a second for as long as podtick runs.

    `ended` comes with what is wrong, with nothing when the sampler has closed its end, or with what a line has raised.
    `last` is when something came, on the monotonic clock.
    """

    def __init__(self, line: Callable[[bytes], None]) -> None:
        self._line = line
        self._rest = b""
        self.last = time.monotonic()
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Pass on what is whole."""
        self.last = time.monotonic()
        *lines, self._rest = (self._rest + data).split(b"\n")
        try:
            for line in lines:
                self._line(line)
        except Exception as error:  # noqa: BLE001 - whoever waits for the end raises it
            self._end(error)
        if len(self._rest) > MAX_LINE:
            self._end("it answers without end of line")

    def connection_lost(self, exc: Exception | None) -> None:
        """The sampler has ended, or closed its end."""
        self._end(exc or "")

    def _end(self, how: Exception | str) -> None:
        if self.ended.done():
            return
        if isinstance(how, str):
            self.ended.set_result(how)
        else:
            self.ended.set_exception(how)


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[FileIO, FileIO]]:
    """The reading and the writing end of a pipe, closed at the end unless they are before."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", 0) as source, os.fdopen(writing, "wb", 0) as sink:
        yield source, sink
