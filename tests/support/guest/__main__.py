"""The guest by hand, from the root of the repository.

python -m tests.support.guest up [systemd|cgroupfs] [STATE]   boot; it stays until Ctrl-C
python -m tests.support.guest run STATE COMMAND               one shell command line in it
python -m tests.support.guest install STATE                   podtick, as it is in this tree
"""

import signal
import sys
from pathlib import Path
from typing import cast

from tests.support.guest.connection import Driver, Guest
from tests.support.guest.errors import GuestError
from tests.support.guest.machine import booted
from tests.support.guest.podtick import install_podtick


def main(arguments: list[str]) -> int:
    match arguments:
        case ["up", *rest] if len(rest) <= 2 and rest[:1] in ([], ["systemd"], ["cgroupfs"]):
            driver = cast(Driver, rest[0]) if rest else "systemd"
            with booted(driver, state=Path(rest[1]) if len(rest) > 1 else None) as guest:
                print(f"up, state folder {guest.state}", flush=True)
                signal.sigwait({signal.SIGINT, signal.SIGTERM})
        case ["run", state, command]:
            done = Guest(Path(state), "systemd").attempt(command)
            print(done.stdout, end="")
            print(done.stderr, end="", file=sys.stderr)
            return done.returncode
        case ["install", state]:
            install_podtick(Guest(Path(state), "systemd"))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except GuestError as error:
        sys.exit(f"guest: {error}")
