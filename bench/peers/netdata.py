"""netdata (Debian's), with nothing but its cgroups plugin, once a second into memory."""

import contextlib
import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.agent import free_port
from bench.loads import Load
from bench.peers.install import debian_daemon
from bench.peers.peer import Peer, Running, Times
from bench.peers.process import await_ready, process
from podtick.sources.cgroup.mounts import read_mounts

OTHERS = (
    *("apps", "charts.d", "checks", "cups", "debugfs", "diskspace", "ebpf", "fping", "freeipmi", "go.d", "idlejitter"),
    *("ioping", "netdata monitoring", "netdata monitoring extended", "nfacct", "node.d", "perf", "proc", "profile"),
    *("python.d", "slabinfo", "statsd", "tc", "timex", "xenstat", "enable running new plugins"),
)
"""Plugins that are switched off, by the names which the configuration has for them."""
CONFIGURATION = """\
[global]
    process scheduling policy = keep
    OOM score = keep
[db]
    mode = ram
    update every = 1
    retention = 3600
[directories]
    config = {folder}/config
    stock config = {folder}/stock
    log = {folder}/log
    web = {folder}/web
    cache = {folder}/cache
    lib = {folder}/lib
    home = {folder}/home
    plugins = {folder}/plugins
[logs]
    error = stderr
    access = none
[web]
    bind to = 127.0.0.1
    default port = {port}
[health]
    enabled = no
[ml]
    enabled = no
[statsd]
    enabled = no
[registry]
    enabled = no
[plugins]
    cgroups = yes
{others}
[plugin:cgroups]
    update every = 1
    use unified cgroups = {unified}
    search for cgroups in subpaths matching = / /docker
    enable by default cgroups matching = {cgroups}
    run script to rename cgroups matching = !*
    enable systemd services = no
{enabled}
"""
NOUGHTS_TOO = (
    *("cpuacct stat (total CPU)", "cpuacct usage (per core CPU)", "cpuacct cpu throttling"),
    *("memory", "detailed memory", "memory limits fail count", "swap memory"),
    *("blkio bandwidth", "blkio operations", "blkio throttle bandwidth", "blkio throttle operations"),
)
"""What it looks at only every tenth second, unless told to, while all that is in it is nought."""
FOLDERS = ("config", "stock", "log", "web", "cache", "lib/cloud.d", "home", "plugins")


class Netdata(Running):
    """netdata at work."""

    def __init__(self, pid: int, url: str, containers: list[str]) -> None:
        super().__init__(pid, f"{url}/api/v1/allmetrics?format=prometheus")
        self._url = url
        self._containers = containers

    def charts(self) -> dict[str, str]:
        """The CPU chart of each container that has one."""
        try:
            names = [name for name in _get(f"{self._url}/api/v1/charts")["charts"] if name.endswith(".cpu")]
        except (urllib.error.URLError, ConnectionError):
            return {}  # does not listen yet
        return {id_: name for id_ in self._containers for name in names if id_ in name}

    def times(self, began: float, ended: float) -> Times:
        """What its database answers for each container's CPU."""
        query = f"after={int(began)}&before={int(ended)}&points=0&format=json&options=seconds"
        return {
            id_: moments(_get(f"{self._url}/api/v1/data?chart={chart}&{query}")) for id_, chart in self.charts().items()
        }


def moments(answer: dict[str, list[list[float | None]]]) -> list[float]:
    """The moments in an answer of `/api/v1/data` that have a number: rows of a moment and a number or null each."""
    return [moment for moment, *values in answer["data"] if moment is not None and None not in values]


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as response:
        return json.load(response)


def prepare() -> str:
    """Install it."""
    said = subprocess.run([debian_daemon("netdata", "netdata-core"), "-v"], capture_output=True, text=True, check=True)
    found = re.search(r"\d+\.\d+(\.\d+)?", said.stdout + said.stderr)
    return found[0] if found else ""


def _configuration(load: Load, folder: Path, port: int, enabled: Sequence[str]) -> str:
    mounts = read_mounts(Path("/proc"), Path("/sys/fs/cgroup"))
    return CONFIGURATION.format(
        folder=folder,
        port=port,
        others="\n".join(f"    {name} = no" for name in OTHERS),
        unified="yes" if mounts and mounts.version == 2 else "no",  # else it takes a v2 tree without controllers
        cgroups=" ".join(f"/docker/{id_[:12]}*" for id_ in load.containers),  # there may be other engines' beside
        enabled="\n".join(f"    enable {name} = yes" for name in enabled),
    )


@contextlib.contextmanager
def run(load: Load, folder: Path, enabled: Sequence[str] = ()) -> Iterator[Running]:
    """Start it with all its state in the folder, `enabled` files being read each second whatever is in them."""
    port = free_port()
    for name in FOLDERS:
        (folder / name).mkdir(parents=True)
    (folder / "config" / ".opt-out-from-anonymous-statistics").touch()
    (folder / "lib" / "cloud.d" / "cloud.conf").write_text("[global]\n    enabled = no\n")
    (folder / "netdata.conf").write_text(_configuration(load, folder, port, enabled))
    program = debian_daemon("netdata", "netdata-core")
    log = folder / "netdata.log"
    options = ("-D", "-u", "root", "-c", folder / "netdata.conf")
    with process([program, *options], log, {"DO_NOT_TRACK": "1"}) as started:
        netdata = Netdata(started.pid, f"http://127.0.0.1:{port}", list(load.containers))
        await_ready(started, log, lambda: len(netdata.charts()), load.count)
        yield netdata


NETDATA = Peer("netdata, cgroups plugin", prepare, run, asks=False)
NETDATA_ALL = Peer("netdata, each file each second", prepare, partial(run, enabled=NOUGHTS_TOO), asks=False)
