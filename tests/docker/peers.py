"""`podtick stats` and `docker stats` asked the same of one engine, and what each printed, in numbers."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
SHORT = 12
SIZE = re.compile(r"([\d.]+)([kKMGT]?i?B)")


@dataclass(frozen=True, slots=True)
class Figures:
    """One container's line; `None` where it is unknown."""

    cpu: float | None
    memory: float | None
    limit: float | None
    memory_percent: float | None
    received: float | None
    sent: float | None
    read: float | None
    written: float | None
    pids: int | None


def podtick(environment: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """`podtick stats --no-stream`, with this engine in its environment."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("PODTICK_", "DOCKER_"))}
    named = {name: text for name, text in environment.items() if name.startswith("DOCKER_")}
    command = [sys.executable, "-m", "podtick", "stats", "--no-stream", *words]
    return subprocess.run(command, env=kept | named, capture_output=True, text=True, timeout=60, check=False)


def ours(environment: Mapping[str, str], *names: str) -> dict[str, Figures]:
    """What `podtick stats --format json` says, by short ID."""
    done = podtick(environment, "--format", "json", *names)
    assert (done.returncode, done.stderr) == (0, "")
    return {line["id"][:SHORT]: _of_json(line) for line in map(json.loads, done.stdout.splitlines())}


def our_table(environment: Mapping[str, str], *names: str) -> dict[str, Figures]:
    """What `podtick stats` says as a table, by short ID."""
    done = podtick(environment, *names)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [re.split(r"\s{3,}", line) for line in done.stdout.splitlines()[1:]]
    return {row[0]: _of_texts(*row[2:]) for row in rows}


def theirs(environment: Mapping[str, str], *names: str) -> dict[str, Figures]:
    """What `docker stats` says, by short ID: of Podman's names it takes the first letter for a slash."""
    command = ["docker", "stats", "--no-stream", "--format", "{{json .}}", *names]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    columns = ("CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["ID"]: _of_texts(*(line[column] for column in columns)) for line in lines}


def _of_json(line: Mapping[str, str | float | int | None]) -> Figures:
    names = (
        *("cpu_percent", "memory_usage_bytes", "memory_limit_bytes", "memory_percent", "network_receive_bytes"),
        *("network_transmit_bytes", "block_read_bytes", "block_write_bytes", "pids"),
    )
    return Figures(*(line[name] for name in names))  # type: ignore[arg-type]


def _of_texts(cpu: str, memory: str, percent: str, network: str, block: str, pids: str) -> Figures:
    (usage, limit), (received, sent), (read, written) = map(_pair, (memory, network, block))
    count = None if pids == "--" else int(pids)
    return Figures(_percent(cpu), usage, limit, _percent(percent), received, sent, read, written, count)


def _percent(text: str) -> float | None:
    return None if text == "--" else float(text.removesuffix("%"))


def _pair(text: str) -> tuple[float | None, float | None]:
    first, _, second = text.partition(" / ")
    return _size(first), _size(second or first)


def _size(text: str) -> float | None:
    if text == "--":
        return None
    found = SIZE.fullmatch(text)
    assert found, text
    return float(found[1]) * UNITS[found[2]]
