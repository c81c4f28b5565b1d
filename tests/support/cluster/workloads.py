"""What runs on a node in tests: a pod of every kind that is made in its own way."""

import json
from typing import Any

from tests.support.cluster.images import BUSYBOX, WAIT
from tests.support.cluster.nodes import Node
from tests.support.cluster.whole import Cluster


def container(name: str, script: str = WAIT, **more: Any) -> dict[str, Any]:
    """A container that ends when it is told to, unless its script says otherwise."""
    image = {"image": BUSYBOX, "imagePullPolicy": "Never"}
    return {"name": name, **image, "command": ["sh", "-c", script], **more}


def placed(node: Node) -> dict[str, Any]:
    """Of a pod's spec: on this node; without a name server, which the cluster has not."""
    return {"nodeSelector": {"kubernetes.io/hostname": node.name}, "dnsPolicy": "Default"}


def spec(node: Node, *containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A pod's, on a node; it does not wait when it is to end."""
    return {"containers": list(containers), "terminationGracePeriodSeconds": 0, **placed(node), **more}


def pod(name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """A pod by itself."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}


def resources(cpu: str, memory: str, *, limited: bool = False) -> dict[str, Any]:
    """Requests, and with `limited` limits of the same size."""
    asked = {"cpu": cpu, "memory": memory}
    return {"resources": {"requests": asked, **({"limits": asked} if limited else {})}}


class Workloads:
    """On one node: a Deployment's pod with an init and an ephemeral container, two Jobs (one ends), a static pod."""

    def __init__(self, cluster: Cluster, node: Node, namespace: str) -> None:
        self._cluster = cluster
        self._node = node
        self._where = ("--namespace", namespace)
        self.namespace = namespace
        self.deployment, self.job, self.done = (f"{each}-{node.KIND}" for each in ("web", "task", "done"))
        self.static = f"static-{node.name}"

    def kind(self, pod: str) -> str:
        """Of which kind a pod is, by its name: `web`, `task`, `done` or `static`."""
        return pod.partition("-")[0]

    def create(self) -> None:
        """Make them, and wait until each is as it is to be."""
        objects = [self._deployment(), self._job(self.job, WAIT), self._job(self.done, "true")]
        # A pod needs its namespace's service account, which a controller makes in its own time.
        self._cluster.kubectl("wait", *self._where, "--for=create", "serviceaccount/default")
        self._cluster.kubectl("apply", *self._where, "--filename=-", text=listed(objects))
        self._write_static()
        wait = ("wait", *self._where)
        self._cluster.kubectl("rollout", "status", *self._where, f"deployment/{self.deployment}")
        self._cluster.kubectl(*wait, "--for=condition=Complete", f"job/{self.done}")
        self._cluster.kubectl(*wait, "--for=jsonpath={.status.ready}=1", f"job/{self.job}")
        self._cluster.kubectl(*wait, "--for=create", f"pod/{self.static}")
        self._cluster.kubectl(*wait, "--for=condition=Ready", f"pod/{self.static}")
        self._debug()

    def delete(self) -> None:
        """Remove them, and wait until they are gone."""
        (self._node.manifests / "static.json").unlink(missing_ok=True)
        names = (f"deployment/{self.deployment}", f"job/{self.job}", f"job/{self.done}")
        self._cluster.kubectl("delete", *self._where, "--cascade=foreground", "--ignore-not-found", *names)
        self._cluster.kubectl("wait", *self._where, "--for=delete", f"pod/{self.static}")

    def _debug(self) -> None:
        """An ephemeral container in the Deployment's pod; wait until it runs."""
        (pod,) = self._cluster.kubectl(
            "get", "pods", *self._where, "-l", f"app={self.deployment}", "-o", "name"
        ).split()
        image = (f"--image={BUSYBOX}", "--image-pull-policy=Never", "--container=debugger", "--target=app")
        self._cluster.kubectl("debug", *self._where, pod, *image, "--", "sleep", "100000")
        running = "--for=jsonpath={.status.ephemeralContainerStatuses[0].state.running.startedAt}"
        self._cluster.kubectl("wait", *self._where, running, pod)

    def _deployment(self) -> dict[str, Any]:
        labels = {"app": self.deployment}
        init = [container("setup", "true")]
        if self._node.KIND == "containerd":  # the other's kubelet knows no sidecars
            init.append(container("sidecar", restartPolicy="Always"))
        spec = {
            "initContainers": init,
            "containers": [container("app", **resources("10m", "8Mi"))],
            **placed(self._node),
        }
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.deployment},
            "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
        }

    def _job(self, name: str, script: str) -> dict[str, Any]:
        limits = resources("50m", "16Mi", limited=True)
        spec = {"restartPolicy": "Never", "containers": [container("main", script, **limits)], **placed(self._node)}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name},
            "spec": {"template": {"spec": spec}},
        }

    def _write_static(self) -> None:
        described = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "static", "namespace": self.namespace},
            "spec": {"containers": [container("app")]},
        }
        (self._node.manifests / "static.json").write_text(json.dumps(described))


def listed(objects: list[dict[str, Any]]) -> str:
    """Objects as `kubectl apply` reads them."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
