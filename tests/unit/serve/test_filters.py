"""`?level=`, `?metric=`, `?namespace=` and what is wrong with them."""

import pytest

from podtick.serve.exposition.filters import (
    EVERYTHING,
    LEVELS,
    FilterError,
    Selection,
    parse_levels,
    parse_metrics,
    parse_namespaces,
    parse_query,
)

POD_CPU = Selection(levels=frozenset({"pod"}), metrics=("cpu_*",))


def test_without_a_filter_the_default_holds() -> None:
    assert parse_query([], POD_CPU) == POD_CPU


def test_a_filter_replaces_its_own_default_alone() -> None:
    chosen = parse_query([("level", "node")], POD_CPU)
    assert chosen == Selection(levels=frozenset({"node"}), metrics=("cpu_*",))


def test_filters_repeat_and_list() -> None:
    query = [("level", "pod, container"), ("level", "agent"), ("metric", "a*,b"), ("namespace", "x,_docker")]
    assert parse_query(query, EVERYTHING) == Selection(
        frozenset({"pod", "container", "agent"}), ("a*", "b"), frozenset({"x", "_docker"})
    )


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (("level", "pots"), "there is no level 'pots': levels are container, pod, qos, kubepods, node, agent"),
        (("level", ""), "level has an empty value"),
        (("level", "pod,,node"), "level has an empty value"),
        (("metric", "cpu usage"), "no pattern of metric names"),
        (("metric", "a" * 500), "no pattern of metric names"),
        (("metric", "(a+)+$"), "no pattern of metric names"),
        (("namespace", "a/b"), "cannot be the name of a namespace"),
        (("namespace", ",".join(["n"] * 201)), "namespace has 201 values: at most 200"),
        (("metrics", "cpu_*"), "there is no parameter 'metrics': did you mean metric?"),
        (("zzz", "1"), "there is no parameter 'zzz': parameters are level, metric, namespace"),
    ],
)
def test_a_senseless_filter_says_what_would_be_right(query: tuple[str, str], told: str) -> None:
    with pytest.raises(FilterError) as raised:
        parse_query([query], EVERYTHING)
    assert told in str(raised.value)
    assert len(str(raised.value)) < 300


def test_readers_of_the_flags() -> None:
    assert parse_levels("pod,agent") == {"pod", "agent"}
    assert parse_metrics("cpu_*, memory_*") == ("cpu_*", "memory_*")
    assert parse_namespaces("_docker") == {"_docker"}


@pytest.mark.parametrize(
    ("pattern", "level", "name", "wanted"),
    [
        ("cpu_*", "pod", "podtick_pod_cpu_usage_seconds_total", True),
        ("cpu_*", "node", "podtick_node_cpu_seconds_total", True),
        ("cpu", "pod", "podtick_pod_cpu_usage_seconds_total", False),
        ("CPU_*", "pod", "podtick_pod_cpu_usage_seconds_total", False),
        ("*_bytes", "pod", "podtick_pod_memory_usage_bytes", True),
        ("ticks*", "agent", "podtick_agent_ticks_total", False),
        ("agent_ticks*", "agent", "podtick_agent_ticks_total", True),
        ("podtick_pod_cpu*", "pod", "podtick_pod_cpu_usage_seconds_total", True),
        ("podtick_pod_cpu*", "container", "podtick_container_cpu_usage_seconds_total", False),
        ("load[15]", "node", "podtick_node_load5", True),
        ("load[!1]", "node", "podtick_node_load1", False),
    ],
)
def test_patterns(pattern: str, level: str, name: str, wanted: bool) -> None:
    assert Selection(metrics=(pattern,)).matcher().wants(level, name) is wanted


def test_a_pattern_of_many_stars_is_quick() -> None:
    pattern = "*a" * 60
    assert not Selection(metrics=(pattern,)).matcher().wants("pod", "podtick_pod_" + "a" * 59 + "b" * 100)


def test_a_namespace_leaves_out_what_has_none_unless_it_is_named() -> None:
    only = Selection(namespaces=frozenset({"shop"}))
    assert [level for level in LEVELS if only.wants_level(level)] == [
        "container",
        "pod",
    ]
    named = Selection(levels=frozenset({"pod", "node"}), namespaces=frozenset({"shop"}))
    assert [level for level in LEVELS if named.wants_level(level)] == [
        "pod",
        "node",
    ]
