"""What the pages of the site and the slides have in common."""

import html
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jinja2

from course.site import SOURCE, SiteError, links
from course.site.markdown import Renderer, coloured

TEMPLATES = SOURCE / "templates"
# Every request but those to the site itself is forbidden; `file:` is the site where it lies on a
# disk. Inline scripts may run, so that tests and browser extensions can look into a page.
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob: file:; "
    "form-action 'none'; base-uri 'none'"
)


def jinja() -> jinja2.Environment:
    """Our templates of whole pages; a name that a page does not give is an error."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    return jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined)


def prose(renderer: Renderer, where: str) -> Callable[[Any], str]:
    """A filter for templates: a Markdown cell as HTML. `where` names the place in an error."""

    def render(cell: Any) -> str:
        renderer.attachments = cell.get("attachments", {})
        return renderer.text_of(cell.source, where)

    return render


def code_block(cell: Any) -> str:
    """A filter for templates: a code cell's code, coloured; nothing for an empty cell."""
    if not cell.source.strip():
        return ""
    return f'<pre class="wide code" data-name="Code"><code>{coloured(cell.source)}</code></pre>'


def said(cell: Any) -> str:
    """A filter for templates: what a cell that only checks prints, one line."""
    texts = (o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs)
    return html.escape(" ".join(" ".join(texts).split()))


def plain(text: str) -> str:
    """A heading without its Markdown, for a window's title."""
    return html.escape(re.sub(r"[`$*\\]", "", text))


def copy_katex(into: Path) -> None:
    """KaTeX's style sheet and fonts; the formulas themselves are typeset while building.

    Of the formats in which the style sheet offers each font, only WOFF2 is kept: every browser
    reads it.
    """
    into.mkdir(parents=True)
    katex = SOURCE / "vendor" / "katex"
    shutil.copytree(katex / "fonts", into / "fonts")
    shutil.copy(katex / "LICENSE", into)
    css = (katex / "katex.min.css").read_text(encoding="utf-8")
    css = re.sub(r',url\([^)]*\.(?:woff|ttf)\) format\("[^"]*"\)', "", css)
    (into / "katex.min.css").write_text(css, encoding="utf-8")


def copy_files(files: dict[str, Path], into: Path) -> None:
    """Copies of the project's files that lessons link to, each under the name that it is given."""
    for name, file in files.items():
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, into / name)


@contextmanager
def replacing(into: Path) -> Iterator[Path]:
    """A folder to build in, which takes the place of `into` at the end.

    A build that fails, or that has a link which leads nowhere, leaves `into` as it was.
    """
    half = into.with_name(f"{into.name}.part")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    yield half
    if wrong := links.broken(half):
        raise SiteError("\n".join(wrong))
    shutil.rmtree(into, ignore_errors=True)
    os.replace(half, into)
