"""From a frame of the stats API to the figures of `docker stats`."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podtick.model.dockerstats import Frame, columns, docker_stats, network_columns, number
from podtick.model.metrics.row import MAX_VALUE

FRAME_2017 = json.loads((Path(__file__).parents[2] / "fixtures/stats-frame-2017.json").read_text())
V2: dict[str, Any] = {
    "read": "2026-11-26T10:00:01.5Z",
    "cpu_stats": {
        "cpu_usage": {"total_usage": 3_000_000_000, "usage_in_usermode": 2_000, "usage_in_kernelmode": 1_000},
        "system_cpu_usage": 20_000_000_000,
        "online_cpus": 2,
        "throttling_data": {"periods": 10, "throttled_periods": 3, "throttled_time": 99},
    },
    "precpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}, "system_cpu_usage": 18_000_000_000},
    "memory_stats": {"usage": 1000, "limit": 4000, "stats": {"anon": 600, "file": 400, "inactive_file": 300}},
    "blkio_stats": {
        "io_service_bytes_recursive": [
            {"major": 8, "minor": 0, "op": "read", "value": 4096},
            {"major": 8, "minor": 0, "op": "write", "value": 0},
            {"major": 8, "minor": 16, "op": "read", "value": 4},
            {"major": 8, "minor": 16, "op": "write", "value": 0},
        ],
        "io_serviced_recursive": None,
    },
    "networks": {"eth0": {"rx_bytes": 7, "tx_bytes": 8}, "eth0.5": {"rx_bytes": 70, "tx_bytes": 80}},
    "pids_stats": {"current": 5, "limit": 18446744073709551615},
}


def without(path: str, value: object = ...) -> Frame:
    """The frame above without one field, or with another value there."""
    frame = deepcopy(V2)
    *above, last = path.split(".")
    at: Any = frame
    for name in above:
        at = at[name]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return frame


def test_the_frame_that_it_began_with() -> None:
    """An engine of API 1.29, in 2017: the figures that its `docker stats` showed."""
    stats = docker_stats(FRAME_2017)
    assert stats.cpu_percent == pytest.approx(427.73, abs=0.005)
    assert (stats.memory_usage_bytes, stats.memory_raw_bytes) == (115937280, 119660544)
    assert stats.memory_percent == pytest.approx(2.92, abs=0.005)
    assert stats.memory_raw_percent == pytest.approx(3.01, abs=0.005)
    assert (stats.network_receive_bytes, stats.network_transmit_bytes) == (648, 648)
    assert (stats.block_read_bytes, stats.block_write_bytes) == (3642368, 9669120)
    assert stats.pids is None


def test_cgroup_v2() -> None:
    stats = docker_stats(V2)
    assert stats.cpu_percent == 50.0
    assert (stats.memory_usage_bytes, stats.memory_percent) == (700, 17.5)
    assert (stats.network_receive_bytes, stats.network_transmit_bytes) == (77, 88)
    assert (stats.block_read_bytes, stats.block_write_bytes) == (4100, 0)
    assert stats.pids == 5


@pytest.mark.parametrize(
    ("frame", "field", "value"),
    [
        (without("precpu_stats"), "cpu_percent", None),
        (without("precpu_stats", None), "cpu_percent", None),
        (without("precpu_stats.cpu_usage.total_usage", 0), "cpu_percent", None),
        (without("precpu_stats.system_cpu_usage"), "cpu_percent", None),
        (without("precpu_stats.cpu_usage.total_usage", 4_000_000_000), "cpu_percent", None),  # it went back
        (without("precpu_stats.system_cpu_usage", 20_000_000_000), "cpu_percent", None),  # no time has passed
        (without("cpu_stats.system_cpu_usage"), "cpu_percent", None),
        (without("cpu_stats.online_cpus"), "cpu_percent", None),  # nor percpu_usage: cgroup v2
        (without("cpu_stats.online_cpus", 0), "cpu_percent", None),
        (without("precpu_stats.cpu_usage.total_usage", 3_000_000_000), "cpu_percent", 0.0),
        (without("memory_stats.stats"), "memory_usage_bytes", 1000),
        (without("memory_stats.stats.inactive_file", 2000), "memory_usage_bytes", 1000),
        (without("memory_stats"), "memory_usage_bytes", None),
        (without("memory_stats", {}), "memory_percent", None),
        (without("memory_stats.limit", 0), "memory_percent", None),
        (without("networks"), "network_receive_bytes", None),
        (without("networks", None), "network_receive_bytes", None),
        (without("networks", {}), "network_receive_bytes", None),
        (without("networks.eth0", None), "network_receive_bytes", None),
        (without("networks.eth0.rx_bytes"), "network_receive_bytes", None),
        (without("blkio_stats"), "block_read_bytes", None),
        (without("blkio_stats.io_service_bytes_recursive", None), "block_read_bytes", None),
        (without("blkio_stats.io_service_bytes_recursive", []), "block_write_bytes", None),
        (without("pids_stats", {}), "pids", None),
        (without("pids_stats.current", -1), "pids", None),
        (without("pids_stats.current", True), "pids", None),
    ],
)
def test_what_an_engine_leaves_out_is_unknown(frame: Frame, field: str, value: float | None) -> None:
    assert getattr(docker_stats(frame), field) == value


def test_cpus_of_an_old_engine_are_those_that_were_used() -> None:
    frame = deepcopy(FRAME_2017)
    frame["cpu_stats"]["cpu_usage"]["percpu_usage"] += [0, 0, 0, 0]
    assert docker_stats(frame) == docker_stats(FRAME_2017)


def test_zeros_alone_on_v1_are_unknown() -> None:
    """Some kernels list each device with 0 until somebody sets a rule for it."""
    frame = deepcopy(FRAME_2017)
    for entry in frame["blkio_stats"]["io_service_bytes_recursive"]:
        entry["value"] = 0
    assert docker_stats(frame).block_write_bytes is None


def test_columns_are_the_kernels() -> None:
    v2, v1 = columns(V2), columns(FRAME_2017)
    assert v2["cpu_usage_seconds_total"] == 3_000_000_000
    assert v2["cpu_cfs_throttled_seconds_total"] == 99
    assert (v2["memory_rss_bytes"], v2["memory_cache_bytes"], v2["memory_inactive_file_bytes"]) == (600, 400, 300)
    assert (v2["memory_mapped_file_bytes"], v2["memory_max_usage_bytes"], v2["fs_reads_total"]) == (None, None, None)
    assert (v2["fs_reads_bytes_total"], v2["fs_writes_bytes_total"], v2["threads"]) == (4100, 0, 5)
    assert (v1["memory_rss_bytes"], v1["memory_swap_bytes"]) == (115929088, 0)
    assert (v1["memory_page_faults_total"], v1["memory_max_usage_bytes"]) == (11258904, 273133568)
    assert (v1["fs_reads_total"], v1["memory_failcnt_total"], v1["threads"]) == (138, 0, None)


def test_network_columns() -> None:
    found = network_columns(FRAME_2017)
    assert found["network_receive_bytes_total"] == found["network_transmit_bytes_total"] == 648
    assert found["network_receive_packets_total"] == 8
    assert found["network_transmit_errors_total"] == found["network_receive_packets_dropped_total"] == 0
    assert set(network_columns(without("networks")).values()) == {None}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*V2, *V2["cpu_stats"], *V2["memory_stats"], "eth0", "op"]), inner)
    ),
    max_leaves=30,
)


@given(st.dictionaries(st.sampled_from(list(V2)), JSON))
def test_any_json_makes_sense_or_is_unknown(frame: dict[str, Any]) -> None:
    stats = docker_stats(frame)
    assert stats.cpu_percent is None or stats.cpu_percent >= 0
    assert all(value is None or value >= 0 for value in (*columns(frame).values(), *network_columns(frame).values()))


def test_a_number_is_whole_and_not_negative() -> None:
    frame: Frame = {"a": {"b": 5, "c": 1.5, "d": 2**64}}
    assert (number(frame, "a.b"), number(frame, "a.c"), number(frame, "a.d"), number(frame, "a.b.c")) == (5,) + (
        None,
    ) * 3


def test_a_sum_that_no_column_holds_is_unknown() -> None:
    """It could not be told to the sampler, or would stand there for no limit."""
    frame = deepcopy(V2)
    for networks in frame["networks"].values():
        networks["rx_bytes"] = MAX_VALUE
    for entry in frame["blkio_stats"]["io_service_bytes_recursive"]:
        entry["value"] = MAX_VALUE // 2 + 1
    assert docker_stats(frame).network_receive_bytes is network_columns(frame)["network_receive_bytes_total"] is None
    assert docker_stats(frame).block_read_bytes is columns(frame)["fs_reads_bytes_total"] is None
