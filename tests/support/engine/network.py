"""A bridge per engine, on a subnet that nobody here uses yet."""

import contextlib
import json
from pathlib import Path

from tests.support.engine.errors import EngineError
from tests.support.engine.programs import call

FIRST, LAST = 10, 250  # 10.213.FIRST.0/24 to 10.213.LAST.0/24


def create_bridge(root: Path) -> str:
    """Make a bridge, note its name in ROOT/bridge and return it.

    Engines leave iptables alone (they would take each other's chains away), so containers reach each other
    and this host, nobody else.
    """
    for number in range(FIRST, LAST):
        name = f"pt-engine{number}"
        with contextlib.suppress(EngineError):
            call(["ip", "link", "add", name, "type", "bridge"])
            (root / "bridge").write_text(name)
            call(["ip", "address", "add", f"10.213.{number}.1/24", "dev", name])
            call(["ip", "link", "set", name, "up"])
            return name
    raise EngineError("no bridge could be made: is this root, with the right to change the network?")


def remove_bridge(root: Path) -> None:
    """Remove the folder's bridge and what a killed engine left attached to it."""
    try:
        name = (root / "bridge").read_text()
    except FileNotFoundError:
        return
    attached = json.loads(call(["ip", "-json", "link", "show", "master", name]) or "[]")
    for link in (*(row["ifname"] for row in attached), name):
        with contextlib.suppress(EngineError):  # its other end may have gone with its namespace just now
            call(["ip", "link", "delete", link])
    (root / "bridge").unlink()
