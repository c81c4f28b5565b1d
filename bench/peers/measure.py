"""podtick and its peers over the same containers in one run, window by window.

Those that read the kernel's files and ask the engine nothing run at the same time. What several that ask the engine
make it burn in the same seconds could not be told apart: each of them has a window of its own.
"""

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from bench.loads import Load
from bench.peers import own
from bench.peers.cadvisor import CADVISOR
from bench.peers.glances import GLANCES
from bench.peers.netdata import NETDATA, NETDATA_ALL
from bench.peers.peer import Peer, Running
from bench.peers.rows import Row, compared, medians
from bench.peers.stats_stream import STATS_STREAM
from bench.peers.windows import Window, watch
from bench.programs import MissingError
from podtick import __version__

PEERS = (NETDATA, NETDATA_ALL, CADVISOR, GLANCES, STATS_STREAM)
PODTICK, LOOP = "podtick", "C loop, podtick's files"
ALONE = ""
"""The name of the window in which nobody runs."""


class Round:
    """One round of windows. `versions` has the peers that can be had here, `missing` why the others cannot."""

    def __init__(self, load: Load, seconds: float, folder: Path, versions: dict[str, str], missing: dict[str, str]):
        self._load = load
        self._seconds = seconds
        self._folder = folder
        self._versions = versions
        self._missing = missing.copy()
        self._windows: dict[str, Window] = {}

    def run(self, turn: int) -> list[Row]:
        """All windows, beginning with another one each turn, so that no one always follows the same."""
        steps: list[Callable[[], None]] = [
            self._alone,
            self._silent,
            *(partial(self._asking, peer) for peer in PEERS if peer.asks and peer.name not in self._missing),
        ]
        turn %= len(steps)
        for step in (*steps[turn:], *steps[:turn]):
            step()
        return compared(self._rows())

    def _alone(self) -> None:
        self._windows[ALONE] = watch(self._load, self._seconds, {})

    def _silent(self) -> None:
        """podtick, and with it all that ask the engine nothing."""
        with contextlib.ExitStack() as stack:
            agent, loop = stack.enter_context(own.both(self._load, self._folder))
            running: dict[str, Running] = {PODTICK: agent, LOOP: loop}
            for peer in PEERS:
                if not peer.asks and peer.name not in self._missing:
                    with self._unless_missing(peer):
                        running[peer.name] = stack.enter_context(peer.run(self._load, self._place(peer)))
            window = watch(self._load, self._seconds, running)
        self._windows |= dict.fromkeys(running, window)

    def _asking(self, peer: Peer) -> None:
        with self._unless_missing(peer), peer.run(self._load, self._place(peer)) as running:
            self._windows[peer.name] = watch(self._load, self._seconds, {peer.name: running})

    @contextlib.contextmanager
    def _unless_missing(self, peer: Peer) -> Iterator[None]:
        """What keeps a peer from running goes into its row, and the others go on."""
        try:
            yield
        except MissingError as error:
            self._missing[peer.name] = str(error)

    def _place(self, peer: Peer) -> Path:
        """An empty folder for a peer's state."""
        place = self._folder / "".join(filter(str.isalnum, peer.name))
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        return place

    def _rows(self) -> list[Row]:
        alone, silent = self._windows[ALONE], self._windows[PODTICK]
        rows = [
            silent.row(PODTICK, __version__, silent.dockerd_beyond(alone)),
            silent.row(LOOP, "", 0, floor=True),
        ]
        for peer in PEERS:
            version = self._versions.get(peer.name, "")
            if peer.name in self._missing:
                rows.append(Row(peer.name, version, missing=self._missing[peer.name]))
            else:
                window = self._windows[peer.name]
                engine = window.engine_beyond(alone) if peer.asks else 0
                rows.append(window.row(peer.name, version, engine, at_most=peer.repeats))
        return rows


def measure(load: Load, runs: int, seconds: float, folder: Path) -> Sequence[Row]:
    """So many rounds, the median of each figure."""
    versions: dict[str, str] = {}
    missing: dict[str, str] = {}
    for peer in PEERS:
        try:
            versions[peer.name] = peer.prepare()
        except MissingError as error:
            missing[peer.name] = str(error)
            print(f"peers: {peer.name}: {error}", file=sys.stderr, flush=True)
    return medians([Round(load, seconds, folder, versions, missing).run(turn) for turn in range(runs)])
