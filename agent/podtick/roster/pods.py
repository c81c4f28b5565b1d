"""What the API server says of this node's pods, as of now."""

import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

from podtick.sources.kube.pods import Pod
from podtick.sources.kube.updates import Changed, Listed, Removed, Unavailable, Update

log = logging.getLogger(__name__)


@dataclass(slots=True)
class PodsState:
    """What `/readyz` says of the API server. `confirmed`: when all was last known to be so, on the monotonic clock."""

    listed: bool = False
    lost: str = ""
    confirmed: float | None = None


class KnownPods:
    """The node's pods by what their node calls them: as many as there are, the newest state of each.

    What was known stays known while the API server does not answer.
    """

    def __init__(self) -> None:
        self._pods: dict[str, Pod] = {}
        self._changed: Callable[[Iterable[str]], None] = lambda _: None
        self.state = PodsState()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._pods)

    def get(self, node_uid: str) -> Pod | None:
        """The pod that its node calls so."""
        return self._pods.get(node_uid)

    @property
    def age(self) -> float | None:
        """Seconds since the API server last said what there is, or that nothing had changed; `None` before it did."""
        return None if self.state.confirmed is None else time.monotonic() - self.state.confirmed

    def on_change(self, changed: Callable[[Iterable[str]], None]) -> None:
        """Have it told of which pods there is news, by what their node calls them."""
        self._changed = changed

    async def follow(self, updates: AsyncIterator[Update]) -> None:
        """Apply the updates of a watch until cancelled."""
        async for update in updates:
            self._apply(update)

    def _apply(self, update: Update) -> None:
        if isinstance(update, Unavailable):
            self.state.lost = update.reason
            log.warning("the API server does not say which pods there are reason=%s", update.reason)
            return
        if self.state.lost:
            log.info("the API server says which pods there are again")
        self.state.lost, self.state.confirmed = "", time.monotonic()
        match update:
            case Listed(pods):
                self._pods = {pod.node_uid: pod for pod in pods}
                self.state.listed = True
                self._changed(list(self._pods))
            case Changed(pod):
                self._pods[pod.node_uid] = pod
                self._changed([pod.node_uid])
            case Removed(pod):
                self._pods.pop(pod.node_uid, None)
            case _:
                pass
