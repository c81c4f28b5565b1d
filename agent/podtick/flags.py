"""Every flag of every command: what it may be, its default, and what its help says."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from podtick.logs import LogFormat, LogLevel
from podtick.options import (
    Option,
    Switch,
    all_or,
    directory,
    file_or_none,
    one_of,
    parse_bytes,
    parse_duration,
    unknown_twins,
    within,
)
from podtick.serve.exposition.filters import parse_levels, parse_metrics, parse_namespaces
from podtick.serve.listen import parse_listen
from podtick.sources.docker.endpoint import DEFAULT_DOCKER_HOST, Endpoint, parse_endpoint

_LABEL_NAME = re.compile(r"(?:[a-z0-9][a-z0-9.-]{0,252}/)?[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?")
_NODE_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")


class DockerChoice(StrEnum):
    """How the engine was chosen, which decides what its absence means."""

    AUTO = "auto"  # the usual socket, or the one that auto: names, if there is an engine
    CONFIGURED = "configured"  # named by --docker-host or DOCKER_HOST: not ready until it answers
    OFF = "off"


class SourceChoice(StrEnum):
    """Where the numbers of an engine's containers come from."""

    AUTO = "auto"  # the kernel; the engine for a container whose cgroup is not to be found here
    CGROUP = "cgroup"
    ENGINE = "engine"


class KubernetesChoice(StrEnum):
    """Whether to talk to an API server."""

    AUTO = "auto"  # inside a cluster, or by the kubeconfig that is named
    OFF = "off"


class OutputFormat(StrEnum):
    """How a command prints."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class DockerHost:
    """The engine to ask; `endpoint` is `None` when it is switched off."""

    choice: DockerChoice
    endpoint: Endpoint | None


def _docker_host(text: str) -> DockerHost:
    if text == "none":
        return DockerHost(DockerChoice.OFF, None)
    auto, _, address = text.partition(":")
    try:
        if auto == "auto":
            return DockerHost(DockerChoice.AUTO, parse_endpoint(address or DEFAULT_DOCKER_HOST))
        return DockerHost(DockerChoice.CONFIGURED, parse_endpoint(text))
    except ValueError as error:
        raise ValueError(f"{error}; auto takes {DEFAULT_DOCKER_HOST} if it is there, none asks no engine") from None


def _node_name(text: str) -> str:
    if text == "auto":
        return os.uname().nodename
    if not _NODE_NAME.fullmatch(text):
        raise ValueError(f"{text[:300]!r} is no name of a node: small letters, digits, - and . make one")
    return text


def _names(text: str) -> frozenset[str]:
    names = frozenset[str]() if text == "none" else frozenset(name.strip() for name in text.split(","))
    for name in names:
        if not _LABEL_NAME.fullmatch(name):
            raise ValueError(f"{name[:400]!r} is no name of a label, such as app or app.kubernetes.io/name")
    return names


LISTEN = Option(
    "listen",
    "HOST:PORT",
    "127.0.0.1:9752",
    "where to serve HTTP; [::]:PORT is every address, IPv4 and IPv6",
    parse_listen,
)
DOCKER_HOST = Option(
    "docker-host",
    "ADDRESS",
    "auto",
    "the Docker engine: unix:///PATH, tcp://HOST:PORT, auto (DOCKER_HOST, else the usual socket if there is "
    "one), auto:unix:///PATH (that socket if there is one) or none",
    _docker_host,
    usual="DOCKER_HOST",
)
SOURCE = Option(
    "source",
    "auto|cgroup|engine",
    "auto",
    "where a container's numbers come from: the kernel's cgroups, or the engine's stats API, which costs some hundred "
    "times more; auto asks the engine for those whose cgroup is not to be found, as on a remote engine",
    one_of(SourceChoice),
)
KUBERNETES = Option(
    "kubernetes",
    "auto|off",
    "auto",
    "ask the API server about pods: in a pod of a cluster or with --kubeconfig, or never",
    one_of(KubernetesChoice),
)
KUBECONFIG = Option(
    "kubeconfig",
    "FILE",
    "none",
    "the kubeconfig by which to reach the API server from outside a pod; its current context counts",
    file_or_none,
)
NODE_NAME = Option(
    "node-name",
    "NAME",
    "auto",
    "what the cluster calls this node; auto takes NODE_NAME, else the machine's own name",
    _node_name,
    usual="NODE_NAME",
)
PROC = Option("proc", "DIR", "/proc", "where the node's /proc is mounted", directory)
CGROUP = Option("cgroup", "DIR", "/sys/fs/cgroup", "where the node's cgroup tree is mounted", directory)
HISTORY = Option("history", "TIME", "60m", "how far back to remember, 1m to 6h", within(parse_duration, "1m", "6h"))
HISTORY_BYTES = Option(
    "history-bytes",
    "SIZE",
    "64MiB",
    "memory for that, 8MiB to 4GiB; if it is too little, all are remembered for less time",
    within(parse_bytes, "8MiB", "4GiB"),
)
LEVELS = Option(
    "levels",
    "LIST",
    "all",
    "levels that /metrics serves unless a request names its own: container, pod, qos, kubepods, node, agent",
    all_or(parse_levels),
)
METRICS = Option(
    "metrics",
    "LIST",
    "all",
    "likewise the metrics: names after podtick_LEVEL_, * for any characters, such as cpu_*,memory_*",
    all_or(parse_metrics),
)
NAMESPACES = Option(
    "namespaces",
    "LIST",
    "all",
    "serve pods of these namespaces and no others, whatever is asked for; _docker and _cgroup are namespaces too",
    all_or(parse_namespaces),
)
POD_LABELS = Option(
    "pod-labels",
    "LIST",
    "none",
    "the pods' labels to serve with podtick_pod_info and in JSON, such as app.kubernetes.io/name,team",
    _names,
)
POD_ANNOTATIONS = Option("pod-annotations", "LIST", "none", "likewise their annotations", _names)
LOG_LEVEL = Option("log-level", "|".join(LogLevel), "info", "how much to say on standard error", one_of(LogLevel))
LOG_FORMAT = Option("log-format", "text|json", "text", "how to say it", one_of(LogFormat))
OPTIONS: tuple[Option[Any], ...] = (
    LISTEN,
    DOCKER_HOST,
    SOURCE,
    KUBERNETES,
    KUBECONFIG,
    NODE_NAME,
    PROC,
    CGROUP,
    HISTORY,
    HISTORY_BYTES,
    LEVELS,
    METRICS,
    NAMESPACES,
    POD_LABELS,
    POD_ANNOTATIONS,
    LOG_LEVEL,
    LOG_FORMAT,
)
FORMAT = Option("format", "table|json", "table", "for people or for programs", one_of(OutputFormat))
STATS_OPTIONS: tuple[Option[Any], ...] = (DOCKER_HOST, FORMAT, LOG_LEVEL, LOG_FORMAT)
STATS_SWITCHES = (
    Switch("no-stream", "print the figures once and end"),
    Switch("all", "stopped containers too"),
)
CHECK_OPTIONS: tuple[Option[Any], ...] = (DOCKER_HOST, PROC, CGROUP, FORMAT, LOG_LEVEL, LOG_FORMAT)
DEMO_SWITCHES = (Switch("if-idle", "demo pods only where no engine has a container that runs"),)
ALL_OPTIONS = tuple({option.name: option for option in (*OPTIONS, *STATS_OPTIONS, *CHECK_OPTIONS)}.values())


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """A line for each `PODTICK_` variable that means nothing, with the one that may have been meant."""
    return unknown_twins(ALL_OPTIONS, environ)
