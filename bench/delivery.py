"""What a scraper sees: how old the newest tick is when it arrives, and how long `/metrics` takes."""

import gzip
import http.client
import random
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench import agent as podtick
from bench.exposition import by_prometheus_client
from bench.loads import Load
from bench.report import Figure, percentile

TIMESTAMP = b"\npodtick_agent_tick_timestamp_seconds "
AGE_LIMIT, LATENCY_LIMIT = 1.05, 30.0
SETTLE_SECONDS = 3.0


def age(load: Load, seconds: float, folder: Path, what: str) -> list[Figure]:
    """Ask at random moments, about four times a second; age is the client's clock less the tick's timestamp."""
    ages = []
    with podtick.running(load.docker_host, load.count, folder / "agent.log") as agent:
        client = _Client(agent.url)
        time.sleep(SETTLE_SECONDS)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            text = gzip.decompress(client.get("/metrics"))
            arrived = time.time()
            value = text[text.index(TIMESTAMP) + len(TIMESTAMP) :].split(b"\n", 1)[0]
            ages.append(arrived - float(value))
            time.sleep(random.uniform(0.05, 0.45))
    return [
        Figure(f"age of the newest tick at a client, p50, {what}", "s", percentile(ages, 0.5)),
        Figure(
            f"age of the newest tick at a client, p99, {what}",
            "s",
            percentile(ages, 0.99),
            asked=AGE_LIMIT,
            asked_of="value",
        ),
    ]


def latency(load: Load, requests: int, folder: Path) -> list[Figure]:
    """Ask for everything with gzip, one request after the other on one connection; and the peer for the same text."""
    with podtick.running(load.docker_host, load.count, folder / "agent.log") as agent:
        client = _Client(agent.url)
        time.sleep(SETTLE_SECONDS)
        text = gzip.decompress(client.get("/metrics")).decode()
        times = []
        for _ in range(requests):
            began = time.perf_counter()
            client.get("/metrics")
            times.append((time.perf_counter() - began) * 1e3)
            time.sleep(0.02)
        theirs = by_prometheus_client(text, 10)
    samples = sum(not line.startswith("#") for line in text.splitlines())
    what = f"/metrics with gzip, {samples} samples"
    peer = "prometheus_client and gzip, no HTTP"
    return [
        Figure(f"{what}, p50", "ms", percentile(times, 0.5), peer, percentile(theirs, 0.5)),
        Figure(f"{what}, p99", "ms", percentile(times, 0.99), peer, percentile(theirs, 0.99), LATENCY_LIMIT, "value"),
    ]


class _Client:
    """One kept connection."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)

    def get(self, path: str) -> bytes:
        self._connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        response = self._connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path} answered {response.status}: {body[:200]!r}")
        return body
