"""Names of strangers: bounded, kept apart, always UTF-8."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from podtick.model.identity import NAME_BYTES, Identity, bounded


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
