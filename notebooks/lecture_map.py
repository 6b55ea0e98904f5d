"""Lesson 0's map of the lecture, made from the metadata of every lesson's headings."""

import re
from typing import Any
from urllib.parse import quote


def heading(cell: Any) -> str:
    """The first line of a cell, without its `#`s."""
    return re.sub(r"^#+ *", "", cell.source.split("\n", 1)[0]).strip()


def anchor(cell: Any) -> str:
    """The fragment that JupyterLab, nbconvert and code-hosting pages give a heading."""
    return quote(heading(cell).replace("`", "").replace(" ", "-"))


def lecture_map(body: str, lessons: dict[str, Any]) -> str:
    """A table of the lessons, then slide ↔ section ↔ pseudo-code line ↔ exercise.

    `body` has a line a slide, `slide | number and title of its lesson`, in the deck's order;
    `lessons` maps a notebook's name to its notebook. A lesson that is not there yet is named
    without a link. Raises ValueError at a slide or an exercise that nobody knows.
    """
    planned = [line.split("|") for line in body.splitlines() if line.strip()]
    if any(len(parts) != 2 for parts in planned):
        raise ValueError("a line of the map is `slide | number and title of its lesson`")
    lesson_of = {slide.strip(): lesson.strip() for slide, lesson in planned}
    cells = [(name, cell) for name, notebook in lessons.items() for cell in notebook.cells]
    return f"{lesson_table(lesson_of, lessons)}\n\n{slide_table(lesson_of, cells)}"


def lesson_table(lesson_of: dict[str, str], lessons: dict[str, Any]) -> str:
    titles = {}
    for lesson in lesson_of.values():
        number, title = lesson.split(" ", 1)
        titles[number] = f"{title} (to come)"
    for name, notebook in lessons.items():
        title = heading(notebook.cells[0]).split("·")[-1].strip()
        titles[str(int(name[:2]))] = f"[{title}]({name}.ipynb)"
    rows = [f"| {number} | {title} |" for number, title in sorted(titles.items())]
    return "\n".join(["| | lesson |", "|---|---|", *rows])


def slide_table(lesson_of: dict[str, str], cells: list[tuple[str, Any]]) -> str:
    exercises = {}
    for name, cell in cells:
        if "exercise" in cell.metadata:  # "6.1 ★★"
            number, stars = cell.metadata["exercise"].split(" ", 1)
            exercises[number] = f"[{number}]({name}.ipynb#{anchor(cell)}) {stars}"
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
            asked = "<br>".join(exercises[e] for e in cell.metadata.get("exercises", []))
            rows.append(f"| {slide} | {link} | {pseudo} | {asked} |")
        if not sections:
            rows.append(f"| {slide} | {lesson.replace(' ', ' · ', 1)} (to come) | | |")
    return "\n".join(rows)
