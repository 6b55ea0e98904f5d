"""Formulas: taken out of the Markdown before it is parsed, and typeset by KaTeX during the build.

So a page needs no script for its mathematics and shows it at once. Each formula also carries
MathML, for screen readers. KaTeX writes its measures into each element; here those that come often
become classes, which the style sheet of a build explains once.
"""

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

from course.site import SOURCE, SiteError
from vaelib.plots import SYMBOLS

# Code comes first, so that a dollar in code is no formula.
FOUND = re.compile(
    r"""(?P<code>
          ^[ \t]*(?P<fence>`{3,}|~{3,})(?s:.*?)^[ \t]*(?P=fence)[ \t]*$
        | (?<![\\`])(?P<ticks>`+)(?!`)(?s:.+?)(?<!`)(?P=ticks)(?!`)
        )
      | (?<!\\)\$\$(?P<tex2>(?s:.+?))(?<!\\)\$\$
      | \\\\\[(?P<latex2>(?s:.+?))\\\\\]
      | (?P<environment>\\begin\{(?P<name>[a-z]+\*?)\}(?s:.*?)\\end\{(?P=name)\})
      | (?<![\\$])\$(?P<tex>(?:\\.|[^$\\]|\n(?!\s*\n))+?)\$
      | \\\\\((?P<latex>(?s:.+?))\\\\\)
    """,
    re.VERBOSE | re.MULTILINE,
)
# The colours of the symbols are variables of the page, which has lighter ones in the dark.
NAMES = {text.lower(): name for name, (_, text, _) in SYMBOLS.items()}
VARIABLE = re.compile(rf"(?<=color:)({'|'.join(NAMES)})(?=[;\"])", re.IGNORECASE)
# The TeX source in the MathML: browsers do not show it and screen readers do not read it.
SOURCES = re.compile(r"</?semantics>|<annotation .*?</annotation>", re.DOTALL)
MATHML = re.compile(r"<math.*?</math>", re.DOTALL)
MATHCOLOUR = re.compile(rf'mathcolor="({"|".join(NAMES)})"', re.IGNORECASE)
STYLED = re.compile(r'<span(?: class="([^"]*)")? style="([^"]*)">')
OFTEN = 5  # a style that comes this often becomes a class
HELD = re.compile("\ue000([0-9]+)\ue001")  # two characters that no text has


def as_variable(match: re.Match[str]) -> str:
    return f"var(--{NAMES[match[1].lower()]})"


def as_style(match: re.Match[str]) -> str:
    return f'style="color:{as_variable(match)}"'


SCRIPT = """
const katex = require(process.argv[1]);
const all = JSON.parse(require("fs").readFileSync(0, "utf8"));
// What may be asked of KaTeX besides mathematics: to mark a part that is a step of a slide.
const trust = ({ command }) => command === "\\\\htmlClass";
const answer = all.map(([tex, displayMode]) => {
  try {
    return { html: katex.renderToString(tex, { displayMode, strict: false, trust }) };
  } catch (error) {
    return { error: String(error.message) };
  }
});
process.stdout.write(JSON.stringify(answer));
"""


def node() -> str:
    """A JavaScript engine: the one that Playwright brings, else one on the PATH."""
    import playwright

    own = Path(playwright.__file__).parent / "driver" / ("node.exe" if os.name == "nt" else "node")
    found = str(own) if own.exists() else shutil.which("node")
    if found is None:
        raise SiteError("no JavaScript engine to set the formulas with: install Node.js")
    return found


class Formulas:
    """The formulas of a build: `hold` replaces each by a mark, `fill` each mark by its HTML.

    `render` comes between the two: it typesets all of them in one run of KaTeX.
    """

    def __init__(self) -> None:
        self.found: list[tuple[str, bool]] = []
        self.where: list[str] = []
        self.html: list[str] = []
        self.style = ""  # the style sheet of the classes, once they are rendered

    def hold(self, markdown: str, where: str) -> str:
        """The text with a mark for each formula; `where` is what an error calls the place."""

        def take(match: re.Match[str]) -> str:
            if match["code"]:
                return match[0]
            parts = (match[name] for name in ("tex2", "latex2", "environment", "tex", "latex"))
            tex = next(part for part in parts if part is not None)
            line = markdown[: match.start()].rpartition("\n")[2]
            if line.lstrip().startswith(">"):  # the marks of a quotation are not mathematics
                tex = re.sub(r"(?m)^[ \t]*> ?", "", tex)
            self.found.append((tex.strip(), match["tex"] is None and match["latex"] is None))
            self.where.append(where)
            return f"\ue000{len(self.found) - 1}\ue001"

        return FOUND.sub(take, markdown)

    def source(self, text: str) -> str:
        """The text with its formulas as they were written."""
        return HELD.sub(lambda match: f"${self.found[int(match[1])][0]}$", text)

    def render(self) -> None:
        """Typeset all formulas. Raises SiteError for one that KaTeX does not understand."""
        done = subprocess.run(
            [node(), "-e", SCRIPT, str(SOURCE / "vendor" / "katex" / "katex.min.js")],
            input=json.dumps(self.found),
            capture_output=True,
            encoding="utf-8",
        )
        if done.returncode:
            raise SiteError(f"the formulas could not be set: {done.stderr.strip()[-500:]}")
        self.html = []
        for answer, where, (tex, _) in zip(
            json.loads(done.stdout), self.where, self.found, strict=True
        ):
            if "error" in answer:
                raise SiteError(f"{where}: a formula cannot be set: {answer['error']}, in {tex!r}")
            html = SOURCES.sub("", answer["html"])
            self.html.append(VARIABLE.sub(as_variable, html))
        self._shorten()

    def _shorten(self) -> None:
        """Give each style that comes often a class, the most frequent the shortest name."""
        styles = (style for html in self.html for _, style in STYLED.findall(html))
        count = Counter(style for style in styles if "color" not in style)
        common = [style for style, times in count.most_common() if times >= OFTEN]
        names = {style: f"f{number:x}" for number, style in enumerate(common)}

        def put(match: re.Match[str]) -> str:
            if match[2] not in names:
                return match[0]
            classes = " ".join(filter(None, (match[1], names[match[2]])))
            return f'<span class="{classes}">'

        self.html = [STYLED.sub(put, html) for html in self.html]
        for style, name in names.items():
            rule = style.rstrip(";").replace(";", " !important;")
            self.style += f".katex .{name}{{{rule} !important}}\n"

    def fill(self, html: str, native: bool = False) -> str:
        """The page with its formulas; a displayed one that is too wide scrolls within itself.

        With `native` they are left to the browser, as MathML: the page needs no style sheet and no
        fonts for them.
        """

        def put(match: re.Match[str]) -> str:
            at = int(match[1])
            if native:
                return MATHCOLOUR.sub(as_style, MATHML.findall(self.html[at])[0])
            if not self.found[at][1]:
                return self.html[at]
            return f'<span class="wide formula" data-name="Formula">{self.html[at]}</span>'

        return HELD.sub(put, html)
