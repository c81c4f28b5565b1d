"""Which containers an engine has, and the details of one."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from podtick.model.metrics.row import UNLIMITED
from podtick.sources.docker import wire
from podtick.sources.docker.client import EngineClient
from podtick.sources.docker.errors import EngineError, EngineProtocolError

LIST_BYTES = 32 * 1024 * 1024
INSPECT_BYTES = 4 * 1024 * 1024
MOST_LABELS = 64
KUBERNETES_LABELS = ("io.kubernetes.", "annotation.io.kubernetes.")
_ID = re.compile(r"[0-9a-f]{64}")
_NOT_FOUND = 404
_BILLION = 1_000_000_000
_DEFAULT_PERIOD = 100_000  # microseconds; the kernel's, which an engine that is told a quota alone leaves as it is
_MOST = 1 << 31  # of a PID, and of what an engine counts

ContainerState = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]
LabelFilter = Callable[[str], bool]
_STATES: Mapping[str, ContainerState] = {state: state for state in get_args(ContainerState)} | {
    # Podman's words
    "configured": "created",
    "initialized": "created",
    "stopping": "running",
    "stopped": "exited",
}


@dataclass(frozen=True, slots=True)
class ContainerSummary:
    """A container as a list shows it. `status` is the engine's text for people, "Up 5 minutes"."""

    id: str
    name: str
    image: str
    labels: Mapping[str, str] = field(hash=False)
    state: ContainerState | None
    status: str
    created_s: int
    network_mode: str


@dataclass(frozen=True, slots=True)
class ContainerDetails:
    """A container as roster and sampler need it; what the engine does not say is `None`, never 0.

    `started_at_ns` and `finished_at_ns` are unix nanoseconds of the latest start and the latest end: a
    container that runs again keeps its former end. `exit_code` belongs to that end and is `None` while it
    runs. `network_mode` is `host`, `none`, `bridge`, `container:ID` or a network's name. Texts are
    foreign: up to 4 KiB of anything that is UTF-8. `limits` are those the engine was asked for, by `Metric.key`.
    """

    id: str
    name: str
    image: str
    labels: Mapping[str, str] = field(hash=False)
    state: ContainerState | None
    pid: int | None
    started_at_ns: int | None
    finished_at_ns: int | None
    exit_code: int | None
    oom_killed: bool | None
    restart_count: int | None
    network_mode: str
    cgroup_parent: str
    limits: Mapping[str, int] = field(default_factory=dict, hash=False)


def is_kubernetes_label(key: str) -> bool:
    """Say whether a label is one of those that the kubelet's Docker shims set."""
    return key.startswith(KUBERNETES_LABELS)


def checked_id(text: str) -> str:
    """Return a full container ID; raises `EngineProtocolError` on anything else, as it goes into paths."""
    if _ID.fullmatch(text) is None:
        raise EngineProtocolError(f"{text[:80]!r} is no container ID of 64 hexadecimal digits")
    return text


async def list_containers(
    client: EngineClient, *, keep_label: LabelFilter = is_kubernetes_label
) -> list[ContainerSummary]:
    """List every container, stopped ones too (`GET /containers/json?all=1`)."""
    found = await client.get_json("/containers/json", wire.LIST, params={"all": "1"}, limit_bytes=LIST_BYTES)
    return [_summary(listed, keep_label) for listed in found or ()]


async def inspect(
    client: EngineClient,
    container_id: str,
    *,
    keep_label: LabelFilter = is_kubernetes_label,
    within: float | None = None,
) -> ContainerDetails | None:
    """Return the details of one container; `None` when it is gone, which is an ordinary outcome."""
    path = f"/containers/{checked_id(container_id)}/json"
    try:
        found = await client.get_json(path, wire.INSPECT, limit_bytes=INSPECT_BYTES, within=within)
    except EngineError as error:
        if error.status == _NOT_FOUND:
            return None
        raise
    if found.id != container_id:
        raise EngineProtocolError(f"{path} answers for another container")
    return _details(found, keep_label)


def details_from_summary(summary: ContainerSummary) -> ContainerDetails:
    """Return what a list alone tells of a container, for one that cannot be inspected."""
    return ContainerDetails(
        id=summary.id,
        name=summary.name,
        image=summary.image,
        labels=summary.labels,
        state=summary.state,
        pid=None,
        started_at_ns=None,
        finished_at_ns=None,
        exit_code=None,
        oom_killed=None,
        restart_count=None,
        network_mode=summary.network_mode,
        cgroup_parent="",
    )


def _summary(listed: wire.Listed, keep_label: LabelFilter) -> ContainerSummary:
    return ContainerSummary(
        id=checked_id(listed.id),
        name=own_name(listed.names),
        image=wire.cut(listed.image),
        labels=_labels(listed.labels, keep_label),
        state=_STATES.get(listed.state or ""),
        status=wire.cut(listed.status),
        created_s=listed.created or 0,
        network_mode=_network_mode(listed.host_config.network_mode if listed.host_config else None),
    )


def _details(found: wire.Inspected, keep_label: LabelFilter) -> ContainerDetails:
    config = found.config or wire.Config()
    host = found.host_config or wire.HostConfig()
    return ContainerDetails(
        id=found.id,
        name=wire.cut((found.name or "").removeprefix("/")),
        image=wire.cut(config.image),
        labels=_labels(config.labels, keep_label),
        state=_STATES.get(found.state.status or ""),
        pid=found.state.pid if found.state.pid and 0 < found.state.pid < _MOST else None,
        started_at_ns=wire.unix_ns(found.state.started_at),
        finished_at_ns=wire.unix_ns(found.state.finished_at),
        exit_code=_exit_code(found.state),
        oom_killed=found.state.oom_killed,
        restart_count=found.restart_count if 0 <= (found.restart_count or 0) < _MOST else None,
        network_mode=_network_mode(host.network_mode),
        cgroup_parent=wire.cut(host.cgroup_parent),
        limits=_limits(host) if found.host_config else {},
    )


def own_name(names: list[str] | None) -> str:
    """Pick a container's own name: its links have names like `/other/alias`."""
    own = [name for name in names or () if "/" not in name.removeprefix("/")]
    return wire.cut(own[0].removeprefix("/")) if own else ""


def _labels(labels: dict[str, str] | None, keep_label: LabelFilter) -> dict[str, str]:
    kept = [(wire.cut(key), wire.cut(value)) for key, value in (labels or {}).items() if keep_label(key)]
    return dict(kept[:MOST_LABELS])


def _exit_code(state: wire.State) -> int | None:
    """Return the code of the latest end; 0 in a container that runs or never ran means nothing."""
    if _STATES.get(state.status or "") in {"running", "paused"}:
        return None
    ended = wire.unix_ns(state.finished_at) is not None
    return state.exit_code if ended or state.exit_code else None


def _limits(host: wire.HostConfig) -> dict[str, int]:
    """Zero, or less, or nothing said, means without limit."""
    cpu = host.nano_cpus or (host.cpu_quota or 0) * _BILLION // (host.cpu_period or _DEFAULT_PERIOD)
    limits = {"spec_cpu_limit_cores": cpu, "spec_memory_limit_bytes": host.memory, "threads_max": host.pids_limit}
    return {key: limit if limit and 0 < limit < UNLIMITED else UNLIMITED for key, limit in limits.items()}


def _network_mode(mode: str | None) -> str:
    """Return the mode; `default`, or none said, is the bridge."""
    return "bridge" if mode in {None, "", "default"} else wire.cut(mode)
