"""The reading plan: which cgroup files to read for which columns, compiled from the metric table.

A row names its source as `FILE` or `FILE:KEY`. Rows of one file stand together in the table, so that one file fills
one run of columns. Nothing but the table and the formats below decides what is read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from podtick.model.metrics.row import Metric
from podtick.model.metrics.table import TARGET_COLUMN
from podtick.sources.cgroup import batches, formats
from podtick.sources.cgroup.batches import BatchParser
from podtick.sources.cgroup.formats import Parser

_BESIDE = {"cpu.cfs_quota_us": "cpu.cfs_period_us"}
_SIZES = {"memory.stat": 2048}
_NUMBER_BYTES = 24
_ALONE = ("io.stat", "cpu.max", "cpu.cfs_quota_us", "memory.limit_in_bytes")
"""Files that are read one by one: of another form."""
_USUAL_BYTES = 448
"""Small enough for the interpreter's own allocator. Sizes are where to begin: `sampler/stages.py` reads a longer text
whole, and from then on with more room."""


@dataclass(frozen=True, slots=True)
class FilePlan:
    """One file of a cgroup: columns `first` to `first + count - 1` are what `parse` makes of at most `size` bytes.

    `controller` is the v1 hierarchy it lies in; on v2 (and for pressure on v1) it is `unified`. `beside` is a second
    file whose text `parse` wants after the first one's. `parse_many` takes the texts of many cgroups at once.
    """

    file: str
    controller: str
    first: int
    count: int
    size: int
    parse: Parser
    beside: str = ""
    parse_many: BatchParser | None = None


def controller_of(file: str, version: int) -> str:
    """The hierarchy that has a file: `memory.stat` is in `memory` on v1."""
    if version == 2 or file.endswith(".pressure"):
        return "unified"
    return file.partition(".")[0]


def compile_plan(rows: Iterable[Metric], version: int, *, slow: bool = False) -> tuple[FilePlan, ...]:
    """The files to read for these rows on a cgroup version, in the table's order.

    `slow` chooses the limits, which are read more rarely, instead of all the others. Raises `ValueError` for a table in
    which the rows of a file do not stand together.
    """
    files: dict[str, list[tuple[int, str]]] = {}
    for row in rows:
        source = row.v1 if version == 1 else row.v2
        if source is None or row.slow is not slow or row.key not in TARGET_COLUMN or source.startswith("net/"):
            continue
        file, _, key = source.partition(":")
        files.setdefault(file, []).append((TARGET_COLUMN[row.key], key))
    return tuple(_file_plan(file, columns, version) for file, columns in files.items())


def _file_plan(file: str, columns: Sequence[tuple[int, str]], version: int) -> FilePlan:
    places = [column for column, _ in columns]
    if places != list(range(places[0], places[0] + len(places))):
        raise ValueError(f"the rows of {file} (cgroup v{version}) do not stand together in the metric table")
    keys = [key.encode() for _, key in columns]
    size = _SIZES.get(file, _NUMBER_BYTES if keys == [b""] else _USUAL_BYTES)
    parse, parse_many = _parser(file, keys), _batch_parser(file, keys)
    controller, beside = controller_of(file, version), _BESIDE.get(file, "")
    return FilePlan(file, controller, places[0], len(places), size, parse, beside, parse_many)


def _parser(file: str, keys: Sequence[bytes]) -> Parser:
    if file.endswith(".pressure"):
        return formats.pressure(keys)
    if file == "io.stat":
        return formats.io_stat(keys)
    if file.startswith("blkio.throttle."):
        return formats.blkio(keys)
    if file in ("cpu.max", "cpu.cfs_quota_us"):
        return formats.cpu_limit
    if file == "memory.limit_in_bytes":
        return formats.v1_limit
    if keys == [b""]:
        return formats.single
    return formats.keyed(keys, [_scale(file, key) for key in keys])


def _batch_parser(file: str, keys: Sequence[bytes]) -> BatchParser | None:
    if file.endswith(".pressure"):
        return batches.pressure if list(keys) == [b"some", b"full"] else None
    if file.startswith("blkio."):
        return batches.blkio if len(keys) == 2 else None
    if file in _ALONE:
        return None
    if file == "memory.stat":
        return batches.long(keys)
    if keys == [b""]:
        return batches.singles
    return batches.keyed(keys, [_scale(file, key) for key in keys])


def _scale(file: str, key: bytes) -> int:
    if key.endswith(b"_usec"):
        return 1000
    return formats.USER_HZ_NS if file == "cpuacct.stat" else 1
