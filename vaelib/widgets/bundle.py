"""The widgets' JavaScript and style sheets as text, and pages that run them without a kernel."""

import html
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from vaelib.plots import SYMBOLS

STATIC = Path(__file__).parent / "static"
IMPORT = re.compile(r'^import \{.*\} from "(.+)";$\n?', re.MULTILINE)
EXPORT = re.compile(r"^export (?=function|const|class)", re.MULTILINE)
EXPORT_DEFAULT = re.compile(r"^export default .*$", re.MULTILINE)


class Export(NamedTuple):
    """A widget for a page without a kernel: everything that shows it, as it is now.

    `name`: the widget's class.
    `state`: what its page starts from; JSON can carry it.
    `script`: a script that needs no other file and may be classic or a module. It adds one function
    to `window.vaelibWidgets`, under `name`: called with a state and an element of the page, it
    draws the widget into the element and returns a function that removes it again.
    `style`: the style sheet of the widget, in which every rule begins with a class of ours.
    """

    name: str
    state: dict[str, Any]
    script: str
    style: str

    def state_json(self) -> str:
        """The state as JSON that may stand inside a `<script>` element."""
        text = json.dumps(self.state, allow_nan=False, separators=(",", ":"))
        return text.replace("<", "\\u003c")


def joined(*names: str) -> str:
    """Modules of `static/` and all that they import, as one script without imports and exports.

    Each module comes after those that it imports, and once. All share one scope, so a name that a
    module defines at its top must be defined in no other.
    """
    texts: dict[Path, str] = {}

    def add(path: Path) -> None:
        if path in texts:
            return
        text = path.read_text(encoding="utf-8")
        for imported in IMPORT.findall(text):
            add((path.parent / imported).resolve())
        texts[path] = EXPORT_DEFAULT.sub("", EXPORT.sub("", IMPORT.sub("", text)))

    for name in names:
        add((STATIC / f"{name}.js").resolve())
    return "\n".join(texts.values())


def module(view: str) -> str:
    """The module that anywidget loads: the view, with the default export that it looks for."""
    return f"{joined(view)}\nexport default {{ render }};\n"


def standalone(name: str, *names: str) -> str:
    """The `script` of an `Export`: modules of `static/`, one of which defines `show(state, el)`."""
    return f"""(window.vaelibWidgets ??= {{}}).{name} = (() => {{
"use strict";
{joined(*names)}
return show;
}})();
"""


def style(*names: str) -> str:
    """The style sheets of `static/`, joined."""
    return "\n".join((STATIC / f"{name}.css").read_text(encoding="utf-8") for name in names)


def symbols(scope: str) -> str:
    """The symbols' colours as variables `--enc`, `--code`, … of elements that `scope` selects.

    They are those of the formulas: darker twins on white and, in JupyterLab's dark theme or where
    the reader prefers dark and there is no JupyterLab, lighter ones.
    """
    light = "".join(f" --{name}: {text};" for name, (_, text, _) in SYMBOLS.items())
    dark = "".join(f" --{name}: {text};" for name, (_, _, text) in SYMBOLS.items())
    return (
        f"{scope} {{{light} }}\n"
        f"@media (prefers-color-scheme: dark) {{ {scope} {{{dark} }} }}\n"
        f'[data-jp-theme-light="true"] {scope} {{{light} }}\n'
        f'[data-jp-theme-light="false"] {scope} {{{dark} }}\n'
    )


def page(title: str, intro: str, export: Export) -> str:
    """One HTML page that holds a widget and all it needs; its own policy forbids every request."""
    title = html.escape(title)
    intro = html.escape(intro)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{export.style}
{style("page")}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<div class="vaelib-page"><script type="application/json">{export.state_json()}</script></div>
<p>{intro}</p>
</main>
<script type="module">
{export.script}
const place = document.querySelector(".vaelib-page");
const state = JSON.parse(place.querySelector("script").textContent);
window.vaelibWidgets.{export.name}(state, place);
</script>
</body>
</html>
"""
