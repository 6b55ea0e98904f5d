"""What the pages of the site and the slides have in common."""

import ast
import base64
import html
import json
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
# Every request but those to the site itself is forbidden, and so are inline scripts and `eval`;
# `file:` is the site where it lies on a disk.
POLICY = (
    "default-src 'self' data: blob: file:; script-src 'self' file:; "
    "style-src 'self' 'unsafe-inline' file:; form-action 'none'; base-uri 'none'"
)
CREDIT = "“Generative Models: VAE basics” by Yingzhen Li, Imperial College London"
# The fonts that a page needs for its first lines: family, style, weight. One that came later than
# the text would move it. Headings have the formulas' own letters, so that both look alike.
FONTS = {
    "KaTeX_Main-Bold": ("Headings", "normal", "700"),
    "KaTeX_Main-Regular": ("KaTeX_Main", "normal", "400"),
    "KaTeX_Math-Italic": ("KaTeX_Math", "italic", "400"),
}
HEADINGS = ("KaTeX_Main-Bold",)
LETTERS = ("KaTeX_Main-Regular", "KaTeX_Math-Italic")


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


def imports_only(cell: Any) -> bool:
    """A test for templates: whether a cell's code does nothing but import, and shows nothing."""
    if cell.outputs:
        return False
    try:
        body = ast.parse(cell.source).body
    except SyntaxError:  # a magic of IPython's
        return False
    return bool(body) and all(isinstance(one, ast.Import | ast.ImportFrom) for one in body)


def said(cell: Any) -> str:
    """A filter for templates: what a cell that only checks prints, one line."""
    texts = (o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs)
    text = html.escape(" ".join(" ".join(texts).split()))
    return re.sub(r"(?<=\w)([_^])(\w+)", lowered, text)


def lowered(match: re.Match[str]) -> str:
    """σ_x and e^KL, which are typed on a line, with a real subscript or superscript."""
    tag = "sub" if match[1] == "_" else "sup"
    return f"<{tag}>{match[2]}</{tag}>"


def plain(text: str) -> str:
    """A heading without its Markdown, for a window's title."""
    return html.escape(re.sub(r"[`$*\\]", "", text))


def copy_katex(into: Path, more: str = "") -> None:
    """KaTeX's style sheet, `more` behind it, and fonts; the formulas are typeset while building.

    Of the formats in which the style sheet offers each font, only WOFF2 is kept: every browser
    reads it.
    """
    into.mkdir(parents=True)
    katex = SOURCE / "vendor" / "katex"
    shutil.copytree(katex / "fonts", into / "fonts")
    shutil.copy(katex / "LICENSE", into)
    css = (katex / "katex.min.css").read_text(encoding="utf-8")
    css = re.sub(r',url\([^)]*\.(?:woff|ttf)\) format\("[^"]*"\)', "", css)
    (into / "katex.min.css").write_text(css + more, encoding="utf-8")


def write_fonts(file: Path, names: tuple[str, ...]) -> None:
    """A script that brings fonts of KaTeX's along, so that they are there before the first line."""
    fonts = []
    for name in names:
        data = (SOURCE / "vendor" / "katex" / "fonts" / f"{name}.woff2").read_bytes()
        fonts.append([*FONTS[name], base64.b64encode(data).decode()])
    script = (SOURCE / "static" / "fonts.js").read_text(encoding="utf-8")
    file.write_text(script.replace("[/* fonts */]", json.dumps(fonts)), encoding="utf-8")


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
