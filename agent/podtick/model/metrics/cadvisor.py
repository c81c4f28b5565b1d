"""A row's name at cAdvisor: what `/metrics/cadvisor` calls the same sample.

Source: cAdvisor 0.53, its Prometheus collectors of containers and of the machine, as the kubelet serves them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cadvisor:
    """What one row is called.

    `name`: the whole name. `labels`: constant ones that it has there. `per`: the label under which there is a series
    for each device. `pods`: whether pods have it there too, beside their containers: not where a sum over both would
    double. `unlimited`: the value that says there that there is no limit; `None`: no series. `only_with`: key of the
    row without whose number there is no series of this one either.
    """

    name: str
    labels: tuple[tuple[str, str], ...] = ()
    per: str | None = None
    pods: bool = True
    unlimited: int | None = None
    only_with: str | None = None
