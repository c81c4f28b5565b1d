"""The routes, asked over real connections."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from podtick import __version__
from podtick.serve.exposition.filters import LEVELS, Selection
from podtick.serve.interfaces import SourceHealth, SourceState
from tests.support.world import World, full_world, small_world
from tests.unit.serve.served import Served, serving


@pytest.fixture
def world() -> World:
    return full_world(3)


@pytest.fixture
async def served(world: World) -> AsyncIterator[Served]:
    async with serving(world) as started:
        yield started


def levels(text: str) -> set[str]:
    return {line.split("_")[1] for line in text.splitlines() if not line.startswith("#")}


async def test_metrics_are_plain_text_by_default(served: Served) -> None:
    async with served.session.get("/metrics") as response:
        text = await response.text()
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["Vary"] == "Accept, Accept-Encoding"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Server"] == "podtick"
    assert levels(text) == {*LEVELS}
    assert list(parse_text(text))


@pytest.mark.parametrize(("age", "told"), [(9.0, {*LEVELS}), (11.0, {"agent"})])
async def test_values_of_a_sampler_that_ticks_no_more_are_not_the_present(
    world: World, served: Served, age: float, told: set[str]
) -> None:
    world.health.age = age
    async with served.session.get("/metrics") as response:
        assert levels(await response.text()) == told


async def test_openmetrics_where_it_is_asked_for(served: Served) -> None:
    accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    async with served.session.get("/metrics", headers=accept) as response:
        text = await response.text()
    assert response.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert text.endswith("# EOF\n")
    assert text.count("# EOF") == 1
    assert list(parse_openmetrics(text))  # type: ignore[no-untyped-call]


async def test_gzip_holds_the_same_text(served: Served) -> None:
    only = {"level": "pod"}
    async with served.session.get("/metrics", params=only, headers={"Accept-Encoding": "identity"}) as response:
        assert "Content-Encoding" not in response.headers
        plain = await response.read()
    answer = await served.raw(b"GET /metrics?level=pod HTTP/1.0\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head
    assert gzip.decompress(body) == plain


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("level=pod", {"pod"}),
        ("level=pod,node", {"pod", "node"}),
        ("level=pod&level=agent", {"pod", "agent"}),
        ("level=agent", {"agent"}),
        ("level=qos", {"qos"}),
        ("level=qos,kubepods&namespace=team-1", {"qos", "kubepods"}),
        ("namespace=team-1", {"container", "pod"}),
        ("metric=cpu_*", {"container", "pod", "qos", "kubepods", "node"}),
        ("metric=agent_*,threads", {"container", "pod", "qos", "kubepods", "agent"}),
        ("metric=nothing", set()),
        ("namespace=nobody", set()),
    ],
)
async def test_filters(served: Served, query: str, expected: set[str]) -> None:
    async with served.session.get(f"/metrics?{query}") as response:
        assert response.status == 200
        assert levels(await response.text()) == expected


async def test_a_requests_own_filter_replaces_the_default(world: World) -> None:
    async with serving(world, Selection(levels=frozenset({"pod"}), metrics=("cpu_*",))) as served:
        async with served.session.get("/metrics") as response:
            assert levels(await response.text()) == {"pod"}
        async with served.session.get("/metrics?level=node") as response:
            text = await response.text()
    assert levels(text) == {"node"}
    assert "podtick_node_load1 " not in text


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/metrics?level=pots", 400, "levels are container, pod, qos, kubepods, node, agent"),
        ("/metrics?metric=%0a", 400, "metric has an empty value"),
        ("/metrics?metric=a%00b", 400, "no pattern"),
        ("/metrics?metrics=cpu_*", 400, "did you mean metric?"),
        ("/metric", 404, "there is nothing here; there is /, /api/v1/namespaces/{namespace}/pods/{pod}, "),
        ("/metrics/", 404, "nothing here"),
        ("/..%2f..%2fetc/passwd", 404, "nothing here"),
    ],
)
async def test_errors_are_problems(served: Served, path: str, status: int, told: str) -> None:
    async with served.session.get(path) as response:
        problem = json.loads(await response.read())
    assert response.status == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert problem["status"] == status
    assert told in problem["detail"]


async def test_another_method_is_a_problem(served: Served) -> None:
    async with served.session.delete("/metrics") as response:
        problem = json.loads(await response.read())
    assert response.status == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert problem["detail"] == "only GET, HEAD work here"


async def test_a_body_is_refused(served: Served) -> None:
    async with served.session.get("/metrics", data=b"x" * 100_000) as response:
        assert response.status == 413
        assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/", "/metrics", "/livez", "/readyz", "/healthz", "/version"])
async def test_head_has_the_heads_of_get(served: Served, path: str) -> None:
    async with served.session.head(path) as head, served.session.get(path) as full:
        assert head.status == full.status == 200
        assert head.headers["Content-Type"] == full.headers["Content-Type"]
        assert await head.read() == b""


async def test_a_broken_source_is_a_problem_without_a_traceback(
    served: Served, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> float:
        raise ValueError("secret detail")

    monkeypatch.setattr(world.health, "tick_age", broken)
    async with served.session.get("/livez") as response:
        body = await response.text()
    assert response.status == 500
    assert "secret" not in body
    assert "its log says more" in json.loads(body)["detail"]


async def test_a_body_that_breaks_half_way_is_cut_visibly(
    served: Served, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(data: bytes) -> dict[str, dict[str, int]]:
        raise ValueError("a line nobody has seen")

    monkeypatch.setattr(world, "parsers", world.parsers)
    object.__setattr__(world.parsers, "diskstats", broken)
    answer = await served.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"0\r\n\r\n" not in answer[-8:], "no end mark: the reader must see that this is not all"


async def test_before_the_first_tick_there_is_the_agent_alone(world: World) -> None:
    world.history.snapshot = None
    async with serving(world) as served, served.session.get("/metrics") as response:
        assert response.status == 200
        assert levels(await response.text()) == {"agent"}


@pytest.mark.parametrize("accept", ["text/plain", "application/json"])
async def test_readyz_names_every_source(served: Served, world: World, accept: str) -> None:
    world.health.all_sources = [SourceHealth("docker", SourceState.WAITING, "tcp://x:1 does not answer")]
    async with served.session.get("/readyz", headers={"Accept": accept}) as response:
        body = await response.text()
    assert response.status == 503
    assert response.headers["Content-Type"].startswith(accept)
    assert "docker" in body
    assert "tcp://x:1 does not answer" in body


async def test_livez_turns_when_the_ticks_stop(served: Served, world: World) -> None:
    for age, status in ((0.2, 200), (11.0, 503), (0.2, 200)):
        world.health.age = age
        for path in ("/livez", "/healthz"):
            async with served.session.get(path) as response:
                assert response.status == status
        async with served.session.get("/readyz") as response:
            assert response.status == status


async def test_version(served: Served) -> None:
    async with served.session.get("/version") as response:
        assert (await response.json())["version"] == __version__


async def test_the_index_links_every_route(served: Served) -> None:
    async with served.session.get("/") as response:
        page = await response.text()
    for path in ("/metrics", "/readyz", "/livez", "/version"):
        assert f'href="{path}"' in page


async def test_requests_are_counted_by_route_not_by_what_was_written(served: Served) -> None:
    for path in ("/made-up-1", "/made-up-2", "/livez"):
        async with served.session.get(path) as response:
            await response.read()
    async with served.session.get("/metrics?level=agent") as response:
        text = await response.text()
    assert 'podtick_agent_http_requests_total{code="404",route="other"} 2.0' in text
    assert 'podtick_agent_http_requests_total{code="200",route="/livez"} 1.0' in text
    assert "made-up" not in text


async def test_two_scrapes_at_once_are_whole(served: Served) -> None:
    async def scrape() -> str:
        async with served.session.get("/metrics?level=pod,container") as response:
            return await response.text()

    first, second = await asyncio.gather(scrape(), scrape())
    assert first == second


async def test_hostile_names_are_served() -> None:
    async with serving(small_world()) as served, served.session.get("/metrics?level=container") as response:
        text = await response.text()
    assert 'odd \\"name\\"\\\\\\n' in text


@pytest.mark.parametrize(
    ("accept", "content_type", "end"),
    [
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", ""),
        (
            "application/openmetrics-text;version=1.0.0",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "# EOF\n",
        ),
    ],
)
async def test_cadvisors_names_are_negotiated_and_filtered_alike(
    served: Served, accept: str, content_type: str, end: str
) -> None:
    query = "level=pod&metric=cpu_usage*&namespace=team-1"
    async with served.session.get(f"/metrics/cadvisor?{query}", headers={"Accept": accept}) as response:
        text = await response.text()
    assert response.status == 200
    assert response.headers["Content-Type"] == content_type
    (line,) = (line for line in text.splitlines() if not line.startswith("#"))
    assert line.startswith('container_cpu_usage_seconds_total{container="",id="/kubepods/pod')
    assert text.endswith(end)


async def test_cadvisors_names_refuse_and_end_as_metrics_do(world: World, served: Served) -> None:
    async with served.session.get("/metrics/cadvisor?metrics=cpu_*") as response:
        assert response.status == 400
        assert "did you mean metric?" in json.loads(await response.read())["detail"]
    world.health.age = 11.0
    async with served.session.get("/metrics/cadvisor") as response:
        assert (response.status, await response.text()) == (200, "")
