"""How the agent itself is: what the probes and `podtick_agent_*` are told."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from podtick.history.layout import SEGMENT_BYTES, Word
from podtick.history.reader import HistoryReader
from podtick.roster.cgroups import CgroupRoster
from podtick.roster.engine import EngineRoster, EngineState
from podtick.roster.kubepods import KubepodsRoster
from podtick.roster.names import Names
from podtick.roster.pods import KnownPods
from podtick.roster.supervisor import Supervisor
from podtick.serve.interfaces import SourceHealth, SourceState

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_COUNTERS = {
    "ticks_total": Word.TICKS_TOTAL,
    "ticks_late_total": Word.TICKS_LATE,
    "ticks_missed_total": Word.TICKS_MISSED,
    "read_errors_total": Word.READ_ERRORS,
    "stalled_reads_total": Word.STALLED_READS,
    "open_files": Word.OPEN_FILES,
    "transient_opens_total": Word.TRANSIENT_READS,
    "clock_steps_total": Word.CLOCK_STEPS,
    "history_targets": Word.TARGETS,
    "history_limit_bytes": Word.BUDGET,
    "sampler_starts_total": Word.STARTS,
    "history_shortened_total": Word.SHORTENED,
    "refused_targets_total": Word.REFUSED_TARGETS,
}


@dataclass(slots=True)
class Status:
    """Answers from what the parts of the agent know. `engine_name` is the engine's address, or empty for none.

    `configured`: somebody named the engine, so that it has to answer before the agent is ready.
    """

    reader: HistoryReader
    supervisor: Supervisor
    engine: EngineRoster
    engine_name: str
    configured: bool
    cgroups: CgroupRoster | None
    cgroups_absent: str
    names: Names
    pods: KnownPods | None
    kubepods: KubepodsRoster | None = None
    kubernetes_absent: str = ""

    def ticked(self) -> bool:
        """Whether there has been a tick."""
        return self.supervisor.ticked.is_set()

    def tick_age(self) -> float:
        """Seconds since the newest tick, or since the sampler was started."""
        return time.monotonic() - self.supervisor.last_tick

    def sources(self) -> list[SourceHealth]:
        """The engine, the cgroup tree, and the API server."""
        return [self._engine(), self._cgroups(), self._kubernetes()]

    def _engine(self) -> SourceHealth:
        state = self.engine.state
        if not self.engine_name:
            return SourceHealth("docker", SourceState.ABSENT, "switched off (--docker-host none)")
        if state.listed and not state.lost:
            unreadable = len(state.unreadable)
            note = f"; the cgroups of {unreadable} of them are not to be found" if unreadable else ""
            note += f"; {state.streamed} of them are read through its stats API" if state.streamed else ""
            return SourceHealth(
                "docker", SourceState.LISTED, f"engine {state.name}: {state.running} containers run{note}"
            )
        if state.listed:
            return SourceHealth("docker", SourceState.LOST, f"{state.lost}; {_meanwhile(state)}")
        if state.lost and not self.configured:
            return SourceHealth("docker", SourceState.ABSENT, f"no engine found: {state.lost}")
        return SourceHealth("docker", SourceState.WAITING, state.lost or f"{self.engine_name} has not answered yet")

    def _cgroups(self) -> SourceHealth:
        if self.cgroups is None:
            return SourceHealth("cgroup", SourceState.ABSENT, self.cgroups_absent)
        if (self.kubepods and not self.kubepods.listed.is_set()) or not self.cgroups.listed.is_set():
            return SourceHealth("cgroup", SourceState.WAITING, "the cgroup tree has not been looked through yet")
        if self.kubepods and (count := self.kubepods.followed):
            how = "as the kernel tells of them" if self.kubepods.told else "as it is looked through each second"
            return SourceHealth("cgroup", SourceState.LISTED, f"{count} containers of pods by the tree, {how}")
        followed = self.cgroups.followed
        if followed:
            why = "beside the engine's containers" if self.engine.state.running else "as no engine has a container"
            return SourceHealth("cgroup", SourceState.LISTED, f"{followed} cgroups are watched, {why}")
        return SourceHealth(
            "cgroup", SourceState.LISTED, "the tree is readable; cgroups of containers are found through the engine"
        )

    def _kubernetes(self) -> SourceHealth:
        if self.pods is None:
            return SourceHealth("kubernetes", SourceState.ABSENT, self.kubernetes_absent)
        state, count = self.pods.state, self.pods.count
        if not state.listed:
            reason = state.lost or "the API server has not answered yet"
            return SourceHealth("kubernetes", SourceState.WAITING, reason)
        if state.lost:
            return SourceHealth("kubernetes", SourceState.LOST, f"{state.lost}; {count} pods were known before")
        return SourceHealth("kubernetes", SourceState.LISTED, f"{count} pods on this node")

    def values(self) -> Mapping[str, float]:
        """The sampler's counters, what its process costs, and how well pods are known."""
        reader = self.reader
        values: dict[str, float] = {name: reader.counter(place) for name, place in _COUNTERS.items()}
        values["history_bytes"] = reader.counter(Word.SEGMENTS_USED) * SEGMENT_BYTES + reader.plane_bytes()
        tick = reader.tick(reader.latest_number())
        if tick:
            values["tick_timestamp_seconds"] = tick.timestamp
            values["tick_duration_seconds"] = tick.duration_ns / 1e9
            oldest = reader.oldest_tick()
            if oldest:
                values["history_span_seconds"] = (tick.monotonic_ns - oldest.monotonic_ns) / 1e9
        values.update(self._process())
        values["unidentified_containers"] = self.names.unidentified
        if self.pods is not None:
            values["kubernetes_pods"] = self.pods.count
            if (age := self.pods.age) is not None:
                values["kubernetes_age_seconds"] = age
        return values

    def _process(self) -> dict[str, float]:
        pid = self.supervisor.pid
        if pid is None:
            return {}
        try:
            with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
                fields = file.read(1024).rpartition(b")")[2].split()
        except OSError:
            return {}
        cpu = (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
        return {
            "sampler_cpu_seconds_total": cpu,
            "sampler_resident_memory_bytes": int(fields[21]) * os.sysconf("SC_PAGESIZE"),
        }


def _meanwhile(state: EngineState) -> str:
    """What becomes of the containers of an engine that does not answer."""
    if not state.streamed:
        return "what was running is still sampled"
    rest = ", the rest is still sampled" if state.streamed < state.running else ""
    return f"{state.streamed} of {state.running} containers were read through its stats API and are unknown{rest}"
