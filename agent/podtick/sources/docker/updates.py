"""What a watch tells its consumer, and the times it keeps."""

from dataclasses import dataclass

from podtick.sources.docker.containers import ContainerDetails
from podtick.sources.docker.events import ContainerEvent
from podtick.sources.docker.versions import EngineInfo


@dataclass(frozen=True, slots=True)
class Listed:
    """Everything there is: whoever is not among `containers` is gone."""

    engine: EngineInfo
    containers: tuple[ContainerDetails, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """One container is new or different; `events`, oldest first, are what the engine said about it."""

    container: ContainerDetails
    events: tuple[ContainerEvent, ...]


@dataclass(frozen=True, slots=True)
class Removed:
    """One container is gone, perhaps one never heard of; `events` end its story (`die`, `destroy`)."""

    id: str
    events: tuple[ContainerEvent, ...]


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The engine does not answer; what was told before is the last that is known. Said once a reason."""

    reason: str


Update = Listed | Changed | Removed | Unavailable


@dataclass(frozen=True, slots=True)
class WatchTiming:
    """Every time that a watch keeps, in seconds."""

    relist: float = 30.0
    relist_least: float = 1.0  # between two lists in a storm of events
    ping: float = 10.0  # silence after which a ping has to prove that the engine lives
    ping_answer: float = 5.0
    request: float = 10.0
    inspect: float = 5.0
    retry_first: float = 0.2
    retry_most: float = 5.0
    retry_local: float = 0.5  # a unix socket that is missing or closed costs next to nothing to try
