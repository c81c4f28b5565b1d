"""What is known of pods and containers besides numbers, for those that are there now."""

from collections.abc import Iterator, Mapping

from podtick.model.identity import Identity
from podtick.model.metrics.row import Level
from podtick.serve.exposition.info import CHOSEN, INFO
from podtick.serve.interfaces import Roster, Target

Key = tuple[str, str, str | None]
Entry = dict[str, object]


class Facts:
    """By identity. `gather` belongs to the roster's thread; `of` may be asked by any."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._version: int | None = None
        self._facts: Mapping[Key, Entry] = {}

    def gather(self) -> None:
        """Take over what the roster knows now, if that has changed."""
        version = self._roster.version
        if version != self._version:
            self._facts = dict(self._gathered())
            self._version = version

    def of(self, identity: Identity) -> Entry:
        """A target's fields: the labels of its info metric, but for the node's; `null` where one is not known.

        None at all for one that has left.
        """
        return self._facts.get((identity.namespace, identity.uid, identity.container), {})

    def _gathered(self) -> Iterator[tuple[Key, Entry]]:
        for level in (Level.POD, Level.CONTAINER):
            for target in self._roster.targets(level):
                yield (target.namespace, target.uid, target.container), _fields(level, target)


def _fields(level: Level, target: Target) -> Entry:
    fields: Entry = {label: target.facts.get(label) for label in INFO[level][1] if label != "node"}
    fields |= {name: text for name, text in target.facts.items() if name.startswith(CHOSEN)}
    if fields.get("host_network"):
        fields["host_network"] = True
    return fields
