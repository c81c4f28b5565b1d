"""`podtick check`: what podtick can see on this machine, what not, and what to do about it."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from podtick import __version__
from podtick.check import cgroups, engine, host
from podtick.check.engine import Engine
from podtick.check.finding import Finding, Verdict
from podtick.flags import DockerChoice, OutputFormat
from podtick.settings import CheckSettings
from podtick.sources.cgroup.mounts import read_mounts

FAILURE = 1


def run(settings: CheckSettings) -> int:
    """Print every finding; returns 1 when one says fail, else 0."""
    docker = settings.docker
    answered = asyncio.run(engine.ask(docker.endpoint)) if docker.endpoint else None
    configured = docker.choice is DockerChoice.CONFIGURED
    findings = tuple(look(answered, settings.proc, settings.cgroup, configured=configured))
    print(as_json(findings) if settings.form is OutputFormat.JSON else as_table(findings))
    return FAILURE if worst(findings) is Verdict.FAIL else 0


def look(answered: Engine | None, proc: Path, cgroup: Path, *, configured: bool) -> Iterator[Finding]:
    """Every check that there is something to say about; `answered`: what the engine has said, if one was asked."""
    mounts = read_mounts(proc, cgroup)
    located = engine.locate(answered, mounts, proc) if answered else ()
    every = (
        engine.reachable(answered, configured=configured),
        engine.api(answered),
        engine.containers(answered, located),
        cgroups.tree(mounts, cgroup, answered, located),
        cgroups.view(mounts),
        cgroups.block_io(mounts, located),
        cgroups.permissions(mounts, located, proc),
        host.proc(proc),
        host.pressure(proc, mounts),
        host.descriptors(host.read_limits(), mounts.version if mounts else 2, answered.running if answered else None),
        host.read_clock(),
        host.kernel(os.uname().release, mounts),
        host.python(),
    )
    yield from (finding for finding in every if finding)


def worst(findings: Sequence[Finding]) -> Verdict:
    """The worst verdict of all."""
    return max((each.verdict for each in findings), key=list(Verdict).index)


def as_table(findings: Sequence[Finding]) -> str:
    """For people: a line a finding, below it what to do, and how many there are of each verdict."""
    width = max(len(each.check) for each in findings)
    lines = []
    for each in findings:
        lines.append(f"{each.verdict:4}  {each.check:{width}}  {printable(each.found)}")
        if each.todo:
            lines.append(f"{'':{width + 8}}to do: {printable(each.todo)}")
    counts = Counter(each.verdict for each in findings)
    return "\n".join([*lines, ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict)])


def as_json(findings: Sequence[Finding]) -> str:
    """For programs: one document."""
    counts = Counter(each.verdict for each in findings)
    document = {
        "podtick": __version__,
        "verdict": worst(findings),
        "counts": {verdict: counts[verdict] for verdict in Verdict},
        "checks": [asdict(each) for each in findings],
    }
    return json.dumps(document, indent=2)


def printable(text: str) -> str:
    """Names and messages are other people's: on one line, without control characters."""
    return "".join(char if char.isprintable() else "?" for char in text)
