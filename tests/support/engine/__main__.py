"""`python -m tests.support.engine up DIR`: an engine for a developer, until Ctrl-C; `down DIR` ends one."""

import signal
import sys
from pathlib import Path

from tests.support.engine import EngineError
from tests.support.engine.choice import chosen
from tests.support.engine.teardown import tear_down

USAGE = "usage: python -m tests.support.engine up|down DIR"


def main(words: list[str]) -> int:
    """Run one of the two commands; the exit code."""
    match words:
        case ["up", folder]:
            return up(Path(folder).resolve())
        case ["guard", folder]:
            return guard(Path(folder))
        case ["down", folder]:
            tear_down(Path(folder).resolve())
            return 0
        case _:
            print(USAGE, file=sys.stderr)
            return 2


def guard(root: Path) -> int:
    """Wait for the end of whoever holds the other end of standard input; remove what they could not.

    A test run that is killed cannot clean up, and its daemons would go on for ever.
    """
    sys.stdin.buffer.read()
    tear_down(root)  # nothing to do, mostly
    return 0


def up(root: Path) -> int:
    """Run an engine until SIGINT or SIGTERM."""
    signals = {signal.SIGINT, signal.SIGTERM}
    try:
        with chosen().make(root) as engine:
            signal.pthread_sigmask(signal.SIG_BLOCK, signals)
            print(f"export DOCKER_HOST=unix://{engine.socket}", flush=True)
            signal.sigwait(signals)
    except EngineError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
