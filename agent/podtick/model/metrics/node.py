"""The node: files below /proc (kernel document `filesystems/proc`)."""

from podtick.model.metrics.cadvisor import Cadvisor
from podtick.model.metrics.row import Kind, Level, Metric, Unit

_MACHINE = {
    "cpu_cores": "machine_cpu_cores",
    "memory_total_bytes": "machine_memory_bytes",
    "memory_swap_total_bytes": "machine_swap_bytes",
}
"""What cAdvisor says of the machine."""


def _counter(name: str, unit: Unit, source: str, text: str, per: str | None = None) -> Metric:
    return Metric(name, Kind.COUNTER, unit, text, (Level.NODE,), v1=source, v2=source, per=per)


def _gauge(name: str, unit: Unit, source: str, text: str) -> Metric:
    machine = _MACHINE.get(name)
    return Metric(
        name,
        Kind.GAUGE,
        unit,
        text,
        (Level.NODE,),
        v1=source,
        v2=source,
        cadvisor=Cadvisor(machine) if machine else None,
    )


def _cpu(mode: str) -> Metric:
    text = "CPU time of the node by mode, on all cores together. Guest time is part of user and nice."
    source = f"stat:{mode}"
    name = "cpu_seconds_total"
    return Metric(
        name,
        Kind.COUNTER,
        Unit.SECONDS,
        text,
        (Level.NODE,),
        v1=source,
        v2=source,
        labels=(("mode", mode),),
    )


CPU_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
"""The first eight columns of the `cpu` line of /proc/stat, in the kernel's order."""

NODE = (
    *(_cpu(mode) for mode in CPU_MODES),
    _gauge("cpu_cores", Unit.COUNT, "stat:cores", "CPUs that are online."),
    _gauge("boot_time_seconds", Unit.SECONDS, "stat:btime", "When the node was booted, as Unix time."),
    _counter("context_switches_total", Unit.COUNT, "stat:ctxt", "Context switches."),
    _counter("forks_total", Unit.COUNT, "stat:processes", "Processes and threads created."),
    _gauge("procs_running", Unit.COUNT, "stat:procs_running", "Tasks that can run now."),
    _gauge("procs_blocked", Unit.COUNT, "stat:procs_blocked", "Tasks that wait for I/O now."),
    *(
        _gauge(f"memory_{name}_bytes", Unit.BYTES, f"meminfo:{key}", text)
        for name, key, text in (
            ("total", "MemTotal", "Memory of the node."),
            ("free", "MemFree", "Memory that nothing uses."),
            (
                "available",
                "MemAvailable",
                "Memory that could be had without swapping, as the kernel estimates it.",
            ),
            ("buffers", "Buffers", "Page cache of block devices."),
            ("cached", "Cached", "Page cache of files, tmpfs included."),
            ("anon", "AnonPages", "Anonymous memory mapped by processes."),
            ("mapped", "Mapped", "Page cache mapped by processes."),
            ("shmem", "Shmem", "Shared memory and tmpfs."),
            ("slab_reclaimable", "SReclaimable", "Kernel memory that can be reclaimed."),
            ("slab_unreclaimable", "SUnreclaim", "Kernel memory that cannot be reclaimed."),
            ("dirty", "Dirty", "Page cache that waits to be written."),
            ("writeback", "Writeback", "Page cache that is being written."),
            ("swap_total", "SwapTotal", "Swap space of the node."),
            ("swap_free", "SwapFree", "Swap space that nothing uses."),
        )
    ),
    *(
        _gauge(f"load{minutes}", Unit.LOAD, f"loadavg:{minutes}", f"Load average over {minutes} min.")
        for minutes in ("1", "5", "15")
    ),
    *(
        _counter(f"pressure_{resource}_{word}_seconds_total", Unit.SECONDS, f"pressure/{resource}:{kernel}", text)
        for resource, word, kernel, text in (
            ("cpu", "waiting", "some", "Time in which some task waited for a CPU."),
            ("memory", "waiting", "some", "Time in which some task waited for memory."),
            ("memory", "stalled", "full", "Time in which all tasks waited for memory."),
            ("io", "waiting", "some", "Time in which some task waited for I/O."),
            ("io", "stalled", "full", "Time in which all tasks waited for I/O."),
        )
    ),
    *(
        _counter(f"disk_{name}_total", unit, f"diskstats:{key}", text, per="device")
        for name, unit, key, text in (
            ("read_bytes", Unit.BYTES, "read_bytes", "Bytes read from the disk."),
            ("written_bytes", Unit.BYTES, "written_bytes", "Bytes written to the disk."),
            ("reads_completed", Unit.COUNT, "reads", "Reads completed by the disk."),
            ("writes_completed", Unit.COUNT, "writes", "Writes completed by the disk."),
            ("io_time_seconds", Unit.SECONDS, "io_time", "Time in which the disk had something to do."),
        )
    ),
    *(
        _counter(f"network_{direction}_{name}_total", unit, f"net/dev:{direction}_{key}", text, per="device")
        for direction, verb in (("receive", "received"), ("transmit", "sent"))
        for name, unit, key, text in (
            ("bytes", Unit.BYTES, "bytes", f"Bytes {verb} by the interface."),
            ("packets", Unit.COUNT, "packets", f"Packets {verb} by the interface."),
            ("errors", Unit.COUNT, "errs", f"Packets not {verb} because of an error."),
            ("packets_dropped", Unit.COUNT, "drop", f"Packets not {verb} because they were dropped."),
        )
    ),
)
