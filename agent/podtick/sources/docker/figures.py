"""The figures of `podtick stats`: single answers of the stats API, and what Podman's lack of what Docker's have.

- Docker reads twice, a second apart, and answers with both readings. Podman's answer has one, so that it is asked a
  second time. The CPU time that Podman says the whole machine has had is of busy CPUs alone: what a container used is
  set against the time between both readings instead.
- Podman says 0 of the network of a container that has none, or its host's.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass, replace

from podtick.model.dockerstats import DockerStats, Frame, cpu_percent_between, docker_stats, has_reading_before
from podtick.sources.docker import wire
from podtick.sources.docker.containers import LIST_BYTES
from podtick.sources.docker.errors import EngineError
from podtick.sources.docker.frames import FRAME, FRAME_BYTES, read_ns
from podtick.sources.docker.oneshot import OneShotClient, container_path

SECONDS_APART = 1.0
"""The least time between two readings of a container: over less, its CPU per cent would be a matter of chance."""
NOTHING = docker_stats({})
"""Of a container that does not run nothing is known."""
_WITHOUT_NETWORK = ("none", "host")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A container whose figures are wanted; `network_mode`: `None` where it was not told, as in Podman's list."""

    id: str
    name: str
    network_mode: str | None = None


@dataclass(frozen=True, slots=True)
class _Reading:
    frame: Frame
    read_ns: int
    taken: float  # monotonic seconds


class FigureReader:
    """Asks for figures, a container after the other, from several threads if need be.

    It remembers what the next round needs of this one, of the containers that `keep` names.
    """

    def __init__(self, client: OneShotClient) -> None:
        self._client = client
        self._before: dict[str, _Reading] = {}
        self._modes: dict[str, str] = {}

    def keep(self, ids: Collection[str]) -> None:
        """Forget all others; nobody may be asking meanwhile."""
        for known in (self._before, self._modes):
            for id_ in [id_ for id_ in known if id_ not in ids]:
                del known[id_]

    def read(self, one: Chosen) -> DockerStats:
        """A container's figures; takes a second or two. Raises `DockerError`, but not for one that does not run."""
        try:
            stats = self._stats(one.id)
            if stats.network_receive_bytes == stats.network_transmit_bytes == 0 and not self._has_network(one):
                return replace(stats, network_receive_bytes=None, network_transmit_bytes=None)
        except EngineError:  # it has left, or Podman's words for one that does not run
            return NOTHING
        return stats

    def _stats(self, id_: str) -> DockerStats:
        before = self._before.pop(id_, None)
        if before is None:
            first = self._ask(id_)
            if first is None:
                return NOTHING
            if has_reading_before(first.frame):
                return docker_stats(first.frame)
            before = first
        time.sleep(max(0.0, before.taken + SECONDS_APART - time.monotonic()))
        now = self._ask(id_)
        if now is None:
            return NOTHING
        self._before[id_] = now
        percent = cpu_percent_between(before.frame, now.frame, now.read_ns - before.read_ns)
        return replace(docker_stats(now.frame), cpu_percent=percent)

    def _ask(self, id_: str) -> _Reading | None:
        """What the engine reads now; `None` of a container that does not run."""
        path = container_path(id_, "stats")
        frame = self._client.get_json(path, FRAME, params={"stream": "false"}, limit_bytes=FRAME_BYTES)
        read = read_ns(frame)
        return None if read is None else _Reading(frame, read, time.monotonic())

    def _has_network(self, one: Chosen) -> bool:
        mode = one.network_mode or self._modes.get(one.id)
        if mode is None:
            found = self._client.get_json(container_path(one.id, "json"), wire.INSPECT, limit_bytes=LIST_BYTES)
            host = found.host_config
            mode = self._modes[one.id] = (host.network_mode if host else None) or ""
        return mode not in _WITHOUT_NETWORK
