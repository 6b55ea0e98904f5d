"""The tables that the benchmarks print."""

import re

from benchmarks import tables


def test_a_table_is_markdown():
    found = tables.table(["loop", "s"], [["plain", 1], ["compiled", "0.5"]])
    assert found == "| loop | s |\n| --- | --- |\n| plain | 1 |\n| compiled | 0.5 |\n"


def test_a_table_can_be_printed_row_by_row():
    rows = [["plain", 1], ["compiled", 2]]
    by_rows = tables.table(["loop", "s"], []) + "".join(tables.line(row) + "\n" for row in rows)
    assert by_rows == tables.table(["loop", "s"], rows)


def test_numbers_have_a_minus_sign_and_are_rounded():
    assert tables.number(-105.5351) == "−105.54"
    assert tables.number(1.25, digits=1, sign="+") == "+1.2"
    assert tables.with_error(-0.5, 0.04, sign="+") == "−0.50 ± 0.04"


def test_a_spread_is_the_median_with_its_range():
    assert tables.spread([3.0, 1.0, 2.0]) == "2.00 (1.00 to 3.00)"
    assert tables.spread([0.1234], digits=3) == "0.123"


def test_the_heading_lists_what_differs_between_runs_once():
    runs = [
        {"date": "2026-11-22", "machine": "A, 2 cores", "load": "1.0"},
        {"date": "2026-11-27", "machine": "A, 2 cores", "load": "2.0", "torch": "2.13"},
    ]
    assert tables.heading("## Race", "make bench", *runs) == (
        "## Race\n\n`make bench`: 2026-11-22 and 2026-11-27, A, 2 cores, load 1.0 and 2.0, "
        "torch 2.13.\n"
    )


def test_the_circumstances_name_machine_and_versions():
    found = tables.circumstances("torch", "numpy", images="10")
    assert [*found] == ["date", "machine", "load", "torch", "numpy", "images"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found["date"])
    assert re.fullmatch(r".+, \d+ cores", found["machine"])
