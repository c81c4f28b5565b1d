"""Which CronJob made a pod's Job: asked of the API server once a Job, where the account may get Jobs at all."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

from podtick.sources.kube import wire
from podtick.sources.kube.client import KubeClient
from podtick.sources.kube.errors import KubeProtocolError, KubeRefusedError
from podtick.sources.kube.pods import Pod, controller_of

MOST = 2000
"""Jobs that are remembered: of more than that, the one that was asked for first is forgotten."""
REFUSED_SECONDS = 3600.0
"""So long nobody is asked after a refusal: the role is a choice of whoever installed podtick."""
JOB_BYTES = 2 * 1024 * 1024
_NOT_FOUND = 404


class Owners:
    """What is known of Jobs, over all connections."""

    def __init__(self) -> None:
        self._jobs: dict[tuple[str, str], Mapping[str, str]] = {}
        self._refused: float | None = None  # when, on the loop's clock

    def with_owner(self, pod: Pod) -> Pod:
        """The pod with the owner of its Job, as far as that is known."""
        facts = self._jobs.get(_job(pod))
        return replace(pod, facts={**pod.facts, **facts}) if facts else pod

    async def ask(self, client: KubeClient, pod: Pod) -> Pod | None:
        """The pod with what has just been learned; `None` where there is nothing new. Raises `KubeUnavailableError`."""
        job = _job(pod)
        now = asyncio.get_running_loop().time()
        if job[1] == "" or job in self._jobs or (self._refused is not None and now < self._refused + REFUSED_SECONDS):
            return None
        path = f"/apis/batch/v1/namespaces/{quote(job[0])}/jobs/{quote(job[1])}"
        try:
            found = wire.decode(wire.OWNED, await client.get(path, {}, JOB_BYTES), f"{client.host}{path}")
        except (KubeRefusedError, KubeProtocolError) as fault:  # whatever is wrong with Jobs, pods are followed on
            if not isinstance(fault, KubeRefusedError) or fault.status != _NOT_FOUND:
                self._refused = now
                return None
            found = wire.Owned(wire.Owners())
        if len(self._jobs) >= MOST:
            del self._jobs[next(iter(self._jobs))]
        self._jobs[job] = controller_of(found.metadata.owner_references)
        return self.with_owner(pod) if self._jobs[job] else None


def _job(pod: Pod) -> tuple[str, str]:
    """Namespace and name of the pod's Job; no name where it has none."""
    return pod.namespace, pod.facts["owner_name"] if pod.facts.get("owner_kind") == "Job" else ""
