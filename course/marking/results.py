"""What a run of marking is told, and what it writes."""

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from course.marking import report, sandbox, tables
from course.marking.grades import Grade, Rules, exercise_of, number_of
from course.marking.marks import Marked
from course.marking.submissions import Collection, Submission
from course.marking.wire import short
from vaelib.check import EXERCISES

OVERRIDES = "overrides.csv"
BOM = "utf-8-sig"  # Excel takes a table for UTF-8 only with it


@dataclass
class Settings:
    """The options of the command that say what counts and what is written."""

    rules: Rules = field(default_factory=Rules)
    again: list[str] = field(default_factory=list)
    partial: Path | None = None
    late: Path | None = None
    gradebook: Path | None = None
    column: str | None = None
    anonymous: bool = False
    own: list[Path] = field(default_factory=list)

    @staticmethod
    def read(options: argparse.Namespace) -> "Settings":
        rules = Rules(options.lessons or frozenset(), due=options.due)
        rules.penalty = number_of(str(options.penalty)) / 100
        if not rules.exercises():
            raise ValueError("these lessons have no exercise")
        settings = Settings(rules, options.again, options.partial, options.late)
        settings.gradebook = options.gradebook
        settings.column = options.column
        settings.anonymous = options.anonymous
        settings.own = options.own
        for path in (options.partial, options.late, options.gradebook):
            if path is not None and not path.is_file():
                raise ValueError(f"there is no file {path}")
        return settings

    def again_for(self, submissions: Sequence[Submission], out: Path) -> frozenset[str]:
        """The exercises to judge again; of a submission to mark again the saved marks go."""
        names = {each.name for each in submissions}
        exercises = set()
        for word in self.again:
            if word in names:
                (out / "marks" / f"{report.file_name(word)}.json").unlink(missing_ok=True)
                continue
            try:
                exercises.add(exercise_of(word))
            except ValueError:
                raise ValueError(f"{word!r} is neither an exercise nor a submission") from None
        return frozenset(exercises)


class Results:
    """The marks of a class as they come in, and the tables and pages that are made of them."""

    def __init__(self, collection: Collection, seed: int, out: Path, settings: Settings) -> None:
        self.submissions = {each.name: each for each in collection.submissions}
        self.lines = collection.lines
        self.seed = seed
        self.out = out
        self.settings = settings
        self.rules = settings.rules
        self.done: dict[str, Marked] = {}
        self.read_tables()

    def read_tables(self) -> None:
        """Raises OSError where a table that was named cannot be read."""
        every = list(self.submissions.values())
        overrides = self.out / OVERRIDES
        if not overrides.exists():
            head = ["submission", "exercise", "points", "comment"]
            report.write(overrides, tables.csv_text(head, []), BOM)
        self.rules.read(overrides, "overrides", every)
        if self.settings.partial:
            self.rules.read(self.settings.partial, "partial", every)
        if self.settings.late:
            self.rules.read(self.settings.late, "late", every)

    def add(self, marked: Marked) -> None:
        self.done[marked.name] = marked

    def in_order(self) -> list[Marked]:
        return [self.done[name] for name in self.submissions if name in self.done]

    def grades(self) -> list[Grade]:
        found = [self.rules.grade(m, self.submissions[m.name]) for m in self.in_order()]
        for grade in found:
            digest = hashlib.sha256(f"{self.seed}\0{grade.name}".encode()).hexdigest()
            grade.alias = f"student-{digest[:8]}"
        return found

    def write_table(self) -> list[Grade]:
        grades = self.grades()
        report.write(self.out / "marks.csv", tables.table(grades, self.rules), BOM)
        return grades

    def write(self) -> None:
        """All tables and pages."""
        grades = self.write_table()
        self.write_pages(grades)
        systems = {
            g.submission.person.system for g in grades if g.submission and g.submission.person
        }
        if "moodle" in systems:
            report.write(self.out / "moodle.csv", tables.moodle(grades), BOM)
        if "canvas" in systems:
            column = self.settings.column or "Points"
            report.write(self.out / "canvas.csv", tables.canvas(grades, column), BOM)
        if self.settings.gradebook:
            text, problems = tables.filled_in(self.settings.gradebook, grades, self.settings.column)
            self.rules.problems += problems
            report.write(self.out / "gradebook.csv", text, BOM)

    def write_pages(self, grades: list[Grade]) -> None:
        for grade in grades:
            path = self.out / "reports" / f"{report.file_name(grade.name)}.html"
            report.write(path, report.student_page(grade, self.seed, grade.name))
        text = report.class_page(grades, self.seed, self.rules, self.lines)
        report.write(self.out / "class.html", text)
        if not self.settings.anonymous:
            return
        place = self.out / "anonymous"
        for grade in grades:
            page = report.student_page(grade, self.seed, grade.alias)
            report.write(place / "reports" / f"{grade.alias}.html", page)
        by_alias = sorted(grades, key=alias_of)
        text = report.class_page(
            by_alias, self.seed, self.rules, name_of=alias_of, page_of=alias_of
        )
        report.write(place / "class.html", text)


def alias_of(grade: Grade) -> str:
    return grade.alias


def printable(value: object) -> str:
    """A text for a terminal, in which nothing steers it."""
    return short(value).replace("\n", " ")


def summary(written: Results) -> str:
    """What the command prints at the end: mistakes, submissions not marked, limits, the mean."""
    grades = written.grades()
    lines = []
    ordered = sorted(report.mistakes(grades), key=lambda m: -len(m[2]))
    for name, mistake, who in ordered[:5]:
        lines.append(f"{len(who):6} × {EXERCISES[name].number} {name}: {mistake}")
    if lines:
        lines.insert(0, "the most frequent mistakes:")
    unread = [g for g in grades if any("not marked" in remark for remark in g.marked.remarks)]
    lines += [f"✗ {g.name}: {'; '.join(g.marked.remarks)}" for g in unread[:10]]
    if len(unread) > 10:
        lines.append(f"✗ and {len(unread) - 10} more that could not be marked: see the table")
    joined = [f"{g.name}: {r}" for g in grades for r in g.marked.remarks if "one person's" in r]
    lines += few(joined, "·") + few(written.lines, "·") + few(written.rules.problems, "✗")
    limits = next((g.marked.limits for g in grades if g.marked.limits), [])
    if limits:
        missing = sandbox.not_held(limits)
        lines += [f"✗ not kept on this system: {promise}" for promise in missing]
    possible = sum(e.points for e in written.rules.exercises())
    mean = sum((g.total for g in grades), Fraction(0)) / max(len(grades), 1)
    out = written.out
    lines.append(f"mean {float(mean):.1f} of {possible} points; table: {out / 'marks.csv'}")
    if written.settings.gradebook:
        lines.append(f"gradebook: {out / 'gradebook.csv'}")
    lines.append(f"class: {out / 'class.html'}; a page each: {out / 'reports'}")
    return "\n".join(printable(line) for line in lines)


def few(found: Sequence[str], sign: str, most: int = 10) -> list[str]:
    """The first of these lines, and how many more there are."""
    lines = [f"{sign} {line}" for line in found[:most]]
    more = [f"{sign} and {len(found) - most} more: see class.html"] if len(found) > most else []
    return lines + more
