"""What the roster knows of a container: not read from the kernel, told to the sampler, kept like any reading."""

from podtick.model.metrics.cadvisor import Cadvisor
from podtick.model.metrics.row import Kind, Level, Metric, PodValue, Unit

STATES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
"""The states of the Docker Engine API; a container's stored state is its place in this tuple."""

STATE = (
    Metric(
        "start_time_seconds",
        Kind.GAUGE,
        Unit.SECONDS,
        "When it was started, as Unix time.",
        (Level.CONTAINER, Level.POD),
        pod=PodValue.OWN,
        told=True,
        cadvisor=Cadvisor("container_start_time_seconds", only_with="cpu_usage_seconds_total"),
    ),
    Metric(
        "restarts_total",
        Kind.COUNTER,
        Unit.COUNT,
        "Restarts that the engine or the kubelet has made.",
        (Level.CONTAINER, Level.POD),
        told=True,
    ),
    Metric(
        "cpu_request_cores",
        Kind.GAUGE,
        Unit.CORES,
        "CPU that it asks for, in cores.",
        (Level.CONTAINER, Level.POD),
        pod=PodValue.OWN,
        told=True,
    ),
    Metric(
        "memory_request_bytes",
        Kind.GAUGE,
        Unit.BYTES,
        "Memory that it asks for.",
        (Level.CONTAINER, Level.POD),
        pod=PodValue.OWN,
        told=True,
    ),
    Metric(
        "state",
        Kind.GAUGE,
        Unit.COUNT,
        "1, with the state it is in: created, running, paused, restarting, removing, exited or dead.",
        (Level.CONTAINER,),
        told=True,
        per="state",
    ),
)
