"""How many kernel files may stay open."""

import resource

import pytest

from podtick.sampler.descriptors import RESERVE, DescriptorBudget

ALL = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("limits", "raises", "budget", "asked"),
    [
        ((1024, 4096), None, 4096 - RESERVE, [(4096, 4096)]),
        ((4096, 4096), None, 4096 - RESERVE, []),
        ((1024, 4096), ValueError("not allowed"), 1024 - RESERVE, [(4096, 4096)]),
        ((1024, 4096), PermissionError(1, "not permitted"), 1024 - RESERVE, [(4096, 4096)]),
        ((ALL, ALL), None, 1 << 20, []),
    ],
)
def test_the_limit_is_raised_as_far_as_it_goes(
    monkeypatch: pytest.MonkeyPatch,
    limits: tuple[int, int],
    raises: Exception | None,
    budget: int,
    asked: list[tuple[int, int]],
) -> None:
    wanted: list[tuple[int, int]] = []

    def set_limit(which: int, both: tuple[int, int]) -> None:
        wanted.append(both)
        if raises:
            raise raises

    monkeypatch.setattr(resource, "getrlimit", lambda which: limits)
    monkeypatch.setattr(resource, "setrlimit", set_limit)
    assert DescriptorBudget.of_process().limit == budget
    assert wanted == asked


def test_dear_files_stay_open_longer() -> None:
    budget = DescriptorBudget(10)
    kept = []
    for budget.open in range(12):
        kept.append((budget.may_stay_open(dear=False), budget.may_stay_open(dear=True)))
    assert kept == [(True, True)] * 9 + [(False, True)] + [(False, False)] * 2
