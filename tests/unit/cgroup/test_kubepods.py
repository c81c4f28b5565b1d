"""Whose cgroup a path is."""

import pytest

from podtick.sources.cgroup.kubepods import KubepodsPath, parse_kubepods_path

UID = "1234abcd-0000-4000-8000-00000000beef"
HASH = "0f" * 16  # static pods have the hash of their configuration
SLICE = UID.replace("-", "_")
C = "ab" * 32


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/kubepods/pod{UID}/{C}", ("Guaranteed", UID, C)),
        (f"/kubepods/burstable/pod{UID}/{C}", ("Burstable", UID, C)),
        (f"/kubepods/besteffort/pod{HASH}/{C}", ("BestEffort", HASH, C)),
        (f"/kubepods/burstable/pod{UID}", ("Burstable", UID, None)),
        (f"/kubepods/burstable/pod{UID}/crio-conmon-{C}.scope", ("Burstable", UID, None)),
        (f"/kubepods/burstable/pod{UID}/crio-{C}", ("Burstable", UID, C)),
        (f"/kubepods/burstable/pod{UID}/{C}/inner/deeper", ("Burstable", UID, C)),
        (f"/kubepods.slice/kubepods-pod{SLICE}.slice/docker-{C}.scope", ("Guaranteed", UID, C)),
        (
            f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SLICE}.slice/cri-containerd-{C}.scope",
            ("Burstable", UID, C),
        ),
        (
            f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{SLICE}.slice/crio-{C}.scope/init",
            ("BestEffort", UID, C),
        ),
        (f"/kubepods.slice/kubepods-pod{SLICE}.slice", ("Guaranteed", UID, None)),
        (
            f"/system.slice/containerd.service/kubepods-burstable-pod{SLICE}.slice:cri-containerd:{C}",
            ("Burstable", UID, C),
        ),
        (f"/../../../kubepods/burstable/pod{UID}/{C}", ("Burstable", UID, C)),
        (f"/docker/{'cd' * 32}/kubelet/kubepods/burstable/pod{UID}/{C}", ("Burstable", UID, C)),
        (
            f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{SLICE}.slice/cri-containerd-{C}.scope",
            ("Guaranteed", UID, C),
        ),
        (f"/kubepods/pod{UID}/{C}/kubepods/podinner/{'cd' * 32}", ("Guaranteed", UID, C)),
        (f"/docker/{C}", None),
        (f"/system.slice/docker-{C}.scope", None),
        ("/kubepods/burstable", None),
        ("/kubepods.slice/kubepods-burstable.slice", None),
        ("/kubepods/pod", None),
        (f"/mykubepods/pod{UID}/{C}", None),
        ("/", None),
        ("", None),
    ],
)
def test_paths(path: str, expected: KubepodsPath | None) -> None:
    assert parse_kubepods_path(path) == expected


def test_what_is_no_container_id_leaves_the_pod() -> None:
    assert parse_kubepods_path(f"/kubepods/pod{UID}/{C[:63]}") == ("Guaranteed", UID, None)
    assert parse_kubepods_path(f"/kubepods/pod{UID}/{C}0") == ("Guaranteed", UID, None)
