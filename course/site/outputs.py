"""A cell's stored outputs as HTML: pictures as files with alt text, text as it was printed."""

import base64
import html
import re
import struct
from collections.abc import Callable
from typing import Any

from course.site import SiteError
from course.site.twins import dark_twin
from notebooks.conventions import unveiled
from vaelib import widgets

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
DARK = "screen and (prefers-color-scheme: dark)"
ELSEWHERE = (
    "In the notebook a live widget ({name}) stands here. A page cannot run it; "
    "the figures below show what it showed."
)


class Outputs:
    """The outputs of one lesson, whose pictures are collected in `files`, by name.

    `live(text, picture)` gives the HTML for a widget's stored output: its line of text, and the
    HTML of its picture, which it may return unchanged. `question(given, text)` gives that of a
    Predict, made from what was given to it.
    """

    def __init__(
        self,
        name: str,
        live: Callable[[str, str], str],
        question: Callable[[dict[str, Any], str], str],
    ) -> None:
        self.name = name
        self.live = live
        self.question = question
        self.files: dict[str, bytes] = {}
        self.count = 1

    def html(self, output: Any) -> str:
        """One output as HTML. Raises SiteError for a picture without alternative text."""
        if output.output_type == "stream":
            return text_block(unveiled(output.text))
        if output.output_type == "error":
            return text_block("\n".join(output.traceback))
        data = output.data
        text = unveiled(data.get("text/plain", ""))
        if asked := output.metadata.get("vaelib", {}).get("predict"):
            return self._question(asked, text)
        widget = text.partition(":")[0]
        is_widget = widget in widgets.__all__
        if "image/png" in data:
            picture = self._png(base64.b64decode(data["image/png"]), output)
            return self.live(text, picture) if is_widget else picture
        if "image/svg+xml" in data:
            return self._img(data["image/svg+xml"].encode(), "svg", output)
        if is_widget:
            note = f'<p class="note">{html.escape(ELSEWHERE.format(name=widget))}</p>\n'
            return self.live(text, note)
        if "text/html" in data:
            return f'<div class="wide rich" data-name="Output">{data["text/html"]}</div>\n'
        return text_block(text) if text else ""

    def _question(self, asked: dict[str, Any], text: str) -> str:
        try:
            return self.question(asked, text_block(text))
        except (TypeError, ValueError) as error:
            raise SiteError(f"{self.name}: a Predict cannot be made: {error}") from None

    def _png(self, png: bytes, output: Any) -> str:
        width, height = struct.unpack(">II", png[16:24])
        return self._img(png, "png", output, f' width="{width}" height="{height}"')

    def _img(self, data: bytes, ending: str, output: Any, size: str = "") -> str:
        kind = "image/png" if ending == "png" else "image/svg+xml"
        about = output.metadata.get(kind, {})
        alt = about.get("alt") or output.metadata.get("alt")
        chart = " chart" if about.get("kind") == "chart" else ""
        if not alt:
            raise SiteError(f"{self.name}: a picture has no alt text")
        name = f"{self.name}-{self.count}"
        self.count += 1
        self.files[f"{name}.{ending}"] = data
        alt = html.escape(re.sub(r"(?<=\w)_(?=\w)", " ", alt))  # as one would read it aloud
        look = 'loading="lazy" decoding="async"'
        img = f'<img src="figures/{name}.{ending}" alt="{alt}"{size} {look}>'
        if ending == "png" and not chart:
            self.files[f"{name}-dark.png"] = dark_twin(data)
            dark = f'srcset="figures/{name}-dark.png" media="{DARK}"'
            img = f"<picture><source {dark}>{img}</picture>"
        return f'<figure class="picture{chart}">{img}</figure>\n'


def text_block(text: str) -> str:
    text = html.escape(ANSI.sub("", text).strip("\n"))
    return f'<pre class="wide printed" data-name="Output">{text}</pre>\n' if text else ""
