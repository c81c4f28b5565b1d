"""`podtick stats`: what `docker stats` shows, of any engine, as a table or as JSON."""

import contextlib
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

import msgspec

from podtick.flags import OutputFormat
from podtick.model.dockerstats import DockerStats
from podtick.settings import StatsSettings
from podtick.sources.docker import wire
from podtick.sources.docker.containers import LIST_BYTES, own_name
from podtick.sources.docker.errors import DockerError, EngineError, EngineUnavailableError, Trouble
from podtick.sources.docker.figures import NOTHING, Chosen, FigureReader
from podtick.sources.docker.oneshot import OneShotClient, container_path
from podtick.sources.texts import one_line

FAILURE = 1
AT_ONCE = 64
"""Containers asked at the same time: the engine takes one to two seconds to answer, and waits in them."""
ROUND_SECONDS = 1.0
_NOT_FOUND = 404
_HEADINGS = ("CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS")
_UNKNOWN = "--"
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


@dataclass(frozen=True, slots=True)
class Line:
    """A container, and its figures."""

    id: str
    name: str
    stats: DockerStats


def run(settings: StatsSettings) -> int:
    """Print once, or until Ctrl-C; returns the exit code."""
    try:
        with OneShotClient(settings.endpoint) as client:
            named = [_named(client, name) for name in settings.containers]
            reader = FigureReader(client)
            while True:
                began = time.monotonic()
                chosen = named or _listed(client, stopped=settings.stopped)
                reader.keep({one.id for one in chosen})
                lines = _lines(reader, chosen)
                show(lines, settings)
                if not settings.stream:
                    return 0
                time.sleep(max(0.0, began + ROUND_SECONDS - time.monotonic()))
    except DockerError as error:
        print(f"podtick: {error}", file=sys.stderr)
        return FAILURE


def _named(client: OneShotClient, name: str) -> Chosen:
    """The container that somebody named, by name or by the beginning of its ID."""
    missing = EngineError(
        _NOT_FOUND, f"there is no container {one_line(name)!r}: podtick stats --all shows all there are"
    )
    if name in {"", ".", ".."}:  # in a path they would ask for something else
        raise missing
    try:
        found = client.get_json(container_path(name, "json"), wire.INSPECT, limit_bytes=LIST_BYTES)
    except EngineError as error:
        raise (missing if error.status == _NOT_FOUND else error) from None
    return Chosen(found.id, (found.name or "").removeprefix("/"), _mode(found.host_config))


def _listed(client: OneShotClient, *, stopped: bool) -> list[Chosen]:
    params = {"all": "1"} if stopped else {}
    found = client.get_json("/containers/json", wire.LIST, params=params, limit_bytes=LIST_BYTES)
    return [Chosen(each.id, own_name(each.names), _mode(each.host_config)) for each in found or ()]


def _mode(host_config: wire.HostConfig | wire.ListedHostConfig | None) -> str | None:
    return host_config.network_mode if host_config else None


def _lines(reader: FigureReader, chosen: Sequence[Chosen]) -> list[Line]:
    """The figures of all, in their order; raises the first `DockerError`.

    A container that alone does not answer in time, as one whose runtime hangs, is unknown, and no such error.

    The threads are nobody's to wait for, which those of `concurrent.futures` are until the engine has answered each:
    Ctrl-C ends at once.
    """
    waiting = deque(enumerate(chosen))
    answers: SimpleQueue[tuple[int, Line | Exception]] = SimpleQueue()

    def ask() -> None:
        with contextlib.suppress(IndexError):  # none is left
            while True:
                place, one = waiting.popleft()
                try:
                    answers.put((place, Line(one.id, one.name, reader.read(one))))
                except Exception as error:  # noqa: BLE001 -- raised where the answers are taken
                    answers.put((place, error))

    for _ in range(min(AT_ONCE, len(chosen))):
        threading.Thread(target=ask, name="podtick stats", daemon=True).start()
    found: dict[int, Line] = {}
    while len(found) < len(chosen):
        place, answer = answers.get()
        if isinstance(answer, Exception):
            late = isinstance(answer, EngineUnavailableError) and answer.trouble is Trouble.TIMEOUT
            if not (late and found):
                waiting.clear()
                raise answer
            answer = Line(chosen[place].id, chosen[place].name, NOTHING)
        found[place] = answer
    return [found[place] for place in range(len(chosen))]


def show(lines: Sequence[Line], settings: StatsSettings) -> None:
    """Print one round; on a terminal in the place of the one before."""
    if settings.form is OutputFormat.JSON:
        sys.stdout.buffer.writelines(msgspec.json.encode(as_json(line)) + b"\n" for line in lines)
        sys.stdout.flush()
        return
    rows = table(lines)
    if settings.stream and sys.stdout.isatty():
        size = shutil.get_terminal_size()
        width = max(1, size.columns - 1)  # a line that wraps would scroll, and in the last column the end is cleared
        rows = [f"{row[:width]}{_CLEAR_LINE}" for row in rows[: max(2, size.lines - 1)]]
        print(_HOME + "\n".join(rows) + "\n" + _CLEAR_BELOW, end="", flush=True)
    else:
        print("\n".join(rows), flush=True)


def as_json(line: Line) -> dict[str, str | float | int | None]:
    """A container as `--format json` shows it; what is unknown is `null`."""
    stats = line.stats
    return {
        "id": line.id,
        "name": line.name,
        "cpu_percent": stats.cpu_percent,
        "memory_usage_bytes": stats.memory_usage_bytes,
        "memory_limit_bytes": stats.memory_limit_bytes,
        "memory_percent": stats.memory_percent,
        "network_receive_bytes": stats.network_receive_bytes,
        "network_transmit_bytes": stats.network_transmit_bytes,
        "block_read_bytes": stats.block_read_bytes,
        "block_write_bytes": stats.block_write_bytes,
        "pids": stats.pids,
    }


def table(lines: Iterable[Line]) -> list[str]:
    """The lines of a table, as `docker stats` lays it out."""
    rows = [_HEADINGS, *(_cells(line) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _cells(line: Line) -> tuple[str, ...]:
    stats = line.stats
    return (
        one_line(line.id[:12]),
        one_line(line.name),
        _percent(stats.cpu_percent),
        _pair(_binary, stats.memory_usage_bytes, stats.memory_limit_bytes),
        _percent(stats.memory_percent),
        _pair(_decimal, stats.network_receive_bytes, stats.network_transmit_bytes),
        _pair(_decimal, stats.block_read_bytes, stats.block_write_bytes),
        _UNKNOWN if stats.pids is None else str(stats.pids),
    )


def _pair(show: Callable[[int | None], str], first: int | None, second: int | None) -> str:
    return _UNKNOWN if first is second is None else f"{show(first)} / {show(second)}"


def _percent(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.2f}%"


def _binary(value: int | None) -> str:
    """Memory, in powers of 1024."""
    return _scaled(value, 1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"), 4)


def _decimal(value: int | None) -> str:
    """What has been moved, in powers of 1000."""
    return _scaled(value, 1000, ("B", "kB", "MB", "GB", "TB", "PB"), 3)


def _scaled(value: int | None, base: int, units: Sequence[str], digits: int) -> str:
    if value is None:
        return _UNKNOWN
    scaled, place = float(value), 0
    while float(f"{scaled:.{digits}g}") >= base and place < len(units) - 1:
        scaled, place = scaled / base, place + 1
    return f"{scaled:.{digits}g}{units[place]}"
