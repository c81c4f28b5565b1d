"""The process that ticks: `python -m podtick.sampler.process`.

Started by the agent with an inherited history and two inherited pipes; ends when the agent's end of the command pipe
closes. It imports neither the HTTP server nor any client, opens no socket, and writes only to the history and the pipe.
"""

import argparse
import gc
import signal
import sys

from podtick.history.layout import HistoryError, Region
from podtick.history.writer import HistoryWriter
from podtick.sampler.clock import TickClock
from podtick.sampler.commands import Commands
from podtick.sampler.descriptors import DescriptorBudget
from podtick.sampler.node import Node
from podtick.sampler.standby import Watcher, blocked_in_kernel
from podtick.sampler.targets import Targets
from podtick.sampler.ticker import Ticker

SWITCH_SECONDS = 0.0005
"""A thread that comes back from a read waits at most so long for another thread of this process."""


def main() -> int:
    """Sample until the agent goes."""
    arguments = _arguments()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # meant for both, they reach both: the agent ends us
        signal.signal(number, signal.SIG_IGN)
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        writer = HistoryWriter(Region.open(arguments.history, writable=True))
    except HistoryError as error:
        print(f"podtick sampler: {error}", file=sys.stderr)
        return 3
    targets = Targets(writer, arguments.proc, DescriptorBudget.of_process())
    node = Node(arguments.proc, writer)
    commands = Commands(arguments.commands, arguments.answers, targets)
    ticker = Ticker(writer, targets, node, commands, TickClock())
    gc.freeze()
    gc.disable()  # a tick makes thousands of short-lived rows and no cycles; `Ticker` collects now and then
    commands.say("ready", writer.number)
    Watcher(ticker, blocked_in_kernel("/proc")).watch()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="podtick-sampler", description=__doc__)
    parser.add_argument("--history", type=int, required=True, help="descriptor of the history")
    parser.add_argument("--commands", type=int, required=True, help="descriptor of the pipe to read commands from")
    parser.add_argument("--answers", type=int, required=True, help="descriptor of the pipe to write answers to")
    parser.add_argument("--proc", default="/proc", help="where the host's /proc is mounted")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
