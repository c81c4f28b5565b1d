"""What Prometheus' own linter says of a body of the text format."""

import shutil
import subprocess

import pytest

CADVISORS_OWN = [
    'container_memory_failcnt counter metrics should have "_total" suffix',
]
"""What it finds in cAdvisor's names, which are what they are."""


def lint(body: str) -> list[str]:
    """Its complaints, a line each; skips the test where there is no promtool."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=body, capture_output=True, text=True, timeout=60, check=False
    )
    return sorted((done.stdout + done.stderr).splitlines())
