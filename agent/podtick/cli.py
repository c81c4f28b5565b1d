"""The command line: which command, with which settings. A command's code is loaded only when it runs.

Exit codes: what the command returns; 2 for a command line or settings that cannot be used; 1 for a failure; 130 for
Ctrl-C.
"""

import argparse
import errno
import importlib
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from podtick import __version__, logs
from podtick.flags import CHECK_OPTIONS, DEMO_SWITCHES, OPTIONS, STATS_OPTIONS, STATS_SWITCHES, unknown_variables
from podtick.options import Option, SettingsError, Switch
from podtick.settings import Given, Settings, read_check, read_demo, read_settings, read_stats

log = logging.getLogger(__name__)

USAGE_ERROR = 2
FAILURE = 1
INTERRUPTED = 130
_OUTPUT = (errno.EPIPE, errno.ENOSPC)
"""What only printing meets: engines' sockets have errors of their own, and nothing else is written to a disk."""
WORDS = "words"
"""Where argparse puts the words that stand alone."""

_INTRODUCTION = """\
podtick knows what every pod on this node did, in every single second: CPU, memory,
network, block I/O. It reads the kernel once a second and serves the result over HTTP.

commands:
  agent         watch this node and serve what it sees
  stats         what `docker stats` shows, of any engine's containers
  check         what podtick can see on this machine, what not, and what to do about it
  demo          pods of podtick's own that burn CPU, fill memory and write, and an agent that watches them

examples:
  podtick agent                                  then look at http://127.0.0.1:9752/
  podtick agent --listen '[::]:9752'             for a Prometheus on another machine
  podtick agent --docker-host none               no engine: the kernel's cgroups alone
  podtick stats --no-stream                      once, every container that runs
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
_STATS = """\
Show the CPU, memory, network and block I/O of an engine's containers as `docker stats` does,
from the same answers of the Engine API. Without a name: every container that runs.
"""
_STATS_EXAMPLES = """\
examples:
  podtick stats                                  live, on a terminal; Ctrl-C ends it
  podtick stats --no-stream web db               once, two containers
  podtick stats --format json | jq .cpu_percent  one object a container and round, raw numbers
  DOCKER_HOST=tcp://node-7:2376 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=~/.docker podtick stats
"""
_CHECK = """\
Say what podtick can see on this machine and what not: each line ok, warn or fail, and what to do.
Exits with 1 when one line says fail.
"""
_CHECK_EXAMPLES = """\
examples:
  podtick check
  podtick check --format json
  podtick check --docker-host tcp://node-7:2375 --proc /host/proc --cgroup /host/sys/fs/cgroup
"""
_DEMO = """\
Make demo pods (real processes in real cgroups, named as the kubelet names them) and watch them with
an agent: a CPU burst of 12 s in each minute, memory that meets its limit, a disk writer, a short job
every 20 s. Ctrl-C takes everything away again. It needs root; elsewhere the agent watches what there is.
"""
_DEMO_EXAMPLES = """\
examples:
  podtick demo
  podtick demo --if-idle                         only the agent, where an engine has containers to watch
"""


@dataclass(frozen=True, slots=True)
class Command:
    """One command: where its code is, what it may be told, and what its `--help` says."""

    name: str
    module: str
    usage: str
    description: str
    examples: str
    options: tuple[Option[Any], ...]
    read: Callable[[Given], Settings]
    switches: tuple[Switch, ...] = ()
    arguments: bool = False
    """Whether words may stand alone, such as names of containers."""


class _Help(argparse.RawDescriptionHelpFormatter):
    """As argparse has it, but without brackets around a value that must not be left out."""

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        return str(action.metavar or default_metavar)


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run one command; returns the exit code."""
    _open_standard_descriptors()
    try:
        code = _chosen(list(sys.argv[1:] if argv is None else argv), os.environ if environ is None else environ)
        sys.stdout.flush()
    except OSError as error:  # of printing: of what a command itself meets it has told
        if not isinstance(error, BrokenPipeError):  # there, whoever read our output has had enough
            print(f"podtick: the output cannot be written: {error.strerror or error}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python complains of the rest at its end
        return FAILURE
    return code


def _chosen(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
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
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 -- for the life of the process


def _run(command: Command, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    try:
        settings = command.read(_given(command, arguments, environ))
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
        if isinstance(error, OSError) and error.errno in _OUTPUT:
            raise
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


def _given(command: Command, arguments: Sequence[str], environ: Mapping[str, str]) -> Given:
    switches = [switch.flag for switch in command.switches]
    valued = [each for each in arguments if "=" in each and each.partition("=")[0] in switches]
    known, surplus = _parser(command).parse_known_intermixed_args([each for each in arguments if each not in valued])
    flags = vars(known)
    thrown = frozenset(switch.name for switch in command.switches if flags[switch.name])
    errors = (*(f"{each.partition('=')[0]} takes no value" for each in valued), *_surplus(command, surplus))
    return Given(flags, thrown, tuple(flags.get(WORDS, ())), environ, errors)


def _surplus(command: Command, arguments: Sequence[str]) -> Iterator[str]:
    """What is wrong with arguments that argparse knows nothing of."""
    flags = [*(option.flag for option in command.options), *(switch.flag for switch in command.switches)]
    value_may_follow = False
    for argument in arguments:
        if argument.startswith("-"):
            flag, equals, _ = argument.partition("=")
            yield _unknown("flag", flag, flags)
            value_may_follow = not equals
        elif value_may_follow:
            value_may_follow = False
        elif not command.arguments:
            hint = f"every setting has a flag, podtick {command.name} --help names them"
            yield f"{argument[:80]!r} stands alone: {hint}"


def _unknown(what: str, given: str, known: Sequence[str]) -> str:
    bare = {name.lstrip("-"): name for name in known}
    nearest = get_close_matches(given.lstrip("-")[:40], bare, n=1)
    hint = f"did you mean {bare[nearest[0]]}?" if nearest else f"there is {', '.join(known)}"
    return f"there is no {what} {given[:80]!r}: {hint}"


def _parser(command: Command) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"podtick {command.name}",
        usage=command.usage,
        description=command.description,
        epilog=command.examples,
        formatter_class=_Help,
        allow_abbrev=False,
    )
    if command.arguments:
        parser.add_argument(WORDS, nargs="*", help=argparse.SUPPRESS)
    for switch in command.switches:
        parser.add_argument(switch.flag, dest=switch.name, action="store_true", help=switch.help)
    for option in command.options:
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


_COMMANDS = {
    command.name: command
    for command in (
        Command(
            "agent",
            "podtick.commands.agent",
            "podtick agent [FLAG VALUE]...",
            _AGENT,
            _AGENT_EXAMPLES,
            OPTIONS,
            read_settings,
        ),
        Command(
            "stats",
            "podtick.commands.stats",
            "podtick stats [FLAG]... [NAME|ID]...",
            _STATS,
            _STATS_EXAMPLES,
            STATS_OPTIONS,
            read_stats,
            STATS_SWITCHES,
            arguments=True,
        ),
        Command(
            "check",
            "podtick.commands.check",
            "podtick check [FLAG VALUE]...",
            _CHECK,
            _CHECK_EXAMPLES,
            CHECK_OPTIONS,
            read_check,
        ),
        Command(
            "demo",
            "podtick.commands.demo",
            "podtick demo [FLAG]... [AGENT FLAG VALUE]...",
            _DEMO,
            _DEMO_EXAMPLES,
            OPTIONS,
            read_demo,
            DEMO_SWITCHES,
        ),
    )
}
