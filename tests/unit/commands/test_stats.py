"""`podtick stats` against an engine on a real socket: its table, its JSON, and what it says when something is wrong."""

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from podtick import cli
from podtick.commands import stats as module
from podtick.commands.stats import Line, show
from podtick.model.dockerstats import DockerStats
from podtick.settings import Given, read_stats
from podtick.sources.docker import figures
from podtick.sources.docker.errors import EngineUnavailableError, Trouble
from podtick.sources.docker.figures import NOTHING, Chosen, FigureReader
from tests.unit.docker.scripted import ScriptedEngine, answer, answer_json, container_id, frame, hang, listed

FRAME_2017 = json.loads((Path(__file__).parents[2] / "fixtures/stats-frame-2017.json").read_text())
FIRST = container_id(1)


async def stats(engine: ScriptedEngine, *arguments: str) -> int:
    command = ["stats", "--no-stream", "--docker-host", str(engine.endpoint), *arguments]
    return await asyncio.to_thread(cli.main, command, {})


def has(engine: ScriptedEngine, number: int, stats_frame: dict[str, Any]) -> None:
    engine.add(number)
    engine.answers[f"/containers/{container_id(number)}/stats"] = answer_json(stats_frame)


async def test_the_frame_of_2017_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    async with ScriptedEngine() as engine:
        has(engine, 1, FRAME_2017)
        assert await stats(engine) == 0
    heading, line = capsys.readouterr().out.splitlines()
    assert re.split(r"\s{3,}", heading)[2:] == ["CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS"]
    assert re.split(r"\s{3,}", line) == [
        *("000000000000", "c1", "427.73%", "110.6MiB / 3.702GiB", "2.92%"),
        *("648B / 648B", "3.64MB / 9.67MB", "--"),
    ]


async def test_json_has_raw_numbers_and_null(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "SECONDS_APART", 0.0)
    async with ScriptedEngine() as engine:
        has(engine, 1, FRAME_2017)
        has(engine, 2, frame(7) | {"networks": None, "precpu_stats": {}})
        assert await stats(engine, "--format", "json") == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert list(first) == [
        *("id", "name", "cpu_percent", "memory_usage_bytes", "memory_limit_bytes", "memory_percent"),
        *("network_receive_bytes", "network_transmit_bytes", "block_read_bytes", "block_write_bytes", "pids"),
    ]
    assert first["id"] == FIRST
    assert first["cpu_percent"] == pytest.approx(427.73, abs=0.005)
    assert (first["memory_usage_bytes"], first["block_write_bytes"]) == (115937280, 9669120)
    assert (second["cpu_percent"], second["network_receive_bytes"], second["block_read_bytes"]) == (None, None, None)
    assert (second["name"], second["pids"], second["memory_percent"]) == ("c2", 3, 40.0)


@pytest.mark.parametrize(
    "gone",
    [
        answer_json({"read": "0001-01-01T00:00:00Z", "cpu_stats": {}, "memory_stats": {}}),
        answer(b'{"message":"No such container"}', "404 Not Found"),
        answer(b'{"message":"container is stopped"}', "409 Conflict"),
    ],
)
async def test_a_container_that_stops_meanwhile(capsys: pytest.CaptureFixture[str], gone: Any) -> None:
    async with ScriptedEngine() as engine:
        has(engine, 1, frame(1))
        engine.answers[f"/containers/{FIRST}/stats"] = gone
        assert await stats(engine) == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert line.split()[2:] == ["--"] * 6


async def test_a_container_that_hangs_hides_no_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(reader: FigureReader, one: Chosen) -> DockerStats:
        if one.id == FIRST:
            return figures_of(reader, one)
        raise EngineUnavailableError(Trouble.TIMEOUT, "did not answer in time")

    figures_of = FigureReader.read
    monkeypatch.setattr(FigureReader, "read", late)
    monkeypatch.setattr(module, "AT_ONCE", 1)  # one after the other, so that the second is late
    async with ScriptedEngine() as engine:
        for number in (1, 2):
            has(engine, number, frame(1))
        assert await stats(engine, "--format", "json") == 0
        first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
        assert (first["name"], first["pids"], second["name"], second["pids"]) == ("c1", 3, "c2", None)
        del engine.containers[1]
        assert await stats(engine) == 1  # nobody answers: that is the engine
    assert capsys.readouterr().err == "podtick: did not answer in time\n"


async def test_only_those_that_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    async with ScriptedEngine() as engine:
        has(engine, 1, frame(1))
        has(engine, 2, frame(1))
        engine.answers["/containers/c2/json"] = answer_json(engine.containers[2][1])
        assert await stats(engine, "c2", "--format", "json") == 0
        assert engine.asked[f"/containers/{FIRST}/stats"] == 0
    assert json.loads(capsys.readouterr().out)["name"] == "c2"


async def test_all_asks_for_stopped_ones_too(capsys: pytest.CaptureFixture[str]) -> None:
    async with ScriptedEngine() as engine:
        assert await stats(engine, "--all") == 0
        assert await stats(engine) == 0
        asked = [line.split()[1] for line in engine.lines if "/containers/json" in line]
    assert asked == ["/v1.41/containers/json?all=1", "/v1.41/containers/json"]
    assert len(capsys.readouterr().out.splitlines()) == 2


async def test_a_container_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    async with ScriptedEngine() as engine:
        engine.answers["/containers/web/json"] = answer(b'{"message":"No such container: web"}', "404 Not Found")
        assert await stats(engine, "web") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "podtick: there is no container 'web': podtick stats --all shows all there are\n"


@pytest.mark.parametrize("name", ["", ".", ".."])
async def test_a_name_that_is_no_part_of_a_path(capsys: pytest.CaptureFixture[str], name: str) -> None:
    async with ScriptedEngine() as engine:
        assert await stats(engine, name) == 1
        assert len(engine.lines) == 1  # the version alone was asked for
    assert capsys.readouterr().err.startswith(f"podtick: there is no container {name!r}: ")


async def test_no_engine(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["stats", "--docker-host", "unix:///nonexistent/docker.sock"]
    assert await asyncio.to_thread(cli.main, command, {}) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("podtick: unix:///nonexistent/docker.sock: no such socket")
    assert err.count("\n") == 1


@pytest.mark.parametrize("fields", [{"Names": ["/\x1b[2Jevil\n"]}, {"Id": "\x1b[2Jevil\n"}])
async def test_a_hostile_name_cannot_write_on_the_terminal(
    capsys: pytest.CaptureFixture[str], fields: dict[str, Any]
) -> None:
    async with ScriptedEngine() as engine:
        has(engine, 1, frame(1))
        engine.answers["/containers/%1B%5B2Jevil%0A/stats"] = answer_json(frame(1))
        engine.containers[1] = (listed(1, **fields), {})
        assert await stats(engine) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert len(out.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--docker-host", "none"], "podtick stats needs an engine"),
        (["--format", "yaml"], "--format: 'yaml' is none of table, json"),
        (["--no-stram"], "there is no flag '--no-stram': did you mean --no-stream?"),
        (["--no-stream=yes"], "--no-stream takes no value"),
    ],
)
def test_a_command_line_that_cannot_be_used(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert cli.main(["stats", *arguments], {}) == 2
    assert says in capsys.readouterr().err


def test_docker_host_is_what_it_is_for_docker(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["stats", "--no-stream"], {"DOCKER_HOST": "unix:///nonexistent/other.sock"}) == 1
    assert "unix:///nonexistent/other.sock: no such socket" in capsys.readouterr().err
    environ = {"DOCKER_HOST": "tcp://127.0.0.1:1", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/nonexistent"}
    assert cli.main(["stats", "--no-stream"], environ) == 2
    assert "there is no /nonexistent/ca.pem: set DOCKER_CERT_PATH" in capsys.readouterr().err


PATIENT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from podtick.cli import main
from podtick.sources.docker.oneshot import OneShotClient
OneShotClient.__init__.__kwdefaults__["timeout"] = 3600.0
sys.exit(main())
"""
"""The program as it is, but that it waits an hour for an answer, and heeds Ctrl-C whoever has started the tests."""


async def test_ctrl_c_waits_for_no_answer() -> None:
    async with ScriptedEngine() as engine, asyncio.timeout(60):
        engine.add(1)
        engine.answers[f"/containers/{FIRST}/stats"] = hang
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PATIENT, "stats", "--docker-host", str(engine.endpoint)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            await engine.until(lambda: engine.asked[f"/containers/{FIRST}/stats"] > 0)
            process.send_signal(signal.SIGINT)
            assert await process.communicate() == (b"", b"")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert process.returncode == 130


async def test_more_containers_than_threads(capsys: pytest.CaptureFixture[str]) -> None:
    async with ScriptedEngine() as engine:
        for number in range(1, 151):
            has(engine, number, frame(1))
        assert await stats(engine, "--format", "json") == 0
    names = [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()]
    assert names == [f"c{number}" for number in range(1, 151)]


def test_a_narrow_terminal_wraps_no_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((40, 4)))
    settings = read_stats(Given({}, frozenset(), (), {}))
    show([Line(container_id(number), f"c{number}", NOTHING) for number in range(9)], settings)
    lines = re.sub(r"\x1b\[[HJK]", "", capsys.readouterr().out).splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) == 39
