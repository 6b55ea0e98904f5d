"""The tables that marking writes: marks.csv, and those that Moodle and Canvas read."""

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path

from course.marking.grades import Grade, Rules, rows, shown, table_text
from vaelib.check import EXERCISES

# A spreadsheet takes a cell that begins so for a formula, also after the separator of another
# country's tables.
FORMULA = re.compile(r"(^|[;,\t])(\s*)(?=[=+\-@＝＋－＠])")
FILL_IN = ("Identifier", "ID")  # the columns of Moodle and Canvas by which people are found


def harmless(value: object) -> object:
    """The value of a cell, such that no spreadsheet takes it for a formula."""
    if not isinstance(value, str):
        return value
    text = re.sub(r"[\r\n]+", " ", value)
    if re.fullmatch(r"[+-]?\d+([.,]\d+)?|-", text):
        return text
    return FORMULA.sub(r"\1\2'", text)


def csv_text(head: list[str], body: Iterable[Iterable[object]], delimiter: str = ",") -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow([harmless(cell) for cell in head])
    writer.writerows([harmless(cell) for cell in row] for row in body)
    return out.getvalue()


def remarks(grade: Grade) -> list[str]:
    """Everything that there is to say about a submission, one line each."""
    lines = [*grade.marked.remarks, *grade.remarks]
    for mark in grade.marks:
        number = EXERCISES[mark.name].number
        if mark.state == "wrong":
            first = mark.message.split("\n")[0].partition(": ")[2]
            lines.append(f"{number}: {mark.misconception or first}")
        lines += [f"{number}: {remark}" for remark in mark.remarks]
        if why := grade.points[mark.name].why:
            value = grade.points[mark.name].value
            lines.append(f"{number}: {shown(value)} point{'' if value == 1 else 's'} {why}")
    return lines


def table(grades: Iterable[Grade], rules: Rules) -> str:
    """marks.csv: one row per submission."""
    exercises = rules.exercises()
    head = ["submission", *(f"{e.number} {e.name}" for e in exercises), "total", "of", "remarks"]
    body = []
    for grade in grades:
        person = grade.submission.person if grade.submission else None
        points = [shown(grade.points[e.name].value) for e in exercises]
        row = [grade.name, *points, shown(grade.total), grade.possible]
        row += ["; ".join(remarks(grade)), person.id if person else "", grade.late_days]
        body.append([*row, grade.alias])
    return csv_text([*head, "id", "late days", "alias"], body)


def moodle(grades: Iterable[Grade]) -> str:
    """The columns of Moodle's grading worksheet, for the people with a number of Moodle's."""
    head = ["Identifier", "Full name", "Grade", "Maximum Grade", "Feedback comments"]
    return csv_text(
        head,
        (
            [
                f"Participant {g.submission.person.id}",
                g.submission.person.name,
                shown(g.total),
                g.possible,
                "; ".join(remarks(g)),
            ]
            for g in grades
            if g.submission and g.submission.person and g.submission.person.system == "moodle"
        ),
    )


def canvas(grades: Iterable[Grade], column: str) -> str:
    """The columns of Canvas's gradebook, for the people with a number of Canvas's."""
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", column]
    return csv_text(
        head,
        (
            [g.submission.person.name, g.submission.person.id, "", "", "", shown(g.total)]
            for g in grades
            if g.submission and g.submission.person and g.submission.person.system == "canvas"
        ),
    )


def filled_in(path: Path, grades: Iterable[Grade], column: str | None) -> tuple[str, list[str]]:
    """A gradebook of Moodle's or Canvas's with the points in it, and what did not fit.

    Raises OSError, and ValueError if it is neither, or has no such column.
    """
    first = table_text(path).partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    lines = list(rows(path))
    head = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    by = next((name for name in FILL_IN if name in head), None)
    if by is None:
        raise ValueError(f"{path.name} is no gradebook: it has no column Identifier or ID")
    target = column or ("Grade" if by == "Identifier" else only_assignment(head, path))
    if target not in head:
        raise ValueError(f"{path.name} has no column {target!r}")
    people = {g.submission.person.id: g for g in grades if g.submission and g.submission.person}
    problems = []
    for _, row in lines:
        found = people.pop(row.get(by, "").strip().removeprefix("Participant "), None)
        if found is not None:
            row[target] = shown(found.total)
            if "Feedback comments" in head:
                own = row["Feedback comments"].strip()  # of the lecturer, from before
                said = "; ".join(remarks(found))
                row["Feedback comments"] = own if said in own else f"{own}; {said}".strip("; ")
    problems += [f"{g.name} ({number}) is not in {path.name}" for number, g in people.items()]
    body = [[row.get(name, "") for name in head] for _, row in lines]
    return csv_text(head, body, delimiter), problems


def only_assignment(head: list[str], path: Path) -> str:
    """Canvas writes an assignment as `Name (12345)`; of several the lecturer has to name one."""
    found = [name for name in head if re.search(r"\(\d+\)$", name)]
    if len(found) != 1:
        raise ValueError(f"{path.name} has {len(found)} columns for points: say which (--column)")
    return found[0]
