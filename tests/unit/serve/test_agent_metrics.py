"""`podtick_agent_*`: which there are, and what is unknown."""

from collections.abc import Iterator

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from podtick.model.metrics.row import Kind
from podtick.serve import status
from podtick.serve.exposition.agent import SELF_ROWS, AgentMetrics
from podtick.serve.exposition.filters import EVERYTHING, Selection
from podtick.serve.exposition.format import Format
from podtick.serve.interfaces import SourceHealth, SourceState
from tests.support.world import FakeHealth, FakeSelf


def written(agent: AgentMetrics, text_format: Format, selection: Selection = EVERYTHING) -> dict[str, float]:
    parse = parse_text if text_format is Format.TEXT else parse_openmetrics
    text = agent.write(selection, text_format) + text_format.end
    return dict(_flat(text, parse))


def _flat(text: str, parse: object) -> Iterator[tuple[str, float]]:
    assert callable(parse)
    for family in parse(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            yield f"{sample.name}{{{labels}}}" if labels else sample.name, sample.value


@pytest.fixture
def own() -> FakeSelf:
    return FakeSelf({row.name: float(place) for place, row in enumerate(SELF_ROWS)})


@pytest.mark.parametrize("text_format", list(Format))
def test_every_self_row_is_written(own: FakeSelf, text_format: Format) -> None:
    found = written(AgentMetrics(own, FakeHealth()), text_format)
    for place, row in enumerate(SELF_ROWS):
        assert found[f"podtick_agent_{row.name}"] == place


def test_what_is_not_known_is_absent(own: FakeSelf) -> None:
    del own.numbers["open_files"]
    assert "podtick_agent_open_files" not in written(AgentMetrics(own, FakeHealth()), Format.TEXT)


@pytest.mark.parametrize("text_format", list(Format))
def test_no_series_tells_when_it_was_created(own: FakeSelf, text_format: Format) -> None:
    agent = AgentMetrics(own, FakeHealth())
    agent.answered("/metrics", 200)
    agent.scraped(0.01)
    assert "_created" not in agent.write(EVERYTHING, text_format)


def test_counters_are_named_as_such() -> None:
    for row in SELF_ROWS:
        assert row.name.endswith("_total") == (row.kind is Kind.COUNTER), row.name


def test_requests_and_sources_are_counted(own: FakeSelf) -> None:
    health = FakeHealth(all_sources=[SourceHealth("docker", SourceState.LOST, "refused")])
    agent = AgentMetrics(own, health)
    agent.answered("/metrics", 200)
    agent.answered("/metrics", 200)
    agent.scraped(0.002)
    found = written(agent, Format.TEXT)
    assert found["podtick_agent_http_requests_total{code=200,route=/metrics}"] == 2
    assert found["podtick_agent_scrape_duration_seconds_count"] == 1
    assert found["podtick_agent_source_state{source=docker,state=lost}"] == 1
    assert found["podtick_agent_source_state{source=docker,state=listed}"] == 0


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (Selection(metrics=("agent_ticks_total",)), {"podtick_agent_ticks_total"}),
        (Selection(metrics=("ticks_total",)), set()),
        (Selection(levels=frozenset({"pod"})), set()),
        (Selection(namespaces=frozenset({"shop"})), set()),
        (Selection(levels=frozenset({"agent"}), metrics=("agent_open*",)), {"podtick_agent_open_files"}),
    ],
)
def test_filters_hold_for_the_agent_too(own: FakeSelf, selection: Selection, names: set[str]) -> None:
    assert set(written(AgentMetrics(own, FakeHealth()), Format.TEXT, selection)) == names


def test_every_counter_of_the_history_is_served() -> None:
    assert set(status._COUNTERS) <= {row.name for row in SELF_ROWS}
