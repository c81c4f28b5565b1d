"""Many texts at once: the same as one by one, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podtick.model.metrics.row import MAX_VALUE, UNKNOWN
from podtick.model.metrics.table import TARGET_ROWS
from podtick.sources.cgroup.batches import keyed, pressure
from podtick.sources.cgroup.plan import FilePlan, compile_plan

PLANS = [plan for version in (1, 2) for plan in compile_plan(TARGET_ROWS, version) if plan.parse_many]
LINES = {
    "cpuacct.stat": ["user {}", "system {}"],
    "cpu.stat": ["nr_periods {}", "nr_throttled {}", "throttled_time {}"],
    "memory.events": ["low {}", "high {}", "max {}", "oom {}", "oom_kill {}"],
    "memory.oom_control": ["oom_kill_disable {}", "under_oom {}", "oom_kill {}"],
}
V2_CPU = ["usage_usec {}", "user_usec {}", "system_usec {}", "nr_periods {}", "nr_throttled {}", "throttled_usec {}"]
V1_MEMORY = [
    *("cache {}", "rss {}", "hierarchical_memory_limit {}", "total_cache {}", "total_rss {}", "total_shmem {}"),
    *("total_mapped_file {}", "total_dirty {}", "total_swap {}", "total_pgfault {}", "total_pgmajfault {}"),
    *("total_inactive_file {}", "total_unevictable {}"),
]
V2_MEMORY = [
    *("anon {}", "file {}", "kernel {}", "shmem {}", "file_mapped {}", "inactive_anon {}", "inactive_file {}"),
    *("pgfault {}", "pgmajfault {}", "pgrefill {}"),
]
AVERAGES = "avg10=0.00 avg60=0.00 avg300=0.00"
USUAL_PRESSURE = f"some {AVERAGES} total=7\nfull {AVERAGES} total=0\n".encode()


def lines_of(plan: FilePlan) -> list[str]:
    if plan.file.endswith(".pressure"):
        return [f"some {AVERAGES} total={{}}", f"full {AVERAGES} total={{}}"]
    if (plan.file, plan.controller) == ("cpu.stat", "unified"):
        return V2_CPU
    if plan.file == "memory.stat":
        return V1_MEMORY if plan.controller == "memory" else V2_MEMORY
    return LINES.get(plan.file, ["{}"])


def usual(plan: FilePlan, number: int) -> bytes:
    return "".join(line.format(number + place) + "\n" for place, line in enumerate(lines_of(plan))).encode()


@st.composite
def texts(draw: st.DrawFn, plan: FilePlan) -> list[bytes]:
    """Texts as the kernel writes them; now and then one is torn, longer, shorter, or in another order."""
    lines = lines_of(plan)
    made = []
    for _ in range(draw(st.integers(1, 4))):
        numbers = draw(st.lists(st.integers(0, 12) | st.just(MAX_VALUE) | st.just(2**64), min_size=13, max_size=13))
        own = [line.format(number) for line, number in zip(lines, numbers, strict=False)]
        match draw(st.sampled_from(["usual", "usual", "usual", "fewer", "more", "moved", "torn", "empty", "max"])):
            case "fewer":
                own = own[draw(st.integers(0, len(own))) :]
            case "more":
                own += own[: draw(st.integers(1, len(own)))]
            case "moved":
                own = draw(st.permutations(own))
            case "empty":
                own = []
            case "max":
                own = ["max"]
            case "torn":
                text = "".join(f"{line}\n" for line in own).encode()
                made.append(text[: draw(st.integers(0, len(text)))])
                continue
        made.append("".join(f"{line}\n" for line in own).encode())
    return made


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.controller}-{plan.file}")
@given(data=st.data())
def test_the_same_as_one_by_one_or_not_at_all(plan: FilePlan, data: st.DataObject) -> None:
    assert plan.parse_many is not None
    many = data.draw(texts(plan))
    columns = plan.parse_many(many)
    if columns is not None:
        assert [list(row) for row in zip(*columns, strict=True)] == [list(plan.parse(text)) for text in many]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.controller}-{plan.file}")
def test_the_usual_texts_are_read_at_once(plan: FilePlan) -> None:
    assert plan.parse_many is not None
    many = [usual(plan, 1000 * number) for number in range(30)]
    columns = plan.parse_many(many)
    assert columns is not None
    assert len(columns) == plan.count
    assert plan.controller == "blkio" or UNKNOWN not in {value for column in columns for value in column}


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.controller}-{plan.file}")
@pytest.mark.parametrize("odd", [b"", b"\n", b"max\n", b"-1\n", b"\xff\xfe\n", b"12"])
def test_one_odd_text_is_left_to_the_other_parser(plan: FilePlan, odd: bytes) -> None:
    assert plan.parse_many is not None
    many = [usual(plan, 5), odd, usual(plan, 7)]
    columns = plan.parse_many(many)
    if columns is not None:
        assert [list(row) for row in zip(*columns, strict=True)] == [list(plan.parse(text)) for text in many]


@pytest.mark.parametrize(
    "many",
    [
        [b"a 1\nb 2\n", b"a\nb 2\n"],
        [b"a 1\nb 2\n", b"a1 \nb 2\n"],  # without its digits it is like the others
        [b"a 1\nb 2\n", b"a1 2\nb 2\n"],
        [b"a 1\nb 2\n", b"a 1\nb 2\n3"],
        [b"a 1\nb 2\n", b"3a 1\nb 2\n"],
        [b"a 1\nb 2\n", b"a 01\nb 2\n"],
        [b"a -1\nb 2\n", b"a -1\nb 2\n"],
        [b"a 1.5\nb 2\n", b"a 1.5\nb 2\n"],
        [b"a 1e5\nb 2\n", b"a 1e5\nb 2\n"],
        [b"a  1\nb 2\n", b"a  1\nb 2\n"],
        [b"a1 1\nb 2\n", b"a1 1\nb 2\n"],
        [b"a 1\nb 2\na 3\nb 4\n", b""],  # as many numbers as two texts should have
        [b"a 1\nb 2\n", b"", b"a 1\nb 2\na 3\nb 4\n"],
        [b"a 1\nb 2\na 1\n", b"b 2\n"],
        [b"a 1000000000000000\nb 2\n"],
        [b"a " + b"1" * 5000 + b"\nb 2\n"],
        [b"".join(b"%c 1\n" % (97 + place) for place in range(17))],
        [b"a 1\n"],
        [b""],
    ],
)
def test_keyed_texts_that_are_not_read_together(many: list[bytes]) -> None:
    assert keyed([b"b", b"a"], [1, 1])(many) is None


def test_keyed_texts_are_read_in_the_order_and_the_unit_that_were_asked_for() -> None:
    many = [b"a 1\nb 2\nc 3\n", b"a 999999999999999\nb 0\nc 0\n"]
    assert keyed([b"b", b"a"], [1, 1000])(many) == [[2, 0], [1000, 999999999999999000]]


@pytest.mark.parametrize(
    "odd",
    [
        USUAL_PRESSURE.replace(b"full", b"file"),
        USUAL_PRESSURE[: USUAL_PRESSURE.index(b"full")],
        USUAL_PRESSURE.replace(b"total=7", b"total="),
        USUAL_PRESSURE.replace(b"total=7", b"to7tal="),
        USUAL_PRESSURE.replace(b"total=7", b"total=7777777777777777"),
        USUAL_PRESSURE.replace(b"total=7", b"total=-7"),
        USUAL_PRESSURE * 2,
        b"",
    ],
)
def test_pressure_texts_that_are_not_read_together(odd: bytes) -> None:
    assert pressure([USUAL_PRESSURE]) == [[7000], [0]]
    assert pressure([USUAL_PRESSURE, odd]) is None
    assert pressure([odd]) is None
    assert pressure([USUAL_PRESSURE * 2, b""]) is None


def test_there_are_files_that_are_read_together() -> None:
    assert {plan.file for plan in PLANS} >= {"cpuacct.usage", "cpuacct.stat", "memory.current", "pids.current"}
