"""Block I/O and tasks of containers and pods (cgroup v1: blkio, pids; v2: io, pids)."""

from podtick.model.metrics.cadvisor import Cadvisor
from podtick.model.metrics.row import SUBTREES, Kind, Metric, PodValue, Unit

LEVELS = SUBTREES
V1_ABSENT = " On cgroup v1 absent as long as the kernel counts nothing at all."

IO = (
    Metric(
        "fs_reads_bytes_total",
        Kind.COUNTER,
        Unit.BYTES,
        "Bytes read from block devices, every layer of stacked devices counted." + V1_ABSENT,
        LEVELS,
        v1="blkio.throttle.io_service_bytes_recursive:Read",
        v2="io.stat:rbytes",
        pod_cgroup=(2,),
        engine="blkio:io_service_bytes_recursive:read",
        cadvisor=Cadvisor("container_fs_reads_bytes_total", per="device", pods=False),
    ),
    Metric(
        "fs_writes_bytes_total",
        Kind.COUNTER,
        Unit.BYTES,
        "Bytes written to block devices, every layer of stacked devices counted." + V1_ABSENT,
        LEVELS,
        v1="blkio.throttle.io_service_bytes_recursive:Write",
        v2="io.stat:wbytes",
        pod_cgroup=(2,),
        engine="blkio:io_service_bytes_recursive:write",
        cadvisor=Cadvisor("container_fs_writes_bytes_total", per="device", pods=False),
    ),
    Metric(
        "fs_reads_total",
        Kind.COUNTER,
        Unit.COUNT,
        "Read operations on block devices." + V1_ABSENT,
        LEVELS,
        v1="blkio.throttle.io_serviced_recursive:Read",
        v2="io.stat:rios",
        pod_cgroup=(2,),
        engine="blkio:io_serviced_recursive:read",
        cadvisor=Cadvisor("container_fs_reads_total", per="device", pods=False),
    ),
    Metric(
        "fs_writes_total",
        Kind.COUNTER,
        Unit.COUNT,
        "Write operations on block devices." + V1_ABSENT,
        LEVELS,
        v1="blkio.throttle.io_serviced_recursive:Write",
        v2="io.stat:wios",
        pod_cgroup=(2,),
        engine="blkio:io_serviced_recursive:write",
        cadvisor=Cadvisor("container_fs_writes_total", per="device", pods=False),
    ),
    Metric(
        "threads",
        Kind.GAUGE,
        Unit.COUNT,
        "Tasks (processes and their threads) that exist now: the kernel's pids.current.",
        LEVELS,
        v1="pids.current",
        v2="pids.current",
        engine="pids_stats.current",
        cadvisor=Cadvisor("container_threads"),
    ),
    Metric(
        "threads_max",
        Kind.GAUGE,
        Unit.COUNT,
        "Limit of tasks: the kernel's pids.max. No series where there is no limit.",
        LEVELS,
        v1="pids.max",
        v2="pids.max",
        pod=PodValue.SUM_OF_LIMITS,
        slow=True,
        cadvisor=Cadvisor("container_threads_max", unlimited=0),
    ),
)
