"""Partial credit, overrides and late days: what a lecturer writes into tables."""

from datetime import datetime
from fractions import Fraction
from pathlib import Path

import pytest

from course.marking import tables
from course.marking.grades import OTHER, Rules, rows, shown
from course.marking.marks import Mark, Marked
from course.marking.people import Person
from course.marking.submissions import Submission
from vaelib.check import EXERCISES

FIRST = next(iter(EXERCISES))
NUMBER = EXERCISES[FIRST].number


def marked(name: str, mistake: str | None = None, state: str = "wrong") -> Marked:
    marks = [Mark(each) for each in EXERCISES]
    marks[0] = Mark(FIRST, EXERCISES[FIRST].points * (state == "right"), state, "", mistake)
    return Marked(name, [], marks)


def submission(name: str, person: Person | None = None, time: float = 0.0) -> Submission:
    return Submission(name, (), person=person, time=time)


EVERYBODY = [submission(name) for name in ("ada", "=ben", "Cleo, Dr.")]


def read(tmp_path: Path, kind: str, text: str, encoding: str = "utf-8") -> Rules:
    rules = Rules()
    path = tmp_path / f"{kind}.csv"
    path.write_bytes(text.encode(encoding))
    rules.read(path, kind, EVERYBODY)
    return rules


def points(rules: Rules, one: Marked) -> tuple[Fraction, str]:
    found = rules.grade(one).points[FIRST]
    return found.value, found.why


def test_partial_credit_by_mistake(tmp_path):
    text = f"exercise,mistake,points\n{NUMBER},sign,0.5\n*,{OTHER},1/4\n{FIRST},two,nine\n9.9,a,1\n"
    rules = read(tmp_path, "partial", text)
    assert points(rules, marked("ada", "sign")) == (Fraction(1, 2), "for “sign”")
    assert points(rules, marked("ada")) == (Fraction(1, 4), f"for “{OTHER}”")
    assert points(rules, marked("ada", "something"))[0] == 0
    rest = read(tmp_path, "partial", f"exercise,mistake,points\n{NUMBER},*,1\n")
    assert points(rest, marked("ada", "something")) == (1, "for any mistake")
    assert points(rules, marked("ada", None, "right")) == (EXERCISES[FIRST].points, "")
    assert points(rules, marked("ada", None, "not attempted"))[0] == 0
    assert rules.problems == [
        "partial.csv, line 4: 'nine' is no number",
        "partial.csv, line 5: there is no exercise '9.9'",
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_overrides_as_spreadsheets_save_them(tmp_path, encoding, separator):
    lines = [
        ["submission", "exercise", "points", "comment"],
        ["ada", f"{NUMBER} {FIRST}", '"0,5"', "schön erklärt"],
        ["'=ben", NUMBER, "1", ""],
        ["nobody", FIRST, "1", ""],
        ["", "", "", ""],
        ['"cleo, DR."', NUMBER, "0", "copied"],
    ]
    rules = read(tmp_path, "overrides", "\r\n".join(map(separator.join, lines)), encoding)
    assert points(rules, marked("ada")) == (Fraction(1, 2), "set by hand: schön erklärt")
    assert points(rules, marked("=ben")) == (Fraction(1), "set by hand")
    assert points(rules, marked("Cleo, Dr.", None, "right")) == (0, "set by hand: copied")
    assert rules.problems == ["overrides.csv, line 4: there is no submission 'nobody'"]


def test_a_table_without_its_columns_is_said(tmp_path):
    assert read(tmp_path, "late", "name,late\nada,3\n").problems == [
        "late.csv, line 2: there is no column 'days'"
    ]


def test_late_days_from_a_table_from_times_and_from_canvas(tmp_path):
    rules = read(tmp_path, "late", "submission,days\nada,2\n")
    rules.due = datetime(2026, 12, 1, 12)
    due = rules.due.timestamp()
    late = Person("cleo", "canvas", "7", "a.ipynb", late=True)

    def days(name: str, time: float = 0.0, person: Person | None = None) -> int:
        return rules.grade(marked(name), submission(name, person, time)).late_days

    assert days("ada", due + 10 * 86400) == 2
    assert [days("ben", due + s) for s in (-5, 0, 1, 86400, 86401)] == [0, 0, 1, 1, 2]
    assert days("cleo", 0.0, late) == 1


def test_a_penalty_takes_off_a_part_of_the_points_and_never_more_than_all():
    rules = Rules(late={"ada": 2, "ben": 50}, penalty=Fraction(1, 10))
    totals = {n: rules.grade(marked(n, None, "right")).total for n in ("ada", "ben", "cleo")}
    one = EXERCISES[FIRST].points
    assert totals == {"ada": Fraction(8, 10) * one, "ben": 0, "cleo": one}


def test_numbers_are_shown_as_people_write_them():
    assert [shown(Fraction(x)) for x in ("3", "5/2", "1/3", "0", "10")] == [
        *("3", "2.5", "0.33", "0", "10")
    ]


MOODLE = Person("Ada Lovelace", "moodle", "1234567")
CANVAS = Person("lovelaceada", "canvas", "42")


def graded(person: Person):
    return Rules().grade(marked(person.name, None, "right"), submission(person.name, person))


def test_the_columns_of_moodle_and_canvas(tmp_path):
    both = [graded(MOODLE), graded(CANVAS)]
    path = tmp_path / "a.csv"
    path.write_text(tables.moodle(both), encoding="utf-8-sig")
    ((_, row),) = rows(path)
    assert (row["Identifier"], row["Full name"]) == ("Participant 1234567", "Ada Lovelace")
    assert row["Grade"] == str(EXERCISES[FIRST].points)
    path.write_text(tables.canvas(both, "VAE (99)"), encoding="utf-8-sig")
    ((_, row),) = rows(path)
    assert (row["ID"], row["VAE (99)"]) == ("42", str(EXERCISES[FIRST].points))


def test_a_gradebook_is_filled_in_and_keeps_all_other_cells(tmp_path):
    path = tmp_path / "Grades.csv"
    head = "Identifier,Full name,Email address,Status,Grade,Maximum Grade,Feedback comments"
    lines = [
        "Participant 1234567,Ada Lovelace,ada@x.org,Submitted,,45,",
        "Participant 8,Ben,b@x.org,-,7,45,good",
    ]
    path.write_text("\n".join([head, *lines]), encoding="utf-8-sig")
    text, problems = tables.filled_in(path, [graded(MOODLE), graded(CANVAS)], None)
    filled = text.splitlines()
    assert filled[0] == head and filled[2] == lines[1]
    assert filled[1] == lines[0].replace(",,45", f",{EXERCISES[FIRST].points},45")
    assert problems == ["lovelaceada (42) is not in Grades.csv"]
    sign = Rules().grade(marked("Ben", "sign"), submission("Ben", Person("Ben", "moodle", "8")))
    (row,) = tables.filled_in(path, [sign], None)[0].splitlines()[2:]
    assert row == f"Participant 8,Ben,b@x.org,-,0,45,good; {NUMBER}: sign"
    path.write_text("Student,ID,Section,One (1),Two (2)\nAda,42,A,,\n", encoding="utf-8")
    assert "Ada,42,A,,1" in tables.filled_in(path, [graded(CANVAS)], "Two (2)")[0]
    with pytest.raises(ValueError, match="2 columns for points"):
        tables.filled_in(path, [graded(CANVAS)], None)
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no gradebook"):
        tables.filled_in(path, [], None)
