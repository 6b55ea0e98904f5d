"""The slides: each lesson as a reveal.js deck, by nbconvert's exporter and a template of ours.

`deck.py` chooses what is on them. `static/slides.js` then makes every slide fit the screen.
"""

import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from nbconvert.exporters import SlidesExporter

from course.site import SOURCE, SiteError, links
from course.site.deck import chosen, is_chosen
from course.site.formulas import Formulas
from course.site.lessons import Lesson
from course.site.live import Live
from course.site.markdown import Renderer
from course.site.outputs import Outputs
from course.site.shared import (
    CREDIT,
    HEADINGS,
    LETTERS,
    POLICY,
    TEMPLATES,
    code_block,
    copy_files,
    copy_katex,
    jinja,
    plain,
    prose,
    replacing,
    said,
    write_fonts,
)

SHARED = (
    "icon.svg",
    "colours.css",
    "slides.css",
    "fit.js",
    "models.js",
    "steps.js",
    "notes.js",
    "slides.js",
)
SCRIPTS = "<!-- the widgets of this deck -->"  # in the template
LIVE = re.compile(r'data-(?:component|saved|later)="([\w-]+)"')  # in any order


def build(into: Path, lessons: list[Lesson], notebooks: Path) -> None:
    """The decks and their list, in place of what was in the folder `into`."""
    formulas = Formulas()
    names = {lesson.name for lesson in lessons}
    files: dict[str, Path] = {}
    figures: dict[str, bytes] = {}
    live = Live()
    decks = {}
    # A section that a link leads to may be on no slide of a deck that is chosen: then to the deck.
    parts = [re.escape(lesson.page) for lesson in lessons if is_chosen(lesson)]
    section = re.compile(rf'href="({"|".join(parts) or "$."})#[^"]*"')
    rewrite = partial(links.rewrite, notebooks=notebooks, lessons=names, files=files)

    def link(html: str, where: str) -> str:
        return section.sub(r'href="\1"', rewrite(html, where))

    for lesson in lessons:
        decks[lesson.page], pictures = deck(lesson, formulas, live, link)
        figures |= pictures
    formulas.render()
    titles = [
        {"page": lesson.page, "title": plain(lesson.title), "question": plain(lesson.question)}
        for lesson in lessons
    ]
    with replacing(into) as half:
        copy_static(half / "static", formulas.style)
        live.write(half / "live")
        (half / "figures").mkdir()
        for name, data in figures.items():
            (half / "figures" / name).write_bytes(data)
        for name, page in decks.items():
            (half / name).write_text(formulas.fill(page), encoding="utf-8")
        index = (
            jinja()
            .get_template("slides.html.j2")
            .render(decks=titles, policy=POLICY, credit=CREDIT)
        )
        (half / "index.html").write_text(index, encoding="utf-8")
        copy_files(files, half)


def deck(
    lesson: Lesson, formulas: Formulas, live: Live, link: Callable[[str, str], str]
) -> tuple[str, dict[str, bytes]]:
    """A lesson as one page of slides, its formulas held, and its pictures by name.

    `link(html, lesson name)` turns links between notebooks into links between pages.
    """
    outputs = Outputs(lesson.name, live.place, live.question)
    cell_prose = prose(Renderer(formulas), lesson.name)
    exporter = SlidesExporter(template_name="slides", extra_template_basedirs=[str(TEMPLATES)])
    exporter.register_filter("prose", lambda cell: link(cell_prose(cell), lesson.name))
    exporter.register_filter("code", code_block)
    exporter.register_filter("output", lambda output: link(outputs.html(output), lesson.name))
    exporter.register_filter("said", said)
    exporter.register_filter("fragment", fragment)
    about = {"title": plain(lesson.title), "policy": POLICY, "credit": CREDIT}
    try:
        page, _ = exporter.from_notebook_node(chosen(lesson), {"deck": about})
    except ValueError as error:  # nbconvert's, for a lesson of which every cell is left out
        raise SiteError(f"{lesson.name}: {error}") from None
    # All slides are measured before the first is shown: pictures and widgets must be there.
    page = re.sub(' (loading="lazy"|decoding="async")', "", page)
    return page.replace(SCRIPTS, scripts(page)), outputs.files


def scripts(page: str) -> str:
    """The elements that load the widgets of a page and their models."""
    found = sorted(set(LIVE.findall(page)))
    return "\n".join(f'<script defer src="live/{name}.js"></script>' for name in found)


def fragment(html: str, on: bool) -> str:
    """An output that appears at the next step of its slide, if `on`."""
    return html.replace('class="', 'class="fragment ', 1) if on else html


def copy_static(into: Path, style: str) -> None:
    """Styles, scripts, reveal.js and the fonts of the formulas."""
    (into / "reveal").mkdir(parents=True)
    for name in SHARED:
        shutil.copy(SOURCE / "static" / name, into)
    for file in sorted((SOURCE / "vendor" / "reveal").iterdir()):
        shutil.copy(file, into / "reveal")
    copy_katex(into / "katex", style)
    write_fonts(into / "headings.js", HEADINGS)
    write_fonts(into / "formulas.js", LETTERS)
