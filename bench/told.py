"""What the agent would tell its sampler of some containers, as lines of the sampler's protocol."""

from pathlib import Path

from podtick.model.identity import DOCKER, Identity
from podtick.roster.paths import folders_by_controller
from podtick.roster.roster import Roster
from podtick.sampler.protocol import Command, encode_command
from podtick.sources.cgroup.discovery import locate_container
from podtick.sources.cgroup.mounts import read_mounts


class _Recorded:
    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def send(self, command: Command) -> None:
        self.lines.append(encode_command(command))


def commands(containers: dict[str, int]) -> bytes:
    """All of it: pods, containers with their folders, networks."""
    recorded = _Recorded()
    roster = Roster(recorded)
    proc = Path("/proc")
    mounts = read_mounts(proc, Path("/sys/fs/cgroup"))
    assert mounts
    for id_, pid in containers.items():
        paths = locate_container(mounts, id_, pid, proc)
        if paths:
            name = id_[:12]
            member = roster.join(id_, Identity(DOCKER, name, id_, name))
            roster.start(member, paths.version, folders_by_controller(paths), pid, fresh=False)
    return b"".join(recorded.lines)
