"""JSON field names follow from the metric table."""

from collections import Counter

import pytest

from podtick.model.metrics.row import Kind, Level, Metric, Unit
from podtick.model.metrics.table import rows_at
from podtick.serve.api import names
from podtick.serve.api.names import fields_at
from podtick.serve.api.plan import check_patterns, make_plan
from podtick.serve.exposition.filters import FilterError, Matcher

UNITS = ("_cores", "_ratio", "_per_second")


@pytest.mark.parametrize("level", list(Level))
def test_every_row_is_a_field_of_its_own_name(level: Level) -> None:
    found = Counter(field.name for field in fields_at(level))
    assert set(found.values()) == {1}, "a name twice"
    for row in rows_at(level):
        if not row.labels:
            assert row.name in found


@pytest.mark.parametrize("level", list(Level))
def test_every_counter_has_a_rate_that_names_its_unit(level: Level) -> None:
    counted = {field.row.key for field in fields_at(level) if field.rate}
    assert counted == {row.key for row in rows_at(level) if row.kind is Kind.COUNTER and not row.told}
    assert all(field.name.endswith(UNITS) for field in fields_at(level) if field.rate)


@pytest.mark.parametrize(
    ("level", "field"),
    [
        (Level.POD, "cpu_usage_cores"),
        (Level.CONTAINER, "cpu_cfs_throttled_cores"),
        (Level.CONTAINER, "cpu_cfs_throttled_periods_per_second"),
        (Level.POD, "memory_working_set_bytes"),
        (Level.POD, "network_receive_bytes_per_second"),
        (Level.POD, "network_transmit_packets_dropped_per_second"),
        (Level.CONTAINER, "pressure_io_waiting_ratio"),
        (Level.CONTAINER, "fs_reads_bytes_per_second"),
        (Level.NODE, "cpu_user_seconds_total"),
        (Level.NODE, "cpu_iowait_cores"),
        (Level.NODE, "disk_io_time_ratio"),
        (Level.NODE, "load1"),
    ],
)
def test_names(level: Level, field: str) -> None:
    assert field in {each.name for each in fields_at(level)}


def test_a_new_row_appears_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = (("card", "zero"),)
    new = Metric("gpu_idle_seconds_total", Kind.COUNTER, Unit.SECONDS, "Idle.", (Level.POD,), labels=labels)
    monkeypatch.setattr(names, "rows_at", lambda level: (new,))
    found = fields_at.__wrapped__(Level.POD)
    assert [field.name for field in found] == ["gpu_idle_zero_seconds_total", "gpu_idle_zero_ratio"]


def test_percentiles_are_of_what_goes_up_and_down() -> None:
    measured = {field.name for field in make_plan(Level.POD, Matcher(None), measured=True).values}
    assert {"cpu_usage_cores", "memory_working_set_bytes", "threads"} <= measured
    assert not measured & {"cpu_usage_seconds_total", "start_time_seconds", "spec_memory_limit_bytes", "restarts_total"}
    assert "state" not in {field.name for field in make_plan(Level.CONTAINER, Matcher(None), measured=True).values}


@pytest.mark.parametrize(
    ("pattern", "fields"),
    [
        ("cpu_usage_seconds_total", {"cpu_usage_seconds_total", "cpu_usage_cores"}),  # the metric: both
        ("cpu_usage_cores", {"cpu_usage_cores"}),
        ("podtick_pod_threads", {"threads"}),
        ("podtick_container_threads", set()),
        ("memory_working_set*", {"memory_working_set_bytes"}),
        ("spec_*", set()),  # limits stand apart
    ],
)
def test_a_filter_may_name_a_metric_or_a_field(pattern: str, fields: set[str]) -> None:
    assert {field.name for field in make_plan(Level.POD, Matcher((pattern,))).values} == fields


def test_a_plan_reads_no_more_columns_than_it_needs() -> None:
    assert len(make_plan(Level.POD, Matcher(("cpu_usage_*",))).columns) == 1
    assert len(make_plan(Level.POD, Matcher(("memory_working_set_bytes",))).columns) == 2


@pytest.mark.parametrize(
    ("pattern", "told"),
    [("cpu_usage_core", "did you mean cpu_usage_cores?"), ("agent_*", "matches nothing here"), ("zzz", "names as in")],
)
def test_a_pattern_that_never_matches_says_what_would(pattern: str, told: str) -> None:
    with pytest.raises(FilterError, match="matches nothing here") as raised:
        check_patterns((pattern,), (Level.POD, Level.CONTAINER))
    assert told in str(raised.value)


def test_a_pattern_of_one_level_is_right_where_there_are_two() -> None:
    check_patterns(("state", "network_*", "podtick_pod_*"), (Level.POD, Level.CONTAINER))
