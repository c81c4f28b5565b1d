"""The arithmetic of `docker stats`: from one frame of the Engine API's `/containers/ID/stats` to what it means.

A frame is the decoded JSON, whatever an engine wrote: any field may be missing or `null`, and then what depends on it
is unknown (`None`), never zero. Sources: the Engine API reference, `ContainerStats`; the `docker` command's formulas.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from podtick.model.metrics.row import MAX_VALUE, Level, Metric
from podtick.model.metrics.table import TARGET_ROWS

Frame = Mapping[str, object]
_THROTTLING = "cpu_stats.throttling_data."
_V1_INACTIVE, _V2_INACTIVE = "total_inactive_file", "inactive_file"


@dataclass(frozen=True, slots=True)
class DockerStats:
    """One line of `docker stats` in raw numbers.

    `cpu_percent` is of one core: 200 is two whole cores. `memory_usage_bytes` leaves out the inactive page cache, as
    `docker stats` does; `memory_raw_bytes` has it.
    """

    cpu_percent: float | None
    memory_usage_bytes: int | None
    memory_raw_bytes: int | None
    memory_limit_bytes: int | None
    network_receive_bytes: int | None
    network_transmit_bytes: int | None
    block_read_bytes: int | None
    block_write_bytes: int | None
    pids: int | None

    @property
    def memory_percent(self) -> float | None:
        """Memory used, in per cent of the limit."""
        return percent(self.memory_usage_bytes, self.memory_limit_bytes)

    @property
    def memory_raw_percent(self) -> float | None:
        """The same with the inactive page cache."""
        return percent(self.memory_raw_bytes, self.memory_limit_bytes)


def docker_stats(frame: Frame) -> DockerStats:
    """What `docker stats` makes of a frame."""
    return DockerStats(
        cpu_percent=_cpu_percent(frame),
        memory_usage_bytes=_memory_without_cache(frame),
        memory_raw_bytes=number(frame, "memory_stats.usage"),
        memory_limit_bytes=number(frame, "memory_stats.limit"),
        network_receive_bytes=_network(frame, "rx_bytes"),
        network_transmit_bytes=_network(frame, "tx_bytes"),
        block_read_bytes=_block(frame, "io_service_bytes_recursive", "read"),
        block_write_bytes=_block(frame, "io_service_bytes_recursive", "write"),
        pids=number(frame, "pids_stats.current"),
    )


def has_reading_before(frame: Frame) -> bool:
    """Whether a frame has the reading before it too, as Docker's have but the first one of a stream."""
    return bool(number(frame, "precpu_stats.system_cpu_usage"))


def cpu_percent_between(before: Frame, frame: Frame, elapsed_ns: int) -> float | None:
    """CPU per cent of one core in the time from one frame to another; unknown where its counter or that time fell."""
    used, used_before = (number(each, "cpu_stats.cpu_usage.total_usage") for each in (frame, before))
    if used is None or used_before is None or used < used_before or elapsed_ns <= 0:
        return None
    return (used - used_before) / elapsed_ns * 100


def percent(part: int | None, whole: int | None) -> float | None:
    """`part` in per cent of `whole`; unknown without a whole."""
    return part / whole * 100 if part is not None and whole else None


def number(frame: Frame, path: str) -> int | None:
    """The counter or gauge at a path such as `cpu_stats.cpu_usage.total_usage`; `None` where there is none."""
    found: object = frame
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return _whole(found)


def _whole(found: object) -> int | None:
    return found if type(found) is int and 0 <= found <= MAX_VALUE else None


def columns(frame: Frame) -> dict[str, int | None]:
    """A container's readings by `Metric.key`, in stored units: what the kernel's files would have said."""
    return {row.key: _value(frame, row) for row in CONTAINER_ROWS}


def network_columns(frame: Frame) -> dict[str, int | None]:
    """The readings of the network namespace that a container is in, by `Metric.key`."""
    return {row.key: _network(frame, row.engine.partition(":")[2]) for row in NETWORK_ROWS if row.engine}


def _rows(level: Level) -> Iterator[Metric]:
    for row in TARGET_ROWS:
        if level in row.levels and _engine_source(row):
            yield row


def _engine_source(row: Metric) -> bool:
    return row.engine is not None or any((source or "").startswith("memory.stat:") for source in (row.v1, row.v2))


CONTAINER_ROWS = tuple(_rows(Level.CONTAINER))
NETWORK_ROWS = tuple(row for row in _rows(Level.POD) if Level.CONTAINER not in row.levels)


def _value(frame: Frame, row: Metric) -> int | None:
    if row.engine is None:  # a line of memory.stat, which the engine passes on under the kernel's name
        source = row.v1 if is_v1(frame) else row.v2
        file, _, key = (source or "").partition(":")
        return number(frame, f"memory_stats.stats.{key}") if file == "memory.stat" else None
    kind, _, what = row.engine.partition(":")
    if kind == "blkio":
        listed, _, operation = what.partition(":")
        return _block(frame, listed, operation)
    value = number(frame, row.engine)
    if row.engine.startswith(_THROTTLING) and not _has_memory_stat(frame):
        return value or None  # Podman's: it passes no account of the kernel's on, and says 0 of this one
    return value


def _has_memory_stat(frame: Frame) -> bool:
    memory = frame.get("memory_stats")
    return isinstance(memory, Mapping) and bool(memory.get("stats"))


def is_v1(frame: Frame) -> bool:
    """Whether the container is in a cgroup of version 1: only its memory.stat has totals of the subtree."""
    return number(frame, f"memory_stats.stats.{_V1_INACTIVE}") is not None


def _cpu_percent(frame: Frame) -> float | None:
    used, used_before = (number(frame, f"{part}.cpu_usage.total_usage") for part in ("cpu_stats", "precpu_stats"))
    passed, passed_before = (number(frame, f"{part}.system_cpu_usage") for part in ("cpu_stats", "precpu_stats"))
    cpus = _cpus(frame)
    if used is None or passed is None or not used_before or not passed_before or not cpus:
        return None  # the first frame of a stream has no frame before it
    if used < used_before or passed <= passed_before:
        return None
    return (used - used_before) / (passed - passed_before) * cpus * 100


def _cpus(frame: Frame) -> int | None:
    """CPUs that the machine has: of engines before API 1.27 by the list of what each one was used."""
    if cpus := number(frame, "cpu_stats.online_cpus"):
        return cpus
    each = _list(frame, "cpu_stats", "cpu_usage", "percpu_usage")
    return sum(1 for used in each if type(used) is int and used > 0) or None


def _memory_without_cache(frame: Frame) -> int | None:
    usage = number(frame, "memory_stats.usage")
    if usage is None:
        return None
    inactive = number(frame, f"memory_stats.stats.{_V1_INACTIVE if is_v1(frame) else _V2_INACTIVE}")
    return usage - inactive if inactive is not None and inactive < usage else usage


def _network(frame: Frame, counter: str) -> int | None:
    networks = frame.get("networks")
    if not isinstance(networks, Mapping) or not networks:
        return None
    counts = [number(each, counter) if isinstance(each, Mapping) else None for each in networks.values()]
    known = [count for count in counts if count is not None]
    return _whole(sum(known)) if len(known) == len(counts) else None


def _block(frame: Frame, listed: str, operation: str) -> int | None:
    """Sum over devices. On cgroup v1 nothing but zeros means that the kernel does not count."""
    entries = [entry for entry in _list(frame, "blkio_stats", listed) if isinstance(entry, Mapping)]
    counted = [(str(entry.get("op")).lower(), number(entry, "value")) for entry in entries]
    if is_v1(frame) and not any(value for _, value in counted):
        return None
    wanted = [value for name, value in counted if name == operation]
    return _whole(sum(value for value in wanted if value is not None)) if wanted and None not in wanted else None


def _list(frame: Frame, *path: str) -> list[object]:
    found: object = frame
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, list) else []
