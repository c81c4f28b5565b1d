"""What the flags and variables of each command come to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from podtick import flags
from podtick.flags import DockerHost, KubernetesChoice, OutputFormat, SourceChoice
from podtick.logs import LogFormat, LogLevel
from podtick.options import SettingsError, read_values
from podtick.serve.exposition.filters import Selection
from podtick.serve.listen import Address
from podtick.sources.docker.endpoint import Endpoint
from podtick.sources.docker.errors import EndpointError
from podtick.sources.docker.tls import tls_files
from podtick.sources.kube.access import KubeAccess
from podtick.sources.kube.pods import Kept


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Everything `podtick agent` can be told.

    `kubernetes`: how to reach an API server; `None`: not at all. `namespaces`: whose pods are served; `None`: of all.
    `kept`: the pods' labels and annotations that are.
    """

    listen: Address
    docker: DockerHost
    source: SourceChoice
    kubernetes: KubeAccess | None
    node: str
    proc: Path
    cgroup: Path
    history_seconds: int
    history_bytes: int
    selection: Selection
    namespaces: frozenset[str] | None
    kept: Kept
    log_level: LogLevel
    log_format: LogFormat


@dataclass(frozen=True, slots=True)
class StatsSettings:
    """Everything `podtick stats` can be told. `containers`: names or IDs; none means all."""

    endpoint: Endpoint
    containers: tuple[str, ...]
    stream: bool
    stopped: bool
    form: OutputFormat
    log_level: LogLevel
    log_format: LogFormat


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """Everything `podtick check` can be told."""

    docker: DockerHost
    proc: Path
    cgroup: Path
    form: OutputFormat
    log_level: LogLevel
    log_format: LogFormat


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """Everything `podtick demo` can be told. `if_idle`: demo pods only where no engine has a container."""

    agent: AgentSettings
    if_idle: bool

    @property
    def log_level(self) -> LogLevel:
        """The agent's."""
        return self.agent.log_level

    @property
    def log_format(self) -> LogFormat:
        """The agent's."""
        return self.agent.log_format


class Settings(Protocol):
    """What every command's settings have."""

    @property
    def log_level(self) -> LogLevel:
        """How much to say on standard error."""
        ...

    @property
    def log_format(self) -> LogFormat:
        """How to say it."""
        ...


@dataclass(frozen=True, slots=True)
class Given:
    """What stood on the command line and in the environment; `errors`: what was wrong with it already."""

    flags: Mapping[str, str | None]
    switches: frozenset[str]
    words: tuple[str, ...]
    environ: Mapping[str, str]
    errors: tuple[str, ...] = ()


def _with_tls(docker: DockerHost, environ: Mapping[str, str]) -> DockerHost:
    if docker.endpoint is None or docker.endpoint.socket_path:
        return docker
    try:
        return replace(docker, endpoint=replace(docker.endpoint, tls=tls_files(environ)))
    except EndpointError as error:
        raise SettingsError([str(error)]) from None


def read_settings(given: Given) -> AgentSettings:
    """The agent's settings; raises `SettingsError` with everything that is wrong."""
    values = read_values(flags.OPTIONS, given.flags, given.environ, given.errors)
    return AgentSettings(
        listen=values[flags.LISTEN],
        docker=_with_tls(values[flags.DOCKER_HOST], given.environ),
        source=values[flags.SOURCE],
        kubernetes=_kubernetes(values[flags.KUBERNETES], values[flags.KUBECONFIG], given.environ),
        node=values[flags.NODE_NAME],
        proc=values[flags.PROC],
        cgroup=values[flags.CGROUP],
        history_seconds=values[flags.HISTORY],
        history_bytes=values[flags.HISTORY_BYTES],
        selection=Selection(levels=values[flags.LEVELS], metrics=values[flags.METRICS]),
        namespaces=values[flags.NAMESPACES],
        kept=Kept(values[flags.POD_LABELS], values[flags.POD_ANNOTATIONS]),
        log_level=values[flags.LOG_LEVEL],
        log_format=values[flags.LOG_FORMAT],
    )


def _kubernetes(choice: KubernetesChoice, kubeconfig: Path | None, environ: Mapping[str, str]) -> KubeAccess | None:
    if choice is KubernetesChoice.OFF:
        if kubeconfig:
            raise SettingsError([f"--kubernetes off asks no API server, so --kubeconfig {kubeconfig} is for nothing"])
        return None
    access = KubeAccess(kubeconfig) if kubeconfig else KubeAccess(environ=environ)
    return access if kubeconfig or access.in_cluster else None


def read_stats(given: Given) -> StatsSettings:
    """The settings of `podtick stats`; raises `SettingsError`."""
    values = read_values(flags.STATS_OPTIONS, given.flags, given.environ, given.errors)
    endpoint = _with_tls(values[flags.DOCKER_HOST], given.environ).endpoint
    if endpoint is None:
        raise SettingsError(["podtick stats needs an engine: --docker-host none leaves it without"])
    return StatsSettings(
        endpoint=endpoint,
        containers=given.words,
        stream="no-stream" not in given.switches,
        stopped="all" in given.switches,
        form=values[flags.FORMAT],
        log_level=values[flags.LOG_LEVEL],
        log_format=values[flags.LOG_FORMAT],
    )


def read_check(given: Given) -> CheckSettings:
    """The settings of `podtick check`; raises `SettingsError`."""
    values = read_values(flags.CHECK_OPTIONS, given.flags, given.environ, given.errors)
    return CheckSettings(
        docker=_with_tls(values[flags.DOCKER_HOST], given.environ),
        proc=values[flags.PROC],
        cgroup=values[flags.CGROUP],
        form=values[flags.FORMAT],
        log_level=values[flags.LOG_LEVEL],
        log_format=values[flags.LOG_FORMAT],
    )


def read_demo(given: Given) -> DemoSettings:
    """The settings of `podtick demo`: the agent's, and its own; raises `SettingsError`."""
    return DemoSettings(read_settings(given), "if-idle" in given.switches)
