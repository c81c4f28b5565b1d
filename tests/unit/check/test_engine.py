"""What is said of an engine: one that answers, one that does not, one that is not there."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from podtick.check import engine as check
from podtick.check.engine import Engine, Located
from podtick.check.finding import Verdict
from podtick.sources.cgroup.discovery import CgroupPaths
from podtick.sources.docker.endpoint import Endpoint
from podtick.sources.docker.errors import (
    DockerError,
    EngineProtocolError,
    EngineUnavailableError,
    Trouble,
    UnsupportedApiError,
)
from podtick.sources.docker.versions import EngineInfo
from tests.unit.docker.scripted import ScriptedEngine, answer, answer_json, hang, inspected, listed
from tests.unit.roster.engine import details

OK, WARN, FAIL = Verdict
SOCKET = Endpoint(socket_path="/run/docker.sock")
REMOTE = Endpoint(host="node-7")


def unavailable(trouble: Trouble) -> EngineUnavailableError:
    return EngineUnavailableError(trouble, f"no engine: {trouble}")


@contextlib.asynccontextmanager
async def scripted_engine() -> AsyncIterator[ScriptedEngine]:
    async with ScriptedEngine() as engine:
        engine.answers["/info"] = answer_json({"CgroupDriver": "cgroupfs", "HttpProxy": "http://me:hunter2@proxy"})
        yield engine


@pytest.mark.parametrize(
    ("error", "configured", "verdict"),
    [
        (unavailable(Trouble.MISSING), False, WARN),
        (unavailable(Trouble.REFUSED), False, WARN),
        (unavailable(Trouble.DENIED), False, FAIL),
        (unavailable(Trouble.TIMEOUT), False, FAIL),
        (unavailable(Trouble.MISSING), True, FAIL),
        (unavailable(Trouble.REFUSED), True, FAIL),
        (UnsupportedApiError("too old"), False, FAIL),
        (EngineProtocolError("not JSON"), True, FAIL),
    ],
)
def test_an_engine_that_does_not_answer(error: DockerError, configured: bool, verdict: Verdict) -> None:
    finding = check.reachable(Engine(SOCKET, error), configured=configured)
    assert (finding.verdict, finding.found) == (verdict, str(error))
    assert finding.todo


def test_each_trouble_has_a_remedy_of_its_own() -> None:
    todos = [check.reachable(Engine(SOCKET, unavailable(trouble)), configured=True).todo for trouble in Trouble]
    named = {Trouble.MISSING, Trouble.REFUSED, Trouble.DENIED, Trouble.TIMEOUT}
    assert len(set(todos)) == len(named) + 1


def test_an_engine_that_was_switched_off_is_as_it_should_be() -> None:
    assert check.reachable(None, configured=False).verdict is OK
    assert (check.api(None), check.containers(None, ())) == (None, None)


def test_an_engine_that_answered_is_told_with_its_versions() -> None:
    engine = Engine(SOCKET, info=EngineInfo("20.10\n24", "1.41"), running=0)
    assert check.reachable(engine, configured=True).verdict is OK
    api, containers = check.api(engine), check.containers(engine, ())
    assert api is not None
    assert api.found == "engine 20.10 24, API 1.41"
    assert containers is not None
    assert (containers.verdict, "none runs" in containers.found) == (OK, True)


@pytest.mark.parametrize(
    ("found", "lost", "running", "endpoint", "verdict", "words"),
    [
        (3, 0, 3, SOCKET, OK, "3 run, and the cgroup of each is found"),
        (3, 0, 9, SOCKET, OK, "9 run (3 of them looked at)"),
        (2, 1, 3, SOCKET, WARN, "of 1, such as lost"),
        (0, 2, 2, SOCKET, WARN, "of 2, such as lost: the agent reads them through the engine's stats API"),
        (0, 2, 2, REMOTE, WARN, "of 2, such as lost: the agent reads them through the engine's stats API"),
    ],
)
def test_containers_without_a_cgroup_are_counted(
    found: int, lost: int, running: int, endpoint: Endpoint, verdict: Verdict, words: str
) -> None:
    there = [Located(details("there"), CgroupPaths(2, unified=Path("/x")))] * found
    gone = [Located(details("lost"), None)] * lost
    finding = check.containers(Engine(endpoint, running=running), (*there, *gone))
    assert finding is not None
    assert (finding.verdict, words in finding.found) == (verdict, True)
    assert ("another machine" in finding.todo) == (endpoint is REMOTE)


async def test_an_engine_is_asked_for_everything() -> None:
    async with scripted_engine() as scripted:
        for number, state in ((1, "running"), (2, "exited"), (3, "paused")):
            scripted.containers[number] = (
                listed(number, State=state),
                inspected(number, state={"Status": state, "Pid": 40 + number}),
            )
        engine = await check.ask(scripted.endpoint)
        assert engine.error is None
        assert "hunter2" not in repr(engine)
        assert engine.info is not None
        assert engine.running == 2
        assert [each.pid for each in engine.containers] == [41, 43]
        assert engine.driver == "cgroupfs"


async def test_a_filter_that_keeps_info_back_is_no_trouble() -> None:
    async with scripted_engine() as scripted:
        scripted.add(1)
        scripted.answers["/info"] = answer(b'{"message":"not allowed"}', "403 Forbidden")
        engine = await check.ask(scripted.endpoint)
        assert (engine.error, engine.driver, len(engine.containers)) == (None, None, 1)


async def test_containers_that_could_not_be_looked_at_are_not_said_to_be_found() -> None:
    async with scripted_engine() as scripted:
        scripted.add(1)
        scripted.answers[f"/containers/{1:064x}/json"] = answer(b"{}", "500 Internal Server Error")
        engine = await check.ask(scripted.endpoint)
        assert (engine.running, engine.containers) == (1, ())
        assert check.containers(engine, ()) is None
        assert check.reachable(engine, configured=False).verdict is FAIL


async def test_nobody_at_all_is_no_exception(tmp_path: Path) -> None:
    engine = await check.ask(Endpoint(socket_path=str(tmp_path / "docker.sock")))
    assert isinstance(engine.error, EngineUnavailableError)
    assert engine.error.trouble is Trouble.MISSING
    assert (engine.info, engine.running) == (None, None)


async def test_what_an_engine_said_before_it_hung_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted_engine() as scripted:
        monkeypatch.setattr(check, "REQUEST_SECONDS", 0.05)
        scripted.answers["/info"] = hang
        engine = await check.ask(scripted.endpoint)
        assert engine.info is not None
        assert check.reachable(engine, configured=False).verdict is FAIL
        assert "did not answer /v1.41/info in time" in check.reachable(engine, configured=False).found
        assert check.containers(engine, ()) is None


async def test_a_container_that_hangs_is_not_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted_engine() as scripted:
        monkeypatch.setattr(check, "REQUEST_SECONDS", 0.5)
        for number in (1, 2):
            scripted.add(number)
        scripted.answers[f"/containers/{1:064x}/json"] = hang
        engine = await check.ask(scripted.endpoint)
        assert (engine.error, engine.running, [each.name for each in engine.containers]) == (None, 2, ["c2"])


async def test_all_questions_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted_engine() as scripted:
        monkeypatch.setattr(check, "WHOLE_SECONDS", 0.05)
        scripted.answers["/info"] = hang
        finding = check.reachable(await check.ask(scripted.endpoint), configured=False)
        assert (finding.verdict, "did not answer everything" in finding.found) == (FAIL, True)
