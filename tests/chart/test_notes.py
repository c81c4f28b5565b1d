"""What helm prints after an installation: commands to copy, and what one should know."""

import re
import subprocess

import pytest

from tests.support.helm import CASES, CHART, helm, of_kind

COMMAND = re.compile(r"^  (.*)$", re.MULTILINE)


def notes(*words: str) -> str:
    """The notes of an installation that is only imagined, so that it needs no cluster."""
    text = helm("install", "podtick", str(CHART), "--namespace", "watch", "--dry-run=client", *words)
    return text.partition("NOTES:\n")[2]


@pytest.mark.parametrize("case", ["default", "full"])
def test_commands_are_of_this_release(case: str) -> None:
    commands = "\n".join(COMMAND.findall(notes(*CASES[case])))
    subprocess.run(["sh", "-n"], input=commands, text=True, timeout=60, check=True)
    agents = of_kind("DaemonSet", *CASES[case])
    selector = ",".join(f"{name}={value}" for name, value in agents["spec"]["selector"]["matchLabels"].items())
    assert f"--selector {selector} " in commands
    port = agents["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"]
    assert f'port-forward --namespace watch "$AGENT" 9752:{port} &' in commands
    assert f"daemonset/{agents['metadata']['name']}\n" in commands
    assert "helm test --namespace watch podtick\n" in commands
    assert set(re.findall(r"--namespace ([a-z]\S*)", commands)) == {"watch"}


def test_the_sockets_group_is_told_to_be_as_good_as_root() -> None:
    assert "group 998, which owns the engine's socket. Whoever is in that group is as good as" in notes(*CASES["mixed"])
    assert "group 0, which" in notes(*CASES["docker"])
    assert "WARNING" not in notes()
    assert "No engine is asked" in notes()
    assert "engine" not in notes(*CASES["containerd"])


def test_the_namespaces_label_is_told() -> None:
    assert "kubectl label namespace watch pod-security.kubernetes.io/enforce=privileged" in notes()


def test_nobody_who_scrapes_is_told_to() -> None:
    assert "Nothing scrapes the agents yet" in notes()
    assert "Nothing scrapes" not in notes(*CASES["full"])
