"""What the benchmark reads from others must be read rightly, or its figures are wrong without anybody noticing."""

import os
import time

from bench.floor import parse_sleeps
from bench.machine import cpu_ns, parse_smaps
from bench.report import Figure, as_json, median_of, percentile, table

SMAPS = """\
5000-6000 r-xp 00001000 fe:00 18500                      /usr/bin/python3
Rss:                  40 kB
Anonymous:             0 kB
6000-7000 rw-p 00002000 fe:00 18500                      /usr/bin/python3
Rss:                  12 kB
Anonymous:             8 kB
7000-8000 rw-p 00000000 00:00 0                          [heap]
Rss:                 100 kB
Anonymous:           100 kB
8000-9000 rw-s 00000000 00:01 1024                       /memfd:podtick-history (deleted)
Rss:                 400 kB
Anonymous:             0 kB
9000-a000 rw-p 00000000 00:00 0
Rss:                   4 kB
Anonymous:             4 kB
"""


def test_copies_of_a_files_pages_are_private_and_the_history_is_left_out() -> None:
    assert parse_smaps(SMAPS) == {
        "private": (8 + 100 + 4) * 1024,
        "/usr/bin/python3@00001000": 40 * 1024,
        "/usr/bin/python3@00002000": 4 * 1024,
    }


def test_a_second_without_a_line_is_missed_and_two_lines_of_one_are_one() -> None:
    wakeups = parse_sleeps("100 5\n101 50\n101 70\n104 1000\n")
    assert (wakeups.seconds, wakeups.missed, wakeups.lateness) == (4, 2, (50, 70, 1000))
    assert wakeups.missed_share == 50.0


def test_no_line_is_no_second() -> None:
    assert parse_sleeps("").missed_share == 0.0


def test_cpu_time_of_another_process_is_what_that_process_says() -> None:
    before = time.clock_gettime_ns(time.CLOCK_PROCESS_CPUTIME_ID)
    seen = cpu_ns(os.getpid())
    assert before <= seen <= time.clock_gettime_ns(time.CLOCK_PROCESS_CPUTIME_ID)


def test_percentile_is_a_value_that_occurred() -> None:
    assert percentile([3, 1, 2, 4], 0.5) == 2
    assert percentile(range(1, 101), 0.99) == 99
    assert percentile([7], 0.99) == 7
    assert percentile([], 0.5) == 0


def test_median_of_ratios_is_not_the_ratio_of_medians() -> None:
    rows = [[Figure("cpu", "µs", value, "floor", floor, asked=2.0)] for value, floor in ((10, 2), (12, 10), (20, 8))]
    (row,) = median_of(rows)
    assert (row.value, row.peer_value, row.ratio, row.met, row.runs) == (12, 8, 2.5, False, 3)


def test_what_was_not_asked_is_neither_met_nor_missed() -> None:
    row = Figure("files", "files", 12.0)
    assert row.met is None
    assert table([row]).splitlines()[-1] == "| files | 12 | files |  |  |  |  |  |"
    assert '"met": null' in as_json([row], {})
