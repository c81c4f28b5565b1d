"""What one answer of /metrics says, read by prometheus_client: samples to ask for by name and labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

TICK = "podtick_agent_tick_timestamp_seconds"


@dataclass(frozen=True, slots=True)
class Scrape:
    """The samples of one tick; `tick` is its whole second."""

    tick: int
    samples: dict[str, list[Sample]]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a body of the text format; one sample twice fails."""
        samples: dict[str, list[Sample]] = {}
        seen: set[tuple[str, frozenset[tuple[str, str]]]] = set()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in seen, f"twice in one body: {sample}"
                seen.add(key)
                samples.setdefault(sample.name, []).append(sample)
        ticks = samples.get(TICK)
        return cls(int(ticks[0].value) if ticks else 0, samples)

    def of(self, **labels: str) -> Iterator[Sample]:
        """Every sample that carries these labels."""
        for found in self.samples.values():
            yield from (each for each in found if labels.items() <= each.labels.items())

    def all(self, name: str, **labels: str) -> list[Sample]:
        """The samples of one name that carry these labels."""
        return [each for each in self.samples.get(name, ()) if labels.items() <= each.labels.items()]

    def value(self, name: str, **labels: str) -> float | None:
        """The only such sample's value, `None` when there is none; several are an error."""
        found = self.all(name, **labels)
        assert len(found) < 2, f"which one? {found}"
        return found[0].value if found else None

    def known(self, name: str, **labels: str) -> float:
        """The only such sample's value, which must be there."""
        value = self.value(name, **labels)
        assert value is not None, f"no {name} {labels}"
        return value

    def names(self, **labels: str) -> set[str]:
        """The names of all samples that carry these labels."""
        return {each.name for each in self.of(**labels)}

    def counters(self, **labels: str) -> dict[str, float]:
        """The values of all counters that carry these labels, by name."""
        return {each.name: each.value for each in self.of(**labels) if each.name.endswith("_total")}

    def state(self, container: str) -> str | None:
        """The state of a container: the one that is 1, of all states that there are; `None` without any."""
        found = {each.labels["state"]: each.value for each in self.all("podtick_container_state", container=container)}
        assert not found or sorted(found.values()) == [0.0] * (len(found) - 1) + [1.0], found
        return next((state for state, value in found.items() if value), None)
