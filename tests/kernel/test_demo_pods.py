"""What the demo's pods do, as the agent beside them serves it."""

from collections.abc import Iterator

import pytest

from podtick.demo.loads import MEMORY_LIMIT, MIB
from podtick.demo.pods import CPU_LIMIT
from tests.kernel.demo import UIDS, USAGE, demo, jobs_of, no_other_demo
from tests.support.agent import Agent

THROTTLED = "podtick_container_cpu_cfs_throttled_periods_total"


@pytest.fixture(scope="module")
def watched() -> Iterator[Agent]:
    """One demo for all of these tests, which only look."""
    with no_other_demo(), demo() as running:
        yield running


def test_it_says_where_to_look_and_what_there_is(watched: Agent) -> None:
    watched.wait_until(lambda: "watch them:" in watched.log, "the announcement")
    assert "/metrics" in watched.log
    assert all(uid in watched.log for uid in UIDS)
    assert "the next burst comes in" in watched.log or "just now" in watched.log


def test_a_pods_container_has_the_limits_that_were_told(watched: Agent) -> None:
    scrape = watched.next_tick()
    assert scrape.known("podtick_container_spec_cpu_limit_cores", pod="demo-cpu-burst") == CPU_LIMIT
    assert scrape.known("podtick_container_spec_memory_limit_bytes", pod="demo-memory-sawtooth") == MEMORY_LIMIT
    assert scrape.value("podtick_container_spec_memory_limit_bytes", pod="demo-disk-writer") is None


def test_a_job_comes_and_goes_and_the_next_is_another_pod(watched: Agent) -> None:
    first = jobs_of(watched.wait_for(lambda scrape: bool(jobs_of(scrape)), "a job"))
    watched.wait_for(lambda scrape: not jobs_of(scrape), "the job's end")
    second = jobs_of(watched.wait_for(lambda scrape: bool(jobs_of(scrape)), "the next job"))
    assert len(first) == len(second) == 1
    assert first != second


def test_memory_meets_its_limit_and_nobody_is_killed(watched: Agent) -> None:
    pod = "demo-memory-sawtooth"
    failures, usage = "podtick_container_memory_failcnt_total", "podtick_container_memory_usage_bytes"
    before = watched.metrics().known(failures, pod=pod)
    at_limit = watched.wait_for(lambda scrape: scrape.known(failures, pod=pod) > before, "the limit")
    assert at_limit.known("podtick_container_memory_max_usage_bytes", pod=pod) > MEMORY_LIMIT - 4 * MIB
    after = watched.wait_for(lambda scrape: scrape.known(usage, pod=pod) < MEMORY_LIMIT // 2, "all given back")
    assert after.known("podtick_container_oom_events_total", pod=pod) == 0
    assert after.known("podtick_container_threads", pod=pod) == 1


def test_the_burst_uses_more_than_its_limit_allows_and_is_throttled(watched: Agent) -> None:
    pod = "demo-cpu-burst"
    before = watched.metrics()
    watched.wait_for(lambda scrape: scrape.known(USAGE, pod=pod) > before.known(USAGE, pod=pod) + 1, "a burst")
    held = before.known(THROTTLED, pod=pod)
    watched.wait_for(lambda scrape: scrape.known(THROTTLED, pod=pod) > held, "throttling")
