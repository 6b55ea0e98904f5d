r"""Which cells of a lesson are on its slides, and what of them: a notebook of slides for nbconvert.

The metadata of a cell says it, in the lesson's source:

    deck="A title"      the cell begins a slide; deck="+" puts it on the slide that has begun
    lead="…"            a line above what the cell shows
    points=["…", "…"]   a list below it
    blocks=[0, 2]       which of its displayed formulas, lists and tables, if not all
    lab="KLLab: mu = 1" a live lab next to it, as the lessons store one
    lit=["p", "q p"]    for each line of the cell's proof, the marks of that lab that it is about
    code=true           the cell's code is the point, and is shown

Of prose a slide shows displayed formulas, lists and tables. Its paragraphs, and those of the cells
up to the next slide, are the speaker's notes. Of code it shows what comes out. A proof comes line
by line. A lesson in which no cell has `deck` is shown whole, cut where the slideshow metadata says.
"""

import html
import re
from copy import deepcopy
from typing import Any

from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from course.site.lessons import Lesson
from course.site.shared import CREDIT
from notebooks.conventions import coloured

BLOCK = re.compile(r"\n[ \t]*\n")
FORMULA = re.compile(r"\$\$.*?\$\$", re.DOTALL)
HELD = re.compile(r"\$\$(\d+)\$\$")
DISPLAYED = re.compile(r"\$\$|[-*+] |[|>]|\d+\. |```")
ALIGNED = re.compile(r"(\\begin\{align(?:ed|\*)?\})(.*?)(\\end\{align(?:ed|\*)?\})", re.DOTALL)
# A link to a section of the same lesson, which may be on no slide, is just its words.
OWN = re.compile(r"\[([^\]]*)\]\(#[^)]*\)")
PIECE = re.compile(r"\\begin\{\w+\*?\}|\\end\{\w+\*?\}|\\\\(?:\[[^\]]*\])?|\\.|[{}&]", re.DOTALL)


def is_chosen(lesson: Lesson) -> bool:
    return any("deck" in cell.metadata for cell in lesson.notebook.cells)


def chosen(lesson: Lesson) -> Any:
    """The notebook of a lesson's slides, or the lesson's own where none of its cells is marked."""
    if not is_chosen(lesson):
        return lesson.notebook
    made = deepcopy(lesson.notebook)
    made.cells = cover(lesson)
    said: list[str] = []
    for cell in lesson.notebook.cells:
        deck = cell.metadata.get("deck", "")
        if deck and deck != "+":
            made.cells += notes(said)
            made.cells.append(prose(f"## {deck}", "slide"))
            said = []
        if deck:
            made.cells += on_slide(cell)
        said += spoken(cell)
    made.cells += notes(said)
    for cell in made.cells:
        if cell.cell_type == "markdown":
            cell.source = OWN.sub(r"\1", coloured(cell.source))
    return made


def cover(lesson: Lesson) -> list[Any]:
    """The first slide: the lesson, its question, whose lecture it follows."""
    text = f"# {lesson.title}\n\n{lesson.question}\n\n<p class='credit'>{CREDIT}</p>"
    return [prose(text, "slide")]


def on_slide(cell: Any) -> list[Any]:
    """What a marked cell shows on its slide, as cells."""
    about = cell.metadata
    cells = [prose(about["lead"])] if "lead" in about else []
    if cell.cell_type == "markdown":
        blocks, _ = divided(cell.source)
        shown = "\n\n".join(blocks[i] for i in about.get("blocks", range(len(blocks))))
        if shown and "lit" in about:
            lit = html.escape("|".join(about["lit"]))
            shown = f'<div class="proof" data-lit="{lit}">\n\n{shown}\n\n</div>'
        cells += [prose(shown)] if shown else []
    else:
        output = deepcopy(cell)
        output.metadata.slideshow = {"slide_type": "-"}
        output.metadata.without_code = not about.get("code", False)
        cells.append(output)
    if "points" in about:
        cells.append(prose("\n".join(f"- {point}" for point in about["points"])))
    if "lab" in about:
        cells.append(live(about["lab"]))
    return cells


def spoken(cell: Any) -> list[str]:
    """The paragraphs of a cell that a lecturer may say: not those of an exercise or an aside."""
    about = cell.metadata
    aside = "aside" in about.get("tags", [])
    if cell.cell_type != "markdown" or aside or "exercise" in about:
        return []
    _, said = divided(cell.source)
    return [text for text in said if not text.startswith("Solved or not")]


def notes(said: list[str]) -> list[Any]:
    return [prose("\n\n".join(said), "notes")] if said else []


def prose(text: str, kind: str = "-") -> Any:
    return new_markdown_cell(text, metadata={"slideshow": {"slide_type": kind}})


def live(text: str) -> Any:
    """A cell whose output is the widget that `text` describes, as a lesson would store it."""
    output = new_output("execute_result", {"text/plain": text})
    metadata = {"slideshow": {"slide_type": "-"}, "without_code": True}
    return new_code_cell("", outputs=[output], metadata=metadata)


def divided(source: str) -> tuple[list[str], list[str]]:
    """What of a cell of prose is displayed, block by block, and the paragraphs between."""
    held: list[str] = []

    def hold(match: re.Match[str]) -> str:
        held.append(stepped(match[0]))
        return f"\n\n$${len(held) - 1}$$\n\n"

    def put(match: re.Match[str]) -> str:
        return held[int(match[1])]

    shown: list[str] = []
    said: list[str] = []
    for block in BLOCK.split(FORMULA.sub(hold, source)):
        text = block.strip()
        if text and not text.startswith("#"):
            (shown if DISPLAYED.match(text) else said).append(HELD.sub(put, text))
    return shown, said


def stepped(formula: str) -> str:
    """A displayed formula whose aligned lines, from the second on, are marked as steps."""
    return ALIGNED.sub(lambda m: m[1] + lines(m[2]) + m[3], formula)


def lines(body: str) -> str:
    r"""The body of an aligned environment with each cell of its later lines in a \htmlClass.

    >>> lines(r"a &= b \\ &= \frac{1}{c}")
    'a &= b \\\\ &\\htmlClass{step step1}{{}= \\frac{1}{c}}'
    """
    made = ""
    cell = ""
    depth = 0
    row = 0
    at = 0

    def closed(text: str) -> str:
        return (
            text if row == 0 or not text.strip() else rf"\htmlClass{{step step{row}}}{{{{}}{text}}}"
        )

    for match in PIECE.finditer(body):
        cell += body[at : match.start()]
        at = match.end()
        piece = match[0]
        depth += piece.startswith(("{", r"\begin")) - piece.startswith(("}", r"\end"))
        if depth or not (piece == "&" or piece.startswith(r"\\")):
            cell += piece
            continue
        made += closed(cell) + piece
        cell = ""
        row += piece != "&"
    return made + closed(cell + body[at:])
