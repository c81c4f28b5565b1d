"""A throw-away Linux machine with a pure cgroup v2 tree, PSI and a Docker engine, in QEMU without KVM.

A machine that runs these tests is of one cgroup version; this gives version 2, under either cgroup driver:
`with booted("systemd") as guest: guest.run("docker ps")`. By hand: `python -m tests.support.guest`.
"""

from tests.support.guest.connection import Driver, Guest
from tests.support.guest.errors import GuestError, GuestUnavailableError
from tests.support.guest.image import lacking
from tests.support.guest.machine import booted
from tests.support.guest.podtick import install_podtick

__all__ = ["Driver", "Guest", "GuestError", "GuestUnavailableError", "booted", "install_podtick", "lacking"]
