"""The widgets of a lesson, live in its page without a kernel: what a stored output becomes.

A lesson stores a widget as a picture and a line of text such as `KLLab: mu = 1.0, p = normal`. From
that line the widget is made again here, and its own JavaScript goes into the site beside its state.
"""

import html
import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from website import SiteError

MODEL = "faces"
SHIPPED = (
    "On this page the explorer runs the model that is shipped with the lessons, "
    "trained with the default settings; in the notebook it runs the one trained there."
)
LOADING = "The picture stands for the live one, which is loading."


class _Saved(HTMLParser):
    """The state and the script of a page that a widget was saved as."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {"application/json": [], "module": []}
        self.kind = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.kind = dict(attrs).get("type") or "" if tag == "script" else ""

    def handle_endtag(self, tag: str) -> None:
        self.kind = ""

    def handle_data(self, data: str) -> None:
        if self.kind in self.found:
            self.found[self.kind].append(data)


@cache
def explorer_page(index: int | None = 0) -> str:
    """The explorer of the shipped model as one file that holds all it needs."""
    return _explorer(index).to_html()


@cache
def _explorer(index: int | None) -> Any:
    from vaelib import data
    from vaelib.checkpoint import load_vae
    from vaelib.widgets import LatentExplorer

    explorer = LatentExplorer(load_vae(data.shipped("faces_vae.safetensors")), data.load(MODEL))
    explorer.image_index = index
    return explorer


def _lab(name: str, said: str) -> Any:
    """The lab that calls itself `name: control = value, …`, or None if that is not one."""
    from vaelib import widgets

    kind = getattr(widgets, name, None)
    if not hasattr(kind, "controls"):
        return None
    state: dict[str, Any] = {}
    for pair in filter(None, said.split(", ")):
        control, _, value = pair.partition(" = ")
        try:
            state[control] = json.loads(value)
        except ValueError:
            state[control] = value
    return kind(**state)


class Live:
    """What of the site is live: its scripts, each written once, and its states."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.styles: dict[str, str] = {}

    def place(self, text: str, picture: str, own_model: bool = False) -> str:
        """The HTML for a stored output that calls itself `text`; else its `picture`.

        With `own_model`, that the page has another one than the lesson trains is said.
        """
        name, _, said = text.partition(":")
        if name == "LatentExplorer":
            shown = self._explorer(said, picture)
            note = f'<p class="note">{SHIPPED}</p>' if own_model and shown != picture else ""
            return shown + note
        if (lab := _lab(name, said.strip())) is not None:
            return self._component(name, picture, state=self._lab_state(name, lab))
        return picture

    def _explorer(self, said: str, picture: str) -> str:
        started = re.search(r"started from test face (\d+)$", said)
        index = int(started[1]) if started else None
        if repr(_explorer(index)) != f"LatentExplorer:{said}":
            return picture  # of another model, which only its notebook has
        found = _Saved(explorer_page(index)).found
        if not (found["application/json"] and found["module"]):
            raise SiteError("the explorer's saved page holds no state or no script of its own")
        saved = MODEL if index is None else f"{MODEL}-{index}"
        self.files[f"{saved}.js"] = (
            f"vaelibSite.saved({json.dumps(saved)}, {found['application/json'][0]});\n"
        )
        self.files["LatentExplorer.js"] = _component("LatentExplorer", "".join(found["module"]))
        self.styles["LatentExplorer"] = str(_explorer(index)._css)
        return self._component("LatentExplorer", picture, saved=saved)

    def _lab_state(self, name: str, lab: Any) -> str:
        script = str(lab._esm).replace("export default { render };", "return render;")
        self.files[f"{name}.js"] = _component(name, script)
        self.styles[name] = str(lab._css)
        state = {"spec": lab.spec, "error": "", **lab.state}
        return json.dumps(state, allow_nan=False).replace("<", "\\u003c")

    def _component(self, name: str, picture: str, saved: str = "", state: str = "") -> str:
        inline = f'<script type="application/json">{state}</script>' if state else ""
        return (
            f'<div class="live" data-component="{html.escape(name)}" data-saved="{saved}">{inline}'
            f'<div class="twin">{picture}<p class="note" role="status" hidden>{LOADING}</p></div>'
            "</div>"
        )

    def style(self) -> str:
        """The widgets' style sheets, each rule once: what they share is the same in all."""
        sheets = list(dict.fromkeys(self.styles.values()))
        return "\n".join(sorted(sheets, key=len))

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            (folder / name).write_text(text, encoding="utf-8")


def _component(name: str, script: str) -> str:
    """A classic script, since a page opened from disk may load no module."""
    return (
        f"vaelibSite.component({json.dumps(name)}, async () => {{\n"
        f'"use strict";\n{script.strip()}\n}});\n'
    )
