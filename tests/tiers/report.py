"""What is said of each tier at the end: a value that the runner hands to its pytest run as JSON."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One tier. `tests` is the folder whose results the run adds; None where the verdict is known before.

    `record`: what a run of its own has told of its tests (`records`).
    """

    name: str
    what: str
    verdict: str = ""
    why: str = ""
    command: str = ""
    failed: bool = False
    tests: str | None = None
    record: str | None = None

    @property
    def ran(self) -> bool:
        """Whether its tests have run by now, whatever came of it."""
        return self.verdict.startswith("ran")


@dataclass(frozen=True, slots=True)
class Report:
    """All rows. `strict`: every tier was asked for, so one that ran no test is a failure. `records`: their folder."""

    rows: tuple[Row, ...]
    strict: bool
    records: str = ""

    def to_json(self) -> str:
        """For `--tier-report`."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "Report":
        """What `to_json` wrote."""
        read = json.loads(text)
        return Report(**read | {"rows": tuple(Row(**row) for row in read["rows"])})
