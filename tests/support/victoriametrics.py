"""VictoriaMetrics for a test: its agent scrapes by a configuration and writes into a database of its own.

The agent is a current one, built once; the database, which only stores, the distribution's.
"""

import contextlib
import json
import signal
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.engine.programs import end, pid_of, start
from tests.support.gobuild import build, kept
from tests.support.prometheus import PATIENCE, free_port, wait_until

PROGRAMS = {"victoria-metrics": "victoria-metrics"}
"""And the Debian package that carries it."""
VERSION = "1.151.0"
MODULE = "github.com/VictoriaMetrics/VictoriaMetrics"


def agent() -> str:
    """A current vmagent, built once.

    Raises:
        GoBuildError: it could not be built.
    """
    return str(kept(f"victoriametrics/v{VERSION}", ["vmagent"], _build) / "vmagent")


def _build(names: Sequence[str], folder: Path) -> None:
    stamp = f"-X {MODULE}/lib/buildinfo.Version=vmagent-v{VERSION}"
    build(folder, MODULE, VERSION, [f"app/{name}" for name in names], linker=stamp)


class VictoriaMetrics:
    """An agent and an empty database; a context manager. `configuration` is the agent's `-promscrape.config`."""

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        self._configuration = configuration
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="podtick-vm-")))
            file = self._root / "scrape.yaml"
            file.write_text(json.dumps(self._configuration))
            stack.callback(self._end)
            database, scraper = (f"127.0.0.1:{free_port()}" for _ in range(2))
            self._url = f"http://{database}"
            data = ["-storageDataPath", str(self._root / "data"), "-search.latencyOffset", "1ms"]
            self._start("victoria-metrics", "victoria-metrics", "-httpListenAddr", database, *data)
            wait_until(self._ready, self._log, "a database that answers")
            written = ["-remoteWrite.url", f"{self._url}/api/v1/write", "-remoteWrite.flushInterval", "200ms"]
            queued = ["-remoteWrite.tmpDataPath", str(self._root / "kept")]
            scraped = ["-httpListenAddr", scraper, "-promscrape.config", str(file)]
            self._start("vmagent", agent(), *scraped, *written, *queued)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query, each with its labels in `metric`."""
        query = urllib.parse.urlencode({"query": expression, "nocache": "1"})
        with urllib.request.urlopen(f"{self._url}/api/v1/query?{query}", timeout=PATIENCE) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return found

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Ask again and again, for what nothing announces."""
        wait_until(condition, self._log, what)

    def _start(self, name: str, *command: str) -> None:
        start(self._root, name, list(command))

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/health", timeout=PATIENCE):
                return True
        except OSError:
            return False

    def _log(self) -> str:
        return "\n".join(file.read_text(errors="replace")[-2000:] for file in self._root.glob("*.log"))

    def _end(self) -> None:
        names = ("victoria-metrics", "vmagent")
        pids = [pid for name in names if (pid := pid_of(self._root, name)) is not None]
        left = end(pids, signal.SIGTERM, PATIENCE)
        assert not left, f"they do not end: {left}\n{self._log()}"
