"""The widgets' JavaScript and style sheets as text, and the page that a widget is saved as."""

import html
import json
import re
from pathlib import Path
from typing import Any

STATIC = Path(__file__).parent / "static"
# The explorer's modules, what is used first.
EXPLORER = (
    *("dom", "decoder", "engine", "sample", "voice", "link", "history", "stage", "layout"),
    *("rows", "pad", "gallery", "views", "source", "explorer"),
)
EXPLORER_STYLES = ("base", "explorer", "rows", "pad", "views")


def script(*names: str, default: bool = True) -> str:
    """The modules of `static/` joined into one, in the order given: what is used comes first.

    Their imports of each other go, since all is in one scope, and so does `export` before a name.
    The last one's `export default`, which anywidget looks for, stays if `default` is true.
    """
    parts = [(STATIC / f"{name}.js").read_text(encoding="utf-8") for name in names]
    joined = re.sub(r"^import .*;$\n?", "", "\n".join(parts), flags=re.MULTILINE)
    joined = re.sub(r"^export (?=function|const|class)", "", joined, flags=re.MULTILINE)
    return joined if default else re.sub(r"^export default .*$", "", joined, flags=re.MULTILINE)


def style(*names: str) -> str:
    """The style sheets of `static/`, joined."""
    return "\n".join((STATIC / f"{name}.css").read_text(encoding="utf-8") for name in names)


def page(title: str, intro: str, state: dict[str, Any], scripts: str, styles: str) -> str:
    """One HTML page that holds all it needs; its own policy forbids it every request.

    `state` is written as JSON and read by `page.js`.
    """
    saved = json.dumps(state, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    title, intro = html.escape(title), html.escape(intro)
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
{styles}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{intro}</p>
<div class="vaelib-page"><script type="application/json">{saved}</script></div>
</main>
<script type="module">
{scripts}</script>
</body>
</html>
"""
