"""The table and the pages of marking: they count, and obey no name in them."""

import json

from course.marking import report
from course.marking.marks import Mark, Marked
from vaelib.check import EXERCISES


def a_class() -> list[Marked]:
    """Three students; one has a name and a mistake that HTML and spreadsheets must not obey."""

    def student(name: str, state: str, misconception: str | None = None) -> Marked:
        marks = [Mark(each) for each in EXERCISES]
        points = next(iter(EXERCISES.values())).points if state == "right" else 0
        marks[0] = Mark(
            marks[0].name, points, state, "✗ <b>: no", misconception, "<script>", ["+1"]
        )
        return Marked(name, [name], marks, [], ["nothing"])

    return [
        student("<img src=x>.ipynb", "right"),
        student("=1+1.ipynb", "wrong", "arguments swapped"),
        student("c.ipynb", "wrong", "arguments swapped"),
    ]


def test_reports_obey_no_name():
    for page in (report.class_page(a_class(), 1), *map(student_page, a_class())):
        assert "<img" not in page and "<script" not in page and "<b>" not in page
    assert "'=1+1.ipynb" in report.table(a_class())
    names = [report.file_name(name) for name in ("a/b.ipynb", "a_b.ipynb", "../a/b.ipynb")]
    assert len(set(names)) == 3 and not any("/" in name or "." in name for name in names)


def student_page(marked: Marked) -> str:
    return report.student_page(marked, 1)


def test_the_class_page_counts_the_mistakes():
    name = next(iter(EXERCISES))
    assert report.mistakes(a_class()) == [(name, "arguments swapped", 2)]
    assert "<td>arguments swapped</td><td>2</td>" in report.class_page(a_class(), 1)


def test_marks_come_back_from_json():
    for one in a_class():
        assert Marked.from_json(json.loads(json.dumps(one.as_json()))) == one
