"""What the lecturer gets: a table as CSV, a page for each student, a page for the class."""

import csv
import hashlib
import html
import io
import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from course.marking.marks import Mark, Marked
from vaelib.check import EXERCISES

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; }
th, td { border: 1px solid #999; padding: .3rem .6rem; text-align: left; }
pre { background: #f4f4f4; color: #111; padding: .6rem; overflow-x: auto; }
"""
SIGNS = {"right": "✓ right", "wrong": "✗ wrong", "not attempted": "– not attempted"}


def write(path: Path, text: str) -> None:
    """Write a file completely or not at all: after an interruption the old one is still there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_text(text, encoding="utf-8", newline="")
    os.replace(unfinished, path)


def file_name(name: str) -> str:
    """A name for a student's page that no other submission has, whatever theirs is called."""
    short = re.sub(r"\W+", "_", name.removesuffix(".ipynb"))[:60].strip("_")
    return f"{short}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def harmless(value: object) -> object:
    """The value of a cell, such that no spreadsheet takes it for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in set("=+-@\t\r") else value


def remarks(marked: Marked) -> list[str]:
    """Everything that there is to say about a submission, one line each."""
    lines = list(marked.remarks)
    for mark in marked.marks:
        number = EXERCISES[mark.name].number
        if mark.state == "wrong":
            first = mark.message.split("\n")[0].partition(": ")[2]
            lines.append(f"{number}: {mark.misconception or first}")
        lines += [f"{number}: {remark}" for remark in mark.remarks]
    return lines


def table(all_marked: Iterable[Marked]) -> str:
    """The CSV: one row per submission."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = [f"{e.number} {name}" for name, e in EXERCISES.items()]
    writer.writerow(["submission", *head, "total", "of", "remarks"])
    possible = sum(e.points for e in EXERCISES.values())
    for marked in all_marked:
        points = [mark.points for mark in marked.marks]
        row = [marked.name, *points, marked.total, possible, "; ".join(remarks(marked))]
        writer.writerow([harmless(value) for value in row])
    return out.getvalue()


def page(title: str, body: list[str]) -> str:
    """A page of HTML; the lines of its body are HTML already."""
    head = ['<!doctype html>\n<html lang="en">', '<head><meta charset="utf-8">']
    head += [f"<title>{escape(title)}</title>", f"<style>{STYLE}</style></head>", "<body>"]
    return "\n".join([*head, *body, "</body></html>", ""])


def escape(text: object) -> str:
    return html.escape(str(text))


def html_table(head: list[str], body: list[list[str]]) -> list[str]:
    """A table as lines of HTML; its cells are HTML already."""
    first = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    lines = [f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in body]
    return ["<table>", f"<tr>{first}</tr>", *lines, "</table>"]


def html_list(items: Iterable[str]) -> list[str]:
    """A list as lines of HTML; no line if it is empty."""
    found = [f"<li>{escape(item)}</li>" for item in items]
    return ["<ul>", *found, "</ul>"] if found else []


def student_page(marked: Marked, seed: int) -> str:
    """The page of one submission: points, messages and, folded away, the code that was run."""
    possible = sum(e.points for e in EXERCISES.values())
    body = [f"<h1>{escape(marked.name)}</h1>", f"<p>{marked.total} of {possible} points.</p>"]
    body += html_list(marked.remarks)
    body += html_table(["exercise", "points", "result"], [_row(mark) for mark in marked.marks])
    for mark in marked.marks:
        if mark.state != "not attempted" or mark.remarks:
            body += _detail(mark)
    files = ", ".join(marked.files) or "none"
    body += [f"<p>Files: {escape(files)}. Seed of the hidden inputs: {seed}.</p>"]
    body += ["<p>While it ran it was held back by:</p>", *html_list(marked.limits or ["nothing"])]
    return page(f"{marked.name}: {marked.total} of {possible}", body)


def _row(mark: Mark) -> list[str]:
    exercise = EXERCISES[mark.name]
    name = f'<a href="#{mark.name}">{exercise.number} {mark.name}</a> {"★" * exercise.stars}'
    result = SIGNS[mark.state] + (f": {escape(mark.misconception)}" if mark.misconception else "")
    return [name, f"{mark.points} of {exercise.points}", result]


def _detail(mark: Mark) -> list[str]:
    number = EXERCISES[mark.name].number
    body = [f'<h2 id="{mark.name}">{number} {mark.name}</h2>']
    body += [f"<p>{escape(line)}</p>" for line in mark.message.split("\n") if line.strip()]
    body += html_list(mark.remarks)
    if mark.code:
        code = escape(mark.code)
        body.append(f"<details><summary>the code that was run</summary><pre>{code}</pre></details>")
    return body


def mistakes(all_marked: list[Marked]) -> list[tuple[str, str, int]]:
    """The mistakes made, each as (exercise, mistake, count), by exercise, then by frequency."""
    found: list[tuple[str, str, int]] = []
    for i, name in enumerate(EXERCISES):
        wrong = [m.marks[i] for m in all_marked if m.marks[i].state == "wrong"]
        counts = Counter(mark.misconception or "another mistake" for mark in wrong)
        found += [(name, mistake, count) for mistake, count in counts.most_common()]
    return found


def class_page(all_marked: list[Marked], seed: int) -> str:
    """The page of the class: results per exercise, mistakes, and a link to every submission."""
    body = ["<h1>The class</h1>", f"<p>{len(all_marked)} submissions. Seed: {seed}.</p>"]
    body += ["<h2>Exercises</h2>"]
    lines = []
    for i, (name, exercise) in enumerate(EXERCISES.items()):
        states = Counter(marked.marks[i].state for marked in all_marked)
        counts = [str(states[state]) for state in SIGNS]
        lines.append([f"{exercise.number} {name} {'★' * exercise.stars}", *counts])
    body += html_table(["exercise", *SIGNS], lines)
    body += ["<h2>Mistakes</h2>"]
    found = mistakes(all_marked)
    number = {name: e.number for name, e in EXERCISES.items()}
    body += html_table(
        ["exercise", "mistake", "how many"],
        [[f"{number[name]} {name}", escape(mistake), str(n)] for name, mistake, n in found],
    )
    body += ["<h2>Submissions</h2>"]
    links = [
        [
            f'<a href="reports/{file_name(m.name)}.html">{escape(m.name)}</a>',
            str(m.total),
            "<br>".join(map(escape, m.remarks)),
        ]
        for m in all_marked
    ]
    body += html_table(["submission", "points", "remarks"], links)
    limits = next((m.limits for m in all_marked if m.limits), ["nothing"])
    body += ["<p>While they ran they were held back by:</p>", *html_list(limits)]
    return page("The class", body)
