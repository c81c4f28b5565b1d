"""What a window comes to: bursts right to the second, windows longer than the history, pods that have left."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podtick.history.ticks import AFTER_START
from podtick.model.metrics.row import UNKNOWN
from podtick.model.windows import summarise
from tests.unit.serve.recorded import EPOCH, HOUR, NODE, SECOND, Recorded, recording

CPU = "cpu_usage_seconds_total"
CORES = "cpu_usage_cores"


def burn(history: Recorded, ids: list[int], cores: list[float]) -> None:
    """One tick a value: so much CPU used since the tick before."""
    used = 0
    for value in cores:
        used += round(value * SECOND)
        history.tick({id_: {CPU: used} for id_ in ids})


@pytest.mark.parametrize("phase", [0, 1, 17, 47, 48, 59])
def test_twelve_seconds_in_each_minute_are_right_to_the_second(phase: int) -> None:
    with recording(HOUR) as history:
        pod = history.pod()
        app = history.container(pod)
        burn(history, [pod, app], [0.0] * 61)
        burning = [1.0 if (second - phase) % 60 < 12 else 0.02 for second in range(300)]
        before = history.now
        burn(history, [pod, app], burning)
        for window in (60, 120, 300):
            tail = burning[-window:]
            for found in (history.ask_container(window=f"{window}s"), history.ask_pod(window=str(window))):
                assert found["window"] == {
                    "seconds": window,
                    "from": history.now - window + 1,
                    "to": history.now,
                    "covered_seconds": window,
                }
                assert found["statistics"][CORES] == {
                    "max": 1.0,
                    "p50": 0.02,
                    "p95": 1.0,
                    "p99": 1.0,
                    "peak_timestamp": before + 300 - window + tail.index(1.0) + 1,
                    "known_seconds": window,
                }


def test_gauges_have_windows_and_totals_have_none() -> None:
    with recording() as history:
        app = history.container(history.pod())
        for value in (5, 9, 7):
            history.tick(
                {app: {"threads": value, "memory_usage_bytes": 100 * value, "memory_inactive_file_bytes": 100}}
            )
        found = history.ask_container(window="1m")["statistics"]
        assert (found["threads"]["max"], found["threads"]["p50"]) == (9, 7)
        assert found["threads"]["peak_timestamp"] == EPOCH + 2
        assert found["memory_working_set_bytes"]["max"] == 800
        assert found[CORES] is None, "nothing known is no zero"
        assert CPU not in found


def test_a_window_longer_than_the_history_says_what_it_covers() -> None:
    with recording() as history:
        app = history.container(history.pod())
        burn(history, [app], [0.5] * 250)
        found = history.ask_container(window="2h")
        span = history.region.geometry.span
        assert found["window"] == {
            "seconds": 7200,
            "from": history.now - span + 1,
            "to": history.now,
            "covered_seconds": span,
        }
        assert found["statistics"][CORES]["known_seconds"] == span - 1, "the oldest reading has none before it"


def test_a_window_of_a_young_target_begins_with_it() -> None:
    with recording() as history:
        pod = history.pod()
        burn(history, [pod], [0.1] * 30)
        app = history.container(pod)
        burn(history, [app], [0.2] * 10)
        found = history.ask_container(window="60s")
        assert found["window"] == {"seconds": 60, "from": EPOCH + 31, "to": EPOCH + 40, "covered_seconds": 10}
        assert found["statistics"][CORES]["known_seconds"] == 9


def test_seconds_that_nobody_sampled_are_not_covered() -> None:
    with recording() as history:
        app = history.container(history.pod())
        burn(history, [app], [0.0] * 10)
        history.tick({app: {CPU: 4 * SECOND}}, missed=7)
        found = history.ask_container(window="10s")
        assert found["window"] == {"seconds": 10, "from": EPOCH + 9, "to": EPOCH + 18, "covered_seconds": 3}
        assert found["statistics"][CORES]["max"] == 0.5, "4 s of CPU in the 8 s since the tick before"


def test_a_window_goes_by_the_monotonic_clock() -> None:
    with recording() as history:
        app = history.container(history.pod())
        burn(history, [app], [0.0] * 20)
        history.now += 86_400  # the wall clock is set a day ahead
        burn(history, [app], [0.0] * 5)
        found = history.ask_container(window="15s")["window"]
        assert found == {"seconds": 15, "from": EPOCH + 11, "to": EPOCH + 86_425, "covered_seconds": 15}


def test_a_pod_that_has_left_is_summed_up_to_its_last_second() -> None:
    with recording() as history:
        pod = history.pod()
        app = history.container(pod)
        burn(history, [pod, app], [0.0, 0.0, 0.9, 0.0])
        history.detach(app, pod)
        for _ in range(100):
            history.tick()
        found = history.ask_pod(window="60s")
        assert found["live"] is False
        assert found["window"]["to"] == EPOCH + 4
        assert found["statistics"][CORES]["max"] == 0.9
        assert found["statistics"][CORES]["peak_timestamp"] == EPOCH + 3
        (container,) = found["containers"]
        assert container["statistics"][CORES]["max"] == 0.9
        assert history.ask_pods(window="60s")["pods"] == []
        assert [pod["live"] for pod in history.ask_pods(window="110")["pods"]] == [False]


def test_all_pods_in_one_window() -> None:
    with recording() as history:
        first, second = history.pod("cart", "u1"), history.pod("web", "u2")
        burn(history, [first], [0.1, 0.2, 0.3])
        history.tick({second: {CPU: SECOND}})
        found = history.ask_pods(window="60s", metric=CORES)
        assert found["window"] == {"seconds": 60, "from": EPOCH + 1, "to": EPOCH + 4, "covered_seconds": 4}
        assert [pod["statistics"][CORES] and pod["statistics"][CORES]["max"] for pod in found["pods"]] == [0.3, None]


def test_the_node_has_windows() -> None:
    with recording() as history:
        for load in (100, 300, 200):
            history.tick({NODE: {"load1": load}})
        found = history.ask_node(window="60s", metric="load1")
        assert found["statistics"]["load1"]["max"] == 3.0
        assert found["statistics"]["load1"]["peak_timestamp"] == EPOCH + 2
        assert "disks" not in found


def test_a_container_that_came_again_is_one_window() -> None:
    with recording() as history:
        pod = history.pod()
        first = history.container(pod)
        burn(history, [first], [0.1, 0.7, 0.1])
        history.detach(first)
        burn(history, [], [0.0, 0.0])
        second = history.container(pod)
        burn(history, [second], [0.5, 0.2])
        found = history.ask_container(window="60s")
        assert found["window"] == {"seconds": 60, "from": EPOCH + 1, "to": EPOCH + 7, "covered_seconds": 5}
        assert found["statistics"][CORES]["known_seconds"] == 3, "neither life's first reading has a rate"
        assert found["statistics"][CORES]["peak_timestamp"] == EPOCH + 2


TICKS = st.lists(
    st.tuples(st.integers(0, 3) | st.none(), st.sampled_from([0, 0, 0, 0, 1, 4])), min_size=2, max_size=150
)


@settings(max_examples=60)
@given(ticks=TICKS, window=st.integers(1, 200))
def test_a_window_is_what_a_list_of_all_seconds_gives(ticks: list[tuple[int | None, int]], window: int) -> None:
    """`None`: not known in that second."""
    with recording() as history:
        app = history.container(history.pod())
        used, before = 0, None
        rates: dict[int, float | None] = {}
        for grown, missed in ticks:
            used += grown or 0
            known = grown is not None
            now = history.tick({app: {"fs_reads_total": used if known else UNKNOWN}}, missed=missed)
            rates[now] = (used - before) / (1 + missed) if known and before is not None else None
            before = used if known else None
        inside = [second for second in rates if second > history.now - window]
        found = history.ask_container(window=f"{window}s", metric="fs_reads_total")
        expected = summarise(inside, [rates[second] for second in inside])
        told = found["statistics"]["fs_reads_per_second"]
        assert found["window"]["covered_seconds"] == len(inside)
        if expected is None:
            assert told is None
        else:
            assert told["max"] == pytest.approx(expected.max, abs=1e-5)
            assert told["p99"] == pytest.approx(expected.p99, abs=1e-5)
            assert told["known_seconds"] == expected.known
            assert rates[told["peak_timestamp"]] == pytest.approx(expected.max, abs=1e-5)


def test_a_window_over_a_sampler_that_was_started_anew_goes_on() -> None:
    with recording() as history:
        app = history.container(history.pod())
        rest = random.Random(7)
        total = 0
        for second in range(30):
            total += rest.randrange(1000)
            anew = second == 15
            history.fresh = anew
            history.tick({app: {"fs_reads_total": total}}, missed=2 * anew, flags=AFTER_START * anew)
        found = history.ask_container(window="60s")
        assert found["window"]["covered_seconds"] == 30
        assert found["statistics"]["fs_reads_per_second"]["known_seconds"] == 29
