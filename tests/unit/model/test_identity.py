"""Names of strangers: bounded, kept apart, always UTF-8."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from podtick.model.identity import NAME_BYTES, Identity, KubeletContainer, bounded, from_labels


@given(st.text(max_size=400))
@example("é" * 200)
@example("x" * NAME_BYTES)
@example("x" * (NAME_BYTES + 1))
@example("\ud800" * 300)
@example('"\n\\')
def test_a_name_is_bounded(name: str) -> None:
    short = bounded(name)
    assert len(short.encode()) <= NAME_BYTES
    assert bounded(short) == short
    if len(name.encode("utf-8", "replace")) <= NAME_BYTES:
        assert short == name.encode("utf-8", "replace").decode()


@given(st.text(max_size=20), st.text(max_size=20))
def test_long_names_stay_apart(one: str, other: str) -> None:
    long = "n" * 4096
    assert (bounded(long + one) == bounded(long + other)) == (
        one.encode("utf-8", "replace") == other.encode("utf-8", "replace")
    )
    assert bounded(long + one).startswith("n" * 200)


@given(st.builds(Identity, *[st.text(max_size=20)] * 3, st.none() | st.text(max_size=20)))
def test_an_identity_comes_back_from_its_text(identity: Identity) -> None:
    assert Identity(**json.loads(identity.text())) == identity
    assert "\n" not in identity.text()


def test_a_pods_identity_names_no_container() -> None:
    assert json.loads(Identity("n", "p", "u").text()) == {"namespace": "n", "pod": "p", "uid": "u"}


LABELS = {
    "io.kubernetes.pod.namespace": "shop",
    "io.kubernetes.pod.name": "cart-1",
    "io.kubernetes.pod.uid": "0f1e",
    "io.kubernetes.container.name": "app",
    "io.kubernetes.docker.type": "container",
    "annotation.io.kubernetes.container.restartCount": "3",
}


def test_a_kubelets_labels_say_whose_a_container_is() -> None:
    assert from_labels(LABELS) == KubeletContainer("shop", "cart-1", "0f1e", "app", 3)
    assert from_labels(LABELS).identity == Identity("shop", "cart-1", "0f1e", "app")  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", [{"io.kubernetes.docker.type": "podsandbox"}, {"io.kubernetes.docker.type": ""}])
def test_a_sandbox_has_no_name_of_its_own(kind: dict[str, str]) -> None:
    found = from_labels({**LABELS, "io.kubernetes.container.name": "POD", **kind})
    assert found is not None
    assert found.identity == Identity("shop", "cart-1", "0f1e")


@pytest.mark.parametrize("count", ["", "-1", "x", "1e3", "9" * 10, "\u0663"])
def test_a_restart_count_that_is_none_is_unknown(count: str) -> None:
    found = from_labels({**LABELS, "annotation.io.kubernetes.container.restartCount": count})
    assert found is not None
    assert found.restarts is None


@pytest.mark.parametrize("missing", [key for key in LABELS if ".pod." in key or key.endswith("container.name")])
def test_labels_that_say_half_of_it_say_nothing(missing: str) -> None:
    assert from_labels({key: text for key, text in LABELS.items() if key != missing}) is None
    assert from_labels({**LABELS, missing: ""}) is None


def test_nobody_labels_himself_into_our_own_namespaces() -> None:
    assert from_labels({**LABELS, "io.kubernetes.pod.namespace": "_docker"}) is None


def test_names_of_labels_are_bounded() -> None:
    found = from_labels({**LABELS, "io.kubernetes.pod.name": "x" * 4000})
    assert found is not None
    assert len(found.pod) == NAME_BYTES
