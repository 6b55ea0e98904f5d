"""A lesson's Markdown as HTML: nbconvert's own renderer, with headings that a page can list."""

import html
import re
from dataclasses import dataclass
from typing import Any

from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from course.site.formulas import Formulas

# The kinds of tokens that our pages colour; the others need no element of their own.
COLOURED = {
    *("k", "kc", "kn", "ow", "nb", "nc", "nf", "nd", "ne", "bp", "s", "s1", "s2", "sa", "sd"),
    *("si", "se", "sr", "mi", "mf", "mh", "c", "c1", "cm"),
}
TOKEN = re.compile(r'<span class="(\w+)">(.*?)</span>', re.DOTALL)


@dataclass(frozen=True)
class Heading:
    level: int
    anchor: str
    html: str


def coloured(code: str, language: str = "ipython3") -> str:
    """The code as HTML with a class on each token that has a colour; no tag spans two lines."""
    for name in (language, "python3" if language == "ipython3" else "text"):
        try:
            lexer = get_lexer_by_name(name, stripnl=False)
            break
        except ClassNotFound:
            continue
    found = highlight(code.strip("\n"), lexer, HtmlFormatter(nowrap=True)).rstrip("\n")
    return TOKEN.sub(lambda match: match[0] if match[1] in COLOURED else match[2], found)


class Renderer(IPythonRenderer):
    """nbconvert's renderer, with JupyterLab's anchors of headings, and tables and code that scroll
    within themselves. `headings` collects what it met."""

    def __init__(self, formulas: Formulas, attachments: Any = None) -> None:
        super().__init__(escape=False, attachments=attachments)
        self.formulas = formulas
        self.headings: list[Heading] = []

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        # Readers who jump from heading to heading would think that a level left out is missing.
        level = min(level, self.headings[-1].level + 1 if self.headings else 1)
        plain = html.unescape(re.sub(r"<[^>]+>", "", self.formulas.source(text)))
        wanted = plain.strip().replace(" ", "-")
        anchor = wanted
        taken = {heading.anchor for heading in self.headings}
        count = 1
        while anchor in taken:
            count += 1
            anchor = f"{wanted}-{count}"
        self.headings.append(Heading(level, anchor, re.sub(r"</?a\b[^>]*>", "", text)))
        return f'<h{level} id="{html.escape(anchor)}">{text}</h{level}>\n'

    def block_code(self, code: str, info: str | None = None) -> str:
        language = info.split()[0] if info and info.split() else "text"
        code = coloured(code, language)
        return f'<pre class="wide code" data-name="Code"><code>{code}</code></pre>\n'

    def table(self, text: str) -> str:
        return f'<div class="wide" data-name="Table"><table>\n{text}</table></div>\n'

    def table_cell(self, text: str, align: str | None = None, head: bool = False) -> str:
        style = f' style="text-align:{align}"' if align else ""
        # A screen reader would announce an empty heading before every cell of its column.
        return (
            f'<th scope="col"{style}>{text}</th>\n'
            if head and text.strip()
            else f"<td{style}>{text}</td>\n"
        )

    def text_of(self, source: str, where: str) -> str:
        """One cell's Markdown as HTML, its formulas held."""
        return MarkdownWithMath(renderer=self).render(self.formulas.hold(source, where))
