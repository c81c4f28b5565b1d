"""The command line as a user meets it."""

import importlib.util
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from podtick import __version__, cli
from podtick.flags import OPTIONS, OutputFormat
from podtick.settings import AgentSettings, StatsSettings

Run = Callable[[AgentSettings], int]


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    asyncio_level = logging.getLogger("asyncio").level
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
    logging.getLogger("asyncio").setLevel(asyncio_level)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], None]:
    """Replaces what `podtick agent` runs."""

    def replace(run: Run) -> None:
        module = ModuleType("podtick.commands.agent")
        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "podtick.commands.agent", module)

    return replace


def podtick(*arguments: str, environ: dict[str, str] | None = None) -> int:
    return cli.main(arguments, environ or {})


@pytest.mark.parametrize("flag", ["--help", "-h", "help"])
def test_help_teaches(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert podtick(flag) == 0
    out = capsys.readouterr().out
    assert "podtick agent" in out
    assert "examples:" in out


def test_the_agents_help_names_every_setting_and_its_twin(capsys: pytest.CaptureFixture[str]) -> None:
    assert podtick("agent", "--help") == 0
    out = " ".join(capsys.readouterr().out.split())
    for option in OPTIONS:
        assert option.flag in out
        assert f"{option.twin})" in out
        assert option.default in out


@pytest.mark.parametrize(
    ("command", "flags"),
    [("check", ["--docker-host", "--proc", "--cgroup", "--format"]), ("demo", ["--if-idle", "--listen", "--history"])],
)
def test_a_commands_help_teaches_and_its_code_is_there(
    command: str, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert podtick(command, "--help") == 0
    out = capsys.readouterr().out
    assert "examples:" in out
    assert all(flag in out for flag in flags)
    assert importlib.util.find_spec(f"podtick.commands.{command}") is not None


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert podtick("--version") == 0
    assert capsys.readouterr().out == f"podtick {__version__}\n"


def test_nothing_asked_is_answered_with_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert podtick() == 2
    assert "podtick COMMAND --help" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["agnet"], ["there is no command 'agnet': did you mean agent?"]),
        (["--verzion"], ["there is no command '--verzion': did you mean --version?"]),
        (["agent", "--lisen", "x:1"], ["there is no flag '--lisen': did you mean --listen?"]),
        (["agent", "--lisen=x:1"], ["there is no flag '--lisen': did you mean --listen?"]),
        (["agent", "--hist", "1h"], ["there is no flag '--hist': did you mean --history?"]),
        (["agent", "foo"], ["'foo' stands alone: every setting has a flag, podtick agent --help names them"]),
        (["agent", "--history"], ["--history needs a value, such as 60m"]),
        (
            ["agent", "--bogus", "--history", "x", "--log-level", "--kubernetes=on"],
            [
                "there is no flag '--bogus': there is --listen, --docker-host",
                "--kubernetes: 'on' is none of auto, off",
                "--history: 'x' is no duration",
                "--log-level needs a value, such as info",
            ],
        ),
    ],
)
def test_a_wrong_command_line_is_explained_line_by_line(
    arguments: list[str], lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert podtick(*arguments, environ={"PODTICK_CGROUP": "/"}) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == len(lines)
    for line, expected in zip(told, lines, strict=True):
        assert line.startswith(f"podtick: {expected}")


def test_a_variable_that_sets_nothing_is_told_beside_the_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert podtick("agent", environ={"PODTICK_HISTORY": "x", "PODTICK_LISTN": "y", "PODTICK_CGROUP": "/"}) == 2
    assert "PODTICK_LISTN sets nothing: did you mean PODTICK_LISTEN?" in capsys.readouterr().err


def test_the_command_gets_its_settings_and_gives_the_exit_code(command: Callable[[Run], None]) -> None:
    seen: list[AgentSettings] = []

    def run(settings: AgentSettings) -> int:
        seen.append(settings)
        return 7

    command(run)
    assert podtick("agent", "--cgroup", "/", "--history", "2m") == 7
    assert [settings.history_seconds for settings in seen] == [120]


def test_an_unexpected_failure_is_one_line_and_a_hint(
    command: Callable[[Run], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def run(settings: AgentSettings) -> int:
        raise TypeError("two\nlines")

    command(run)
    assert podtick("agent", "--cgroup", "/") == 1
    assert capsys.readouterr().err == (
        "podtick: unexpected TypeError: two lines\n"
        "podtick: this is a defect; --log-level debug shows where it happened\n"
    )
    assert podtick("agent", "--cgroup", "/", "--log-level", "debug") == 1
    assert "test_cli.py" in capsys.readouterr().err


def test_ctrl_c_is_no_failure_of_ours(command: Callable[[Run], None], capsys: pytest.CaptureFixture[str]) -> None:
    def run(settings: AgentSettings) -> int:
        raise KeyboardInterrupt

    command(run)
    assert podtick("agent", "--cgroup", "/") == 130
    assert capsys.readouterr().err == ""


def test_help_loads_no_more_than_it_needs() -> None:
    code = "import sys, podtick.cli as c; c.main(['--help'], {}); print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "podtick.cli" in loaded
    assert loaded.isdisjoint({"aiohttp", "kubernetes", "prometheus_client", "podtick.commands.agent"})


def test_the_module_runs_like_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "podtick", "agnet"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean agent?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", [(0,), (1,), (0, 1, 2)])
def test_what_is_opened_never_takes_the_place_of_a_closed_standard_descriptor(closed: tuple[int, ...]) -> None:
    """The sampler is given the history by its number; standard input and output it gets anew."""
    lines = [
        "import os, sys",
        "from podtick.cli import main",
        f"for fd in {closed}: os.close(fd)",
        "main(['--version'])",
        "sys.exit(os.open('/', os.O_RDONLY))",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, check=False)
    assert done.returncode >= 3


def test_without_standard_output_nothing_is_printed_and_all_else_is_as_ever() -> None:
    for arguments in ("--version", "check --docker-host none", "stats --docker-host unix:///no"):
        command = ["sh", "-c", f"exec {sys.executable} -m podtick {arguments} >&-"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "defect" not in done.stderr
        assert "Traceback" not in done.stderr


def test_a_machine_that_allows_no_history_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)  # its file of data would be too large, too
    lines = [
        "import resource, sys",
        "from podtick.cli import main",
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))",
        "sys.exit(main(['agent', '--docker-host', 'none', '--kubernetes', 'off', '--listen', '127.0.0.1:0']))",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "File too large: ulimit -v and -f may be too low" in done.stderr


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("check",), ("check", "--format", "json")])
def test_output_that_cannot_be_written_is_no_defect(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "podtick", *arguments]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (1, b"podtick: the output cannot be written: No space left on device\n")
    reading, writing = os.pipe()
    os.close(reading)  # whoever read has had enough
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (1, b"")


def test_flags_and_names_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[StatsSettings] = []

    def run(settings: StatsSettings) -> int:
        seen.append(settings)
        return 0

    module = ModuleType("podtick.commands.stats")
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "podtick.commands.stats", module)
    assert podtick("stats", "web", "--no-stream", "db", "--format", "json", "cache") == 0
    assert seen[0].containers == ("web", "db", "cache")
    assert (seen[0].stream, seen[0].form) == (False, OutputFormat.JSON)


def test_a_name_beside_an_unknown_flag_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert podtick("stats", "web", "--no-strea", "db", "cache") == 2
    assert capsys.readouterr().err == "podtick: there is no flag '--no-strea': did you mean --no-stream?\n"
