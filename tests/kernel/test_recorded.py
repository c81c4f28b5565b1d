"""Every column that is read from a cgroup is exactly the number in the kernel's file, on every recorded tree."""

import pytest

from podtick.model.metrics.row import UNKNOWN, UNLIMITED, Metric
from podtick.model.metrics.table import TARGET_COLUMN, TARGET_ROWS
from podtick.sources.cgroup.discovery import CgroupPaths, locate_container
from podtick.sources.cgroup.mounts import read_mounts
from podtick.sources.cgroup.plan import FilePlan, compile_plan
from tests.support.columns import stored
from tests.support.trees import RECORDED, Tree, lay_out

CONTAINERS = ("idle", "throttled", "limited", "oom", "writing", "host-network", "paused", "nested", "burstable")
ROWS = [row for row in TARGET_ROWS if row.v1 and row.key in TARGET_COLUMN and not row.v1.startswith("net/")]
NOT_THERE = {
    1: {"fs_reads_bytes_total", "fs_writes_bytes_total", "fs_reads_total", "fs_writes_total"},  # "Total 0" only
    2: set[str](),
}


@pytest.fixture(params=RECORDED, scope="module")
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return lay_out(request.param, tmp_path_factory.mktemp("tree"))


def read_by_plan(paths: CgroupPaths) -> dict[int, int]:
    """Columns as the sampler would have them: every file of the plan, read once, and once more for what it learned."""
    values: dict[int, int] = {}
    for slow in (False, True):
        for plan in compile_plan(TARGET_ROWS, paths.version, slow=slow):
            data = text_of(paths, plan)
            for _ in range(2):
                found = [UNKNOWN] * plan.count if data is None else plan.parse(data)
                values.update(zip(range(plan.first, plan.first + plan.count), found, strict=True))
    return values


def text_of(paths: CgroupPaths, plan: FilePlan) -> bytes | None:
    folder = getattr(paths, plan.controller)
    if folder is None or not (folder / plan.file).exists():
        return None
    data: bytes = (folder / plan.file).read_bytes()
    assert len(data) <= plan.size
    return data + b" " + (folder / plan.beside).read_bytes() if plan.beside else data


def expected(paths: CgroupPaths, row: Metric) -> int:
    def read(file: str) -> str | None:
        folder = paths.folder_of(file)
        path = folder / file if folder else None
        return path.read_text() if path and path.exists() else None

    return stored(row, paths.version, read)


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_column_is_the_number_in_the_file(tree: Tree, name: str) -> None:
    mounts = read_mounts(tree.proc, tree.cgroup)
    assert mounts is not None
    container = tree.containers[name]
    paths = locate_container(mounts, container.id, container.pid, tree.proc)
    assert paths is not None
    read = read_by_plan(paths)
    found = {row.name: read[TARGET_COLUMN[row.key]] for row in ROWS}
    assert found == {row.name: expected(paths, row) for row in ROWS}
    unknown = {name for name, value in found.items() if value == UNKNOWN}
    assert unknown == NOT_THERE[paths.version]


def test_the_recordings_show_what_they_are_there_for(tree: Tree) -> None:
    mounts = read_mounts(tree.proc, tree.cgroup)
    assert mounts is not None
    shown: dict[str, dict[str, int]] = {}
    for name in CONTAINERS:
        container = tree.containers[name]
        paths = locate_container(mounts, container.id, container.pid, tree.proc)
        assert paths is not None
        values = read_by_plan(paths)
        shown[name] = {row.name: values[TARGET_COLUMN[row.key]] for row in ROWS}
    assert shown["throttled"]["cpu_cfs_throttled_periods_total"] > 0
    assert shown["throttled"]["spec_cpu_limit_cores"] == 50_000_000
    assert shown["idle"]["spec_cpu_limit_cores"] == shown["idle"]["spec_memory_limit_bytes"] == UNLIMITED
    assert shown["limited"]["spec_memory_limit_bytes"] == 16 << 20
    assert shown["limited"]["memory_failcnt_total"] > 0
    assert shown["oom"]["oom_events_total"] > 0
    assert shown["paused"]["threads_max"] == 20
