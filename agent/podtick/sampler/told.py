"""Columns that no sweep reads: told by the agent, or made unknown; they wait here for the next plane."""

from collections.abc import Mapping

from podtick.model.metrics.row import UNKNOWN


class ToldColumns:
    """Values by target id and column, since they were last taken."""

    def __init__(self) -> None:
        self._values: dict[int, dict[int, int]] = {}
        self._once: dict[int, set[int]] = {}  # columns set for the next plane alone
        self._fading: dict[int, set[int]] = {}  # those of the newest plane

    def set(self, id_: int, values: Mapping[int, int], *, once: bool = False) -> None:
        """Have columns of a target written into the next plane, before its sweeps; `once`: into no other."""
        if values:
            self._values.setdefault(id_, {}).update(values)
            if once:
                self._once.setdefault(id_, set()).update(values)

    def take(self) -> dict[int, dict[int, int]]:
        """What has been set since the last call; unknown what was set for one plane alone and is not set again."""
        for id_, columns in self._fading.items():
            self._values[id_] = dict.fromkeys(columns, UNKNOWN) | self._values.get(id_, {})
        self._fading, self._once = self._once, {}
        taken, self._values = self._values, {}
        return taken
