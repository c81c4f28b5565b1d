"""The table of peers counts only what arrived, and never leaves out a peer that could not run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.loads import Load
from bench.machine import tree, tree_cpu_ns
from bench.peers import glances, install, measure, netdata
from bench.peers.peer import seconds_covered
from bench.peers.rows import Row, as_data, compared, medians, peer_table, verdict
from bench.peers.stats_stream import STATS_STREAM
from bench.peers.windows import Watched, Window
from bench.programs import MissingError


def test_two_moments_in_one_second_cover_one_and_those_outside_cover_none() -> None:
    assert seconds_covered([99.9, 100.3, 100.9, 101.2, 103.0, 104.25], 100.25, 104.25) == 2
    assert seconds_covered([101, 102, 103, 104], 100.25, 104.25) == 4


def test_the_engines_work_is_what_it_does_beyond_being_alone_in_the_same_time() -> None:
    alone = Window(seconds=10, dockerd=100, shims=300, wanted=0, watched={})
    asked = Window(20, 1_000, 2_000, 40, {"it": Watched(cpu=80_000, memory=3 << 20, arrived=20)})
    assert asked.dockerd_beyond(alone) == 800
    assert asked.engine_beyond(alone) == 2_200
    row = asked.row("it", "1.0", 40_000)
    assert (row.own, row.engine, row.whole, row.memory, row.arrived, row.wanted) == (4, 2, 6, 3, 20, 40)
    assert Window(20, 10, 20, 40, {}).engine_beyond(alone) == 0


def test_a_peer_without_data_has_no_cost_per_second() -> None:
    row = Window(20, 0, 0, 40, {"it": Watched(80_000, 1, 0)}).row("it", "", 0)
    assert row.whole is None
    assert "40 container-seconds" in row.missing


def _round(own: float, peer: float, *, arrived: int = 60) -> list[Row]:
    rows = [
        Row("podtick", own=own, engine=0, arrived=arrived, wanted=60),
        Row("loop", own=own / 2, engine=0, arrived=60, wanted=60, floor=True),
        Row("peer", own=peer, engine=1, arrived=30, wanted=60, at_most=True),
        Row("other", missing="no Go compiler"),
    ]
    return compared(rows)


def test_medians_are_of_each_figure_and_counts_are_of_all_rounds() -> None:
    podtick, loop, peer, other = medians([_round(10, 99), _round(20, 49), _round(40, 199)])
    assert (podtick.own, loop.times, peer.own, peer.times) == (20, 0.5, 99, 5)
    assert (peer.arrived, peer.wanted, peer.runs) == (90, 180, 3)
    assert other.missing


def test_a_second_lost_in_one_round_of_three_is_not_lost_sight_of() -> None:
    rows = medians([_round(10, 99), _round(10, 99, arrived=59), _round(10, 99)])
    assert list(verdict(rows).values()) == [None, False]
    assert "| podtick |" in peer_table(rows)
    assert "179 of 180" in peer_table(rows)


def test_a_cheaper_peer_is_said_and_the_floor_is_no_peer() -> None:
    assert list(verdict(medians([_round(10, 5)])).values()) == [False, True]
    assert list(verdict(_round(10, 99)[:2]).values()) == [None, True]


def test_that_none_is_cheaper_is_said_only_where_all_have_run() -> None:
    assert list(verdict(_round(10, 99)[:3]).values()) == [True, True]
    assert list(verdict(_round(10, 99)).values()) == [None, True]


def test_what_did_not_run_is_a_row_and_unknown_not_nought() -> None:
    rows = _round(10, 99)
    assert "| other | not run: no Go compiler |" in peer_table(rows)
    assert "at most 30 of 60" in peer_table(rows)
    data = as_data(rows)["rows"]
    assert isinstance(data, list)
    assert data[3] == {
        **dict.fromkeys(("own", "engine", "whole", "times_podtick", "memory", "arrived", "wanted")),
        "name": "other",
        "version": "",
        "arrived_at_most": False,
        "not_run": "no Go compiler",
        "runs": 0,
    }


def test_a_peer_that_ran_in_some_rounds_is_counted_in_those() -> None:
    gone = [*_round(10, 99)[:2], Row("peer", missing="it ended"), Row("other", missing="no Go compiler")]
    peer = medians([gone, _round(10, 49)])[2]
    assert (peer.missing, peer.own, peer.runs) == ("", 49, 1)


def test_netdatas_empty_slots_are_no_data() -> None:
    assert netdata.moments({"data": [[103, 0, 0.5], [102, None, None], [101, 0, 0]]}) == [103, 101]


def test_glances_knows_a_container_once_it_has_its_memory() -> None:
    line = "containers: [{'id': 'a', 'memory_usage': 5}, {'id': 'b', 'memory_usage': None}, {'id': 'c'}]\n"
    assert glances.known(line) == ["a"]
    assert glances.known("Glances 4\n") == []


def test_cpu_of_children_that_have_ended_counts() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(10**7))']); print(); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        parent.stdout.readline()
        assert tree(parent.pid) == [parent.pid]
        own = Path(f"/proc/{parent.pid}/stat").read_text().rpartition(")")[2].split()
        assert tree_cpu_ns(parent.pid) > (int(own[11]) + int(own[12]) + 2) * 10**9 / os.sysconf("SC_CLK_TCK")
        parent.communicate(b"\n")
    assert tree_cpu_ns(parent.pid) == 0


def test_without_go_the_reason_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(install, "SYSTEM_PATH", str(tmp_path))
    with pytest.raises(MissingError, match="install Go"):
        install.go_program("cadvisor", tmp_path)
    monkeypatch.setattr(install, "may_install", lambda: False)
    with pytest.raises(MissingError, match="netdata-core"):
        install.debian_daemon("netdata", "netdata-core")


def test_each_round_begins_with_another_window(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    order: list[str] = []
    for name in ("_alone", "_silent"):
        monkeypatch.setattr(measure.Round, name, lambda _self, name=name: order.append(name))
    monkeypatch.setattr(measure.Round, "_asking", lambda _self, peer: order.append(peer.name))
    monkeypatch.setattr(measure.Round, "_rows", lambda _self: [Row("podtick")])
    missing = {peer.name: "no" for peer in measure.PEERS if peer is not STATS_STREAM}
    for turn in range(2):
        measure.Round(Load("", {}), 1, tmp_path, {}, missing).run(turn)
    assert order == ["_alone", "_silent", "Docker stats stream", "_silent", "Docker stats stream", "_alone"]
