"""CPU of containers and pods (cgroup v1: cpuacct and cpu; v2: cpu)."""

from podtick.model.metrics.row import Kind, Level, Metric, PodValue, Unit

LEVELS = (Level.CONTAINER, Level.POD)

CPU = (
    Metric(
        "cpu_usage_seconds_total",
        Kind.COUNTER,
        Unit.SECONDS,
        "CPU time used, on all cores together.",
        LEVELS,
        v1="cpuacct.usage",
        v2="cpu.stat:usage_usec",
    ),
    Metric(
        "cpu_user_seconds_total",
        Kind.COUNTER,
        Unit.SECONDS,
        "CPU time used in user mode.",
        LEVELS,
        v1="cpuacct.stat:user",
        v2="cpu.stat:user_usec",
    ),
    Metric(
        "cpu_system_seconds_total",
        Kind.COUNTER,
        Unit.SECONDS,
        "CPU time used in kernel mode.",
        LEVELS,
        v1="cpuacct.stat:system",
        v2="cpu.stat:system_usec",
    ),
    Metric(
        "cpu_cfs_periods_total",
        Kind.COUNTER,
        Unit.COUNT,
        "Enforcement periods of the CPU limit that have passed while there was something to run.",
        LEVELS,
        v1="cpu.stat:nr_periods",
        v2="cpu.stat:nr_periods",
        pod_cgroup=(),
    ),
    Metric(
        "cpu_cfs_throttled_periods_total",
        Kind.COUNTER,
        Unit.COUNT,
        "Enforcement periods in which the CPU limit held tasks back.",
        LEVELS,
        v1="cpu.stat:nr_throttled",
        v2="cpu.stat:nr_throttled",
        pod_cgroup=(),
    ),
    Metric(
        "cpu_cfs_throttled_seconds_total",
        Kind.COUNTER,
        Unit.SECONDS,
        "Time for which the CPU limit held tasks back, summed over cores.",
        LEVELS,
        v1="cpu.stat:throttled_time",
        v2="cpu.stat:throttled_usec",
        pod_cgroup=(),
    ),
    Metric(
        "spec_cpu_limit_cores",
        Kind.GAUGE,
        Unit.CORES,
        "CPU limit: quota divided by period. No series where there is no limit.",
        LEVELS,
        v1="cpu.cfs_quota_us",
        v2="cpu.max",
        pod=PodValue.SUM_OF_LIMITS,
        slow=True,
    ),
)
