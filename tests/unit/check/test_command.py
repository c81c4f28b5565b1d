"""`podtick check` as a whole: its table, its JSON, its exit code; on machines that are not there."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from podtick import cli
from podtick.check.finding import Finding, Verdict, fail, ok, warn
from podtick.commands.check import as_json, as_table, worst
from tests.support.trees import lay_out

FINDINGS = (
    ok("engine", "answers"),
    warn("block I/O", "unknown\x1b[31m", "do\nthis"),
    fail("/proc", "none", "mount it"),
)
Podtick = Callable[..., tuple[int, str]]


@pytest.fixture
def podtick(capsys: pytest.CaptureFixture[str]) -> Podtick:
    """Runs `podtick check`; exit code and standard output."""

    def run(*arguments: str) -> tuple[int, str]:
        code = cli.main(["check", *arguments], {})
        return code, capsys.readouterr().out

    return run


def found(out: str) -> dict[str, Finding]:
    checks = json.loads(out)["checks"]
    return {each["check"]: Finding(**each | {"verdict": Verdict(each["verdict"])}) for each in checks}


def test_a_table_has_a_line_a_finding_and_what_to_do_below() -> None:
    assert as_table(FINDINGS).splitlines() == [
        "ok    engine     answers",
        "warn  block I/O  unknown?[31m",
        "                 to do: do?this",
        "fail  /proc      none",
        "                 to do: mount it",
        "1 ok, 1 warn, 1 fail",
    ]


def test_json_is_one_document() -> None:
    document = json.loads(as_json(FINDINGS[:2]))
    assert document["verdict"] == "warn"
    assert document["counts"] == {"ok": 1, "warn": 1, "fail": 0}
    assert document["checks"][0] == {"check": "engine", "verdict": "ok", "found": "answers", "todo": ""}


@pytest.mark.parametrize(("count", "verdict"), [(1, Verdict.OK), (2, Verdict.WARN), (3, Verdict.FAIL)])
def test_the_worst_decides(count: int, verdict: Verdict) -> None:
    assert worst(FINDINGS[:count]) is verdict
    assert worst(FINDINGS[:count][::-1]) is verdict


def test_a_recorded_machine_is_checked_without_its_engine(podtick: Podtick, tmp_path: Path) -> None:
    tree = lay_out("v2-systemd", tmp_path)
    where = ("--proc", str(tree.proc), "--cgroup", str(tree.cgroup), "--docker-host", "none")
    code, out = podtick(*where, "--format", "json")
    checks = found(out)
    assert checks["cgroup"].found.startswith("version 2, ")
    assert checks["block I/O"].verdict is Verdict.OK
    assert checks["engine"].verdict is Verdict.OK
    assert code == (1 if any(each.verdict is Verdict.FAIL for each in checks.values()) else 0)
    table_code, table = podtick(*where)
    assert (table_code, len([line for line in table.splitlines() if "to do:" not in line])) == (code, len(checks) + 1)


def test_a_machine_of_which_nothing_is_seen_fails(podtick: Podtick, tmp_path: Path) -> None:
    host = f"unix://{tmp_path}/docker.sock"
    code, out = podtick("--proc", str(tmp_path), "--cgroup", str(tmp_path), "--docker-host", host, "--format", "json")
    failed = {name for name, each in found(out).items() if each.verdict is Verdict.FAIL}
    assert (code, failed) == (1, {"engine", "cgroup", "/proc"})
    assert all(each.todo for each in found(out).values() if each.verdict is not Verdict.OK)


def test_an_engines_address_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--docker-host", "docker"], {}) == 2
    assert "--docker-host: engine address 'docker' has no scheme" in capsys.readouterr().err
