"""From marks to grades: the lecturer's partial credit, overrides and late days.

None of these touches the saved marks: they are read again at every run.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from pathlib import Path

from course.marking.marks import Mark, Marked
from course.marking.submissions import Submission
from vaelib.check import EXERCISES, Exercise

OTHER = "another mistake"  # what a mistake without a name is called in the tables
DAY = 86400.0


@dataclass
class Points:
    """The points of one exercise, and why they are not those of the mark."""

    value: Fraction
    why: str = ""


@dataclass
class Grade:
    """One submission as the tables and pages show it, with the exercises that count."""

    marked: Marked
    submission: Submission | None
    points: dict[str, Points]
    alias: str = ""
    late_days: int = 0
    penalty: Fraction = Fraction(0)
    remarks: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.marked.name

    @property
    def marks(self) -> list[Mark]:
        return [mark for mark in self.marked.marks if mark.name in self.points]

    @property
    def total(self) -> Fraction:
        """The points after what is taken off for late days."""
        before = sum((p.value for p in self.points.values()), Fraction(0))
        return before * (1 - min(self.penalty * self.late_days, Fraction(1)))

    @property
    def possible(self) -> int:
        return sum(EXERCISES[name].points for name in self.points)


@dataclass
class Rules:
    """What the lecturer has decided; `problems` are lines of the tables that say nothing."""

    lessons: frozenset[int] = frozenset()
    partial: dict[tuple[str, str], Fraction] = field(default_factory=dict)
    overrides: dict[tuple[str, str], tuple[Fraction, str]] = field(default_factory=dict)
    late: dict[str, int] = field(default_factory=dict)
    due: datetime | None = None
    penalty: Fraction = Fraction(0)
    problems: list[str] = field(default_factory=list)

    def exercises(self) -> list[Exercise]:
        """Those that count, in the order of the lessons."""
        every = EXERCISES.values()
        return [e for e in every if not self.lessons or int(lesson_of(e)) in self.lessons]

    def grade(self, marked: Marked, submission: Submission | None = None) -> Grade:
        marks = {mark.name: mark for mark in marked.marks}
        points = {}
        for exercise in self.exercises():
            mark = marks.get(exercise.name, Mark(exercise.name, message="not marked"))
            points[exercise.name] = self.points_of(mark, marked.name)
        grade = Grade(marked, submission, points, penalty=self.penalty)
        grade.late_days = self.days_late(marked.name, submission)
        return grade

    def points_of(self, mark: Mark, submission: str) -> Points:
        if override := self.overrides.get((submission, mark.name)):
            value, comment = override
            return Points(value, f"set by hand{': ' + comment if comment else ''}")
        if mark.state == "wrong":
            for mistake in (mark.misconception or OTHER, "*"):
                for exercise in (mark.name, "*"):
                    if (exercise, mistake) in self.partial:
                        why = "for any mistake" if mistake == "*" else f"for “{mistake}”"
                        return Points(self.partial[exercise, mistake], why)
        return Points(Fraction(mark.points))

    def days_late(self, name: str, submission: Submission | None) -> int:
        """From the table, else from the newest file's time, else from Canvas's name."""
        if name in self.late:
            return self.late[name]
        if submission is None:
            return 0
        if self.due is not None and submission.time:
            seconds = submission.time - self.due.timestamp()
            return max(0, -int(-seconds // DAY))
        return int(bool(submission.person and submission.person.late))

    def read(self, path: Path, kind: str, submissions: Sequence[Submission]) -> None:
        """Add a table: "partial", "overrides" or "late". Raises OSError."""
        names = {each.name for each in submissions}
        row_reader: dict[str, Callable[[dict[str, str]], None]] = {
            "partial": self.partial_row,
            "overrides": lambda row: self.override_row(row, names),
            "late": lambda row: self.late_row(row, names),
        }
        for number, row in rows(path):
            try:
                row_reader[kind](row)
            except ValueError as error:
                self.problems.append(f"{path.name}, line {number}: {error}")

    def partial_row(self, row: dict[str, str]) -> None:
        exercise = "*" if cell(row, "exercise") == "*" else exercise_of(cell(row, "exercise"))
        self.partial[exercise, cell(row, "mistake")] = number_of(cell(row, "points"))

    def override_row(self, row: dict[str, str], names: set[str]) -> None:
        key = (name_of(cell(row, "submission"), names), exercise_of(cell(row, "exercise")))
        self.overrides[key] = (number_of(cell(row, "points")), row.get("comment", "").strip())

    def late_row(self, row: dict[str, str], names: set[str]) -> None:
        days = number_of(cell(row, "days"))
        self.late[name_of(cell(row, "submission"), names)] = -int(-days // 1)


def lesson_of(exercise: Exercise) -> str:
    return exercise.number.split(".")[0]


def cell(row: dict[str, str], column: str) -> str:
    if column not in row:
        raise ValueError(f"there is no column {column!r}")
    return row[column].strip()


def exercise_of(text: str) -> str:
    """The name of an exercise, from its name, its number, or both. Raises ValueError."""
    for name, exercise in EXERCISES.items():
        if text in (name, exercise.number, f"{exercise.number} {name}"):
            return name
    raise ValueError(f"there is no exercise {text!r}")


def name_of(text: str, names: set[str]) -> str:
    """The name of a submission, with the mark of our own tables that it is text taken off.

    In other capitals it is found too, if only one is meant.
    """
    for name in (text, text.removeprefix("'")):
        if name in names:
            return name
        alike = [other for other in names if other.casefold() == name.casefold()]
        if len(alike) == 1:
            return alike[0]
    raise ValueError(f"there is no submission {text!r}")


def number_of(text: str) -> Fraction:
    """A number, with a decimal point or comma. Raises ValueError."""
    try:
        value = Fraction(text.replace(",", "."))
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{text!r} is no number") from None
    if abs(value) > 1000:
        raise ValueError(f"{text} points are too many")
    return value


def shown(value: Fraction | int) -> str:
    """A number of points as text: 3, 2.5, 1.33."""
    return f"{float(value):.2f}".rstrip("0").rstrip(".")


def table_text(path: Path) -> str:
    """The text of a table, also one that Excel has saved."""
    raw = path.read_bytes()
    for encoding in ("utf-8-sig", "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line of a table by its columns, with its number; separated by commas or semicolons."""
    text = table_text(path)
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    reader.fieldnames = [(name or "").strip() for name in reader.fieldnames or ()]
    for row in reader:
        filled = {key: value or "" for key, value in row.items() if isinstance(value, str | None)}
        if any(re.search(r"\S", value) for value in filled.values()):
            yield reader.line_num, filled
