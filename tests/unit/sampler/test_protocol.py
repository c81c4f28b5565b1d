"""A line each way: what is said arrives as it was said; anything else is told apart."""

import json
from dataclasses import MISSING, fields
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from podtick.sampler import protocol
from podtick.sampler.protocol import (
    Answer,
    Attach,
    Command,
    Detach,
    Keep,
    Limits,
    Network,
    ProtocolError,
    Rename,
    Told,
    decode_answer,
    decode_command,
    encode_answer,
    encode_command,
)

SAMPLES: dict[str, Any] = {
    "id": 1,
    "kind": 3,
    "owner": 2,
    "pid": 4,
    "container": "c",
    "values": {},
    "identity": "i",
    "ids": (1,),
    "paths": {},
}
ids = st.integers(0, 2**64 - 1)
small = st.integers(0, 2**31 - 1)
texts = st.text(max_size=60)
COMMANDS = st.one_of(
    st.builds(
        Attach,
        ids,
        st.sampled_from((1, 2, 3)),
        ids,
        st.sampled_from((0, 1, 2)),
        st.dictionaries(texts, texts, max_size=4),
        texts,
        st.booleans(),
    ),
    st.builds(Network, ids, ids, small, texts),
    st.builds(Told, ids, st.dictionaries(texts, st.none() | ids, max_size=4)),
    st.builds(Rename, ids, texts),
    st.builds(Limits, ids),
    st.builds(Detach, ids),
    st.builds(Keep, st.lists(ids, max_size=5).map(tuple)),
)


@given(COMMANDS)
@example(Rename(1, 'quotes " newline \n null \0 surrogate \ud800 and more: \u2028 ü'))
def test_a_command_arrives_as_it_was_said(command: Command) -> None:
    line = encode_command(command)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode_command(line) == command


@given(st.builds(Answer, texts, ids, texts))
def test_an_answer_arrives_as_it_was_said(answer: Answer) -> None:
    line = encode_answer(answer)
    assert line.count(b"\n") == 1
    assert decode_answer(line) == answer


NO_COMMANDS = [
    b"",
    b"\n",
    b"null",
    b"[]",
    b"7",
    b'"attach"',
    b"{}",
    b'{"do": "fly"}',
    b'{"do": ["attach"]}',
    b'{"do": "attach"}',
    b'{"do": "attach", "id": 1}',
    b'{"do": "detach", "id": 1, "more": 2}',
    b'{"do": "detach", "id": "1"}',
    b'{"do": "detach", "id": null}',
    b'{"do": "detach", "id": true}',
    b'{"do": "detach", "id": -1}',
    b'{"do": "detach", "id": 18446744073709551616}',
    b'{"do": "detach", "id": 1.5}',
    b'{"do": "detach", "id": 1e400}',
    b'{"do": "rename", "id": 1, "identity": 7}',
    b'{"do": "keep", "ids": 7}',
    b'{"do": "keep", "ids": ["7"]}',
    b'{"do": "keep", "ids": [-1]}',
    b'{"do": "told", "id": 1, "values": []}',
    b'{"do": "told", "id": 1, "values": {"state": -1}}',
    b'{"do": "told", "id": 1, "values": {"state": "running"}}',
    b'{"do": "attach", "id": 1, "kind": 3, "paths": ["/sys"]}',
    b'{"do": "attach", "id": 1, "kind": 3, "paths": {"cpu": 7}}',
    b'{"do": "attach", "id": 1, "kind": 3, "fresh": "yes"}',
    b'{"do": "attach", "id": 1, "kind": 9}',
    b'{"do": "attach", "id": 1, "kind": 3, "version": 3}',
    b'{"do": "network", "id": 1, "owner": 2, "pid": 3}',
    b'{"do": "network", "id": 1, "owner": 2, "pid": "../1", "container": "a"}',
    b'{"do": "detach", "id": 1',
    b"\xff\xfe",
    b"[" * 100_000,
]


@pytest.mark.parametrize("line", NO_COMMANDS, ids=lambda line: repr(line[:40]))
def test_what_is_no_command(line: bytes) -> None:
    with pytest.raises(ProtocolError, match="not a command") as caught:
        decode_command(line)
    assert len(str(caught.value)) < 1000


@given(
    st.binary(max_size=200) | st.recursive(st.none() | st.integers() | texts, st.lists).map(json.dumps).map(str.encode)
)
def test_any_line_is_a_command_or_none(line: bytes) -> None:
    for decode in (decode_command, decode_answer):
        try:
            decode(line)
        except ProtocolError as error:
            assert str(error).startswith("not a")  # noqa: PT017


NO_ANSWERS = [b"", b"{}", b"[1]", b'["tick", "x", ""]', b'["tick", null, ""]', b"[1,2,3,4]", b"\xff", b"[1, 1e400, 1]"]


@pytest.mark.parametrize("line", [*NO_ANSWERS, b"[" * 100_000], ids=lambda line: repr(line[:40]))
def test_what_is_no_answer(line: bytes) -> None:
    with pytest.raises(ProtocolError, match="not an answer"):
        decode_answer(line)


def test_every_command_is_known_by_its_name() -> None:
    for kind in get_args(protocol.Command):
        least: dict[str, Any] = {each.name: SAMPLES[each.name] for each in fields(kind) if each.default is MISSING}
        assert decode_command(encode_command(kind(**least))) == kind(**least)
