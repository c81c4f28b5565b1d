"""Every second exactly once: any polling, missed seconds, restarts, seconds that aged out, other histories."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podtick.history.layout import Word
from podtick.history.ticks import AFTER_START, CLOCK_STEPPED
from podtick.serve.api import since
from podtick.serve.api.cursor import CursorError
from tests.unit.serve.recorded import EPOCH, NODE, SECOND, Json, Recorded, recording

CPU = "cpu_usage_seconds_total"
READS = "fs_reads_total"


def seconds(found: Json) -> list[int]:
    return [each["timestamp"] for each in found["seconds"] if "gap" not in each]


def gaps(found: Json) -> list[tuple[int, int, str]]:
    return [tuple(each["gap"].values()) for each in found["seconds"] if "gap" in each]


def all_of(history: Recorded, start: str) -> list[Json]:
    """Everything since `start`, page by page."""
    found: list[Json] = []
    more = True
    while more:
        page = history.ask_container(since=start, metric=READS)
        assert page["seconds"] or not page["more"]
        found += page["seconds"]
        start, more = page["next"], page["more"]
    return found


def test_now_is_the_beginning_of_a_stream() -> None:
    with recording() as history:
        app = history.container(history.pod())
        history.tick({app: {READS: 5}})
        first = history.ask_container(since="now", metric=READS)
        assert first["seconds"] == []
        assert first["more"] is False
        assert re.fullmatch(r"[0-9a-f]{16}-1-" + str(EPOCH + 1), first["next"])
        assert history.ask_container(since=first["next"])["next"] == first["next"], "nothing new, the same place"
        history.tick({app: {READS: 7}})
        second = history.ask_container(since=first["next"], metric=READS)
        assert second["seconds"] == [{"timestamp": EPOCH + 2, "values": {READS: 7, "fs_reads_per_second": 2.0}}]
        assert history.ask_container(since=second["next"])["seconds"] == []


def test_a_page_names_the_target_and_every_field() -> None:
    with recording() as history:
        pod = history.pod()
        history.container(pod)
        history.tick()
        history.tick({pod: {CPU: SECOND}})
        found = history.ask_pod(since="oldest")
        assert (found["node"], found["pod"], found["uid"], found["live"]) == ("worker-7", "cart", "u1", True)
        assert seconds(found) == [EPOCH + 1, EPOCH + 2]
        last = found["seconds"][-1]
        assert set(last) == {"timestamp", "values", "limits", "containers"}
        assert last["values"][CPU] == 1.0
        assert last["containers"][0]["container"] == "app"
        assert last["containers"][0]["values"]["state"] is None
        only = history.ask_pod(since="oldest", level="container")["seconds"][-1]
        assert set(only) == {"timestamp", "containers"}


def test_the_node_since() -> None:
    with recording() as history:
        for load in (100, 250):
            history.tick({NODE: {"load1": load}})
        found = history.ask_node(since=str(EPOCH + 1), metric="load1")
        assert found["seconds"] == [{"timestamp": EPOCH + 2, "values": {"load1": 2.5}}]


def test_all_pods_since_hold_those_that_have_left() -> None:
    with recording() as history:
        old = history.pod("cart", "u1")
        app = history.container(old)
        history.tick({old: {"threads": 1}, app: {"threads": 1}})
        history.detach(app, old)
        new = history.pod("cart", "u2")
        history.tick({new: {"threads": 2}})
        found = history.ask_pods(since="oldest", metric="threads")
        assert [each["timestamp"] for each in found["seconds"]] == [EPOCH + 1, EPOCH + 2]
        who = {"namespace": "shop", "pod": "cart"}
        values = {"values": {"threads": 1}}
        assert [each["pods"] for each in found["seconds"]] == [
            [{**who, "uid": "u1", **values, "containers": [{"container": "app", **values}]}],
            [{**who, "uid": "u2", "values": {"threads": 2}, "containers": []}],
        ]


def test_who_comes_while_the_table_is_read_is_told_on_the_next_page(monkeypatch: pytest.MonkeyPatch) -> None:
    with recording() as history:
        history.pod("cart", "u1")
        history.tick()
        of = history.reader.targets

        def targets() -> object:
            found = of()
            monkeypatch.undo()
            history.pod("web", "u2")
            history.tick()
            return found

        monkeypatch.setattr(history.reader, "targets", targets)
        first = history.ask_pods(since="oldest")
        assert seconds(first) == [EPOCH + 1]
        second = history.ask_pods(since=first["next"])
        assert [[pod["pod"] for pod in each["pods"]] for each in second["seconds"]] == [["cart", "web"]]


@pytest.mark.parametrize(
    ("flags", "reason"), [(0, "missed"), (AFTER_START, "restarted"), (AFTER_START | CLOCK_STEPPED, "restarted")]
)
def test_seconds_without_a_tick_are_a_gap_in_their_place(flags: int, reason: str) -> None:
    with recording() as history:
        app = history.container(history.pod())
        history.tick({app: {READS: 0}})
        history.tick({app: {READS: 9}}, missed=3, flags=flags)
        found = history.ask_container(since="oldest", metric=READS)
        assert found["seconds"] == [
            {"timestamp": EPOCH + 1, "values": {READS: 0, "fs_reads_per_second": None}},
            {"gap": {"from": EPOCH + 2, "to": EPOCH + 4, "reason": reason}},
            {"timestamp": EPOCH + 5, "values": {READS: 9, "fs_reads_per_second": 2.25}},
        ]


def test_a_gap_right_after_the_cursor_is_told() -> None:
    with recording() as history:
        history.container(history.pod())
        history.tick()
        start = history.ask_container(since="now")["next"]
        history.tick(missed=2)
        assert gaps(history.ask_container(since=start)) == [(EPOCH + 2, EPOCH + 3, "missed")]
        assert gaps(history.ask_container(since=str(EPOCH + 2))) == [(EPOCH + 3, EPOCH + 3, "missed")]
        assert gaps(history.ask_container(since=str(EPOCH + 4))) == []


def test_a_clock_that_was_set_ahead_is_told() -> None:
    with recording() as history:
        history.container(history.pod())
        history.tick()
        history.now += 100
        history.tick(flags=CLOCK_STEPPED)
        found = history.ask_container(since="oldest")
        assert gaps(found) == [(EPOCH + 2, EPOCH + 101, "clock_set")]


def test_a_clock_that_was_set_back_loses_nothing() -> None:
    with recording() as history:
        history.container(history.pod())
        for _ in range(5):
            history.tick()
        start = history.ask_container(since="now")["next"]
        history.now -= 3
        for flags in (CLOCK_STEPPED, 0, 0):
            history.tick(flags=flags)
        found = history.ask_container(since=start)
        assert [each.get("timestamp") for each in found["seconds"]] == [EPOCH + 3, EPOCH + 4, EPOCH + 5]


def test_what_aged_out_before_the_reader_came_is_a_gap() -> None:
    with recording() as history:
        app = history.container(history.pod())
        history.tick({app: {READS: 0}})
        start = history.ask_container(since="now")["next"]
        for _ in range(history.region.geometry.span + 49):
            history.tick({app: {READS: 0}})
        found = all_of(history, start)
        assert found[0] == {"gap": {"from": EPOCH + 2, "to": EPOCH + 50, "reason": "aged_out"}}
        assert [each["timestamp"] for each in found[1:]] == list(range(EPOCH + 51, history.now + 1))
        assert all_of(history, str(EPOCH + 1)) == found
        assert all_of(history, "oldest") == found[1:], "who asks for the oldest has lost nothing"


def test_a_time_before_the_history_began_is_a_gap() -> None:
    with recording() as history:
        history.container(history.pod())
        history.tick()
        assert gaps(history.ask_container(since=str(EPOCH - 9))) == [(EPOCH - 8, EPOCH, "restarted")]


def test_the_cursor_of_an_earlier_history_goes_on_with_a_gap() -> None:
    with recording() as earlier:
        earlier.container(earlier.pod())
        for _ in range(7):
            earlier.tick()
        start = earlier.ask_container(since="now")["next"]
    with recording() as history:
        history.container(history.pod())
        history.now = EPOCH + 20
        for _ in range(3):
            history.tick()
        found = history.ask_container(since=start)
        assert gaps(found) == [(EPOCH + 8, EPOCH + 20, "restarted")]
        assert seconds(found) == [EPOCH + 21, EPOCH + 22, EPOCH + 23]
        assert found["next"].split("-")[0] != start.split("-")[0]
        assert history.ask_container(since=found["next"])["seconds"] == []


def test_a_reading_that_is_lost_is_a_gap_and_not_silence() -> None:
    """Segments were used again between the look at the oldest tick and the reading, or are damaged."""
    with recording() as history:
        app = history.container(history.pod())
        for number in range(190):
            history.tick({app: {READS: number}})
        head = next(record.head for record in history.reader.targets() if record.id == app)
        history.region.bytes_[head + 60] ^= 1
        found = all_of(history, "oldest")
        assert found[0]["gap"]["reason"] == "aged_out"
        told = [each["timestamp"] for each in found[1:]]
        assert told == list(range(found[0]["gap"]["to"] + 1, history.now + 1))
        assert told[-1] == history.now


def test_what_leaves_the_history_while_all_pods_are_read_is_a_gap_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else those that were read before would be there, and those after would not."""
    with recording() as history:
        for name in ("cart", "web"):
            history.pod(name, name)
        for _ in range(5):
            history.tick()
        of = history.reader.readings

        def readings(*arguments: Any) -> object:
            found = of(*arguments)
            history.region.words[Word.OLDEST] = 3
            return found

        monkeypatch.setattr(history.reader, "readings", readings)
        found = history.ask_pods(since="oldest")["seconds"]
        assert found[0] == {"gap": {"from": EPOCH + 1, "to": EPOCH + 2, "reason": "aged_out"}}
        assert [len(each["pods"]) for each in found[1:]] == [2, 2, 2]


def test_a_loss_at_the_end_of_a_page_is_told_on_that_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(since, "MOST_SECONDS", 20)
    with recording() as history:
        app = history.container(history.pod())
        for number in range(190):
            history.tick({app: {READS: number}})
        head = next(record.head for record in history.reader.targets() if record.id == app)
        history.region.bytes_[head + 60] ^= 1
        found = all_of(history, "oldest")
        covered: set[int] = set()
        for each in found:
            inside = (
                {each["timestamp"]} if "gap" not in each else set(range(each["gap"]["from"], each["gap"]["to"] + 1))
            )
            assert not covered & inside
            covered |= inside
        assert covered == set(range(EPOCH + 1, history.now + 1))


def test_seconds_before_a_target_came_and_after_it_left_are_no_gaps() -> None:
    with recording() as history:
        pod = history.pod()
        for _ in range(5):
            history.tick()
        app = history.container(pod)
        for _ in range(3):
            history.tick()
        history.detach(app)
        for _ in range(4):
            history.tick()
        found = history.ask_container(since="oldest")
        assert not gaps(found)
        assert seconds(found) == [EPOCH + 6, EPOCH + 7, EPOCH + 8]
        assert found["live"] is False
        assert found["next"].endswith(f"-12-{EPOCH + 12}")


def test_pages_are_bounded_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(since, "MOST_SECONDS", 50)
    with recording() as history:
        app = history.container(history.pod())
        for number in range(120):
            history.tick({app: {READS: number}})
        start, lengths = "oldest", []
        for more in (True, True, False):
            page = history.ask_pod(since=start)
            lengths.append(len(page["seconds"]))
            assert page["more"] is more
            start = page["next"]
        assert lengths == [50, 50, 20]
        found = all_of(history, "oldest")
        assert [each["values"]["fs_reads_per_second"] for each in found] == [None, *[1.0] * 119], "also between pages"


def test_a_page_of_very_many_fields_still_has_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(since, "MOST_VALUES", 10)
    with recording() as history:
        history.container(history.pod())
        for _ in range(5):
            history.tick()
        start = "oldest"
        for number in range(1, 6):
            page = history.ask_pods(since=start)
            assert seconds(page) == [EPOCH + number]
            assert page["more"] is (number < 5)
            start = page["next"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "write since=now, since=oldest, a Unix time in seconds, or the text of `next`"),
        ("yesterday", "is no place in the history"),
        ("-5", "is no place in the history"),
        ("12.5", "is no place in the history"),
        ("x" * 5000, "is no place in the history"),
        ("\u0661\u0662", "is no place in the history"),
        ("5f0c6a9e1b2d3c4f-1", "is no place in the history"),
        ("5F0C6A9E1B2D3C4F-1-1764021001", "is no place in the history"),
        ("1764021001000", "is no place in the history"),  # milliseconds
        ("999999999999", "lies in the future"),
    ],
)
def test_garbage_says_what_would_be_right(text: str, told: str) -> None:
    with recording() as history:
        history.container(history.pod())
        history.tick()
        with pytest.raises(CursorError) as raised:
            history.ask_container(since=text)
        assert told in str(raised.value)
        assert len(str(raised.value)) < 300


def test_a_cursor_from_the_future_of_this_history_is_refused() -> None:
    with recording() as history:
        history.container(history.pod())
        history.tick()
        instance = history.region.words[Word.INSTANCE]
        with pytest.raises(CursorError, match=f"newest tick is {instance:016x}-1-{EPOCH + 1}: write since=now"):
            history.ask_container(since=f"{instance:016x}-2-{EPOCH + 2}")


def test_a_time_a_little_ahead_has_nothing_yet() -> None:
    with recording() as history:
        history.container(history.pod())
        history.tick()
        found = history.ask_container(since=str(EPOCH + 60))
        assert (found["seconds"], found["more"]) == ([], False)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 90),  # ticks until the next poll
        st.sampled_from([0, 0, 0, 1, 5]),  # seconds missed before the first of them
        st.sampled_from([0, AFTER_START]),
        st.booleans(),  # whether the reader also asks for what more there is at once
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=80)
@given(steps=STEPS, page=st.sampled_from([7, 60, 300]))
def test_each_second_comes_exactly_once_however_one_polls(steps: list[tuple[int, int, int, bool]], page: int) -> None:
    """Seconds and gaps together are all the seconds that passed, in order, none twice; a second is its own readings."""
    with pytest.MonkeyPatch.context() as patch, recording() as history:
        patch.setattr(since, "MOST_SECONDS", page)
        app = history.container(history.pod())
        truth: dict[int, int] = {history.tick({app: {READS: 0}}): 0}
        cursor = history.ask_container(since="now")["next"]
        told: list[Any] = []
        for ticks, missed, flags, all_at_once in [*steps, (0, 0, 0, True)]:
            for place in range(ticks):
                first = place == 0
                value = len(truth) * 3
                truth[history.tick({app: {READS: value}}, missed * first, flags * first)] = value
            more = True
            while more:
                found = history.ask_container(since=cursor, metric=READS)
                told += found["seconds"]
                cursor, more = found["next"], found["more"] and all_at_once
        now = EPOCH + 2
        for each in told:
            if "gap" in each:
                assert each["gap"]["from"] == now <= each["gap"]["to"]
                now = each["gap"]["to"] + 1
                inside = [second for second in truth if each["gap"]["from"] <= second < now]
                assert not inside or each["gap"]["reason"] == "aged_out"
            else:
                assert each["timestamp"] == now
                assert each["values"][READS] == truth[now]
                now += 1
        assert now == history.now + 1


@settings(max_examples=40)
@given(start=st.integers(-20, 140), missed=st.integers(0, 5))
def test_a_unix_time_is_the_last_second_that_one_has(start: int, missed: int) -> None:
    with recording() as history:
        app = history.container(history.pod())
        for number in range(60):
            history.tick({app: {READS: number}}, missed=missed if number == 30 else 0)
        found = history.ask_container(since=str(EPOCH + start))
        assert seconds(found) == [
            second
            for second in (*range(EPOCH + 1, EPOCH + 31), *range(EPOCH + 31 + missed, EPOCH + 61 + missed))
            if second > EPOCH + start
        ]
