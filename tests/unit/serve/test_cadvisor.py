"""`/metrics/cadvisor`: the same samples under cAdvisor's names and labels."""

from dataclasses import replace

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.samples import Sample

from podtick.history.layout import PIECES
from podtick.model.metrics.row import UNKNOWN, UNLIMITED, Level
from podtick.serve.exposition.cadvisor import CadvisorWriter, families
from podtick.serve.exposition.filters import EVERYTHING, Selection, parse_query
from podtick.serve.exposition.format import Format
from podtick.serve.exposition.samples import DeviceParsers
from podtick.sources.cgroup.devices import block_devices
from podtick.sources.proc.network import pod_interfaces
from tests.support.world import FakeRoster, FakeSnapshot, FakeTarget, World, full_world, no_devices

NET_DEV = b"""Inter-|   Receive   |  Transmit
 face |bytes ... |bytes ...
    lo: 9 9 9 9 0 0 0 0 9 9 9 9 0 0 0 0
  eth0: 1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0
  net1: 50 5 0 0 0 0 0 0 60 6 0 0 0 0 0 0
"""
IO_STAT = b"8:0 rbytes=4096 wbytes=8192 rios=1 wios=2\n259:1 rbytes=7 wbytes=0 rios=3 wios=0\n"
V1_BYTES = b"8:0 Read 4096\n8:0 Write 8192\n8:0 Total 12288\nTotal 12288\n"
V1_OPERATIONS = b"8:0 Read 1\n8:0 Write 2\n8:0 Total 3\nTotal 3\n"
POD, CART = 0, 1


def world(**facts: str) -> World:
    """A pod of the kubelet's with one container, in slots 0 and 1."""
    identity = ("shop", "cart-1", "u1")
    made = World(
        roster=FakeRoster(
            [
                FakeTarget(POD, Level.POD, *identity),
                FakeTarget(CART, Level.CONTAINER, *identity, container="app", facts=facts),
            ]
        )
    )
    made.history.snapshot = FakeSnapshot([{}, {}], diskstats=b"disks")
    made.parsers = DeviceParsers(no_devices, no_devices, block_devices, pod_interfaces, lambda _: {"8:0": "sda"})
    return made


def written(world: World, selection: Selection = EVERYTHING, text_format: Format = Format.TEXT) -> str:
    assert world.history.snapshot is not None
    writer = CadvisorWriter(world.history, world.roster, world.parsers)
    return "".join(writer.write(world.history.snapshot, selection, text_format)) + text_format.end


def samples(world: World, selection: Selection = EVERYTHING) -> list[Sample]:
    found = [sample for family in parse_text(written(world, selection)) for sample in family.samples]
    keys = [(sample.name, frozenset(sample.labels.items())) for sample in found]
    assert len(keys) == len(set(keys)), "one series twice"
    return found


def row(world: World, slot: int) -> dict[str, int]:
    assert world.history.snapshot is not None
    return world.history.snapshot.rows[slot]


def test_cpu_and_memory_of_a_container_and_its_pod() -> None:
    here = world(image="registry/cart:1", container_id="c0ffee")
    for slot, seconds in ((POD, 3), (CART, 2)):
        row(here, slot).update(cpu_usage_seconds_total=seconds * 10**9, memory_rss_bytes=seconds * 4096)
    of_pod = {"namespace": "shop", "pod": "cart-1", "container": "", "image": "", "name": "", "id": "/kubepods/podu1"}
    of_container = {
        "namespace": "shop",
        "pod": "cart-1",
        "container": "app",
        "image": "registry/cart:1",
        "name": "c0ffee",
        "id": "/kubepods/podu1/c0ffee",
    }
    assert [(each.name, each.labels, each.value) for each in samples(here)] == [
        ("container_cpu_usage_seconds_total", {**of_container, "cpu": "total"}, 2.0),
        ("container_cpu_usage_seconds_total", {**of_pod, "cpu": "total"}, 3.0),
        ("container_memory_rss", of_container, 8192),
        ("container_memory_rss", of_pod, 12288),
    ]


def test_disks_and_interfaces_are_series_of_their_own_where_cadvisor_has_them() -> None:
    here = world(image="cart:1", container_id="c0ffee")
    here.history.piece_texts = {(POD, PIECES["net/dev"]): NET_DEV, (CART, PIECES["io.stat"]): IO_STAT}
    found = samples(here)
    received = [each for each in found if each.name == "container_network_receive_bytes_total"]
    assert {each.labels["interface"]: each.value for each in received} == {"eth0": 1000, "net1": 50}
    assert {(each.labels["container"], each.labels["pod"], each.labels["image"]) for each in received} == {
        ("POD", "cart-1", "unknown")
    }
    dropped = [each.value for each in found if each.name == "container_network_transmit_packets_dropped_total"]
    assert dropped == [4, 0]
    written = [each for each in found if each.name == "container_fs_writes_bytes_total"]
    assert {each.labels["device"]: each.value for each in written} == {"/dev/sda": 8192, "259:1": 0}
    assert {each.labels["container"] for each in found if each.name.startswith("container_fs_")} == {"app"}


def test_bytes_and_operations_of_cgroup_v1_are_not_mixed_up() -> None:
    here = world()
    for file, text in (("io_service_bytes", V1_BYTES), ("io_serviced", V1_OPERATIONS)):
        here.history.piece_texts[CART, PIECES[f"blkio.throttle.{file}_recursive"]] = text
    assert {each.name: each.value for each in samples(here)} == {
        "container_fs_reads_bytes_total": 4096,
        "container_fs_writes_bytes_total": 8192,
        "container_fs_reads_total": 1,
        "container_fs_writes_total": 2,
    }


def test_throttling_is_the_containers_and_only_where_there_is_a_limit() -> None:
    """As in cAdvisor; a pod's would be a second sum of its containers'."""
    here = world()
    for slot in (POD, CART):
        row(here, slot).update(cpu_cfs_periods_total=100, cpu_cfs_throttled_periods_total=7)
        row(here, slot).update(spec_cpu_limit_cores=UNLIMITED)
    assert not samples(here)
    for slot in (POD, CART):
        row(here, slot).update(spec_cpu_limit_cores=5 * 10**8)
    assert {(each.name, each.labels["container"], each.value) for each in samples(here)} == {
        ("container_cpu_cfs_periods_total", "app", 100),
        ("container_cpu_cfs_throttled_periods_total", "app", 7),
    }


@pytest.mark.parametrize(("limit", "told"), [(UNLIMITED, [0]), (1 << 20, [1 << 20]), (UNKNOWN, [])])
def test_no_limit_is_zero_there_and_unknown_is_absent(limit: int, told: list[int]) -> None:
    here = world()
    row(here, CART).update(spec_memory_limit_bytes=limit, threads_max=limit)
    for name in ("container_spec_memory_limit_bytes", "container_threads_max"):
        assert [each.value for each in samples(here) if each.name == name] == told


def test_what_does_not_run_has_no_series() -> None:
    here = world()
    row(here, CART).update(state=5, start_time_seconds=10**18, restarts_total=3)
    assert not samples(here)
    row(here, CART).update(cpu_usage_seconds_total=1)
    assert {each.name for each in samples(here)} == {
        "container_cpu_usage_seconds_total",
        "container_start_time_seconds",
    }


def test_a_container_of_which_no_image_is_known_is_found_by_those_who_ask_for_one() -> None:
    here = world()
    row(here, CART).update(memory_usage_bytes=1)
    (only,) = samples(here)
    assert only.labels["image"] == "unknown"
    assert only.labels["id"] == "/kubepods/podu1/app"


def test_plain_docker_has_containers_and_nothing_around_them() -> None:
    here = World(roster=FakeRoster([
        FakeTarget(POD, Level.POD, "_docker", "web", "4f0c"),
        FakeTarget(CART, Level.CONTAINER, "_docker", "web", "4f0c", container="web", facts={"image": "nginx"}),
    ]))  # fmt: skip
    here.parsers = world().parsers
    here.history.snapshot = FakeSnapshot([{"memory_usage_bytes": 1}, {"memory_usage_bytes": 1}])
    here.history.piece_texts = {(POD, PIECES["net/dev"]): NET_DEV}
    labels = [(each.labels["container"], each.labels["id"], each.labels["name"]) for each in samples(here)]
    assert set(labels) == {("web", "/docker/4f0c", "web")}
    assert len([each for each in samples(here) if each.name == "container_memory_usage_bytes"]) == 1


def test_a_cgroup_without_a_container_has_no_image() -> None:
    path = "/system.slice/cron.service"
    here = World(roster=FakeRoster([
        FakeTarget(POD, Level.POD, "_cgroup", path, path),
        FakeTarget(CART, Level.CONTAINER, "_cgroup", path, path, container="cron.service"),
    ]))  # fmt: skip
    here.history.snapshot = FakeSnapshot([{"memory_usage_bytes": 1}, {"memory_usage_bytes": 1}])
    (only,) = samples(here)
    assert (only.labels["id"], only.labels["image"], only.labels["name"]) == (path, "", "")


def test_the_machine_has_no_labels() -> None:
    here = world()
    assert here.history.snapshot is not None
    here.history.snapshot.node_values = {"cpu_cores": 8, "memory_total_bytes": 1 << 34}
    assert [(each.name, each.labels, each.value) for each in samples(here)] == [
        ("machine_cpu_cores", {}, 8),
        ("machine_memory_bytes", {}, 1 << 34),
    ]


def test_names_are_the_same_in_both_formats() -> None:
    """OpenMetrics would have a counter renamed that is not called `_total`: there its type is unknown."""
    text, openmetrics = (written(full_world(2), text_format=text_format) for text_format in Format)
    lines = [line for line in openmetrics.splitlines() if not line.startswith("#")]
    assert lines == [line for line in text.splitlines() if not line.startswith("#")]
    assert "# TYPE container_memory_failcnt counter\n" in text
    assert "# TYPE container_memory_failcnt unknown\n" in openmetrics
    names = {sample.name for family in parse_openmetrics(openmetrics) for sample in family.samples}  # type: ignore[no-untyped-call]
    expected = {family.name for family, rows in families() if rows[0].there.per is None}
    assert names == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("metric=memory_rss_bytes", {"container_memory_rss"}),
        ("metric=container_memory_r*", {"container_memory_rss"}),
        ("metric=podtick_container_memory_rss_bytes", {"container_memory_rss"}),
        ("metric=machine_*", {"machine_cpu_cores", "machine_memory_bytes", "machine_swap_bytes"}),
        ("metric=container_cpu_usage*,threads", {"container_cpu_usage_seconds_total", "container_threads"}),
        ("level=agent", set()),
    ],
)
def test_a_metric_goes_by_either_name(query: str, expected: set[str]) -> None:
    selection = parse_query([parameter.split("=") for parameter in query.split("&")], EVERYTHING)  # type: ignore[misc]
    assert {each.name for each in samples(full_world(2), selection)} == expected


def test_levels_and_namespaces_choose() -> None:
    here = full_world(4)
    pods = {each.labels["pod"] for each in samples(here, Selection(namespaces=frozenset({"team-1"})))}
    assert pods == {"shop-0001"}
    names = frozenset({"memory_rss_bytes"})
    only_pods = samples(here, Selection(levels=frozenset({"pod"}), metrics=tuple(names)))
    assert [each.labels["container"] for each in only_pods] == [""] * 4


def test_labels_are_made_anew_when_the_roster_changes() -> None:
    here = world()
    row(here, CART).update(memory_usage_bytes=1)
    writer = CadvisorWriter(here.history, here.roster, here.parsers)

    def text() -> str:
        assert here.history.snapshot is not None
        return "".join(writer.write(here.history.snapshot, EVERYTHING, Format.TEXT))

    assert 'container="app"' in text()
    here.roster.all_targets[CART] = replace(here.roster.all_targets[CART], container="renamed")
    assert 'container="app"' in text(), "the version says whether anything changed"
    here.roster.version += 1
    assert 'container="renamed"' in text()


def test_a_target_has_no_samples_before_its_first_tick() -> None:
    here = world()
    row(here, CART).update(memory_usage_bytes=1)
    here.history.piece_texts = {(CART, PIECES["io.stat"]): IO_STAT}
    here.roster.all_targets[CART] = replace(here.roster.all_targets[CART], first=2)
    assert not samples(here)


@pytest.mark.parametrize(
    "name",
    [
        "cpu_usage_seconds_total",
        "cpu_cfs_periods_total",
        "cpu_cfs_throttled_periods_total",
        "cpu_cfs_throttled_seconds_total",
        *(f"memory_{what}" for what in ("working_set_bytes", "rss", "cache", "swap")),
        *(
            f"network_{direction}_{what}_total"
            for direction in ("receive", "transmit")
            for what in ("bytes", "packets", "packets_dropped")
        ),
        *(f"fs_{what}_total" for what in ("reads", "writes", "reads_bytes", "writes_bytes")),
    ],
)
def test_every_metric_that_kubernetes_mixin_asks_for_is_there(name: str) -> None:
    assert f"container_{name}" in {family.name for family, _ in families()}
