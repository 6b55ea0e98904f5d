"""The pages that the lecturer gets: one for each student, one for the class."""

import hashlib
import html
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

from course.marking.grades import OTHER, Grade, Rules, shown
from course.marking.marks import FAILED, Mark
from course.marking.similarity import pairs
from vaelib.check import EXERCISES, Exercise

STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8881; --right: #006b4f;
  --wrong: #b34700; --none: #666; --link: #0060a0; }
@media (prefers-color-scheme: dark) {
  :root { --right: #4fd1a5; --wrong: #ff9a5c; --none: #aaa; --link: #7cc0ff; }
}
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto;
  padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { font-size: 1.2rem; margin-top: 2rem; }
a { color: var(--link); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .8rem .3rem 0; text-align: left;
  vertical-align: top; overflow-wrap: normal; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.long { min-width: 16rem; overflow-wrap: anywhere; }
pre { background: var(--soft); padding: .6rem; overflow-x: auto; overflow-wrap: normal; }
.right { color: var(--right); } .wrong { color: var(--wrong); } .none { color: var(--none); }
.bar { display: inline-block; height: .8em; max-width: 45vw; background: var(--right); }
.big { font-size: 1.3rem; } summary { cursor: pointer; }
@media (max-width: 40rem) {
  th, td { padding-right: .5rem; }
  td:first-child { min-width: 7rem; overflow-wrap: anywhere; }
  td.long { min-width: 9rem; }
}
.message { border-left: 4px solid var(--line); padding-left: .8rem; white-space: pre-wrap; }
"""
SIGNS = {"right": "✓ right", "wrong": "✗ wrong", "not attempted": "– not attempted"}
CLASSES = {"right": "right", "wrong": "wrong", "not attempted": "none"}
BINS = 10
Namer = Callable[[Grade], str]


def write(path: Path, text: str, encoding: str = "utf-8") -> None:
    """Write a file completely or not at all: after an interruption the old one is still there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_text(text, encoding=encoding, newline="")
    os.replace(unfinished, path)


def file_name(name: str) -> str:
    """A name for a student's page that no other submission has, whatever theirs is called."""
    short = re.sub(r"\W+", "_", name.removesuffix(".ipynb"))[:60].strip("_")
    return f"{short}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def page(title: str, body: Iterable[str]) -> str:
    """A page of HTML; the lines of its body are HTML already."""
    head = ['<!doctype html>\n<html lang="en">', '<head><meta charset="utf-8">']
    head += ['<meta name="viewport" content="width=device-width, initial-scale=1">']
    head += [f"<title>{escape(title)}</title>", f"<style>{STYLE}</style></head>", "<body>"]
    return "\n".join([*head, *body, "</body></html>", ""])


def escape(text: object) -> str:
    return html.escape(str(text))


def html_table(head: list[str], body: Iterable[list[str]], kinds: str = "") -> list[str]:
    """A table as lines of HTML; its cells are HTML already.

    `kinds` has a letter for each column: n for a number, l for a long text.
    """
    classes = {"n": ' class="n"', "l": ' class="long"'}
    kind = [classes.get(k, "") for k in kinds.ljust(len(head))]
    first = "".join(f'<th scope="col"{k}>{c}</th>' for c, k in zip(head, kind, strict=False))
    lines = [
        f"<tr>{''.join(f'<td{k}>{cell}</td>' for cell, k in zip(row, kind, strict=False))}</tr>"
        for row in body
    ]
    return ['<div class="scroll"><table>', f"<tr>{first}</tr>", *lines, "</table></div>"]


def html_list(items: Iterable[str]) -> list[str]:
    """A list as lines of HTML; no line if it is empty."""
    found = [f"<li>{escape(item)}</li>" for item in items]
    return ["<ul>", *found, "</ul>"] if found else []


def bar(part: float, longest: float = 10.0) -> str:
    return f'<span class="bar" style="width:{longest * part:.2f}em"></span>'


def titled(exercise: Exercise) -> str:
    return f"{exercise.number} {escape(exercise.name)} {'★' * exercise.stars}"


def mistake_of(mark: Mark) -> str:
    return mark.misconception or OTHER


def anchor(exercise: str, mistake: str) -> str:
    return f"m-{exercise}-{hashlib.sha256(mistake.encode()).hexdigest()[:8]}"


def student_page(grade: Grade, seed: int, title: str, class_page: str = "../class.html") -> str:
    """The page of one submission: points, messages and, folded away, the code that was run."""
    possible = grade.possible
    body = [f'<p><a href="{class_page}">The class</a></p>', f"<h1>{escape(title)}</h1>"]
    body += [f'<p class="big">{shown(grade.total)} of {possible} points</p>']
    if grade.late_days:
        off = f", {shown(100 * min(grade.penalty * grade.late_days, Fraction(1)))} % taken off"
        days = "day" if grade.late_days == 1 else "days"
        body += [f"<p>{grade.late_days} {days} late{off if grade.penalty else ''}.</p>"]
    body += html_list([*grade.marked.remarks, *grade.remarks])
    head = ["exercise", "points", "of", "result"]
    body += html_table(head, [_row(mark, grade, class_page) for mark in grade.marks], " nnl")
    for mark in grade.marks:
        if has_detail(mark):
            body += _detail(mark)
    files = ", ".join(grade.marked.files) or "none"
    if title == grade.name:
        body += [f"<p>Files: {escape(files)}. Seed of the hidden inputs: {seed}.</p>"]
    body += ["<p>While it ran it was held back by:</p>"]
    body += html_list(grade.marked.limits or ["nothing"])
    return page(f"{title}: {shown(grade.total)} of {possible}", body)


def _row(mark: Mark, grade: Grade, class_page: str) -> list[str]:
    exercise = EXERCISES[mark.name]
    points = grade.points[mark.name]
    result = f'<span class="{CLASSES[mark.state]}">{SIGNS[mark.state]}</span>'
    if mark.state == "wrong":
        mistake = mistake_of(mark)
        link = f"{class_page}#{anchor(mark.name, mistake)}"
        result += f': <a href="{link}">{escape(mistake)}</a>'
    if points.why:
        result += f"<br>{escape(points.why)}"
    name = titled(exercise)
    if has_detail(mark):
        name = f'<a href="#{escape(mark.name)}">{name}</a>'
    return [name, shown(points.value), str(exercise.points), result]


def has_detail(mark: Mark) -> bool:
    return mark.state != "not attempted" or bool(mark.remarks)


def _detail(mark: Mark) -> list[str]:
    number = EXERCISES[mark.name].number
    body = [f'<h2 id="{escape(mark.name)}">{number} {escape(mark.name)}</h2>']
    if mark.message.strip():
        kind = CLASSES[mark.state]
        body.append(f'<p class="message {kind}">{escape(mark.message.strip())}</p>')
    body += html_list(mark.remarks)
    if mark.code:
        where = f" (code cell {mark.cell} of {escape(mark.file)})" if mark.cell else ""
        code = escape(mark.code)
        body.append(f"<details><summary>the code{where}</summary><pre>{code}</pre></details>")
    return body


def mistakes(grades: Sequence[Grade]) -> list[tuple[str, str, list[Grade]]]:
    """The mistakes made, each as (exercise, mistake, by whom), by exercise, then by frequency."""
    found: list[tuple[str, str, list[Grade]]] = []
    for name in grades[0].points if grades else ():
        by: dict[str, list[Grade]] = {}
        for grade in grades:
            for mark in grade.marks:
                if mark.name == name and mark.state == "wrong":
                    by.setdefault(mistake_of(mark), []).append(grade)
        ordered = sorted(by.items(), key=lambda item: -len(item[1]))
        found += [(name, mistake, who) for mistake, who in ordered]
    return found


def class_page(
    grades: Sequence[Grade],
    seed: int,
    rules: Rules,
    lines: Sequence[str] = (),
    name_of: Namer = lambda grade: grade.name,
    page_of: Namer = lambda grade: file_name(grade.name),
) -> str:
    """The page of the class: exercises, points, mistakes, what is alike, and every submission."""

    def link(grade: Grade, exercise: str = "") -> str:
        to = f"reports/{page_of(grade)}.html{'#' if exercise else ''}{exercise}"
        return f'<a href="{escape(to)}">{escape(name_of(grade))}</a>'

    mean = sum(float(grade.total) for grade in grades) / max(len(grades), 1)
    possible = sum(exercise.points for exercise in rules.exercises())
    body = ["<h1>The class</h1>"]
    count = f"{len(grades)} submission{'' if len(grades) == 1 else 's'}"
    body += [f'<p class="big">{count}, on average {mean:.1f} of {possible} points</p>']
    if rules.lessons:
        chosen = ", ".join(map(str, sorted(rules.lessons)))
        body += [f"<p>Lesson{'s' if len(rules.lessons) > 1 else ''} {chosen} only.</p>"]
    body += [f"<p>Seed of the hidden inputs: {seed}.</p>"]
    if lines:
        body += ["<h2>What was not marked</h2>", *html_list(lines)]
    if rules.problems:
        body += ["<h2>What in the tables does not fit</h2>", *html_list(rules.problems)]
    body += ["<h2>Exercises</h2>", *exercise_table(grades, rules)]
    body += ["<h2>How the points are distributed</h2>", *distribution(grades, possible)]
    body += ["<h2>Mistakes</h2>", *mistake_table(grades, link)]
    body += similar_answers(grades, link)
    body += ["<h2>Submissions</h2>"]
    head = ["submission", "points", "late days", "remarks"]
    table = [
        [
            link(g),
            shown(g.total),
            str(g.late_days or ""),
            "<br>".join(map(escape, [*g.marked.remarks, *g.remarks, *costly(g)])),
        ]
        for g in grades
    ]
    body += html_table(head, table, " nnl")
    limits = next((g.marked.limits for g in grades if g.marked.limits), ["nothing"])
    body += ["<p>While they ran they were held back by:</p>", *html_list(limits)]
    return page("The class", body)


def costly(grade: Grade) -> list[str]:
    """Which cells cost a point because they failed or were not run."""
    return [
        f"{EXERCISES[mark.name].number}: {remark}"
        for mark in grade.marks
        for remark in mark.remarks
        if remark.startswith(FAILED)
    ]


def exercise_table(grades: Sequence[Grade], rules: Rules) -> list[str]:
    lines = []
    for exercise in rules.exercises():
        marks = [mark for grade in grades for mark in grade.marks if mark.name == exercise.name]
        states = Counter(mark.state for mark in marks)
        mean = sum(float(g.points[exercise.name].value) for g in grades) / max(len(grades), 1)
        part = states["right"] / max(len(grades), 1)
        counts = [str(states[state]) for state in SIGNS]
        points = f"{mean:.2f} of {exercise.points}"
        lines.append([titled(exercise), *counts, points, f"{bar(part)} {part:.0%}"])
    return html_table(["exercise", *SIGNS.values(), "mean points", "right"], lines, " nnnn")


def distribution(grades: Sequence[Grade], possible: int) -> list[str]:
    """How many have how many points, in at most ten steps."""
    width = max(1, -(-(possible + 1) // BINS))
    counts = Counter(min(int(max(g.total, Fraction(0))), possible) // width for g in grades)
    most = max(counts.values(), default=1)
    lines = []
    for step in range(possible // width + 1):
        last = min(step * width + width - 1, possible)
        title = f"{step * width} to {last}" if last > step * width else str(last)
        lines.append([title, str(counts[step]), bar(counts[step] / most, 20)])
    return html_table(["points", "submissions", ""], lines, " n")


def mistake_table(grades: Sequence[Grade], link: Callable[..., str]) -> list[str]:
    lines = []
    for name, mistake, who in mistakes(grades):
        first = f'<span id="{anchor(name, mistake)}">{titled(EXERCISES[name])}</span>'
        people = ", ".join(link(grade, name) for grade in who)
        if len(who) > 5:
            people = f"<details><summary>{len(who)} submissions</summary>{people}</details>"
        lines.append([first, escape(mistake), str(len(who)), people])
    return html_table(["exercise", "mistake", "how many", "who"], lines, "  nl")


def similar_answers(grades: Sequence[Grade], link: Callable[..., str]) -> list[str]:
    found = pairs(grades)
    if not found:
        return []
    body = ["<h2>Answers that are alike</h2>"]
    body += [
        "<p>The same code but for names, comments and layout, and written by at most four. "
        "The rarer, the higher in the list. It proves nothing by itself: a short formula can be "
        "written in few ways.</p>"
    ]
    lines = []
    for pair in found:
        which = ", ".join(
            f"{EXERCISES[name].number} ({link(pair.a, name)}, {link(pair.b, name)})"
            for name in pair.exercises
        )
        lines.append([f"{link(pair.a)} and {link(pair.b)}", str(len(pair.exercises)), which])
    return body + html_table(["submissions", "alike", "in"], lines, " nl")
