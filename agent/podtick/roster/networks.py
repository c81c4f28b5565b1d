"""Through which process each pod's network is read."""

import logging
from collections.abc import Callable, Mapping

from podtick.roster.members import Member, Pod, text_of
from podtick.sampler.protocol import Command, Network

log = logging.getLogger(__name__)


class Networks:
    """Chooses for each pod one of its running members, and another one when that is gone.

    `entries`: all pods and members, by ID. `send` passes a command on to the sampler.
    """

    def __init__(self, entries: Mapping[int, Pod | Member], send: Callable[[Command], None]) -> None:
        self._entries = entries
        self._send = send
        self._sharing: set[int] = set()  # pods in a network namespace that is read for another one

    def started(self, member: Member) -> None:
        """A member runs, anew perhaps: the network may be its own, or was read through it before."""
        before = member.pod.network_owner
        if before in (None, member.id) or member.owns_network:
            self.choose(member.pod)
            if before is not None:
                self.ask_sharing()

    def ended(self, member: Member) -> None:
        """A member does not run any more."""
        if member.pod.network_owner == member.id:
            self.choose(member.pod)
            self.ask_sharing()

    def choose(self, pod: Pod) -> None:
        """Have the pod's network read through one of its running members.

        Best through the one whose network it is: when that one is started again, the others stay in a namespace from
        which the engine has taken the interfaces.
        """
        able = [each for each in pod.members.values() if each.process]
        chosen = min(able, key=lambda each: not each.owns_network, default=None)
        pod.network_owner = chosen.id if chosen else None
        if chosen and chosen.process:
            self._send(Network(pod.id, chosen.id, chosen.process, chosen.container_id))

    def ask_sharing(self) -> None:
        """A pod's network is not read any more, or another one is: those that shared it may have it to themselves.

        To be called when the sampler has been told, or has said so.
        """
        sharing, self._sharing = self._sharing, set()
        for pod in (pod for id_ in sharing if isinstance(pod := self._entries.get(id_), Pod)):
            self.choose(pod)

    def answered(self, pod: Pod, text: str) -> None:
        """What the sampler says of a pod's network."""
        self._sharing.discard(pod.id)
        if text == "shared":
            self._sharing.add(pod.id)
        elif text.startswith("gone"):
            owner = self._entries.get(pod.network_owner or 0)
            if isinstance(owner, Member):
                owner.process = None  # not asked for again until somebody names one
            self.choose(pod)
            self.ask_sharing()
        elif text.startswith("unreadable"):
            log.warning("network of a pod cannot be read pod=%s reason=%s", text_of(pod.identity), text)
