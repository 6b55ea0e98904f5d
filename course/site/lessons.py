"""The lessons: the stored notebooks, in order, with their titles and questions."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from course.site import SiteError


@dataclass(frozen=True)
class Lesson:
    """A stored notebook: its file's name without the ending, its heading, what it asks."""

    name: str
    title: str
    question: str
    notebook: Any

    @property
    def page(self) -> str:
        return f"{self.name}.html"


def load(folder: Path) -> list[Lesson]:
    """The notebooks of a folder as they are stored; nothing is executed.

    Raises SiteError where there is none, or one that does not begin with a heading.
    """
    lessons = []
    for path in sorted(folder.glob("[0-9]*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        first = notebook.cells[0].source if notebook.cells else ""
        if not (heading := re.match(r"# +(.+)", first)):
            raise SiteError(f"{path.name}: its first cell is not a heading, such as '# 8 · Flows'")
        lessons.append(Lesson(path.stem, heading[1].strip(), question(first), notebook))
    if not lessons:
        raise SiteError(f"{folder} holds no lesson (a notebook whose name begins with a digit)")
    return lessons


def question(cell: str) -> str:
    """The question of a lesson: the bold sentence of its first cell, else its first paragraph.

    >>> question("# 1 · KL\\n\\nThere are two. **How far\\napart?**\\n\\nMore.")
    'How far apart?'
    """
    body = cell.split("\n", 1)[1].strip() if "\n" in cell else ""
    bold = re.search(r"\*\*(.+?)\*\*", body, re.DOTALL)
    return " ".join((bold[1] if bold else body.split("\n\n")[0]).split())
