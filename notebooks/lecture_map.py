"""Lesson 0's map of the lecture, made from the metadata of every lesson's headings."""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import quote


class Exercise(NamedTuple):
    """Where an exercise is, and its effort: stars and minutes."""

    heading: Any
    link: str
    effort: str

    def __str__(self) -> str:
        return f"[{heading(self.heading).split()[1]}]({self.link}) {self.effort}"


def heading(cell: Any) -> str:
    """The first line of a cell, without its `#`s."""
    return re.sub(r"^#+ *", "", cell.source.split("\n", 1)[0]).strip()


def anchor(cell: Any) -> str:
    """The fragment that JupyterLab, nbconvert and code-hosting pages give a heading."""
    return quote(heading(cell).replace("`", "").replace(" ", "-"))


def lecture_map(body: str, lessons: dict[str, Any], minutes: dict[str, int]) -> str:
    """A table of the lessons, then slide ↔ section ↔ pseudo-code line ↔ exercise, then exercises.

    `body` has one line per slide, `slide | number and title of its lesson`, in the deck's order.
    `lessons` maps a notebook's name to its notebook. `minutes` says how long an exercise takes, by
    its number. A lesson that does not exist yet is named without a link. Raises ValueError at a
    slide that the map lacks, and at an exercise that does not exist.
    """
    planned = [line.split("|") for line in body.splitlines() if line.strip()]
    if any(len(parts) != 2 for parts in planned):
        raise ValueError("a line of the map is `slide | number and title of its lesson`")
    lesson_of = {slide.strip(): lesson.strip() for slide, lesson in planned}
    cells = [(name, cell) for name, notebook in lessons.items() for cell in notebook.cells]
    asked = {}
    for name, cell in cells:
        if "exercise" in cell.metadata:  # "6.1 ★★"
            number, stars = cell.metadata["exercise"].split(" ", 1)
            effort = f"{stars} {minutes[number]} min" if number in minutes else stars
            asked[number] = Exercise(cell, f"{name}.ipynb#{anchor(cell)}", effort)
    tables = [lesson_table(lesson_of, lessons), slide_table(lesson_of, cells, asked)]
    return "\n\n".join(tables + ([exercise_table(asked)] if asked else []))


def lesson_table(lesson_of: dict[str, str], lessons: dict[str, Any]) -> str:
    """One row per lesson, with a link if it exists."""
    titles = {}
    for lesson in lesson_of.values():
        number, title = lesson.split(" ", 1)
        titles[number] = f"{title} (to come)"
    for name, notebook in lessons.items():
        title = heading(notebook.cells[0]).split("·")[-1].strip()
        titles[str(int(name[:2]))] = f"[{title}]({name}.ipynb)"
    rows = [f"| {number} | {title} |" for number, title in sorted(titles.items())]
    return "\n".join(["| | lesson |", "|---|---|", *rows])


def slide_table(
    lesson_of: dict[str, str], cells: list[tuple[str, Any]], exercises: dict[str, Exercise]
) -> str:
    """One row per slide and section that treats it."""
    for name, cell in cells:
        if (slide := cell.metadata.get("slide", "")) and slide not in lesson_of:
            raise ValueError(f"{name} has a section of a slide that the map lacks: {slide!r}")
        for number in cell.metadata.get("exercises", []):
            if number not in exercises:
                raise ValueError(f"{name}: {heading(cell)!r} names no such exercise: {number}")
    rows = ["| slide | section | pseudo-code | exercise |", "|---|---|---|---|"]
    for slide, lesson in lesson_of.items():
        sections = [(name, cell) for name, cell in cells if cell.metadata.get("slide") == slide]
        for name, cell in sections:
            link = f"[{int(name[:2])} · {heading(cell)}]({name}.ipynb#{anchor(cell)})"
            pseudo = "<br>".join(cell.metadata.get("pseudo", []))
            asked = "<br>".join(str(exercises[e]) for e in cell.metadata.get("exercises", []))
            rows.append(f"| {slide} | {link} | {pseudo} | {asked} |")
        if not sections:
            rows.append(f"| {slide} | {lesson.replace(' ', ' · ', 1)} (to come) | | |")
    return "\n".join(rows)


def exercise_table(exercises: dict[str, Exercise]) -> str:
    """One row per lesson: its exercises, each with its function, stars and minutes."""
    rows: dict[str, list[str]] = {}
    for number, (cell, link, effort) in exercises.items():
        name = heading(cell).removeprefix("Exercise ")
        rows.setdefault(number.partition(".")[0], []).append(f"[{name}]({link}) {effort}")
    lines = [f"| {lesson} | {'<br>'.join(asked)} |" for lesson, asked in rows.items()]
    return "\n".join(["| | exercises |", "|---|---|", *lines])
