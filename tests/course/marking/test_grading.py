"""Marking a folder: every submission gets the marks known by construction, and nothing is lost."""

import socket
import sys
import threading
from pathlib import Path

import damaged_submissions
import pytest
from made_submissions import rows

from course.marking import command, marks
from course.marking.report import file_name
from vaelib.check import EXERCISES

# The processes of the submissions do not enforce annotations, and so no test here does.
pytestmark = pytest.mark.refuses


@pytest.fixture(scope="module")
def home():
    """A port on this machine, and how many have called there."""
    calls = []
    server = socket.create_server(("127.0.0.1", 0))

    def listen() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            calls.append(connection.recv(100))
            connection.close()

    threading.Thread(target=listen, daemon=True).start()
    yield server.getsockname()[1], calls
    server.close()


@pytest.fixture(scope="module")
def marked(tmp_path_factory, home):
    """Some thirty submissions with everything in them that happens, and what marking made of it."""
    folder, out = (tmp_path_factory.mktemp(name) for name in ("submissions", "out"))
    bad = len(damaged_submissions.DAMAGES)
    made = damaged_submissions.generate(bad + 18, 1, out, home[0], bad)
    for one in made:
        one.write(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    got = command.grade(folder, 7, out, jobs=2).grades()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    return folder, out, made, got


def test_every_mark_is_the_one_known_by_construction(marked):
    folder, out, made, got = marked
    found = damaged_submissions.differences(made, got)
    assert not found, "\n".join(found)


def test_nothing_was_written_elsewhere_and_nobody_called_home(marked, home):
    folder, out, made, got = marked
    assert home[1] == []
    for place in (out, folder, folder.parent, Path.home(), Path("/tmp")):
        assert not (place / "stolen-by-vaelib-test").exists()
    assert "all points" not in (out / "marks.csv").read_text(encoding="utf-8")


def test_the_table_has_a_row_each_and_no_formula(marked):
    folder, out, made, got = marked
    table = rows(out)
    head = [f"{e.number} {name}" for name, e in EXERCISES.items()]
    columns = ["submission", *head, "total", "of", "remarks", "id", "late days", "alias"]
    assert list(table[0]) == columns
    assert sorted(row["submission"].removeprefix("'") for row in table) == sorted(
        one.name for one in made
    )
    assert "id,late days,alias" in (out / "marks.csv").read_text(encoding="utf-8-sig")
    for row in table:
        assert int(row["total"]) == sum(int(row[name]) for name in head)
        assert row["submission"][0] not in "=+-@" and row["remarks"][:1] not in set("=+-@")


def test_there_is_a_page_each_and_one_of_the_class(marked):
    folder, out, made, got = marked
    assert len(list((out / "reports").glob("*.html"))) == len(made)
    page = (out / "class.html").read_text(encoding="utf-8")
    for one in got:
        link = page_of(one.name)
        assert link in page
        report = (out / link).read_text(encoding="utf-8")
        assert f"{one.total} of {one.possible} points" in report and "<script" not in report
    assert "another mistake" in page and 'href="reports/' in page
    assert "Landlock" in page or sys.platform != "linux"


def page_of(name: str) -> str:
    return f"reports/{file_name(name)}.html"


def test_the_same_marks_again_and_only_what_changed_is_marked_again(marked, monkeypatch):
    folder, out, made, got = marked
    table = (out / "marks.csv").read_text(encoding="utf-8")
    again = []
    original = marks.mark
    monkeypatch.setattr(marks, "mark", lambda name, *a: again.append(name) or original(name, *a))
    assert command.grade(folder, 7, out, jobs=2).in_order() == [one.marked for one in got]
    assert not [name for name in again if "not marked" not in row_of(got, name)]
    changed = next(one.name for one in made if one.name.startswith("reordered"))
    (out / "marks" / f"{Path(page_of(changed)).stem}.json").unlink()
    again.clear()
    assert command.grade(folder, 7, out, jobs=2).in_order() == [one.marked for one in got]
    assert changed in again
    assert (out / "marks.csv").read_text(encoding="utf-8") == table


def row_of(got, name: str) -> str:
    return "; ".join(next(one for one in got if one.name == name).marked.remarks)
