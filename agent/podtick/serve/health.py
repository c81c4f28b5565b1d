"""`/livez`, `/readyz`, `/healthz`: decided here, without I/O, and said in plain words."""

from dataclasses import dataclass

import msgspec

from podtick.serve.interfaces import Health, SourceState

DEAD_AFTER = 10.0
"""Seconds without a tick after which the agent no longer counts as alive."""

_READY = {SourceState.ABSENT, SourceState.LISTED, SourceState.LOST}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """The answer to a probe."""

    probe: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether everything is as it should be."""
        return all(check.ok for check in self.checks)

    @property
    def status(self) -> int:
        """The HTTP status: 200 or 503."""
        return 200 if self.ok else 503

    def text(self) -> str:
        """One line a check, as a person reads it."""
        lines = [
            f"{'ok ' if check.ok else 'NOT OK '}{check.name}: {check.state}: {check.reason}" for check in self.checks
        ]
        return "\n".join([f"{self.probe}: {'yes' if self.ok else 'no'}", *lines]) + "\n"

    def json(self) -> bytes:
        """The same for programs."""
        checks = [
            {"name": check.name, "ok": check.ok, "state": check.state, "reason": check.reason} for check in self.checks
        ]
        return msgspec.json.encode({"probe": self.probe, "ok": self.ok, "checks": checks}) + b"\n"


def live(health: Health) -> Report:
    """Alive as long as ticks come; before the first, for as long as it may take."""
    return Report("live", (_ticks(health, needed=False),))


def ready(health: Health) -> Report:
    """Ready once there was a tick and every source that was found or configured has been listed once.

    A source that was listed and is lost since does not make the agent unready: what runs is still sampled.
    """
    sources = tuple(
        Check(source.name, source.state in _READY, source.state, source.reason) for source in health.sources()
    )
    return Report("ready", (_ticks(health, needed=True), *sources))


def _ticks(health: Health, *, needed: bool) -> Check:
    age = health.tick_age()
    if age > DEAD_AFTER:
        return Check("sampler", ok=False, state="stalled", reason=f"no tick for {age:.0f} s")
    if health.ticked():
        return Check("sampler", ok=True, state="ticking", reason=f"the newest tick is {age:.1f} s old")
    return Check("sampler", ok=not needed, state="starting", reason=f"no tick yet, {age:.1f} s after the start")
