"""When the demo's burst comes, and what is said of it."""

from hypothesis import given
from hypothesis import strategies as st

from podtick.demo.loads import BURST_SECONDS, MINUTE, seconds_to_burst
from podtick.demo.pods import JOB, PODS, lines

NOON = 1_790_000_040.0
"""A whole minute, in unix seconds."""


def test_a_burst_lies_at_the_beginning_of_each_minute() -> None:
    assert NOON % MINUTE == 0
    waits = {second: seconds_to_burst(NOON + second) for second in (0, 11.9, 12, 30, 59.5, 60)}
    assert waits == {0: 0, 11.9: 0, 12: 48, 30: 30, 59.5: 0.5, 60: 0}


@given(st.floats(0, 4e9))
def test_who_waits_as_long_as_told_meets_the_burst(now: float) -> None:
    wait = seconds_to_burst(now)
    assert 0 <= wait <= MINUTE - BURST_SECONDS
    assert seconds_to_burst(now + wait + 0.001) == 0 or wait == 0


def test_every_pod_is_told_and_when_the_burst_comes() -> None:
    told = list(lines(NOON + 20))
    assert len(told) == len(PODS) + 1
    assert all(line.startswith(pod.uid) for pod, line in zip((*PODS, JOB), told, strict=True))
    assert [line for line in told if "the next burst comes in 40 s" in line] == [told[0]]
    assert "(just now)" in next(lines(NOON))
