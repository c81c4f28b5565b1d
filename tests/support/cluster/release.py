"""The chart on a whole cluster, with the image that the shipped Dockerfile makes, and how its agents are asked."""

import http.client
import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from tests.support.cluster.account import NAMESPACE
from tests.support.cluster.whole import READY, Cluster
from tests.support.helm import CHART, helm
from tests.support.image import IMAGE
from tests.support.scrape import Scrape
from tests.support.served import PATIENCE, Served

STEP, SHORT_STEP = 0.1, 0.02  # s between two questions for what nothing announces
CPU = "podtick_container_cpu_usage_seconds_total"


class Release:
    """The chart under a name, installed as long as the context is open; `values` are words for helm.

    The nodes have to know the image, and the cluster the namespace. `port` is where the agents listen.
    """

    def __init__(self, cluster: Cluster, name: str, *values: str, port: int = 9752) -> None:
        self._cluster = cluster
        self.name = name
        self._port = port
        self._where = ("--namespace", NAMESPACE, "--kubeconfig", str(cluster.kubeconfig))
        repository, _, tag = IMAGE.partition(":")
        image = f"image.repository={repository},image.tag={tag},image.digest=,image.pullPolicy=Never"
        group = cluster.docker_node.socket.stat().st_gid
        self._values = (*values, "--set", f"global.imageRegistry=,{image},docker.socketGroup={group}")

    def __enter__(self) -> Self:
        """Install it, and wait until every agent is ready."""
        self._run("install", self.name, str(CHART), *self._values, "--wait", f"--timeout={READY}s")
        return self

    def __exit__(self, *_exception: object) -> None:
        self._run("uninstall", self.name, "--wait")

    def upgrade(self, *values: str) -> None:
        """Install it anew with other values besides, and wait until every agent is ready."""
        self._run("upgrade", self.name, str(CHART), *self._values, *values, "--wait", f"--timeout={READY}s")

    def test(self) -> None:
        """What `helm test` looks at is as it should be."""
        self._run("test", self.name)

    def agent_of(self, node: str) -> str:
        """The agent's pod on a node, found as NOTES says."""
        selector = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component=agent"
        chosen = ("--selector", selector, "--field-selector", f"spec.nodeName={node}")
        return self._cluster.kubectl("get", "pods", "--namespace", NAMESPACE, *chosen, "--output", "name").strip()

    @contextmanager
    def forwarded(self, node: str, namespace: str = "") -> Iterator["Forwarded"]:
        """A node's agent, asked through `kubectl port-forward`; `namespace`: whose pods are looked at."""
        ports = (f":{self._port}", "--address", "127.0.0.1")
        words = ("port-forward", "--namespace", NAMESPACE, self.agent_of(node), *ports)
        with subprocess.Popen(self._cluster.command(*words), stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout
                assert select.select([process.stdout], [], [], PATIENCE)[0], "kubectl port-forward says nothing"
                told = os.read(process.stdout.fileno(), 4096).decode()  # Forwarding from 127.0.0.1:PORT -> 9752
                yield Forwarded(int(told.partition("127.0.0.1:")[2].split()[0]), namespace)
            finally:
                process.terminate()

    def _run(self, *words: str) -> None:
        helm(*words, *self._where, patience=READY + 10)


class Forwarded(Served):
    """An agent behind a port of this host."""

    def __init__(self, port: int, namespace: str) -> None:
        super().__init__(namespace)
        self._port = port

    def get(self, path: str, accept: str = "*/*") -> tuple[int, str]:
        """Status and body of one GET."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers={"Accept": accept})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Ask again and again, for what nothing announces."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise self.never(what)
            time.sleep(STEP)

    def never(self, what: str) -> AssertionError:
        """With what it says of itself."""
        return AssertionError(f"never came: {what}\n{self.get('/readyz')[1]}")

    def text(self, path: str) -> str:
        """A body; any status but 200 is a failure."""
        status, body = self.get(path)
        assert status == 200, body
        return body

    def wait_for_containers(self, namespace: str, wanted: set[tuple[str, str]]) -> Scrape:
        """What is served of a namespace, once it has CPU time of exactly these containers: their pods' UIDs, names."""
        end = time.monotonic() + PATIENCE
        while True:
            scrape = Scrape.parse(self.text(f"/metrics?namespace={namespace}&level=container,pod"))
            found = {(each.labels["uid"], each.labels["container"]) for each in scrape.all(CPU)}
            if found == wanted:
                return scrape
            assert time.monotonic() < end, f"{sorted(found)} is not {sorted(wanted)}"
            time.sleep(STEP)

    def seconds(self, path: str, *metrics: str, uid: str = "") -> list[Any]:
        """Every second that the agent has of what lies at this path of the API, the oldest first.

        `uid`: of which pod of that name, if not of the newest.
        """
        more = f"&uid={uid}" if uid else ""
        found: list[Any] = []
        cursor: str | None = "oldest"
        while cursor:
            page = json.loads(self.text(f"{path}?since={cursor}&metric={','.join(metrics)}{more}"))
            found += [each for each in page["seconds"] if "gap" not in each]
            cursor = page["next"] if page["more"] else None
        return found

    def next_second(self, path: str, metrics: Sequence[str]) -> Any:
        """What lies there at the first second that has not begun yet: all that was done until now is in it."""
        wanted, end = int(time.time()) + 1, time.monotonic() + PATIENCE
        time.sleep(max(wanted - time.time(), 0))
        while True:
            told = json.loads(self.text(f"{path}?metric={','.join(metrics)}"))
            if told["timestamp"] >= wanted:
                return told
            assert time.monotonic() < end, f"no second {wanted}"
            time.sleep(SHORT_STEP)
