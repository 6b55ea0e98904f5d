"""The slides: each lesson as a reveal.js deck, cut where the notebook's slide metadata says."""

import os
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import jinja2

from website import SOURCE, SiteError, links
from website.lessons import Lesson
from website.maths import Formulas
from website.outputs import Outputs
from website.pages import POLICY, cells, plain, vendor_katex

SHARED = ("icon.svg", "site.css", "deck.css", "deck.js")


def cut(notebook: Any) -> Any:
    """A copy whose cells say where slides, the stacks of them and fragments begin and end.

    The kinds are Jupyter's: "slide" begins a stack, "subslide" a slide in it, "fragment" what comes
    at the next key; "notes" and "skip" are not on the slide, and all else goes on with what was.
    """
    notebook = deepcopy(notebook)
    shown = []
    for cell in notebook.cells:
        cell.metadata.slide_type = cell.metadata.get("slideshow", {}).get("slide_type", "-")
        if cell.metadata.slide_type not in ("notes", "skip"):
            shown.append(cell)
    if not shown:
        raise SiteError("every cell is left out of the slides: there is nothing to show")
    fragment = False
    for before, cell in zip([None, *shown], shown, strict=False):
        kind, about = cell.metadata.slide_type, cell.metadata
        about.slide_start = kind == "slide" or before is None
        about.subslide_start = kind == "subslide" or about.slide_start
        about.fragment_start = kind == "fragment"
        if before is not None:
            before.metadata.fragment_end = fragment and (
                about.subslide_start or about.fragment_start
            )
            before.metadata.subslide_end = about.subslide_start
            before.metadata.slide_end = about.slide_start
            fragment = fragment and not before.metadata.fragment_end
        fragment = fragment or about.fragment_start
    shown[-1].metadata.fragment_end = fragment
    shown[-1].metadata.subslide_end = shown[-1].metadata.slide_end = True
    return notebook


def build(into: Path, lessons: list[Lesson], notebooks: Path) -> None:
    """The decks, in place of what was there, which a build that fails leaves as it was."""
    from vaelib import widgets

    half = into.with_name(f"{into.name}.part")
    shutil.rmtree(half, ignore_errors=True)
    for folder in ("figures", "static/reveal"):
        (half / folder).mkdir(parents=True)
    for name in SHARED:
        shutil.copy(SOURCE / "static" / name, half / "static")
    for file in sorted((SOURCE / "vendor" / "reveal").iterdir()):
        shutil.copy(file, half / "static" / "reveal")
    vendor_katex(half / "static" / "katex")

    loader = jinja2.FileSystemLoader(SOURCE / "templates")
    templates = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined)
    formulas, names, files = Formulas(), {lesson.name for lesson in lessons}, dict[str, Path]()
    bodies = {}
    for lesson in lessons:
        outputs = Outputs(lesson.name, lambda text, picture: picture, set(widgets.__all__))
        body, _ = cells(lesson, cut(lesson.notebook), "deck", formulas, outputs)
        # All slides are measured before the first is shown: their pictures must be there.
        body = body.replace(' loading="lazy" decoding="async"', "")
        bodies[lesson.name] = links.rewrite(body, lesson.name, notebooks, names, files)
        for name, data in outputs.files.items():
            (half / "figures" / name).write_bytes(data)
    formulas.render()
    decks = [{"page": lesson.page, "title": plain(lesson.title)} for lesson in lessons]
    for lesson in lessons:
        page = templates.get_template("deck.html.j2").render(
            title=plain(lesson.title), body=formulas.fill(bodies[lesson.name]), policy=POLICY
        )
        (half / lesson.page).write_text(page, encoding="utf-8")
    index = templates.get_template("decks.html.j2").render(decks=decks, policy=POLICY)
    (half / "index.html").write_text(index, encoding="utf-8")
    for name, file in files.items():
        (half / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, half / name)
    if wrong := links.broken(half):
        raise SiteError("\n".join(wrong))
    shutil.rmtree(into, ignore_errors=True)
    os.replace(half, into)
