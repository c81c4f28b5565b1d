"""Follow a node's pods for as long as we live: all that there are, and each change, as one ordered stream.

Each connection begins with a list out of the server's memory, never older than what is known already; from there a
watch goes on, through bookmarks, until the server ends it, which is ordinary, or forgets where we were (410): then
there is another list. A server that falls silent is found out by the bookmarks that do not come.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from podtick.sources.backoff import Backoff
from podtick.sources.kube import wire
from podtick.sources.kube.access import KubeAccess
from podtick.sources.kube.client import KubeClient
from podtick.sources.kube.errors import (
    KubeError,
    KubeProtocolError,
    KubeRefusedError,
    KubeUnavailableError,
    NoSuchNodeError,
)
from podtick.sources.kube.owners import Owners
from podtick.sources.kube.pods import NOTHING, Kept, Pod, pod_of
from podtick.sources.kube.updates import Changed, Confirmed, Listed, Removed, Unavailable, Update, WatchTiming
from podtick.sources.updates import Updates, watching

DEFAULT_TIMING = WatchTiming()
LIST_BYTES = 128 * 1024 * 1024
SMALL_BYTES = 1024 * 1024
PATH = "/api/v1/pods"
_GONE, _TIMEOUT, _NOT_FOUND, _FORBIDDEN = 410, 504, 404, 403
FROM_MEMORY = "0"


def watch_pods(
    access: KubeAccess, node: str, *, kept: Kept = NOTHING, timing: WatchTiming = DEFAULT_TIMING
) -> AbstractAsyncContextManager[Updates[Update]]:
    """Watch the pods of a node, whether there is an API server or not, until the context is left.

    `kept`: the labels and annotations that are wanted.
    """
    return watching(partial(_watch, access, node, kept=kept, timing=timing), "podtick pod watch")


async def _watch(access: KubeAccess, node: str, updates: Updates[Update], kept: Kept, timing: WatchTiming) -> None:
    owners = Owners()
    lost, refused = (Backoff(timing.retry_first, most) for most in (timing.retry_most, timing.refused_most))
    said, version = "", FROM_MEMORY
    while True:
        session: _Session | None = None
        try:
            async with KubeClient(access, timing.request) as client:
                session = _Session(client, node, version, updates.put, _Pods(kept, owners), timing)
                await session.run()
        except KubeError as fault:
            if session is not None:
                version = session.version
                if session.steady:
                    lost.reset()
                    refused.reset()
                    said = ""
            if str(fault) != said:
                said = str(fault)
                await updates.put(Unavailable(said))
            await asyncio.sleep(wait_after(fault, lost, refused))


def wait_after(fault: KubeError, lost: Backoff, refused: Backoff) -> float:
    """Seconds until the server is asked again: soon one that may be back any moment, later one that said no."""
    if isinstance(fault, KubeUnavailableError):
        refused.reset()
        return lost.next()
    lost.reset()
    asked = fault.retry_after if isinstance(fault, KubeRefusedError) else 0.0
    return asked + refused.next()


@dataclass(frozen=True, slots=True)
class _Pods:
    """What becomes of the API's pods: what is kept of them, and what is known besides."""

    kept: Kept
    owners: Owners

    def read(self, found: wire.Pod) -> Pod:
        """A pod, with all that is known already."""
        return self.owners.with_owner(pod_of(found, self.kept))


class _Session:
    """One connection. `version`: up to which resource version all is known."""

    def __init__(
        self,
        client: KubeClient,
        node: str,
        version: str,
        put: Callable[[Update], Awaitable[None]],
        pods: "_Pods",
        timing: WatchTiming,
    ) -> None:
        self._client = client
        self._node = node
        self._put = put
        self._pods = pods
        self._timing = timing
        self._selector = {"fieldSelector": f"spec.nodeName={node}"}
        self.version = version
        self._opened: float | None = None  # when a watch was, on the loop's clock

    @property
    def steady(self) -> bool:
        """Whether there has been a watch that lasted."""
        return self._opened is not None and self._now() - self._opened >= self._timing.steady

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def run(self) -> None:
        """List and watch; ends by a `KubeError` alone."""
        pause = Backoff(self._timing.retry_first, self._timing.retry_most)
        await self._check_node()
        while True:
            await self._list()
            while await self._follow():
                pause.reset()
            await asyncio.sleep(pause.next())  # the server has forgotten: no two lists at once

    async def _check_node(self) -> None:
        """A node that does not exist has no pods, and looks just like an empty one."""
        try:
            await self._client.get(f"/api/v1/nodes/{quote(self._node)}", {}, SMALL_BYTES)
        except KubeRefusedError as fault:
            if fault.status == _NOT_FOUND:
                raise NoSuchNodeError(
                    f"the cluster has no node {self._node!r}: set --node-name, or NODE_NAME, to this node's name"
                ) from None
            if fault.status != _FORBIDDEN:  # a role without nodes has to do
                raise

    async def _list(self) -> None:
        try:
            found = await self._listed(self.version)
        except KubeRefusedError as fault:
            # What is known is too old, or newer than all that this server has: then only its store knows.
            if fault.status not in (_GONE, _TIMEOUT) or self.version == FROM_MEMORY:
                raise
            self.version = FROM_MEMORY
            found = await self._listed("")
        self.version = found.metadata.resource_version
        pods = tuple(self._pods.read(each) for each in found.items or ())
        await self._put(Listed(pods))
        for pod in pods:
            await self._ask_owner(pod)

    async def _ask_owner(self, pod: Pod) -> None:
        """Tell of a pod again, once it is known who made its Job."""
        if known := await self._pods.owners.ask(self._client, pod):
            await self._put(Changed(known))

    async def _listed(self, version: str) -> wire.PodList:
        params = self._selector | ({"resourceVersion": version} if version else {})
        body = await self._client.get(PATH, params, LIST_BYTES)
        return wire.decode(wire.POD_LIST, body, f"{self._client.host}{PATH}")

    async def _follow(self) -> bool:
        """Watch until the server ends it; `False` when it has forgotten what came after `version`."""
        params = self._selector | {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self.version,
            "timeoutSeconds": str(int(self._timing.watch * (1 + random.random()))),
        }
        before, began = self.version, self._now()
        try:
            async with self._client.lines(PATH, params, self._timing.silence) as lines:
                self._opened = self._opened or self._now()
                await self._put(Confirmed())
                async for line in lines:
                    if not await self._take(line):
                        return False
        except KubeRefusedError as fault:
            if fault.status == _GONE:
                return False
            raise
        if self.version == before and self._now() - began < self._timing.steady:
            raise KubeUnavailableError(f"{self._client.host} ends each watch at once: is it shutting down?")
        return True

    async def _take(self, line: bytes) -> bool:
        """Pass one event on; `False` when it says that there are no more."""
        what = f"{self._client.host}{PATH}"
        event = wire.decode(wire.EVENT, line, what)
        if event.type == "ERROR":
            code = wire.decode(wire.FAILURE, event.object, what).code
            if code == _GONE:
                return False
            raise KubeRefusedError(code or 500, f"{what}: the watch failed with code {code}")
        self.version = wire.decode(wire.VERSIONED, event.object, what).metadata.resource_version or self.version
        match event.type:
            case "ADDED" | "MODIFIED":
                pod = self._pods.read(wire.decode(wire.POD, event.object, what))
                await self._put(Changed(pod))
                await self._ask_owner(pod)
            case "DELETED":
                await self._put(Removed(self._pods.read(wire.decode(wire.POD, event.object, what))))
            case "BOOKMARK":
                await self._put(Confirmed())
            case _:
                raise KubeProtocolError(f"{what}: an event of the unknown type {event.type[:40]!r}")
        return True
