"""The images that the nodes' pods run, without a registry: one archive that `docker load` and `ctr import` read."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping

from tests.support.engine.image import busybox_tar

BUSYBOX = "busybox:test"
PAUSE = "pause:test"
"""Of a pod's sandbox: ends at once when it is told to."""
WAIT = "trap 'exit 0' TERM INT; while :; do sleep 86400 & wait $!; done"
IMAGES: Mapping[str, Mapping[str, object]] = {
    BUSYBOX: {"Cmd": ["sh"]},
    PAUSE: {"Entrypoint": ["/bin/sh", "-c", WAIT]},
}
PLATFORMS = {"x86_64": "amd64", "aarch64": "arm64"}


def archive() -> bytes:
    """All images as `docker save` writes them; they share their only layer.

    Raises:
        EngineUnavailable: this machine has no static busybox.
    """
    layer = busybox_tar()
    manifest = []
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        _add(tar, "layer.tar", layer)
        for name, settings in IMAGES.items():
            config = _config(settings, hashlib.sha256(layer).hexdigest())
            file = f"{hashlib.sha256(config).hexdigest()}.json"
            _add(tar, file, config)
            manifest.append({"Config": file, "RepoTags": [name], "Layers": ["layer.tar"]})
        _add(tar, "manifest.json", json.dumps(manifest).encode())
    return buffer.getvalue()


def _config(settings: Mapping[str, object], layer: str) -> bytes:
    path = {"Env": ["PATH=/bin"]}
    config = {
        "architecture": PLATFORMS[os.uname().machine],
        "os": "linux",
        "created": "2026-01-01T00:00:00Z",
        "config": {**path, **settings},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
        "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "podtick's tests"}],
    }
    return json.dumps(config).encode()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
