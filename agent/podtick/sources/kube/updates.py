"""What a watch of a node's pods tells its consumer, and the times it keeps."""

from dataclasses import dataclass

from podtick.sources.kube.pods import Pod


@dataclass(frozen=True, slots=True)
class Listed:
    """Every pod of the node: whoever is not among `pods` is gone."""

    pods: tuple[Pod, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """One pod is new or different."""

    pod: Pod


@dataclass(frozen=True, slots=True)
class Removed:
    """One pod is no more."""

    pod: Pod


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Nothing has changed: all that was told before is still so."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The API server does not say which pods there are; what was told before is the last that is known.

    Said once a reason.
    """

    reason: str


Update = Listed | Changed | Removed | Confirmed | Unavailable


@dataclass(frozen=True, slots=True)
class WatchTiming:
    """Every time that a watch keeps, in seconds."""

    request: float = 20.0
    watch: float = 300.0  # that the server is asked to end a watch after; at random up to twice that
    silence: float = 90.0  # without a line: the server sends a bookmark every minute
    steady: float = 1.0  # a watch that lasted so long was a success, whatever ended it
    retry_first: float = 0.3
    retry_most: float = 5.0  # while it cannot be reached
    refused_most: float = 30.0  # while it answers, and refuses
