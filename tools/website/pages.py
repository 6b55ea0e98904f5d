"""The site: a start page that opens on the explorer, and a page for each lesson."""

import html
import os
import re
import shutil
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import nbformat
from nbconvert.exporters import TemplateExporter

from website import SOURCE, SiteError, links
from website.lessons import Lesson
from website.live import Live, explorer_page
from website.markdown import Renderer, coloured
from website.maths import Formulas
from website.outputs import Outputs

# Nothing is asked of anyone but the site itself. `file:` is the site when it lies on a disk. What
# stands in a page may run, so that tests and browser extensions can look into it.
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob: file:; "
    "form-action 'none'; base-uri 'none'"
)


def code_block(cell: Any) -> str:
    """A code cell's code; an empty one shows nothing."""
    if not cell.source.strip():
        return ""
    return f'<pre class="wide code" data-name="Code"><code>{coloured(cell.source)}</code></pre>'


class Cells(TemplateExporter):
    """nbconvert with one of our templates, and what a stored notebook needs of it: nothing else."""

    file_extension = ".html"
    output_mimetype = "text/html"
    template_extension = ".html.j2"

    def __init__(self, template: str, **filters: Any) -> None:
        folders = [str(SOURCE / "templates")]
        super().__init__(template_name=template, extra_template_basedirs=folders)
        for name, function in filters.items():
            self.register_filter(name, function)


def cells(
    lesson: Lesson, notebook: Any, template: str, formulas: Formulas, outputs: Outputs
) -> tuple[str, Renderer]:
    """A notebook's cells by one of our templates of nbconvert's, and what it knows of headings."""
    renderer = Renderer(formulas)

    def prose(cell: Any) -> str:
        renderer.attachments = cell.get("attachments", {})
        return renderer.text_of(cell.source, lesson.name)

    exporter = Cells(template, prose=prose, code=code_block, output=outputs.html)
    body, _ = exporter.from_notebook_node(notebook)
    return body, renderer


def minimal(css: str) -> str:
    """KaTeX's style sheet with the one format of fonts that every browser of today reads."""
    return re.sub(r',url\([^)]*\.(?:woff|ttf)\) format\("[^"]*"\)', "", css)


def vendor_katex(into: Path) -> None:
    """KaTeX's style and fonts; the formulas themselves are set already."""
    into.mkdir(parents=True)
    katex = SOURCE / "vendor" / "katex"
    shutil.copytree(katex / "fonts", into / "fonts")
    shutil.copy(katex / "LICENSE", into)
    css = (katex / "katex.min.css").read_text(encoding="utf-8")
    (into / "katex.min.css").write_text(minimal(css), encoding="utf-8")


def plain(text: str) -> str:
    """A heading as a window's title has it."""
    return html.escape(re.sub(r"[`$*\\]", "", text))


class Site:
    """All pages of the lessons, written by `write`."""

    def __init__(self, lessons: list[Lesson], notebooks: Path) -> None:
        from vaelib import widgets

        self.lessons, self.notebooks = lessons, notebooks
        self.widgets = set(widgets.__all__)
        self.live, self.formulas = Live(), Formulas()
        self.figures: dict[str, bytes] = {}
        self.files: dict[str, Path] = {}
        loader = jinja2.FileSystemLoader(SOURCE / "templates")
        self.jinja = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined)
        self.menu = [
            {
                "page": lesson.page,
                "title": plain(lesson.title),
                "number": str(int(re.match(r"\d+", lesson.name)[0])),  # type: ignore[index]
                "short": plain(lesson.title.split("·")[-1].strip()),
            }
            for lesson in lessons
        ]

    def write(self, into: Path) -> None:
        """Into a folder that does not exist yet. Raises SiteError for a link that leads nowhere."""
        pages = {lesson.page: self.lesson(at) for at, lesson in enumerate(self.lessons)}
        pages["index.html"] = self.start()
        self.formulas.render()
        shutil.copytree(SOURCE / "static", into / "static", ignore=shutil.ignore_patterns("deck*"))
        vendor_katex(into / "static" / "katex")
        self.live.write(into / "live")
        (into / "live" / "widgets.css").write_text(self.live.style(), encoding="utf-8")
        (into / "explorer.html").write_text(explorer_page(), encoding="utf-8")
        for name, page in pages.items():
            (into / name).write_text(self.formulas.fill(page), encoding="utf-8")
        for name, data in self.figures.items():
            (into / "figures").mkdir(exist_ok=True)
            (into / "figures" / name).write_bytes(data)
        for lesson in self.lessons:
            (into / "notebooks").mkdir(exist_ok=True)
            nbformat.write(lesson.notebook, into / "notebooks" / f"{lesson.name}.ipynb")
        for name, file in self.files.items():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, into / name)
        if wrong := links.broken(into):
            raise SiteError("\n".join(wrong))

    def lesson(self, at: int) -> str:
        lesson = self.lessons[at]
        sources = (cell.source for cell in lesson.notebook.cells)
        own_model = not any("shipped(" in source for source in sources)
        place = partial(self.live.place, own_model=own_model)
        outputs = Outputs(lesson.name, place, self.widgets)
        body, renderer = cells(lesson, lesson.notebook, "lesson", self.formulas, outputs)
        names = {lesson.name for lesson in self.lessons}
        body = links.rewrite(body, lesson.name, self.notebooks, names, self.files)
        self.figures |= outputs.files
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

    def start(self) -> str:
        """The page that opens on the explorer; its picture is one that a lesson stores."""
        shown = self._stored_explorer()
        first = self.lessons[0]
        prose = Renderer(self.formulas)

        def inline(text: str) -> str:
            # A card is a link already, and what a lesson links to is not this page's to name.
            return re.sub(r"</?[pa]\b[^>]*>", "", prose.text_of(text, "the start page")).strip()

        opening = first.notebook.cells[0].source.split("\n", 1)[-1].strip().split("\n\n")[0]
        lessons = [
            {**entry, "title": inline(lesson.title), "question": inline(lesson.question)}
            for entry, lesson in zip(self.menu, self.lessons, strict=True)
        ]
        body = self.jinja.get_template("start.html.j2").render(
            lead=inline(opening), explorer=shown, lessons=lessons, map=self._map()
        )
        saved = sorted(name for name in self.live.files if name.startswith("faces"))
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
            # Asked for by the page's head, so that the model travels while the text is read.
            scripts=["LatentExplorer.js", saved[-1]],
        )

    def _stored_explorer(self) -> str:
        for lesson in self.lessons:
            outputs = Outputs(lesson.name, self.live.place, self.widgets)
            for cell in lesson.notebook.cells:
                for output in cell.get("outputs", []):
                    shown = outputs.html(output)
                    if 'data-component="LatentExplorer"' in shown:
                        return shown.replace(' loading="lazy" decoding="async"', "")
        raise SiteError("no lesson stores the explorer of the shipped model: nothing to open on")

    def _map(self) -> str:
        """Where the lecture's map is: the heading before the cell that is tagged so."""
        for lesson in self.lessons:
            heading = ""
            for cell in lesson.notebook.cells:
                if "map" in cell.metadata.get("tags", []):
                    return f"{lesson.page}#{quote(heading.replace(' ', '-'))}"
                if cell.cell_type == "markdown" and cell.source.startswith("#"):
                    heading = re.sub(r"^#+ *", "", cell.source.split("\n", 1)[0]).strip()
        return self.lessons[0].page

    def _page(self, body: str, **values: Any) -> str:
        scripts = values.pop("scripts", [])
        return self.jinja.get_template("page.html.j2").render(
            body=body,
            policy=POLICY,
            lessons=self.menu,
            live='class="live"' in body,
            formulas="\ue000" in body,
            scripts=scripts,
            **values,
        )


def build(into: Path, lessons: list[Lesson], notebooks: Path) -> None:
    """The site, in place of what was there: a build that fails leaves the old one as it was."""
    half = into.with_name(f"{into.name}.part")
    shutil.rmtree(half, ignore_errors=True)
    half.parent.mkdir(parents=True, exist_ok=True)
    Site(lessons, notebooks).write(half)
    shutil.rmtree(into, ignore_errors=True)
    os.replace(half, into)
