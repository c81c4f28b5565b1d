"""A real Prometheus for a test: started with a configuration, asked over HTTP, ended by its pid."""

import contextlib
import json
import signal
import socket
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.engine.programs import end, pid_of, start
from tests.support.gobuild import build, kept

VERSION, MODULE_VERSION = "3.16.0", "0.316.0"
MODULE = "github.com/prometheus/prometheus"
PATIENCE = 60.0  # s: a safety net against hanging
STEP = 0.1  # s between two questions for what nothing announces


class PrometheusError(Exception):
    """It did what it must not; its log is in the message."""


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_until(
    condition: Callable[[], bool], log: Callable[[], str], what: str, alive: Callable[[], bool] = lambda: True
) -> None:
    """Ask again and again, for what nothing announces; `log` is what the failure shows the end of."""
    end_at = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end_at or not alive():
            raise PrometheusError(f"never came: {what}; its log ends:\n{log()[-3000:]}")
        time.sleep(STEP)


def current() -> str:
    """A current Prometheus with the service discovery of Kubernetes, which distributions leave out; built once.

    Raises:
        GoBuildError: it could not be built.
    """
    return str(kept(f"prometheus/v{VERSION}", ["prometheus"], _build) / "prometheus")


def _build(_names: Sequence[str], folder: Path) -> None:
    tags = "netgo,remove_all_sd,enable_kubernetes_sd"
    stamp = f"-X github.com/prometheus/common/version.Version={VERSION}"
    build(folder, MODULE, MODULE_VERSION, ["cmd/prometheus"], "-tags", tags, linker=stamp)


class Prometheus:
    """A Prometheus with an empty database; a context manager. `configuration` is its file, as YAML or JSON has it.

    `program`: the distribution's, unless another one is named.
    """

    def __init__(self, configuration: Mapping[str, Any], program: str = "prometheus") -> None:
        self._configuration = configuration
        self._program = program
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="podtick-prometheus-")))
            self._port = free_port()
            file = self._root / "prometheus.json"
            file.write_text(json.dumps(self._configuration))
            address = f"127.0.0.1:{self._port}"
            data = self._root / "data"
            stack.callback(self._end)
            start(
                self._root,
                "prometheus",
                [
                    self._program,
                    f"--config.file={file}",
                    f"--storage.tsdb.path={data}",
                    f"--web.listen-address={address}",
                ],
            )
            self.wait_until(self._ready, "ready")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def ask(self, path: str, **parameters: str) -> Any:
        """The `data` of one answer of its API, such as `ask("rules")`.

        Raises:
            PrometheusError: it refused.
        """
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"{self._url}/api/v1/{path}?{query}", timeout=PATIENCE) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise PrometheusError(f"{parameters}: {error.read().decode()}") from None

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query, each with its labels in `metric`."""
        result: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return result

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Ask again and again, for what nothing announces."""
        wait_until(condition, self._log, what, lambda: pid_of(self._root, "prometheus") is not None)

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=PATIENCE):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False

    def _log(self) -> str:
        return (self._root / "prometheus.log").read_text(errors="replace")

    def _end(self) -> None:
        pid = pid_of(self._root, "prometheus")
        if pid is not None and end([pid], signal.SIGTERM, PATIENCE):
            raise PrometheusError(f"it does not end; its log ends:\n{self._log()[-3000:]}")
