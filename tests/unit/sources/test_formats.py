"""The parsers of cgroup files: numbers that stand in the text, or none."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from podtick.model.metrics.row import MAX_VALUE, UNKNOWN, UNLIMITED
from podtick.model.metrics.table import TARGET_ROWS
from podtick.sources.cgroup import formats
from podtick.sources.cgroup.formats import Parser
from podtick.sources.cgroup.plan import FilePlan, compile_plan

NS = formats.USER_HZ_NS
PLANS = [plan for version in (1, 2) for slow in (False, True) for plan in compile_plan(TARGET_ROWS, version, slow=slow)]
STAT = (b"anon", b"file", b"pgfault")


def parse(parser: Parser, text: str) -> list[int]:
    return list(parser(text.encode()))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0\n", 0),
        ("4096\n", 4096),
        (f"{2**63}\n", 2**63),
        (f"{MAX_VALUE}\n", MAX_VALUE),
        (f"{MAX_VALUE + 1}\n", UNKNOWN),
        (f"{2**64 - 1}\n", UNKNOWN),
        (f"{2**64}\n", UNKNOWN),
        ("9" * 400 + "\n", UNKNOWN),
        ("max\n", UNLIMITED),
        ("", UNKNOWN),
        ("\n", UNKNOWN),
        ("-1\n", UNKNOWN),
        ("+1\n", UNKNOWN),
        ("1_000\n", UNKNOWN),
        ("1.5\n", UNKNOWN),
        ("0x10\n", UNKNOWN),
        ("\u0661\n", UNKNOWN),  # a digit, but none of ASCII
        ("12", UNKNOWN),  # torn: it may have been 123
        ("maximum\n", UNKNOWN),
        ("1 2\n", UNKNOWN),
    ],
)
def test_one_number(text: str, value: int) -> None:
    assert parse(formats.single, text) == [value]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9223372036854771712\n", UNLIMITED),
        ("9223372036854710272\n", UNLIMITED),  # pages of 64 KiB
        ("67108864\n", 64 << 20),
        ("-1\n", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_v1_memory_limit(text: str, value: int) -> None:
    assert parse(formats.v1_limit, text) == [value]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("max 100000\n", UNLIMITED),
        ("-1\n 100000\n", UNLIMITED),  # v1: two files
        ("30000 100000\n", 300_000_000),
        ("250000\n 100000\n", 2_500_000_000),
        ("100000 0\n", UNKNOWN),
        ("100000\n", UNKNOWN),
        ("", UNKNOWN),
        ("-5 100000\n", UNKNOWN),
        ("x y\n", UNKNOWN),
        (f"{MAX_VALUE} 1\n", MAX_VALUE),
        ("1 2 3\n", UNKNOWN),
    ],
)
def test_cpu_limit(text: str, value: int) -> None:
    assert parse(formats.cpu_limit, text) == [value]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("anon 1\nfile 2\npgfault 3\n", [1, 2, 3]),
        ("zero 0\nanon 1\nmore 9\nfile 2\nx 7\npgfault 3\nlast 1\n", [1, 2, 3]),
        ("pgfault 3\nfile 2\nanon 1\n", [1, 2, 3]),
        ("anon 1\nfile -2\npgfault 3\n", [1, UNKNOWN, 3]),
        ("anon 1\nfile 2\n", [1, 2, UNKNOWN]),
        ("anon 1\nfile\npgfault 3\n", [1, UNKNOWN, 3]),
        ("anon 1\na line nobody has seen\nfile 2\n\npgfault 3\n", [1, 2, 3]),
        ("anon 1\nfile 2\npgfault 3", [1, 2, UNKNOWN]),  # torn: it may have been 30
        (f"anon {MAX_VALUE}\nfile {MAX_VALUE + 1}\npgfault {2**64}\n", [MAX_VALUE, UNKNOWN, UNKNOWN]),
        ("anonymous 1\nprofile 2\npgfault2 3\n", [UNKNOWN] * 3),
        ("", [UNKNOWN] * 3),
    ],
)
@pytest.mark.parametrize(
    "before",
    [
        None,
        "anon 7\nfile 8\npgfault 9\n",
        "x 1\nanon 7\ny 1\nfile 8\npgfault 9\n",
        "pgfault 1\nanon 2\nfile 3\n",
        "file 1\n",
    ],
)
def test_keyed_files_whatever_was_learned_before(before: str | None, text: str, values: list[int]) -> None:
    parser = formats.keyed(STAT, [1, 1, 1])
    if before:
        parser(before.encode())
    assert parse(parser, text) == values
    assert parse(parser, text) == values


def test_a_parser_learns_a_new_layout() -> None:
    parser = formats.keyed(STAT, [1, 1, 1])
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 1, 2)):
        for start in (10, 20):
            lines = [f"{STAT[place].decode()} {start + place}\n" for place in order]
            assert parse(parser, "".join(lines)) == [start, start + 1, start + 2]


def test_units_of_the_kernel() -> None:
    by_file = {(plan.file, plan.controller): plan for plan in PLANS}
    assert list(by_file["cpuacct.stat", "cpuacct"].parse(b"user 2\nsystem 3\n")) == [2 * NS, 3 * NS]
    usec = b"usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 1\nnr_throttled 1\nthrottled_usec 9\n"
    assert list(by_file["cpu.stat", "unified"].parse(usec)) == [5000, 3000, 2000, 1, 1, 9000]
    nanoseconds = b"nr_periods 1\nnr_throttled 1\nthrottled_time 9\n"
    assert list(by_file["cpu.stat", "cpu"].parse(nanoseconds)) == [1, 1, 9]
    some = b"some avg10=0.00 avg60=0.12 avg300=0.05 total=977956\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
    assert list(by_file["cpu.pressure", "unified"].parse(some)) == [977_956_000, 7000]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("some avg10=0.00 avg60=0.00 avg300=0.00 total=12\n", [12_000, UNKNOWN]),  # cpu before Linux 5.13
        ("full avg10=9.99 avg60=0.00 avg300=0.00 total=2\nsome avg10=1.00 avg60=0 avg300=0 total=1\n", [1000, 2000]),
        ("some avg10=0.00 avg60=0.00 avg300=0.00 total=12", [UNKNOWN, UNKNOWN]),
        ("some avg10=0.00 total=-12\nfull nothing\n", [UNKNOWN, UNKNOWN]),
        (f"some total={MAX_VALUE}\nfull total={MAX_VALUE // 1000}\n", [UNKNOWN, MAX_VALUE // 1000 * 1000]),
        ("", [UNKNOWN, UNKNOWN]),
    ],
)
def test_pressure(text: str, values: list[int]) -> None:
    assert parse(formats.pressure([b"some", b"full"]), text) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", [0, 0]),  # no device yet: nothing was read
        ("7:0 \n253:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n7:1 \n", [1, 2]),
        ("8:0 rbytes=1 wbytes=2 rios=3\n8:16 rbytes=10 wbytes=20 rios=3 cost.usage=7\n", [11, 22]),
        ("8:0 rbytes=1 wbytes=2 rios=3", [UNKNOWN, UNKNOWN]),  # torn
        ("8:0 rbytes=x wbytes=2\n", [UNKNOWN, UNKNOWN]),
        ("8:0 rbytes=-1 wbytes=2\n", [UNKNOWN, UNKNOWN]),
        (f"8:0 rbytes={MAX_VALUE} wbytes=2\n8:1 rbytes=1 wbytes=2\n", [UNKNOWN, 4]),
        ("8:0 xrbytes=1 rbytesx=2 wbytes=2\n", [0, 2]),
    ],
)
def test_io_stat(text: str, values: list[int]) -> None:
    assert parse(formats.io_stat([b"rbytes", b"wbytes"]), text) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", [UNKNOWN, UNKNOWN]),
        ("Total 0\n", [UNKNOWN, UNKNOWN]),
        ("8:0 Read 0\n8:0 Write 0\n8:0 Total 0\nTotal 0\n", [UNKNOWN, UNKNOWN]),
        ("8:0 Read 5\n8:0 Write 0\n8:0 Total 5\nTotal 5\n", [5, 0]),
        ("8:0 Read 5\n8:0 Write 1\n253:0 Read 7\n253:0 Write 2\nTotal 15\n", [12, 3]),
        ("8:0 Read x\n8:0 Write 1\n", [UNKNOWN, UNKNOWN]),
        ("8:0 Read 5\nsomething new\n8:0 Write 1\n", [5, 1]),
        (f"8:0 Read {MAX_VALUE}\n8:1 Read 1\n8:1 Write 1\n", [UNKNOWN, 1]),
    ],
)
def test_blkio(text: str, values: list[int]) -> None:
    assert parse(formats.blkio([b"Read", b"Write"]), text) == values


# -- whatever comes -----------------------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.integers(0, 2**64 + 5).map(str),
    st.sampled_from(["max", "-1", "", "0", "1e5", "0x1", str(MAX_VALUE), str(2**64), "9" * 30, "--", "1.5", "²"]),
)


def keys_of(plan: FilePlan) -> list[str]:
    sources = [source for row in TARGET_ROWS for source in (row.v1, row.v2) if source]
    return [source.partition(":")[2] for source in sources if source.partition(":")[0] == plan.file]


@st.composite
def texts(draw: st.DrawFn, plan: FilePlan) -> bytes:
    """What might stand in a plan's file: its keys, others, in any order, torn anywhere."""
    words = st.sampled_from([*keys_of(plan), "other", "8:0", "8:0 Read", "some avg10=0.00 total", "rbytes", "total"])
    separators = st.sampled_from([" ", " ", "=", "\t", ""])
    line = st.builds(
        lambda *parts: "".join(parts), words, separators, NUMBERS, st.sampled_from(["\n", "\n", "\n\n", ""])
    )
    text = "".join(draw(st.lists(line, max_size=12))).encode()
    return text[: draw(st.integers(0, len(text)))] if draw(st.booleans()) else text


def sums_and_units(numbers: Sequence[int]) -> set[int]:
    """What may come of the numbers of a text: itself in the kernel's units, sums over devices, a quotient."""
    found = set(numbers)
    found |= {number * scale for number in numbers for scale in (1000, NS)}
    return found


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.controller}-{plan.file}")
@given(data=st.data())
def test_no_text_raises_and_no_number_is_made_up(plan: FilePlan, data: st.DataObject) -> None:
    parser = plan.parse
    for text in data.draw(st.lists(texts(plan) | st.binary(max_size=80), min_size=1, max_size=3)):
        values = list(parser(text))
        assert len(values) == plan.count
        assert all(0 <= value <= UNKNOWN for value in values)
        if plan.file in ("cpu.max", "cpu.cfs_quota_us", "io.stat") or plan.file.startswith("blkio."):
            continue  # sums and quotients: see the tables above
        known = {value for value in values if value <= MAX_VALUE}
        assert known <= sums_and_units([int(digits) for digits in re.findall(rb"[0-9]+", text)])


@given(st.lists(st.tuples(st.sampled_from(["anon", "file", "pgfault", "x", "y"]), NUMBERS), max_size=12), st.data())
@example([("anon", "1"), ("file", "2"), ("pgfault", "3")], None)
def test_keyed_as_a_dictionary_would(lines: list[tuple[str, str]], data: st.DataObject | None) -> None:
    """Learned or not, the value of a key is that of its line."""
    lines = list(dict(lines).items())
    parser = formats.keyed(STAT, [1, 1, 1])
    for _ in range(3):
        text = "".join(f"{key} {value}\n" for key, value in lines)
        plain = {key: int(value) for key, value in lines if re.fullmatch("[0-9]+", value)}
        expected = [plain.get(key.decode(), UNKNOWN) for key in STAT]
        assert parse(parser, text) == [value if value <= MAX_VALUE else UNKNOWN for value in expected]
        if data is not None:
            lines = data.draw(st.permutations(lines))


@given(st.lists(st.integers(0, 2**63), min_size=3, max_size=3), st.integers(0, 300))
def test_a_long_memory_stat(values: list[int], more: int) -> None:
    """4 KiB and more, of which three lines are wanted."""
    parser = formats.keyed(STAT, [1, 1, 1])
    lines = [f"key_{place} {place}\n" for place in range(more)]
    for place, (key, value) in enumerate(zip(STAT, values, strict=True)):
        lines.insert(len(lines) * place // 3, f"{key.decode()} {value}\n")
    for _ in range(2):
        assert sorted(parse(parser, "".join(lines))) == sorted(values)
