"""The network of a cluster's machines: a bridge of this host, and routes to the pods behind each machine.

No rule of any firewall, and nothing of this host's own settings, is needed: all that is made here hangs on the bridge.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from tests.support.engine.errors import EngineError
from tests.support.engine.programs import call

FIRST, LAST = 10, 250
NOTE = "network"
"""The file in a cluster's folder that says which number it has."""


@dataclass(frozen=True, slots=True)
class Network:
    """10.214.N.0/24: .1 is this host (and the service `kubernetes`), services to .63, machines from .101 on.

    The pods of machine M (1 or 2) are 10.215.N.0/25 and 10.215.N.128/25.
    """

    number: int

    @property
    def host(self) -> str:
        """This host's address."""
        return f"10.214.{self.number}.1"

    @property
    def services(self) -> str:
        """The range of services; its first is the API server's, which is why no proxy is needed to reach it."""
        return f"10.214.{self.number}.0/26"

    def machine(self, which: int) -> str:
        """A machine's address."""
        return f"10.214.{self.number}.{100 + which}"

    def pods(self, which: int) -> str:
        """The range of a machine's pods."""
        return f"10.215.{self.number}.{128 * (which - 1)}/25"

    @property
    def bridge(self) -> str:
        """The bridge's name."""
        return f"pt-cluster{self.number}"

    def attach(self, which: int, pid: int) -> None:
        """Give a machine, whose process this is, its interface; have its pods found there."""
        link = f"pt-c{self.number}-{which}"
        inside = ("nsenter", "--target", str(pid), "--net", "ip")
        call(["ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(pid)])
        call(["ip", "link", "set", link, "master", self.bridge, "up"])
        call([*inside, "link", "set", "lo", "up"])
        call([*inside, "address", "add", f"{self.machine(which)}/24", "dev", "eth0"])
        call([*inside, "link", "set", "eth0", "up"])
        call([*inside, "route", "add", "default", "via", self.host])
        other = 3 - which
        call([*inside, "route", "add", self.pods(other), "via", self.machine(other)])
        call(["ip", "route", "add", self.pods(which), "via", self.machine(which), "dev", self.bridge])


def create_network(root: Path) -> Network:
    """Make the bridge, on addresses that nobody here uses yet, and note it in a cluster's folder."""
    for number in range(FIRST, LAST):
        network = Network(number)
        with contextlib.suppress(EngineError):
            call(["ip", "link", "add", network.bridge, "type", "bridge"])
            (root / NOTE).write_text(str(number))
            call(["ip", "address", "add", f"{network.host}/24", "dev", network.bridge])
            call(["ip", "link", "set", network.bridge, "up"])
            return network
    raise EngineError("no bridge could be made: is this root, with the right to change the network?")


def remove_network(root: Path) -> None:
    """Remove a folder's bridge and what is still attached; the machines' ends go with the machines."""
    if not (root / NOTE).exists():
        return
    network = Network(int((root / NOTE).read_text()))
    for link in (f"pt-c{network.number}-1", f"pt-c{network.number}-2", network.bridge):
        with contextlib.suppress(EngineError):  # gone with the machine
            call(["ip", "link", "delete", link])
