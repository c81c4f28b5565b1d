"""Following a node's pods: what is asked, what is told, and what goes wrong on the way."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from podtick.sources.backoff import Backoff
from podtick.sources.kube.errors import KubeProtocolError, KubeRefusedError, KubeUnavailableError
from podtick.sources.kube.updates import Changed, Confirmed, Listed, Removed, Unavailable, Update
from podtick.sources.kube.watch import wait_after
from tests.unit.kube.scripted import (
    NODE,
    QUIET,
    Answer,
    ScriptedApi,
    answer,
    bookmark,
    container_id,
    event,
    failure,
    hang,
    next_of,
    pod,
    pods,
    raw,
    refused,
    reset,
    streamed,
    watched,
)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ScriptedApi]:
    async with ScriptedApi(tmp_path).serving() as api:
        yield api


async def test_lists_from_memory_then_follows_from_there(api: ScriptedApi) -> None:
    api.lists = [answer(pods(5, pod("cart", container=1)))]
    api.watches = [streamed(event("ADDED", pod("till", 6)), event("DELETED", pod("cart", 7)))]
    async with watched(api) as updates:
        listed = await next_of(Listed, updates)
        assert [(each.namespace, each.name, each.uid) for each in listed.pods] == [("shop", "cart", "uid-of-cart")]
        assert listed.pods[0].containers == {container_id(1): "app"}
        assert isinstance(await anext(updates), Confirmed)
        assert (await next_of(Changed, updates)).pod.name == "till"
        assert (await next_of(Removed, updates)).pod.name == "cart"
    selector = {"fieldSelector": f"spec.nodeName={NODE}"}
    assert api.queries("list") == [selector | {"resourceVersion": "0"}]
    (watch,) = api.queries("watch")
    assert 3600 <= int(watch.pop("timeoutSeconds")) <= 7200
    assert watch == selector | {"resourceVersion": "5", "watch": "1", "allowWatchBookmarks": "true"}
    assert [path for path, _, _ in api.asked] == [f"/api/v1/nodes/{NODE}", "/api/v1/pods", "/api/v1/pods"]
    assert {headers["authorization"] for _, _, headers in api.asked} == {"bearer first-token"}


async def test_a_watch_that_ends_goes_on_from_its_last_bookmark_without_another_list(api: ScriptedApi) -> None:
    api.watches = [streamed(bookmark(9), None), streamed(event("ADDED", pod("till", 10)))]
    async with watched(api) as updates:
        await next_of(Changed, updates)
    assert [query["resourceVersion"] for query in api.queries("watch")] == ["5", "9"]
    assert len(api.queries("list")) == 1


@pytest.mark.parametrize("gone", [streamed(event("ERROR", failure(410))), refused(410)], ids=["event", "status"])
async def test_what_the_server_has_forgotten_is_listed_again_and_that_is_no_fault(
    api: ScriptedApi, gone: Answer
) -> None:
    api.lists = [answer(pods(5)), answer(pods(40, pod("cart")))]
    api.watches = [gone, streamed()]
    told: list[Update] = []
    async with watched(api) as updates:
        while sum(isinstance(each, Listed) for each in told) < 2:
            told.append(await anext(updates))
    assert not [each for each in told if isinstance(each, Unavailable)]
    assert [query["resourceVersion"] for query in api.queries("list")] == ["0", "5"], "never older than is known"


async def test_a_server_that_is_behind_is_asked_for_what_its_store_has(api: ScriptedApi) -> None:
    """As after a restore of the cluster: what we know is newer than all that there is."""
    api.lists = [answer(pods(900)), refused(504), answer(pods(3, pod("cart")))]
    api.watches = [reset, reset, streamed()]  # one alone is tried again at once, unheard
    async with watched(api) as updates:
        assert (await next_of(Listed, updates)).pods == ()
        assert [each.name for each in (await next_of(Listed, updates)).pods] == ["cart"]
    assert [query.get("resourceVersion") for query in api.queries("list")] == ["0", "900", None]


async def test_a_silent_connection_is_given_up(api: ScriptedApi) -> None:
    async with watched(api, replace(QUIET, silence=0.05)) as updates:
        await next_of(Confirmed, updates)
        assert "said nothing for" in (await next_of(Unavailable, updates)).reason
        await next_of(Listed, updates)


@pytest.mark.parametrize("broken", [hang, reset], ids=["hangs", "resets"])
@pytest.mark.parametrize("what", ["nodes", "lists", "watches"])
async def test_a_server_that_hangs_or_resets_is_said_and_tried_again(
    api: ScriptedApi, broken: Answer, what: str
) -> None:
    good = getattr(api, what)
    setattr(api, what, [broken, broken, *good])  # a single reset is tried again at once, unheard
    async with watched(api, replace(QUIET, request=0.2)) as updates:
        reason = (await next_of(Unavailable, updates)).reason
        assert ("did not answer" if broken is hang else "closed the connection") in reason
        await next_of(Confirmed, updates)


GARBAGE = {
    "no JSON": answer(b"<html>gateway</html>"),
    "half": answer(pods(5, pod("cart"))[:-9]),
    "another shape": answer(b'{"metadata": {"resourceVersion": 5}}'),
    "no pods": answer(b'{"metadata": {}, "items": [{"metadata": {"name": "x"}}]}'),
    "too deep": answer(b'{"metadata":' + b"[" * 100_000),
    "not UTF-8": answer(b'{"metadata": {"resourceVersion": "\xff"}}'),
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "less than it says": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"),
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_instead_of_a_list_is_said_and_costs_nothing_that_is_known(
    api: ScriptedApi, body: Answer
) -> None:
    api.lists = [body, answer(pods(5))]
    async with watched(api) as updates:
        assert isinstance(first := await anext(updates), Unavailable)
        assert "http://127.0.0.1" in first.reason
        await next_of(Listed, updates)


LINES = {
    "no JSON": b"what?\n",
    "no event": b"[]\n",
    "unknown type": event("RENAMED", pod("cart")),
    "no object": b'{"type": "ADDED"}\n',
    "no pod": event("ADDED", {"metadata": {"resourceVersion": "6"}}),
    "failure": event("ERROR", failure(500)),
    "endless": b"x" * (5 << 20),
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
async def test_garbage_in_a_watch_is_said_and_everything_is_listed_again(api: ScriptedApi, line: bytes) -> None:
    api.watches = [streamed(line), streamed()]
    async with watched(api) as updates:
        await next_of(Unavailable, updates)
        await next_of(Listed, updates)


async def test_half_a_line_is_not_taken_for_an_event(api: ScriptedApi) -> None:
    api.watches = [streamed(bookmark(8), event("DELETED", pod("cart", 9))[:-1], None), streamed(bookmark(10))]
    async with watched(api) as updates:
        told = [await anext(updates) for _ in range(5)]
    assert not [each for each in told if isinstance(each, (Removed, Unavailable))]
    assert [query["resourceVersion"] for query in api.queries("watch")] == ["5", "8"]


async def test_a_server_that_ends_each_watch_at_once_is_not_asked_in_a_loop(api: ScriptedApi) -> None:
    api.watches = [streamed(None)]
    async with watched(api, replace(QUIET, steady=3600, retry_first=3600, retry_most=3600)) as updates:
        assert "ends each watch at once" in (await next_of(Unavailable, updates)).reason
        assert len(api.queries("watch")) == 1


@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, "has it expired?"), (403, "may get, list and watch pods"), (429, "too much to do"), (500, "because of 500")],
)
async def test_a_refusal_says_why_and_what_to_look_at_once(api: ScriptedApi, status: int, hint: str) -> None:
    api.lists = [refused(status), refused(status), refused(status), answer(pods(5))]
    async with watched(api) as updates:
        assert isinstance(first := await anext(updates), Unavailable)
        assert hint in first.reason
        assert f"HTTP {status}" in first.reason
        assert isinstance(await anext(updates), Listed), "the same reason is said once"


async def test_a_new_token_is_used_once_the_old_one_is_refused(api: ScriptedApi) -> None:
    api.lists = [refused(401), answer(pods(5))]
    api.watches = [refused(401), streamed()]
    async with watched(api) as updates:
        await next_of(Unavailable, updates)
        api.write_kubeconfig("second-token")
        await next_of(Confirmed, updates)
    assert api.asked[-1][2]["authorization"] == "bearer second-token"


async def test_a_node_that_does_not_exist_is_no_empty_node(api: ScriptedApi) -> None:
    api.nodes = [refused(404), answer(b"{}")]
    async with watched(api) as updates:
        assert isinstance(first := await anext(updates), Unavailable)
        assert f"no node '{NODE}'" in first.reason
        assert "--node-name" in first.reason
        await next_of(Listed, updates)


async def test_a_role_that_may_not_see_nodes_has_to_do(api: ScriptedApi) -> None:
    api.nodes = [refused(403)]
    async with watched(api) as updates:
        assert isinstance(await anext(updates), Listed)


async def test_a_static_pod_goes_by_its_hash_and_nobody_by_anothers_uid(api: ScriptedApi) -> None:
    def mirror(name: str, text: str) -> dict[str, object]:
        return pod(name, annotations={"kubernetes.io/config.mirror": text, "other": "x"})

    api.lists = [answer(pods(5, mirror("etcd", "5f6d7e8a"), mirror("thief", "0f1e2d3c-0000-4000-8000-000000000001")))]
    async with watched(api) as updates:
        static, thief = (await next_of(Listed, updates)).pods
    assert (static.uid, static.node_uid) == ("uid-of-etcd", "5f6d7e8a")
    assert thief.node_uid == "uid-of-thief"


async def test_every_kind_of_container_is_known_and_its_former_run_too(api: ScriptedApi) -> None:
    found = pod("cart")
    found["status"] = {
        "initContainerStatuses": [{"name": "init", "containerID": f"docker://{container_id(1)}"}],
        "containerStatuses": [
            {
                "name": "app",
                "containerID": f"docker://{container_id(2)}",
                "lastState": {"terminated": {"containerID": f"docker://{container_id(3)}"}},
            },
            {"name": "soon", "state": {"waiting": {"reason": "PodInitializing"}}},
            {"name": "odd", "containerID": "docker://nothing"},
        ],
        "ephemeralContainerStatuses": [{"name": "debug", "containerID": f"cri-o://{container_id(4)}"}],
    }
    api.lists = [answer(pods(5, found))]
    async with watched(api) as updates:
        (known,) = (await next_of(Listed, updates)).pods
    assert known.containers == {
        container_id(1): "init",
        container_id(2): "app",
        container_id(3): "app",
        container_id(4): "debug",
    }


@pytest.mark.parametrize("wrong", [refused(403), refused(500), answer(b"half a j")], ids=["forbidden", "500", "torn"])
async def test_whatever_is_wrong_with_jobs_pods_are_followed_on(api: ScriptedApi, wrong: Answer) -> None:
    made = [{"kind": "Job", "name": "nightly-1", "controller": True}]
    api.jobs = [wrong]
    api.lists = [answer(pods(5, pod("first", ownerReferences=made)))]
    api.watches = [streamed(event("ADDED", pod("second", 6, ownerReferences=made)), event("ADDED", pod("third", 7)))]
    async with watched(api) as updates:
        assert (await next_of(Listed, updates)).pods[0].facts["owner_name"] == "nightly-1"
        assert (await next_of(Changed, updates)).pod.facts["owner_name"] == "nightly-1"
        assert (await next_of(Changed, updates)).pod.name == "third"
    assert len(api.queries("watch")) == 1
    asked = [path for path, _, _ in api.asked if "/jobs/" in path]
    assert asked == ["/apis/batch/v1/namespaces/shop/jobs/nightly-1"], "after a refusal nobody is asked for an hour"


def test_who_may_be_back_any_moment_is_asked_soon_and_who_said_no_later() -> None:
    lost, no = (Backoff(1, most, lambda: 0) for most in (5, 30))
    away, forbidden, busy = KubeUnavailableError(""), KubeRefusedError(403, ""), KubeRefusedError(429, "", 20)
    assert [wait_after(away, lost, no) for _ in range(5)] == [1, 2, 4, 5, 5]
    assert [wait_after(forbidden, lost, no) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert wait_after(away, lost, no) == 1, "it answered in between"
    assert wait_after(busy, lost, no) == 21
    assert wait_after(KubeProtocolError(""), lost, no) == 2
