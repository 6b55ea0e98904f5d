"""The table and the pages of marking: they count, and obey no name in them."""

import csv
import io
import json
from fractions import Fraction

import pytest

from course.marking import report, similarity, tables
from course.marking.grades import Grade, Rules
from course.marking.marks import Mark, Marked
from vaelib.check import EXERCISES

FIRST = next(iter(EXERCISES))
HOSTILE = "<img src=x onerror=alert(1)>.ipynb"


def student(name: str, state: str, misconception: str | None = None, code: str = "") -> Marked:
    """Somebody who did the first exercise only."""
    marks = [Mark(each) for each in EXERCISES]
    points = EXERCISES[FIRST].points if state == "right" else 0
    message = "✗ <b>: \x1b[31mno"
    marks[0] = Mark(FIRST, points, state, message, misconception, code or "<script>", ["+1"])
    return Marked(name, [name], marks, [], ["nothing"])


def a_class(rules: Rules | None = None) -> list[Grade]:
    """Three students; one has a name and a mistake that HTML and spreadsheets must not obey."""
    rules = rules or Rules()
    marked = [
        student(HOSTILE, "right"),
        student("=1+1.ipynb", "wrong", "arguments swapped"),
        student("c.ipynb", "wrong", "arguments swapped"),
    ]
    return [rules.grade(each) for each in marked]


def class_page(rules: Rules | None = None) -> str:
    return report.class_page(a_class(rules), 1, rules or Rules())


def test_pages_obey_no_name():
    pages = [class_page(), *(report.student_page(g, 1, g.name) for g in a_class())]
    for page in pages:
        assert "<img" not in page and "<script" not in page and "<b>" not in page


def test_page_names_are_all_different_and_lead_nowhere_else():
    names = [report.file_name(name) for name in ("a/b.ipynb", "a_b.ipynb", "../a/b.ipynb")]
    assert len(set(names)) == 3 and not any("/" in name or "." in name for name in names)


@pytest.mark.parametrize(
    "value",
    [
        "=1+1",
        "+1+cmd",
        "-1-cmd",
        "@SUM(A1)",
        "\t=1",
        " =1",
        "\r=1",
        "\n=1",
        "a;=1",
        "a,\t+x",
        "＝1",
    ],
)
def test_no_cell_is_taken_for_a_formula(value):
    (cell,) = next(csv.reader(io.StringIO(tables.csv_text([value], []))))
    for part in cell.replace("\t", ",").replace(";", ",").split(","):
        assert part.strip()[:1] not in set("=+-@＝＋－＠")
    assert "\n" not in cell and "\r" not in cell


def test_a_number_stays_a_number():
    assert [tables.harmless(value) for value in ("-1", "2.5", 3)] == ["-1", "2.5", 3]


def test_the_class_page_counts_the_mistakes_and_links_both_ways():
    grades = a_class()
    ((name, mistake, who),) = report.mistakes(grades)
    assert (name, mistake, [g.name for g in who]) == (
        FIRST,
        "arguments swapped",
        ["=1+1.ipynb", "c.ipynb"],
    )
    place = report.anchor(FIRST, "arguments swapped")
    assert f'id="{place}"' in class_page()
    assert f'href="../class.html#{place}"' in report.student_page(grades[2], 1, "c.ipynb")
    assert f'href="reports/{report.file_name("c.ipynb")}.html#{FIRST}"' in class_page()


def test_points_are_distributed_over_all_submissions():
    rules = Rules()
    lines = report.distribution(a_class(rules), 9)
    assert "<tr><td>0</td>" in lines[2] and '<td class="n">2</td>' in lines[2]
    assert "<tr><td>1</td>" in lines[3] and '<td class="n">1</td>' in lines[3]
    assert len(lines) == 2 + 10 + 1


def test_lessons_that_do_not_count_are_in_no_table():
    rules = Rules(frozenset({2}))
    text = tables.table(a_class(rules), rules)
    assert FIRST not in text and FIRST not in class_page(rules)
    assert {g.total for g in a_class(rules)} == {Fraction(0)}


def test_an_anonymous_page_has_no_name():
    grade = a_class()[2]
    grade.alias = "student-1"
    assert "c.ipynb" in report.student_page(grade, 1, "c.ipynb")
    assert "c.ipynb" not in report.student_page(grade, 1, grade.alias)


ANSWER = """def f(p, q):
    ratio = p / q
    return (p * ratio.log() + (1 - p) * ((1 - p) / (1 - q)).log()).clamp(min=0)
"""
RENAMED = '''def f(a, b):
    """My own."""
    r = a/b  # the ratio
    return (a * r.log() + (1 - a) * ((1 - a) / (1 - b)).log()).clamp(min=0)
'''
OTHER = "def f(p, q):\n    return sum(p * q ** i for i in range(7)) - sum(q for q in [p, q, p])\n"


def test_renamed_answers_are_alike_and_usual_ones_are_not():
    rules = Rules()
    codes = [ANSWER, RENAMED, *(OTHER for _ in range(5)), "def f(p, q):\n    return p\n"]
    grades = [rules.grade(student(f"s{i}", "wrong", code=c)) for i, c in enumerate(codes)]
    (pair,) = similarity.pairs(grades)
    assert (pair.a.name, pair.b.name, pair.exercises) == ("s0", "s1", [FIRST])
    page = report.class_page(grades, 1, rules)
    assert "Answers that are alike" in page and "Answers that are alike" not in class_page()


def test_code_that_is_no_python_is_like_nothing():
    assert similarity.fingerprint("def f(:") == similarity.fingerprint("x = " + "-" * 10**5) == ""


def test_marks_come_back_from_json():
    for grade in a_class():
        one = grade.marked
        assert Marked.from_json(json.loads(json.dumps(one.as_json()))) == one
