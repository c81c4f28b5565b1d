"""What the writer wrote, read back by prometheus_client's parsers."""

from collections.abc import Iterator
from dataclasses import replace
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric as Parsed
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from podtick.model.metrics.row import MAX_VALUE, UNKNOWN, UNLIMITED, Level
from podtick.model.metrics.state import STATES
from podtick.model.metrics.table import NODE_COLUMN, TARGET_COLUMN, rows_at
from podtick.serve.exposition.filters import EVERYTHING, Selection
from podtick.serve.exposition.format import Format
from podtick.serve.exposition.info import INFO
from podtick.serve.exposition.labels import LabelCache
from podtick.serve.exposition.samples import BATCH, SampleWriter
from tests.support.world import FakeRoster, FakeSnapshot, FakeTarget, World, full_world, parsers, small_world

BOTH = pytest.mark.parametrize("text_format", list(Format))
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def write(world: World, text_format: Format = Format.TEXT, selection: Selection = EVERYTHING) -> str:
    assert world.history.snapshot is not None
    writer = SampleWriter(LabelCache(world.roster, "node-1"), world.parsers)
    return "".join(writer.write(world.history.snapshot, selection, text_format)) + text_format.end


def families(text: str, text_format: Format) -> Iterator[Parsed]:
    parse = parse_text if text_format is Format.TEXT else parse_openmetrics
    yield from parse(text)


def samples(text: str, text_format: Format = Format.TEXT) -> Samples:
    """All numbers: without the info metrics, whose value says nothing."""
    found: Samples = {}
    for family in families(text, text_format):
        for sample in (each for each in family.samples if not each.name.endswith("_info")):
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def names(text: str) -> set[str]:
    return {name for name, _ in samples(text)}


def one_container(**values: int) -> World:
    world = World()
    world.roster.all_targets = [FakeTarget(0, Level.CONTAINER, "shop", "cart", "u1", "app")]
    world.history.snapshot = FakeSnapshot([values])
    return world


APP = frozenset({("namespace", "shop"), ("pod", "cart"), ("uid", "u1"), ("container", "app")})


@BOTH
def test_every_row_of_every_level_is_there_once(text_format: Format) -> None:
    text = write(full_world(3), text_format)
    written = {name for name, _ in samples(text, text_format)}
    assert written == {row.family(level) for level in Level for row in rows_at(level)}


@BOTH
def test_families_stand_together_in_the_tables_order(text_format: Format) -> None:
    order = [family.name for family in families(write(full_world(2), text_format), text_format)]
    expected = list(
        dict.fromkeys(
            name
            for level in Level
            for name in (
                *(row.family(level) for row in rows_at(level)),
                *([f"podtick_{level}_info"] if level in INFO else []),
            )
        )
    )
    assert [name.removesuffix("_total") for name in order] == [name.removesuffix("_total") for name in expected]


def test_values_are_in_the_unit_of_the_name() -> None:
    world = one_container(cpu_usage_seconds_total=1_500_000_000, memory_usage_bytes=4096, oom_events_total=0)
    found = samples(write(world))
    assert found == {
        ("podtick_container_cpu_usage_seconds_total", APP): 1.5,
        ("podtick_container_memory_usage_bytes", APP): 4096,
        ("podtick_container_oom_events_total", APP): 0,
    }


@pytest.mark.parametrize("reserved", [UNKNOWN, UNLIMITED])
@pytest.mark.parametrize("key", [row.key for row in rows_at(Level.CONTAINER) if row.minus is None])
def test_the_unknown_and_the_unlimited_are_absent(key: str, reserved: int) -> None:
    assert samples(write(one_container(**{key: reserved}))) == {}


def test_the_largest_number_is_a_number() -> None:
    text = write(one_container(memory_usage_bytes=MAX_VALUE, cpu_usage_seconds_total=MAX_VALUE))
    assert f"{MAX_VALUE}\n" in text
    assert "18446744073.709551613\n" in text


@pytest.mark.parametrize(
    ("usage", "inactive", "expected"),
    [(100, 30, 70), (100, 100, 0), (30, 100, 0), (UNKNOWN, 30, None), (100, UNKNOWN, None), (0, 0, 0)],
)
def test_the_working_set_is_a_floored_difference(usage: int, inactive: int, expected: int | None) -> None:
    world = one_container(memory_usage_bytes=usage, memory_inactive_file_bytes=inactive)
    assert samples(write(world)).get(("podtick_container_memory_working_set_bytes", APP)) == expected


@pytest.mark.parametrize("place", range(len(STATES)))
def test_only_the_state_that_it_is_in_has_a_series(place: int) -> None:
    found = samples(write(one_container(state=place)))
    states = {dict(labels)["state"]: value for (_, labels), value in found.items()}
    assert states == {STATES[place]: 1.0}


def test_a_state_that_nobody_knows_is_absent() -> None:
    assert samples(write(one_container(state=len(STATES)))) == {}


def test_a_slot_newer_than_the_tick_is_absent() -> None:
    world = one_container(memory_usage_bytes=1)
    world.roster.all_targets.append(FakeTarget(7, Level.CONTAINER, "shop", "new", "u2", "app"))
    assert len(samples(write(world))) == 1


def test_devices_are_series_of_their_own() -> None:
    world = World()
    world.history.snapshot = FakeSnapshot(diskstats=b"D", net_dev=b"N")
    seen: list[bytes] = []

    def disks(data: bytes) -> dict[str, dict[str, int]]:
        seen.append(data)
        return {"sda": {"read_bytes": 512, "io_time": 2_500_000_000, "reads": UNKNOWN}}

    world.parsers = parsers(disks, lambda data: {data.decode() + '"': {"receive_bytes": 9}})
    text = write(world)
    assert samples(text) == {
        ("podtick_node_disk_read_bytes_total", frozenset({("device", "sda")})): 512,
        ("podtick_node_disk_io_time_seconds_total", frozenset({("device", "sda")})): 2.5,
        ("podtick_node_network_receive_bytes_total", frozenset({("device", 'N"')})): 9,
    }
    assert seen == [b"D"], "parsed once a scrape"


def test_node_rows_of_one_name_are_one_family() -> None:
    world = World()
    world.history.snapshot = FakeSnapshot(node_values=dict.fromkeys(NODE_COLUMN, 10**9))
    text = write(world)
    assert text.count("# TYPE podtick_node_cpu_seconds_total ") == 1
    assert samples(text)[("podtick_node_cpu_seconds_total", frozenset({("mode", "idle")}))] == 1


def test_nothing_is_longer_than_a_batch() -> None:
    world = full_world(BATCH + 10)
    snapshot = world.history.snapshot
    assert snapshot is not None
    pieces = list(
        SampleWriter(LabelCache(world.roster, "node-1"), world.parsers).write(snapshot, EVERYTHING, Format.TEXT)
    )
    assert max(piece.count("\n") for piece in pieces) <= BATCH * len(STATES) + 2
    # the same text as from one piece: every family has one header
    text = "".join(pieces)
    assert text.count("# TYPE podtick_pod_cpu_usage_seconds_total ") == 1
    assert len(samples(text)) == len(samples(write(world)))


def test_filters_choose_levels_metrics_and_namespaces() -> None:
    world = full_world(6)
    pods = Selection(frozenset({"pod"}), ("cpu_usage*", "threads"), frozenset({"team-0"}))
    found = samples(write(world, selection=pods))
    assert {name for name, _ in found} == {"podtick_pod_cpu_usage_seconds_total", "podtick_pod_threads"}
    assert {dict(labels)["pod"] for _, labels in found} == {"shop-0000", "shop-0005"}


@BOTH
def test_a_class_has_one_label_and_all_pods_have_none(text_format: Format) -> None:
    text = write(full_world(1), text_format, Selection(frozenset({"qos", "kubepods"}), ("threads",)))
    assert {(name, *labels) for name, labels in samples(text, text_format)} == {
        ("podtick_qos_threads", ("qos_class", "Burstable")),
        ("podtick_qos_threads", ("qos_class", "BestEffort")),
        ("podtick_kubepods_threads",),
    }
    assert "_info" not in text


def test_what_is_not_right_for_a_whole_subtree_is_never_served_of_one() -> None:
    around = Selection(frozenset({"qos", "kubepods"}), ("cpu_cfs_*", "network_*", "restarts_total", "start_time_*"))
    assert write(full_world(1), selection=around) == ""


@BOTH
def test_a_filter_that_matches_nothing_gives_nothing(text_format: Format) -> None:
    nothing = Selection(metrics=("no_such_metric",))
    assert write(full_world(2), text_format, nothing) == text_format.end


def test_labels_are_made_anew_when_the_roster_changes() -> None:
    world = one_container(memory_usage_bytes=1)
    cache = LabelCache(world.roster, "node-1")
    first = cache.at(Level.CONTAINER, 1)
    world.roster.all_targets = [replace(world.roster.all_targets[0], container="renamed")]
    assert cache.at(Level.CONTAINER, 1) == first, "the version says whether anything changed"
    world.roster.version += 1
    assert 'container="renamed"' in cache.at(Level.CONTAINER, 1)[0].text


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30) | st.sampled_from(
    ['"', "\\", "\n", '\\"', "\\n", "}", "{", 'x",pod="y', "\r\n", " ", "é", "\x85", "\u2028", "#", "x" * 4096]
)


@BOTH
@given(st.lists(st.tuples(NAMES, NAMES, NAMES, NAMES), min_size=1, max_size=5, unique=True), st.data())
def test_hostile_names_come_back_as_they_were(
    text_format: Format, identities: list[tuple[str, str, str, str]], data: st.DataObject
) -> None:
    value = st.integers(0, 2**53)
    targets = [FakeTarget(slot, Level.CONTAINER, *identity) for slot, identity in enumerate(identities)]
    rows = [{"memory_usage_bytes": data.draw(value), "cpu_usage_seconds_total": data.draw(value)} for _ in targets]
    world = World(roster=FakeRoster(targets))
    world.history.snapshot = FakeSnapshot(rows)
    found = samples(write(world, text_format), text_format)
    assert len(found) == 2 * len(targets)
    for target, row in zip(targets, rows, strict=True):
        assert target.container is not None
        pairs = {"namespace": target.namespace, "pod": target.pod, "uid": target.uid, "container": target.container}
        labels = frozenset(pairs.items())
        assert found[("podtick_container_memory_usage_bytes", labels)] == row["memory_usage_bytes"]
        seconds = found[("podtick_container_cpu_usage_seconds_total", labels)]
        assert isclose(seconds, row["cpu_usage_seconds_total"] / 1e9, rel_tol=1e-15)


def test_the_small_world_has_every_awkward_thing() -> None:
    found = names(write(small_world()))
    assert "podtick_container_state" in found
    assert "podtick_container_spec_memory_limit_bytes" not in found
    assert "podtick_pod_spec_memory_limit_bytes" in found


def test_every_column_of_the_table_is_exposed() -> None:
    keys = {row.key for level in (Level.CONTAINER, Level.POD) for row in rows_at(level) if row.minus is None}
    assert keys == set(TARGET_COLUMN)


def test_a_target_has_no_samples_before_its_first_tick() -> None:
    """Its slot may have been another's until then: never another container's number."""
    world = one_container(threads=3)
    (target,) = world.roster.all_targets
    snapshot = world.history.latest()
    assert snapshot is not None
    assert samples(write(world))
    world.roster.all_targets = [replace(target, first=snapshot.number + 1)]
    world.roster.version += 1
    assert not samples(write(world))


def test_what_is_known_besides_numbers_is_labels_of_an_info_metric() -> None:
    world = full_world(1)
    facts = {
        "owner_kind": "Deployment",
        "owner_name": 'odd "name"',
        "phase": "Running",
        "label_app": "x",
        "internal": "x",
    }
    world.roster.all_targets[0] = replace(world.roster.all_targets[0], facts=facts)
    lines = [line for line in write(world).splitlines() if line.startswith("podtick_pod_info{")]
    labels = 'namespace="team-0",pod="shop-0000",uid="00000000-0000-4000-8000-000000000000",node="node-1"'
    told = 'owner_kind="Deployment",owner_name="odd \\"name\\"",phase="Running",label_app="x"'
    assert lines == [f"podtick_pod_info{{{labels},{told}}} 1"]
    assert "podtick_container_info{" not in write(world, selection=Selection(metrics=("cpu_*",)))
    assert "podtick_pod_info{" in write(world, selection=Selection(metrics=("info",)))
