"""Kubernetes' own programs, built from their Go module once and kept.

`KUBEBUILDER_ASSETS` may name a folder that has them already, as envtest's users have one.
"""

import json
import os
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.support.gobuild import build, go, kept

VERSION = "1.37.2"
OLD = "1.23.17"
"""The last whose kubelet has Docker built in."""
MODULE = "k8s.io/kubernetes"
PROGRAMS = {
    VERSION: ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl"),
    OLD: ("kubelet",),
}
STAGED = re.compile(r"^\s*(?:replace )?(k8s\.io/[a-z-]+) => \./staging/", re.MULTILINE)


def programs(names: Sequence[str], version: str = VERSION) -> Path:
    """The folder that has these programs; those that nobody has built yet are built first.

    Raises:
        GoBuildError: they could not be built.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and version == VERSION and all((Path(assets) / name).exists() for name in names):
        return Path(assets)
    return kept(f"kubernetes/v{version}", names, partial(_build, version))


def program(name: str, version: str = VERSION) -> str:
    """The path of one program, built first where nobody has yet."""
    return str(programs([name], version) / name)


def _build(version: str, names: Sequence[str], folder: Path) -> None:
    """The module replaces its neighbours by folders that are not part of it: by their published modules here."""
    staged = version.replace("1.", "0.", 1)
    go(folder, "mod", "init", "podtick.test/kubernetes")
    downloaded = json.loads(go(folder, "mod", "download", "-json", f"{MODULE}@v{version}"))
    for module in sorted(set(STAGED.findall(Path(downloaded["GoMod"]).read_text()))):
        go(folder, "mod", "edit", f"-replace={module}={module}@v{staged}")
    stamp = f"-X k8s.io/component-base/version.gitVersion=v{version}"
    build(folder, MODULE, version, [f"cmd/{name}" for name in names], linker=stamp)
