"""The widgets of a lesson, live in its page without a kernel: what a stored output becomes.

A lesson stores a widget as a picture and a line of text such as `KLLab: mu = 1.0, p = normal`. From
that line the widget is made again here, and what it exports goes into the site.
"""

import base64
import html
import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Literal

from vaelib import data, widgets
from vaelib.checkpoint import load_vae
from vaelib.widgets.bundle import Export
from vaelib.widgets.labs.lab import Lab

MODEL: Literal["faces"] = "faces"
SHIPPED = (
    "On this page the explorer runs the model that is shipped with the lessons, "
    "trained with the default settings; in the notebook it runs the one trained there."
)
QUESTION = "The question is loading."
LOADING = "The picture stands for the live one, which is loading."


@cache
def explorer(index: int | None = 0) -> widgets.LatentExplorer:
    """The explorer of the shipped model, started from one test face or from z = 0."""
    vae = load_vae(data.shipped("faces_vae.safetensors"))
    made = widgets.LatentExplorer(vae, data.load(MODEL))
    made.image_index = index
    return made


def lab(name: str, stored: str) -> Lab | None:
    """The lab whose stored text is `name: control = value, …`, or None if `name` is no lab."""
    if name not in widgets.labs.__all__:
        return None
    state: dict[str, Any] = {}
    for pair in filter(None, stored.split(", ")):
        control, _, value = pair.partition(" = ")
        try:
            state[control] = json.loads(value)
        except ValueError:
            state[control] = value
    return getattr(widgets, name)(**state)


class Live:
    """The live widgets of a site: `files` holds their scripts, and the states that pages share."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.styles: dict[str, str] = {}

    def place(self, text: str, picture: str, own_model: bool = False) -> str:
        """The HTML for a stored output whose text is `text`; `picture` where it cannot be live.

        With `own_model`, a note says that the explorer runs another model than the lesson trains.
        """
        name, _, stored = text.partition(":")
        if name == "LatentExplorer":
            shown = self._explorer(text, picture)
            note = f'<p class="note">{SHIPPED}</p>' if own_model and shown != picture else ""
            return shown + note
        if (made := lab(name, stored.strip())) is None:
            return picture
        export = made.export()
        self._add(export)
        return _element(name, picture, state=export.state_json())

    def question(self, given: dict[str, Any], text: str) -> str:
        """The HTML for a Predict; `text` is its HTML where no script runs."""
        fields = dict(given)
        made = widgets.Predict(fields.pop("key", ""), **fields)
        export = made.export()
        self._add(export)
        return _element(export.name, text, state=export.state_json(), note=QUESTION)

    def _explorer(self, text: str, picture: str) -> str:
        started = re.search(r"started from test face (\d+)$", text)
        index = int(started[1]) if started else None
        if repr(explorer(index)) != text:
            return picture  # of another model, which only its notebook has
        export = explorer(index).export()
        self._add(export)
        # The state is half a megabyte, so the pages that show it share one file.
        saved = MODEL if index is None else f"{MODEL}-{index}"
        # What draws comes first. The encoder, nearly half of a model, follows in a file of its own,
        # with the images that are not shown yet.
        later = f"{saved}-rest"
        encoder = export.state.pop("encoder_weights")
        sources = export.state["sources"]
        export.state["sources"] = _first_images(export.state)
        self._save(saved, export.state_json())
        self._save(later, json.dumps({"encoder": encoder, "sources": sources}))
        return _element(export.name, picture, saved=saved, later=later)

    def _save(self, name: str, state: str) -> None:
        """A script that hands over what JSON says, under a name."""
        self.files[f"{name}.js"] = f"vaelibSite.saved({json.dumps(name)}, {state});\n"

    def _add(self, export: Export) -> None:
        self.files[f"{export.name}.js"] = smaller(export.script)
        self.styles[export.name] = smaller(export.style)

    def style(self) -> str:
        """The widgets' style sheets, each different one once."""
        return "\n".join(sorted(dict.fromkeys(self.styles.values()), key=len))

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        (folder / "widgets.css").write_text(self.style(), encoding="utf-8")
        # The start page waits for the style of one widget only.
        explorers = self.styles.get("LatentExplorer", "")
        (folder / "LatentExplorer.css").write_text(explorers, encoding="utf-8")


def _first_images(state: dict[str, Any]) -> str:
    """Of the images that a state holds, those that its widget shows before anything is chosen."""
    shown = max(state["image_index"] or 0, *state["between"]) + 1
    pictures = base64.b64decode(state["sources"])
    size = len(pictures) // state["spec"]["images"]
    return base64.b64encode(pictures[: shown * size]).decode("ascii")


def smaller(script: str) -> str:
    """A script or a sheet without indentation and the comments that have lines of their own."""
    lines = re.sub(r"^\s*//.*\n", "", script, flags=re.MULTILINE)
    code = re.sub(r"^\s*/\*.*?\*/[ \t]*\n", "", lines, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^\s+", "", code, flags=re.MULTILINE)


def _element(
    name: str, picture: str, saved: str = "", state: str = "", note: str = LOADING, later: str = ""
) -> str:
    """A picture in a page, which `static/site.js` replaces by the live widget."""
    kept = f'data-saved="{saved}"' + (f' data-later="{later}"' if later else "")
    inline = f'<script type="application/json">{state}</script>' if state else ""
    return (
        f'<div class="live" data-component="{html.escape(name)}" {kept}>{inline}'
        f'<div class="twin">{picture}<p class="note" role="status" hidden>{note}</p></div>'
        "</div>"
    )
