"""`/api/v1` over real connections: statuses, names that need escaping, bad input, and a loop that runs on."""

import asyncio
import gzip
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from podtick.serve import bodies
from podtick.serve.api import routes
from podtick.serve.api.answers import Answers
from podtick.serve.api.query import Query
from podtick.serve.app import Services, make_app
from podtick.serve.exposition.filters import EVERYTHING, Selection
from tests.support.world import World
from tests.unit.serve.recorded import SECOND, Json, Recorded, recording
from tests.unit.serve.served import Served, serving

POD = "/api/v1/namespaces/shop/pods/cart"
APP = POD + "/containers/app"


@pytest.fixture
def history() -> Iterator[Recorded]:
    with recording() as made:
        pod = made.pod()
        app = made.container(pod)
        for number in range(3):
            made.tick({pod: {"cpu_usage_seconds_total": number * SECOND}, app: {"threads": 2}})
        yield made


@asynccontextmanager
async def answering(history: Recorded, selection: Selection = EVERYTHING) -> AsyncIterator[Served]:
    world = World()
    services = Services(
        history.reader, world.roster, world.health, world.own, history.answers.parsers, "worker-7", selection
    )
    async with serving(world, app=make_app(services)) as served:
        yield served


async def ask(served: Served, path: str) -> tuple[int, Json]:
    """Status and JSON of a path that is sent as it is written."""
    async with served.session.get(URL(f"http://127.0.0.1:{served.port}{path}", encoded=True)) as response:
        found: Json = json.loads(await response.read())
        expected = "application/json" if response.status == 200 else "application/problem+json"
        assert response.headers["Content-Type"] == expected
        assert response.headers["Cache-Control"] == "no-store"
        return response.status, found


@pytest.mark.parametrize("path", ["/api/v1/node", "/api/v1/pods", POD, APP])
@pytest.mark.parametrize("query", ["", "?window=60s", "?since=oldest", "?since=now", "?metric=cpu_*"])
async def test_every_route_answers_in_every_way(history: Recorded, path: str, query: str) -> None:
    async with answering(history) as served:
        status, found = await ask(served, path + query)
        assert (status, found["node"]) == (200, "worker-7")
        async with served.session.head(path + query) as head:
            assert head.status == 200
            assert head.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/api/v1/namespaces/shop/pods/web", 404, "no pod 'web' in namespace 'shop' on node worker-7"),
        ("/api/v1/namespaces/shopp/pods/cart", 404, "this agent sees its own node only, the pod may run on another"),
        (POD + "?uid=u9", 404, "pod 'cart' in namespace 'shop' has no uid 'u9' on node worker-7"),
        (POD + "/containers/web", 404, "on node worker-7 has no container 'web': it has 'app'"),
        ("/api/v1/namespaces/shop/pods/" + "x" * 3000, 404, "..."),
        ("/api/v1/namespaces/shop/pods/", 404, "there is nothing here; there is /, /api/v1/"),
        ("/api/v1", 404, "/api/v1/namespaces/{namespace}/pods/{pod}/containers/{container}"),
        (APP + "?since=soon", 400, "write since=now, since=oldest, a Unix time in seconds"),
        (APP + "?since=", 400, "write since=now"),
        (APP + "?since=now&since=now", 400, "since is given twice"),
        (APP + "?since=now&window=60s", 400, "window and since exclude each other"),
        (APP + "?window=", 400, "window='' is no length of time: write such as 60s, 5m or 1h"),
        (APP + "?window=0s", 400, "write such as 60s, 5m or 1h"),
        (APP + "?window=-60s", 400, "write such as 60s, 5m or 1h"),
        (APP + "?window=1d", 400, "write such as 60s, 5m or 1h"),
        (APP + "?window=" + "9" * 2000, 400, "..."),
        ("/api/v1/pods?window=301", 400, "reaches back 300 s at most: ask for window=300s, or for one pod"),
        (APP + "?metric=cpu_usage_core", 400, "did you mean cpu_usage_cores?"),
        (APP + "?metric=a%20b", 400, "is no pattern of metric names"),
        (APP + "?metrics=cpu_*", 400, "did you mean metric? parameters are metric, uid, window, since"),
        (APP + "?level=container", 400, "there is no parameter 'level' here"),
        (POD + "?level=node", 400, "there is no level node here: levels are container, pod"),
        (POD + "?level=pots", 400, "there is no level 'pots'"),
        (POD + "?namespace=shop", 400, "there is no parameter 'namespace' here"),
        (POD + "?uid=", 400, "uid is empty"),
        ("/api/v1/pods?namespace=a%2Fb", 400, "cannot be the name of a namespace"),
    ],
)
async def test_bad_input_is_told_what_would_be_right(history: Recorded, path: str, status: int, told: str) -> None:
    async with answering(history) as served:
        found_status, problem = await ask(served, path)
    assert (found_status, problem["status"]) == (status, status)
    assert told in problem["detail"]
    assert len(problem["detail"]) < 800


ESCAPED = [
    *("/system.slice/docker.service", "100%", "%2F", "a b", "q?x=1&y", "#", "\u00fc\u2028"),
    *('say "hi"\\', "..%2f..", ";", "+", "\n", "{pod}"),
]


@pytest.mark.parametrize("name", ESCAPED)
async def test_names_that_need_escaping(name: str) -> None:
    with recording() as history:
        pod = history.pod(name, name, "_cgroup")
        history.container(pod, name, name, name, "_cgroup")
        history.tick({pod: {"threads": 1}})
        history.tick()
        path = f"/api/v1/namespaces/_cgroup/pods/{quote(name, safe='')}"
        async with answering(history) as served:
            for asked in (path, f"{path}?uid={quote(name, safe='')}"):
                status, found = await ask(served, asked)
                assert (status, found["pod"], found["uid"]) == (200, name, name)
            status, found = await ask(served, f"{path}/containers/{quote(name, safe='')}")
            assert (status, found["pod"], found["container"]) == (200, name, name)
            status, found = await ask(served, "/api/v1/pods")
            assert [each["pod"] for each in found["pods"]] == [name]
            status, found = await ask(served, f"{path}?since=oldest&metric=threads")
            assert [each["values"]["threads"] for each in found["seconds"]] == [1, 1]


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(name=NAMES.filter(lambda name: name not in (".", "..")), other=NAMES)
def test_any_name_comes_back_as_it_was(name: str, other: str) -> None:
    async def check() -> None:
        with recording() as history:
            history.pod(name, "u1")
            history.tick()
            async with answering(history) as served:
                status, found = await ask(served, f"/api/v1/namespaces/shop/pods/{quote(name, safe='')}")
                assert (status, found["pod"]) == (200, name)
                if other not in (name, ".", ".."):
                    status, _ = await ask(served, f"/api/v1/namespaces/shop/pods/{quote(other, safe='')}")
                    assert status == 404

    asyncio.run(check())


async def test_the_agents_defaults_hold_until_a_request_says_otherwise(history: Recorded) -> None:
    only = Selection(levels=frozenset({"pod", "node"}), metrics=("cpu_usage*", "agent_*"))
    async with answering(history, only) as served:
        _, found = await ask(served, POD)
        assert set(found["values"]) == {"cpu_usage_seconds_total", "cpu_usage_cores"}
        assert "containers" not in found
        _, found = await ask(served, POD + "?metric=threads&level=container")
        assert "values" not in found
        assert found["containers"][0]["values"] == {"threads": 2}
        _, found = await ask(served, APP)
        assert set(found["values"]) == {"cpu_usage_seconds_total", "cpu_usage_cores"}


async def test_before_the_first_tick_one_is_asked_to_come_again() -> None:
    with recording() as history:
        async with answering(history) as served, served.session.get("/api/v1/pods") as response:
            assert response.status == 503
            assert response.headers["Retry-After"] == "1"
            assert "nothing has been sampled yet" in json.loads(await response.read())["detail"]


async def test_gzip_holds_the_same_body(history: Recorded) -> None:
    async with answering(history) as served:
        async with served.session.get(POD, headers={"Accept-Encoding": "identity"}) as response:
            plain = await response.read()
        answer = await served.raw(f"GET {POD} HTTP/1.0\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head
    assert gzip.decompress(body) == plain


async def test_requests_are_counted_by_route(history: Recorded) -> None:
    async with answering(history) as served:
        await ask(served, POD)
        async with served.session.get("/metrics?level=agent") as response:
            text = await response.text()
    assert 'route="/api/v1/namespaces/{namespace}/pods/{pod}"' in text
    assert "cart" not in text


async def test_a_body_of_many_pods_is_made_in_pieces_outside_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podtick.serve.api.body.PIECE", 1)
    threads: list[str] = []
    with recording() as history:
        for number in range(3):
            history.pod(f"cart-{number}", f"u{number}")
        history.tick()
        of = history.reader.readings

        def readings(*arguments: object) -> object:
            threads.append(threading.current_thread().name)
            return of(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(history.reader, "readings", readings)
        async with answering(history) as served:
            _, found = await ask(served, "/api/v1/pods")
    assert [pod["pod"] for pod in found["pods"]] == ["cart-0", "cart-1", "cart-2"]
    assert len(threads) == 3
    assert threading.main_thread().name not in threads


async def test_others_are_answered_while_a_body_is_made(history: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no more than so many bodies are on their way at once; who waits too long is told to come again."""
    monkeypatch.setattr(bodies, "WAIT_SECONDS", 0.01)
    release, begun = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    of = history.reader.readings

    def slow(*arguments: object) -> object:
        loop.call_soon_threadsafe(begun.set)
        release.wait(30)
        return of(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(history.reader, "readings", slow)
    async with answering(history) as served:
        asked = [asyncio.create_task(ask(served, APP)) for _ in range(routes.BODIES_AT_ONCE)]
        await begun.wait()
        async with served.session.get("/livez") as response:
            assert response.status == 200
        try:
            while True:  # the first may be in before the last has its turn
                status, problem = await ask(served, "/api/v1/node?since=later")
                if status == 503:
                    break
        finally:
            release.set()
        assert "try again later" in problem["detail"]
        assert [status for status, _ in await asyncio.gather(*asked)] == [200] * routes.BODIES_AT_ONCE


async def test_a_body_that_breaks_half_way_is_cut_visibly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podtick.serve.api.body.PIECE", 1)
    with recording() as history:
        for number in range(3):
            history.pod(f"cart-{number}", f"u{number}")
        history.tick()
        of, calls = history.reader.readings, iter(range(3))

        def breaking(*arguments: object) -> object:
            if next(calls):
                raise ValueError("secret detail")
            return of(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(history.reader, "readings", breaking)
        async with answering(history) as served:
            answer = await served.raw(b"GET /api/v1/pods HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"200 OK" in answer
    assert b"cart-0" in answer
    assert not answer.endswith(b"0\r\n\r\n"), "no end mark: the reader must see that this is not all"
    assert b"secret" not in answer


async def test_a_reader_that_does_not_read_is_dropped_and_holds_little(history: Recorded) -> None:
    """The body (some 40 MB) is larger than what the kernel buffers; writing stops, and then the patience ends."""
    made: list[int] = []

    class Endless(Answers):
        def node(self, query: Query) -> Iterator[bytes]:
            for _turn in range(1000):
                made.append(1)
                yield b"x" * 40_000

    answers = Endless(history.reader, "worker-7", history.answers.parsers, history.answers.facts)
    api = routes.ApiRoutes(answers, EVERYTHING, body_seconds=0.3)
    ended = asyncio.Event()

    async def get(request: web.Request) -> web.StreamResponse:
        try:
            return await api.node(request)
        finally:
            ended.set()

    app = web.Application()
    app.router.add_get("/api/v1/node", get)
    app.router.add_get("/api/v1/pods", api.pods)
    async with serving(World(), app=app) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
        writer.write(b"GET /api/v1/node HTTP/1.1\r\nHost: x\r\n\r\n")
        status, _ = await ask(served, "/api/v1/pods")
        assert status == 200, "others are answered meanwhile"
        async with asyncio.timeout(30):  # a safety net
            await ended.wait()
            received = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert not received.endswith(b"0\r\n\r\n"), "no end mark: the reader must see that this is not all"
    assert len(made) < 1000, "the body was not made in advance"


async def test_a_failure_before_the_first_piece_is_a_problem(
    history: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> object:
        raise ValueError("secret detail")

    monkeypatch.setattr(history.reader, "targets", broken)
    async with answering(history) as served:
        status, problem = await ask(served, "/api/v1/pods")
    assert status == 500
    assert "secret" not in problem["detail"]
