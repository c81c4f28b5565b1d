"""The command line: which command, with which settings. A command's code is loaded only when it runs.

Exit codes: what the command returns; 2 for a command line or settings that cannot be used; 1 for a failure; 130 for
Ctrl-C.
"""

import argparse
import importlib
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from podtick import __version__, logs
from podtick.settings import OPTIONS, AgentSettings, SettingsError, read_settings, unknown_variables

log = logging.getLogger(__name__)

USAGE_ERROR = 2
FAILURE = 1
INTERRUPTED = 130

_INTRODUCTION = """\
podtick knows what every pod on this node did, in every single second: CPU, memory,
network, block I/O. It reads the kernel once a second and serves the result over HTTP.

commands:
  agent         watch this node and serve what it sees

examples:
  podtick agent                                  then look at http://127.0.0.1:9752/
  podtick agent --listen '[::]:9752'             for a Prometheus on another machine
  podtick agent --docker-host none               no engine: the kernel's cgroups alone
  curl 'http://127.0.0.1:9752/metrics?level=pod&metric=cpu_*'

podtick COMMAND --help tells more.
"""
_AGENT = """\
Watch every container and pod of this node, once a second, and serve it over HTTP.
Each setting can also stand in the environment; the flag wins.
"""
_AGENT_EXAMPLES = """\
examples:
  podtick agent --listen 127.0.0.1:9000 --kubernetes off
  podtick agent --proc /host/proc --cgroup /host/sys/fs/cgroup      inside a container
  podtick agent --levels pod,agent --metrics 'cpu_*,memory_*,agent_*'
  PODTICK_HISTORY=30m podtick agent
"""


@dataclass(frozen=True, slots=True)
class _Command:
    module: str
    parser: Callable[[], argparse.ArgumentParser]


class _Help(argparse.RawDescriptionHelpFormatter):
    """As argparse has it, but without brackets around a value that must not be left out."""

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        return str(action.metavar or default_metavar)


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run one command; returns the exit code."""
    _open_standard_descriptors()
    arguments = list(sys.argv[1:] if argv is None else argv)
    environ = os.environ if environ is None else environ
    if not arguments:
        print(_INTRODUCTION, end="", file=sys.stderr)
        return USAGE_ERROR
    name, *rest = arguments
    if name in {"-h", "--help", "help"}:
        print(_INTRODUCTION, end="")
        return 0
    if name in {"-V", "--version", "version"}:
        print(f"podtick {__version__}")
        return 0
    if name not in _COMMANDS:
        return _refuse([_unknown("command", name, [*_COMMANDS, "--help", "--version"])])
    return _run(_COMMANDS[name], rest, environ)


def _open_standard_descriptors() -> None:
    """Where one of the three was closed by whoever started us, the next file opened would take its place."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free: this one


def _run(command: _Command, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    try:
        settings = _settings(command.parser(), arguments, environ)
    except SettingsError as error:
        return _refuse([*error.errors, *unknown_variables(environ)])
    except SystemExit:  # argparse has printed its help
        return 0
    logs.configure(settings.log_level, settings.log_format)
    for line in unknown_variables(environ):
        log.warning("%s", line)
    try:
        return int(importlib.import_module(command.module).run(settings))
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        log.debug("the command failed", exc_info=error)
        cause = _cause(error)
        print(f"podtick: unexpected {type(cause).__name__}: {_one_line(cause)}", file=sys.stderr)
        print("podtick: this is a defect; --log-level debug shows where it happened", file=sys.stderr)
        return FAILURE


def _cause(error: Exception) -> Exception:
    """What a group of errors began with."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _settings(parser: argparse.ArgumentParser, arguments: Sequence[str], environ: Mapping[str, str]) -> AgentSettings:
    known, surplus = parser.parse_known_args(arguments)
    return read_settings(vars(known), environ, _surplus(surplus))


def _surplus(arguments: Sequence[str]) -> Iterator[str]:
    """What is wrong with arguments that argparse knows nothing of."""
    value_may_follow = False
    for argument in arguments:
        if argument.startswith("-"):
            flag, equals, _ = argument.partition("=")
            yield _unknown("flag", flag, [option.flag for option in OPTIONS])
            value_may_follow = not equals
        elif not value_may_follow:
            yield f"{argument[:80]!r} stands alone: every setting has a flag, podtick agent --help names them"
        else:
            value_may_follow = False


def _unknown(what: str, given: str, known: Sequence[str]) -> str:
    bare = {name.lstrip("-"): name for name in known}
    nearest = get_close_matches(given.lstrip("-")[:40], bare, n=1)
    hint = f"did you mean {bare[nearest[0]]}?" if nearest else f"there is {', '.join(known)}"
    return f"there is no {what} {given[:80]!r}: {hint}"


def _agent_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="podtick agent",
        usage="podtick agent [FLAG VALUE]...",
        description=_AGENT,
        epilog=_AGENT_EXAMPLES,
        formatter_class=_Help,
        allow_abbrev=False,
    )
    for option in OPTIONS:
        told = f"{option.help} (default {option.default}; {option.twin})".replace("%", "%%")
        # A flag without its value is an error like the others, reported beside them: not argparse's, which would end.
        parser.add_argument(option.flag, dest=option.name, metavar=option.metavar, nargs="?", const="", help=told)
    return parser


def _refuse(errors: Sequence[str]) -> int:
    for line in errors:
        print(f"podtick: {_one_line(line)}", file=sys.stderr)
    return USAGE_ERROR


def _one_line(text: object) -> str:
    return re.sub(r"[\x00-\x1f\x7f]+", " ", str(text))


_COMMANDS = {"agent": _Command("podtick.commands.agent", _agent_parser)}
