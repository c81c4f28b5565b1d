"""The kernel's own files of many cgroups, read in one system call: the same as one by one."""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from podtick.model.metrics.table import TARGET_ROWS
from podtick.sampler.aio import Aio, Batch
from podtick.sources.cgroup.plan import FilePlan, compile_plan
from tests.support.cgroups import Cgroup, host_mounts

COUNT = 12
PLANS = compile_plan(TARGET_ROWS, host_mounts().version)


@pytest.fixture(scope="module")
def cgroups() -> Iterator[list[Cgroup]]:
    """Without processes: nothing in them changes."""
    with ExitStack() as stack:
        yield [stack.enter_context(Cgroup()) for _ in range(COUNT)]


@pytest.fixture
def aio() -> Iterator[Aio]:
    opened = Aio()
    yield opened
    opened.close()


def opened(cgroup: Cgroup, plan: FilePlan, stack: ExitStack) -> int | None:
    folder = cgroup.paths.folder_of(plan.file)
    if folder is None or not (folder / plan.file).exists():
        return None
    descriptor = os.open(folder / plan.file, os.O_RDONLY)
    stack.callback(os.close, descriptor)
    return descriptor


def test_every_file_that_is_read(cgroups: list[Cgroup], aio: Aio) -> None:
    found = 0
    for plan in PLANS:
        with ExitStack() as stack:
            descriptors = [each for cgroup in cgroups if (each := opened(cgroup, plan, stack)) is not None]
            if descriptors:
                found += 1
                batch = Batch(plan.size)
                for _ in range(2):
                    texts, failed = batch.read(aio, descriptors)
                    assert (list(texts), failed) == ([os.pread(each, plan.size, 0) for each in descriptors], {})
    assert found >= 8


def test_a_cgroup_that_has_gone_fails_alone(aio: Aio) -> None:
    plan = next(plan for plan in PLANS if plan.file == "pids.current")
    with ExitStack() as stack:
        cgroups = [stack.enter_context(Cgroup()) for _ in range(COUNT)]
        descriptors = [each for cgroup in cgroups if (each := opened(cgroup, plan, stack)) is not None]
        batch = Batch(plan.size)
        batch.read(aio, descriptors)
        cgroups[4].remove()
        for _ in range(2):
            texts, failed = batch.read(aio, descriptors)
            assert list(texts) == [None if place == 4 else b"0\n" for place in range(COUNT)]
            assert {place: error.errno for place, error in failed.items()} == {4: errno.ENODEV}
