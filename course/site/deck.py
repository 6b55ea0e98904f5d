r"""Which cells of a lesson are on its slides, and what of them: a notebook of slides for nbconvert.

The metadata of a cell says it, in the lesson's source:

    deck="A title"      the cell begins a slide; deck="+" puts it on the slide that has begun
    lead="…"            a line above what the cell shows
    points=["…", "…"]   a list below it
    lab="KLLab: mu = 1" a live lab next to it, as the lessons store one; an explorer likewise
    lit=["p", "q p"]    for each line of the cell's proof, the marks of the lab that it is about
    code=true           the cell's code is the point, and is shown
    notes="…"           what the lecturer may say, besides the cell's own paragraphs

Of prose a slide shows displayed formulas, lists and tables; its paragraphs become the speaker's
notes. Of code it shows what comes out. A proof comes line by line. A lesson in which no cell has
`deck` is shown whole, cut where the slideshow metadata says.
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
DISPLAYED = re.compile(r"\$\$|[-*|>] ?|\d+\. |```")
ALIGNED = re.compile(r"(\\begin\{align(?:ed|\*)?\})(.*?)(\\end\{align(?:ed|\*)?\})", re.DOTALL)
# A link to a section, which may be on no slide, leads to the deck that it belongs to.
SECTION = re.compile(r"\]\((\w+\.ipynb)#[^)]*\)")
OWN = re.compile(r"\[([^\]]*)\]\(#[^)]*\)")
PIECE = re.compile(r"\\begin\{\w+\*?\}|\\end\{\w+\*?\}|\\\\(?:\[[^\]]*\])?|\\.|[{}&]", re.DOTALL)


def chosen(lesson: Lesson) -> Any:
    """The notebook of a lesson's slides, or the lesson's own where none of its cells is marked."""
    marked = [cell for cell in lesson.notebook.cells if "deck" in cell.metadata]
    if not marked:
        return lesson.notebook
    made = deepcopy(lesson.notebook)
    made.cells = cover(lesson)
    for cell in marked:
        made.cells += on_slide(cell)
    for cell in made.cells:
        if cell.cell_type == "markdown":
            cell.source = OWN.sub(r"\1", SECTION.sub(r"](\1)", coloured(cell.source)))
    return made


def cover(lesson: Lesson) -> list[Any]:
    """The first slide: the lesson, its question, whose lecture it follows."""
    text = f"# {lesson.title}\n\n{lesson.question}\n\n<p class='credit'>{CREDIT}</p>"
    return [prose(text, "slide")]


def on_slide(cell: Any) -> list[Any]:
    """The cells of the slides that one marked cell becomes."""
    about = cell.metadata
    cells = [] if about["deck"] == "+" else [prose(f"## {about['deck']}", "slide")]
    says = [about["notes"]] if "notes" in about else []
    if "lead" in about:
        cells.append(prose(about["lead"]))
    if cell.cell_type == "markdown":
        shown, said = divided(cell.source)
        says = said + says
        if shown and "lit" in about:
            lit = html.escape("|".join(about["lit"]))
            cells.append(prose(f'<div class="proof" data-lit="{lit}">\n\n{shown}\n\n</div>'))
        elif shown:
            cells.append(prose(shown))
    else:
        output = deepcopy(cell)
        output.metadata.slideshow = {"slide_type": "-"}
        output.metadata.without_code = not about.get("code", False)
        cells.append(output)
    if "points" in about:
        cells.append(prose("\n".join(f"- {point}" for point in about["points"])))
    if "lab" in about:
        cells.append(live(about["lab"]))
    if says:
        cells.append(prose("\n\n".join(says), "notes"))
    return cells


def prose(text: str, kind: str = "-") -> Any:
    return new_markdown_cell(text, metadata={"slideshow": {"slide_type": kind}})


def live(text: str) -> Any:
    """A cell whose output is the widget that `text` describes, as a lesson would store it."""
    output = new_output("execute_result", {"text/plain": text})
    metadata = {"slideshow": {"slide_type": "-"}, "without_code": True}
    return new_code_cell("", outputs=[output], metadata=metadata)


def divided(source: str) -> tuple[str, list[str]]:
    """What a slide shows of a cell of prose, and the paragraphs that are left to be said."""
    held: list[str] = []

    def hold(match: re.Match[str]) -> str:
        held.append(stepped(match[0]))
        return f"\n\n$${len(held) - 1}$$\n\n"

    shown = []
    said = []
    for block in BLOCK.split(FORMULA.sub(hold, source)):
        text = block.strip()
        if text.startswith("#") or not text:
            continue
        (shown if DISPLAYED.match(text) else said).append(text)
    whole = re.compile(r"\$\$(\d+)\$\$")
    parts = [whole.sub(lambda match: held[int(match[1])], text) for text in shown]
    return "\n\n".join(parts), said


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
