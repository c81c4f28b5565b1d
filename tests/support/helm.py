"""The real `helm`, built from its Go module once and kept, and what it says of the chart."""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.gobuild import build, kept

VERSION = "4.3.1"
MODULE = "helm.sh/helm/v4"
PATIENCE = 60.0  # s for one command: half a second on an idle machine
ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "podtick"
CASES = {path.name.removesuffix("-values.yaml"): ("--values", str(path)) for path in CHART.glob("ci/*-values.yaml")}
"""What helm has to be told for each example of values, by its name."""
BUILT_IN = {"v1", "apps/v1", "rbac.authorization.k8s.io/v1", "networking.k8s.io/v1"}
"""What the chart makes that every cluster knows."""


class HelmError(Exception):
    """Helm refused what it was given; the message is what it said."""


def program() -> Path:
    """Where `helm` is; it is built first where nobody has yet.

    Raises:
        GoBuildError: it could not be built.
    """
    return kept(f"helm/v{VERSION}", ["helm"], _build) / "helm"


def helm(*words: str, patience: float = PATIENCE) -> str:
    """What one command printed, which may take so many seconds.

    Raises:
        HelmError: it failed.
    """
    with tempfile.TemporaryDirectory(prefix="podtick-helm-") as home:  # nobody's own plugins and settings
        folders = {f"HELM_{what}_HOME": home for what in ("CACHE", "CONFIG", "DATA")}
        done = subprocess.run(
            [program(), *words],
            env=os.environ | folders,
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )
    if done.returncode != 0:
        raise HelmError(f"{done.stdout}{done.stderr}")
    return done.stdout


@cache
def rendered(*words: str, name: str = "podtick", namespace: str = "podtick") -> tuple[dict[str, Any], ...]:
    """The objects that `helm template` makes of the chart; not to be changed, as they are kept."""
    text = helm("template", name, str(CHART), "--namespace", namespace, *words)
    return tuple(document for document in yaml.safe_load_all(text) if document)


def of_kind(kind: str, *words: str) -> dict[str, Any]:
    """The first object of a kind that the chart makes, given these words to helm."""
    return next(document for document in rendered(*words) if document["kind"] == kind)


def pod_spec(*words: str) -> dict[str, Any]:
    """The agents' pods, likewise."""
    spec: dict[str, Any] = of_kind("DaemonSet", *words)["spec"]["template"]["spec"]
    return spec


def _build(_names: Sequence[str], folder: Path) -> None:
    build(folder, MODULE, VERSION, ["cmd/helm"])


if __name__ == "__main__":  # builds it, where nobody has yet
    program()
