"""The part of docs/metrics.md about cAdvisor's names: what is offered, from the table, and what is not, and why."""

from collections.abc import Iterable, Iterator

from podtick.model.metrics.row import Level, Metric
from podtick.serve.exposition.cadvisor import Served, families
from podtick.serve.exposition.cadvisor_labels import UNKNOWN_IMAGE

HEAD = """\
[`/metrics/cadvisor`](api.md#metricscadvisor) serves the same samples under the names and types that cAdvisor 0.53 has
in a kubelet. Every metric of containers that the rules, alerts and dashboards of kubernetes-mixin use is among them.
*container* and *pod* say where a series is: of a pod `container`, `image` and `name` are empty, so that `image!=""` and
`container!=""` leave it out, as they do at cAdvisor's; *sandbox* is the pod's network, under `container="POD"`.
"""

LABELS = (
    ("`namespace`, `pod`, `container`", "what they have on `/metrics`"),
    (
        "`id`",
        (
            "`/kubepods/podUID` and, of a container, `/` and its ID (its name, while that is not known); on plain "
            "Docker `/docker/ID`. cAdvisor has the path of the cgroup, with the class of service in it"
        ),
    ),
    (
        "`image`",
        (
            f"the image's name; `{UNKNOWN_IMAGE}` where that is not known, and for the sandbox: what asks for "
            '`image!=""` asks for containers'
        ),
    ),
    ("`name`", "the container's ID, as with containerd; on plain Docker its name"),
    ("`cpu`", "always `total`"),
    ("`device`", "`/dev/NAME`, or the device's number where it has no name"),
    ("`interface`", "the interface's name, without `lo`"),
)
"""What every label has."""

NOT_OFFERED = (
    (
        'series of `id="/"` and of slices',
        (
            "the node's numbers are `podtick_node_...`, taken from `/proc`; those of classes of service "
            "`podtick_qos_...`, of all pods `podtick_kubepods_...`"
        ),
    ),
    ("CPU, memory and disks of the sandbox", "it counts in its pod and is shown nowhere"),
    (
        "`container_cpu_cfs_...` and `container_fs_...` of pods",
        (
            "throttling would be a sum of its containers', and whoever sums over a namespace would count twice; "
            "disks are known one by one for containers alone"
        ),
    ),
    (
        "`container_spec_cpu_quota`, `container_spec_cpu_period`",
        "their quotient alone is kept: `podtick_container_spec_cpu_limit_cores`",
    ),
    (
        (
            "`container_spec_cpu_shares`, `container_spec_memory_reservation_limit_bytes`, "
            "`container_spec_memory_swap_limit_bytes`"
        ),
        (
            "not read; what a container asks for is `podtick_container_cpu_request_cores` and "
            "`podtick_container_memory_request_bytes`"
        ),
    ),
    (
        '`container_memory_failures_total{scope="container"}`',
        'the number that is read includes cgroups below the container\'s own, `scope="hierarchy"`',
    ),
    ("`container_memory_kernel_usage`, `container_memory_total_active_file_bytes`", "not read"),
    (
        "`container_fs_usage_bytes`, `container_fs_limit_bytes`, `container_fs_inodes_...`",
        "no number of a cgroup: somebody has to walk the file systems; the kubelet's `/stats/summary` has them",
    ),
    (
        "other `container_fs_...`, `container_blkio_device_usage_total`",
        "not read",
    ),
    (
        (
            "`container_processes`, `container_file_descriptors`, `container_sockets`, `container_ulimits_soft`, "
            "`container_tasks_state`"
        ),
        "every process would have to be looked at in every second; `container_threads` is there",
    ),
    ("`container_cpu_load_average_10s`, `container_cpu_schedstat_...`", "not read; pressure says more"),
    ("`container_network_tcp...`, `container_network_udp...`", "not read"),
    (
        (
            "`container_hugetlb_...`, `container_memory_numa_pages`, `container_perf_...`, `container_llc_...`, "
            "`container_memory_bandwidth_...`, `container_referenced_bytes`"
        ),
        "not read",
    ),
    ("`container_last_seen`, `container_scrape_error`", "a series that ends says the same"),
    ("labels of `machine_...`, other `machine_...`", "not read; `instance` tells machines apart"),
    ("disks and interfaces in sum", "where they are not known one by one (`--source engine`) they are absent"),
)
"""What cAdvisor has besides, and why it is not there."""


def section() -> str:
    """The whole part."""
    parts = (
        _table(("label", "has"), LABELS),
        _table(("cAdvisor's name", "of", "the same as", ""), _offered()),
        _table(("not offered", "why"), NOT_OFFERED),
    )
    return "\n\n".join((HEAD.strip(), *parts))


def _offered() -> Iterator[tuple[str, ...]]:
    for family, rows in families():
        for served in rows:
            labels = "".join(f" `{name}={value}`" for name, value in served.there.labels)
            yield f"`{family.name}`{labels}", ", ".join(_levels(served)), f"`{_own(served.row)}`", _note(served)


def _levels(served: Served) -> Iterator[str]:
    for level in served.levels:
        is_network = level is Level.POD and served.there.per is not None
        yield "machine" if level is Level.NODE else "sandbox" if is_network else str(level)


def _own(row: Metric) -> str:
    return row.family(Level.NODE) if row.levels == (Level.NODE,) else row.name


def _note(served: Served) -> str:
    notes = []
    if served.there.per is not None:
        notes.append(f"per {served.there.per}")
    if served.there.unlimited is not None:
        notes.append(f"{served.there.unlimited} where there is no limit")
    if served.there.only_with == "spec_cpu_limit_cores":
        notes.append("where there is a CPU limit")
    elif served.there.only_with is not None:
        notes.append("while it runs")
    return ", ".join(notes)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        for cells in (head, ("---",) * len(head), *rows)
    )
