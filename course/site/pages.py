"""The site: a start page that opens on the explorer, and a page for each lesson."""

import html
import re
import shutil
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbformat
from nbconvert.exporters import TemplateExporter

from course.site import SOURCE, SiteError, links
from course.site.formulas import Formulas
from course.site.lessons import Lesson
from course.site.live import Live, explorer
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
    imports_only,
    jinja,
    plain,
    prose,
    replacing,
    said,
    write_fonts,
)
from course.site.veil import veiled
from notebooks.conventions import coloured

LEAD = (
    "{count} lessons, each with figures that you move: from the definition of a divergence to a "
    "trained model whose latent dimensions you slide through."
)


class LessonExporter(TemplateExporter):
    """nbconvert with our template for the cells of a lesson."""

    file_extension = ".html"
    output_mimetype = "text/html"
    template_extension = ".html.j2"


class Site:
    """The pages of the lessons and what they need, written by `write`."""

    def __init__(self, lessons: list[Lesson], notebooks: Path) -> None:
        self.lessons = lessons
        self.notebooks = notebooks
        self.live = Live()
        self.formulas = Formulas()
        self.figures: dict[str, bytes] = {}
        self.files: dict[str, Path] = {}
        self.templates = jinja()
        self.menu = [menu_entry(lesson) for lesson in lessons]

    def write(self, into: Path) -> None:
        """Write everything into an empty folder."""
        pages = {lesson.page: self.lesson(at) for at, lesson in enumerate(self.lessons)}
        pages["index.html"] = self.start()
        self.formulas.render()
        not_ours = shutil.ignore_patterns("slides*", "fonts.js")
        shutil.copytree(SOURCE / "static", into / "static", ignore=not_ours)
        copy_katex(into / "static" / "katex", self.formulas.style)
        write_fonts(into / "static" / "headings.js", HEADINGS)
        write_fonts(into / "static" / "formulas.js", LETTERS)
        self.live.write(into / "live")
        (into / "explorer.html").write_text(explorer().to_html(), encoding="utf-8")
        for name, page in pages.items():
            # The start page is to be live soon: it does without KaTeX's style sheet and fonts.
            filled = self.formulas.fill(page, native=name == "index.html")
            (into / name).write_text(filled, encoding="utf-8")
        for name, data in self.figures.items():
            (into / "figures").mkdir(exist_ok=True)
            (into / "figures" / name).write_bytes(data)
        for lesson in self.lessons:
            (into / "notebooks").mkdir(exist_ok=True)
            nbformat.write(lesson.notebook, into / "notebooks" / f"{lesson.name}.ipynb")
        copy_files(self.files, into)

    def lesson(self, at: int) -> str:
        """The page of one lesson, its formulas held."""
        lesson = self.lessons[at]
        body, renderer = self._cells(lesson)
        return self._page(
            body,
            kind="lesson",
            here=lesson.page,
            title=f"{plain(lesson.title)} – Variational auto-encoders",
            description=plain(lesson.question),
            headings=[heading for heading in renderer.headings if heading.level in (2, 3)],
            before=self.menu[at - 1] if at else None,
            after=self.menu[at + 1] if at + 1 < len(self.menu) else None,
            notebook=f"notebooks/{quote(lesson.name)}.ipynb",
        )

    def _cells(self, lesson: Lesson) -> tuple[str, Renderer]:
        """The lesson's cells as HTML, and the renderer that met its headings."""
        sources = (cell.source for cell in lesson.notebook.cells)
        own_model = not any("shipped(" in source for source in sources)
        place = partial(self.live.place, own_model=own_model)
        outputs = Outputs(lesson.name, place, self.live.question)
        renderer = Renderer(self.formulas)
        exporter = LessonExporter(template_name="lesson", extra_template_basedirs=[str(TEMPLATES)])
        exporter.register_filter("prose", prose(renderer, lesson.name))
        exporter.register_filter("code", code_block)
        exporter.register_filter("output", outputs.html)
        exporter.register_filter("said", said)
        exporter.register_filter("imports_only", imports_only)
        exporter.register_filter("todo", partial(self._todo, lesson))
        body, _ = exporter.from_notebook_node(veiled(lesson.notebook))
        self.figures |= outputs.files
        names = {other.name for other in self.lessons}
        return links.rewrite(body, lesson.name, self.notebooks, names, self.files), renderer

    def _todo(self, lesson: Lesson, cell: Any) -> str:
        """In the place of what a check says of an exercise that nobody has attempted."""
        name = html.escape(cell.metadata.nbgrader.grade_id.removeprefix("check_"))
        notebook = f"notebooks/{quote(lesson.name)}.ipynb"
        how = self._anchor("How exercises answer")
        explained = f' <a href="{how}">How exercises answer</a>' if how else ""
        return (
            f'<p class="todo"><strong>Your turn.</strong> Write <code>{name}</code> in '
            f'<a href="{notebook}" download>this lesson’s notebook</a> and run the cell below it: '
            f"it says whether you are right.{explained}</p>\n"
        )

    def _anchor(self, heading: str) -> str:
        """The address of a heading, as a link of a lesson; "" if no lesson has it."""
        for lesson in self.lessons:
            for cell in lesson.notebook.cells:
                if cell.cell_type == "markdown" and f"# {heading}\n" in f"{cell.source}\n":
                    return f"{lesson.name}.ipynb#{quote(heading.replace(' ', '-'))}"
        return ""

    def start(self) -> str:
        """The start page; what the explorer replaces is a picture that a lesson stores."""
        shown = self._stored_explorer()
        first = self.lessons[0]
        renderer = Renderer(self.formulas)

        def inline(text: str) -> str:
            # Without links: a card is one already, and a lesson's relative links do not hold here.
            return re.sub(r"</?[pa]\b[^>]*>", "", renderer.text_of(text, "the start page")).strip()

        lessons = [
            {
                **entry,
                "title": inline(lesson.title),
                "question": inline(lesson.question),
                "sign": inline(coloured(lesson.notebook.cells[0].metadata.get("sign", ""))),
            }
            for entry, lesson in zip(self.menu, self.lessons, strict=True)
        ]
        body = self.templates.get_template("start.html.j2").render(
            lead=LEAD.format(count=len(lessons)),
            question=inline(first.question),
            explorer=shown,
            lessons=lessons,
            map=self._map(),
        )
        saved = re.findall(r'data-saved="([^"]+)"', shown)
        return self._page(
            body,
            kind="start",
            here="index.html",
            title="Variational auto-encoders, from first principles",
            description="Lessons from the definition of a divergence to a trained model of faces.",
            headings=[],
            before=None,
            after=None,
            notebook=None,
            # In the page's head, so that the model is on its way while the text is read.
            scripts=["LatentExplorer.js", f"{saved[0]}.js"],
        )

    def _stored_explorer(self) -> str:
        for lesson in self.lessons:
            outputs = Outputs(lesson.name, self.live.place, self.live.question)
            for cell in lesson.notebook.cells:
                for output in cell.get("outputs", []):
                    shown = outputs.html(output)
                    if 'data-component="LatentExplorer"' in shown:
                        return shown.replace(' loading="lazy" decoding="async"', "")
        raise SiteError("no lesson stores the explorer of the shipped model: nothing to open on")

    def _map(self) -> str:
        """The address of the lecture's map: the heading before the cell that is tagged "map"."""
        for lesson in self.lessons:
            heading = ""
            for cell in lesson.notebook.cells:
                if "map" in cell.metadata.get("tags", []):
                    return f"{lesson.page}#{quote(heading.replace(' ', '-'))}"
                if cell.cell_type == "markdown" and cell.source.startswith("#"):
                    heading = re.sub(r"^#+ *", "", cell.source.split("\n", 1)[0]).strip()
        return self.lessons[0].page

    def _page(self, body: str, scripts: tuple[str, ...] | list[str] = (), **values: Any) -> str:
        return self.templates.get_template("page.html.j2").render(
            body=body,
            policy=POLICY,
            credit=CREDIT,
            lessons=self.menu,
            live='class="live"' in body,
            formulas="\ue000" in body and values["kind"] == "lesson",
            scripts=scripts,
            **values,
        )


def menu_entry(lesson: Lesson) -> dict[str, str]:
    """How the menu at the top of each page shows a lesson."""
    number = re.match(r"\d+", lesson.name)
    assert number is not None  # the name of a lesson begins with digits: see `lessons.load`
    return {
        "page": lesson.page,
        "title": plain(lesson.title),
        "number": str(int(number[0])),
        "short": plain(lesson.title.split("·")[-1].strip()),
    }


def build(into: Path, lessons: list[Lesson], notebooks: Path) -> None:
    """The site, in place of what was in the folder `into`."""
    with replacing(into) as half:
        Site(lessons, notebooks).write(half)
