"""The demo's pods on cgroup v2: controllers passed on, limits kept and met, nothing left behind."""

import time
from collections.abc import Callable

from podtick.demo.loads import MEMORY_LIMIT
from podtick.demo.pods import CPU_LIMIT, PODS
from tests.guest.agent import PATIENCE, STEP
from tests.support.guest import Guest
from tests.support.scrape import Scrape

PORT = 9753
LOG = "/tmp/podtick-demo.log"
LEFT = "find /sys/fs/cgroup -maxdepth 1 -name 'podtick-demo-*'"
QUERY = f"http://127.0.0.1:{PORT}/metrics?level=container&namespace=_cgroup"
FETCH = f"python3 -c 'import urllib.request as r; print(r.urlopen(\"{QUERY}\").read().decode())'"
CONTAINER = "podtick_container"
UIDS = {pod.uid for pod in PODS}


def wait_for(guest: Guest, predicate: Callable[[Scrape], bool], what: str) -> Scrape:
    """The first answer of which it holds; before the agent serves there is none."""
    end = time.monotonic() + PATIENCE
    while not predicate(seen := Scrape.parse(guest.attempt(FETCH).stdout)):
        assert time.monotonic() < end, f"never came: {what}; log:\n{guest.run(['cat', LOG])}"
        time.sleep(STEP)
    return seen


def has_pods(scrape: Scrape) -> bool:
    return {each.labels["pod"] for each in scrape.all(f"{CONTAINER}_cpu_usage_seconds_total")} >= UIDS


def meets_limits(scrape: Scrape) -> bool:
    """Throttled, and over its memory."""
    throttled = scrape.value(f"{CONTAINER}_cpu_cfs_throttled_periods_total", pod="demo-cpu-burst")
    refused = scrape.value(f"{CONTAINER}_memory_failcnt_total", pod="demo-memory-sawtooth")
    return bool(throttled and refused)


def test_pods_are_made_watched_and_removed(guest: Guest) -> None:
    with guest.running(f"podtick demo --docker-host none --kubernetes off --listen 127.0.0.1:{PORT} >{LOG} 2>&1"):
        seen = wait_for(guest, has_pods, "the demo's pods")
        assert guest.run(LEFT)
        assert seen.known(f"{CONTAINER}_spec_memory_limit_bytes", pod="demo-memory-sawtooth") == MEMORY_LIMIT
        assert seen.known(f"{CONTAINER}_spec_cpu_limit_cores", pod="demo-cpu-burst") == CPU_LIMIT
        assert seen.known(f"{CONTAINER}_fs_writes_bytes_total", pod="demo-disk-writer") > 0
        met = wait_for(guest, meets_limits, "both limits met")
        assert met.known(f"{CONTAINER}_oom_events_total", pod="demo-memory-sawtooth") == 0
    assert guest.run(LEFT) == ""
    assert guest.attempt(["pgrep", "-f", "[p]odtick.demo"]).stdout == ""
    assert "Traceback" not in guest.run(["cat", LOG])
