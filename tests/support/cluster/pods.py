"""Pods without a kubelet: objects of the API, and cgroups with processes named as a kubelet names them."""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from tests.support.cgroups import Cgroup
from tests.support.cluster.control import ControlPlane

SLEEP = "print('ready'); import sys; sys.stdin.read()"
WORK = "print('ready'); import time\nwhile True: sum(range(20000)); time.sleep(0.01)"


class ApiPod:
    """A pod of the API server; `uid` is the one that it got."""

    def __init__(self, cluster: ControlPlane, namespace: str, name: str, node: str, **metadata: Any) -> None:
        self._cluster = cluster
        self.path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        spec = {"nodeName": node, "containers": [{"name": "app", "image": "x"}]}
        made = cluster.create(self.path.rpartition("/")[0], {"metadata": {"name": name, **metadata}, "spec": spec})
        self.uid = str(made["metadata"]["uid"])

    def says(self, **containers: str) -> None:
        """Its kubelet says which containers there are: full IDs by name."""
        statuses = [
            {"name": name, "containerID": f"containerd://{id_}", "image": "x", "imageID": "", "ready": True}
            | {"restartCount": 0}
            for name, id_ in containers.items()
        ]
        self._cluster.patch(f"{self.path}/status", {"status": {"containerStatuses": statuses}})

    def delete(self) -> None:
        """It is no more."""
        self._cluster.delete(self.path)


class KubeletTree:
    """The part of the cgroup tree in which a kubelet would make its pods."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self.name = secrets.token_hex(4)

    def __enter__(self) -> Self:
        self._root = f"{self.name}/kubepods/burstable"
        for depth in range(1, 4):
            self._stack.enter_context(Cgroup("/".join(self._root.split("/")[:depth])))
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def pod(self, uid: str) -> Iterator["PodCgroup"]:
        """A pod's own cgroup, as long as the context is open."""
        with Cgroup(f"{self._root}/pod{uid}"):
            yield PodCgroup(f"{self._root}/pod{uid}")


class PodCgroup:
    """A pod's cgroup, in which containers can be run."""

    def __init__(self, word: str) -> None:
        self._word = word

    @contextlib.contextmanager
    def container(self, mounted: Path | None = None, script: str = SLEEP) -> Iterator[str]:
        """The full ID of a container with one process, as long as the context is open.

        `mounted`: the file of its termination message, which a kubelet mounts into it; a sandbox has none.
        """
        id_ = secrets.token_hex(32)
        wrapper: list[str] = []
        if mounted:
            mount = 'mount --bind "$0" "$0" && exec "$@"'
            wrapper = ["unshare", "--mount", "sh", "-c", mount, str(mounted)]
        with Cgroup(f"{self._word}/{id_}") as made:
            made.python(script, wrapper=wrapper)
            yield id_
