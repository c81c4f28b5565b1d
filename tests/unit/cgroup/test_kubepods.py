"""Whose cgroup a path is."""

import pytest

from podtick.sources.cgroup.kubepods import KubepodsPath, kubepods_folder, parse_kubepods_path, qos_folder

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


@pytest.mark.parametrize(
    ("kubepods", "burstable", "besteffort", "guaranteed"),
    [
        ("/kubepods", "burstable/pod{0}", "besteffort/pod{0}", "pod{0}"),
        ("/a/b/kubepods", "burstable/pod{0}", "besteffort/pod{0}", "pod{0}"),
        (
            "/kubepods.slice",
            "kubepods-burstable.slice/kubepods-burstable-pod{1}.slice",
            "kubepods-besteffort.slice/kubepods-besteffort-pod{1}.slice",
            "kubepods-pod{1}.slice",
        ),
        (
            "/kubelet.slice/kubelet-kubepods.slice",
            "kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod{1}.slice",
            "kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod{1}.slice",
            "kubelet-kubepods-pod{1}.slice",
        ),
    ],
)
def test_what_is_around_a_pod(kubepods: str, burstable: str, besteffort: str, guaranteed: str) -> None:
    kubepods = f"/sys/fs/cgroup/memory{kubepods}"
    burstable, besteffort, guaranteed = (
        f"{kubepods}/{each.format(UID, SLICE)}" for each in (burstable, besteffort, guaranteed)
    )
    assert {kubepods_folder(pod) for pod in (burstable, besteffort, guaranteed)} == {kubepods}
    assert qos_folder(kubepods, "Burstable") == burstable.rpartition("/")[0]
    assert qos_folder(kubepods, "BestEffort") == besteffort.rpartition("/")[0]


@pytest.mark.parametrize(
    "folder",
    [
        f"/kubepods/pod{UID}/{C}",
        f"/kubepods/burstable/pod{UID}/inner",
        f"/kubepods/pod{UID}/inner",
        f"/system.slice/kubepods-burstable-pod{SLICE}.slice",
        "/kubepods/burstable",
        f"/docker/{C}",
        "/",
    ],
)
def test_around_what_is_no_pods_own_there_is_nothing(folder: str) -> None:
    assert kubepods_folder(folder) is None
