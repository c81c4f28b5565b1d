"""The API's JSON, with the fields in use and no others: what is not named here never becomes an object.

Source: the Kubernetes API reference, core/v1.
"""

from datetime import datetime
from typing import TypeVar

import msgspec

from podtick.sources.kube.errors import KubeProtocolError
from podtick.sources.texts import one_line

T = TypeVar("T")


class _Wire(msgspec.Struct, frozen=True, rename="camel"):
    """What the structs below share."""


class OwnerReference(_Wire, frozen=True):
    """Who made an object."""

    kind: str
    name: str
    controller: bool | None = None


class Metadata(_Wire, frozen=True):
    """`metadata` of a pod."""

    name: str
    namespace: str
    uid: str
    annotations: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None


class Resources(_Wire, frozen=True):
    """`resources` of a container or a pod."""

    requests: dict[str, str | int | float] | None = None


class Container(_Wire, frozen=True):
    """A container as it is wanted; `restart_policy` `Always` makes a sidecar of one that runs first."""

    name: str
    image: str | None = None
    resources: Resources | None = None
    restart_policy: str | None = None


class PodSpec(_Wire, frozen=True):
    """`spec` of a pod."""

    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    ephemeral_containers: list[Container] | None = None
    resources: Resources | None = None
    host_network: bool | None = None
    runtime_class_name: str | None = None


class Ended(_Wire, frozen=True):
    """A container that has ended."""

    container_id: str | None = msgspec.field(default=None, name="containerID")


class Running(_Wire, frozen=True):
    """A container that runs."""

    started_at: datetime | None = None


class State(_Wire, frozen=True):
    """`state` of a container."""

    running: Running | None = None


class LastState(_Wire, frozen=True):
    """`lastState` of a container."""

    terminated: Ended | None = None


class ContainerStatus(_Wire, frozen=True):
    """One of a pod's container statuses; without an ID as long as it was not created."""

    name: str
    container_id: str | None = msgspec.field(default=None, name="containerID")
    state: State | None = None
    last_state: LastState | None = None
    restart_count: int | None = None


class PodStatus(_Wire, frozen=True):
    """`status` of a pod."""

    phase: str | None = None
    qos_class: str | None = None
    start_time: datetime | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None
    ephemeral_container_statuses: list[ContainerStatus] | None = None


class Pod(_Wire, frozen=True):
    """A pod."""

    metadata: Metadata
    spec: PodSpec | None = None
    status: PodStatus | None = None


class Owners(_Wire, frozen=True):
    """`metadata` of any object, as far as it tells who made it."""

    owner_references: list[OwnerReference] | None = None


class Owned(_Wire, frozen=True):
    """Any object that somebody made."""

    metadata: Owners


class Version(_Wire, frozen=True):
    """`metadata` of a list, a bookmark, or any object."""

    resource_version: str = ""


class Versioned(_Wire, frozen=True):
    """Anything with a resource version."""

    metadata: Version


class PodList(_Wire, frozen=True):
    """`GET /api/v1/pods`."""

    metadata: Version
    items: list[Pod] | None = None


class Event(msgspec.Struct, frozen=True):
    """One line of a watch."""

    type: str
    object: msgspec.Raw


class Failure(msgspec.Struct, frozen=True):
    """The `Status` of an `ERROR` event."""

    code: int | None = None


POD_LIST = msgspec.json.Decoder(PodList)
POD = msgspec.json.Decoder(Pod)
OWNED = msgspec.json.Decoder(Owned)
VERSIONED = msgspec.json.Decoder(Versioned)
EVENT = msgspec.json.Decoder(Event)
FAILURE = msgspec.json.Decoder(Failure)


def decode(decoder: "msgspec.json.Decoder[T]", body: bytes | bytearray | memoryview | msgspec.Raw, what: str) -> T:
    """Decode `body`, which is the answer to `what`; raises `KubeProtocolError`."""
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise KubeProtocolError(f"{what}: not the API's JSON: {one_line(str(error))}") from None
