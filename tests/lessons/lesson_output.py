"""What the code cells of a lesson print: text and numbers, found by a word of the source."""

import re
from typing import Any

from notebooks.conventions import unveiled

NUMBER = re.compile(r"[-−+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d+)?|[-−+]?inf\b|nan\b")


class Printed(list):
    """The pairs (source, text) of a lesson's code cells, in order.

    A lesson that was run with a changed cell keeps the sources of the stored lesson, so that its
    cells are found by the same words: `Printed(zip(stored.sources, printed.texts))`.
    """

    @property
    def sources(self) -> list[str]:
        return [source for source, _ in self]

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self]

    def text(self, word: str) -> str:
        """The text of the one cell whose source contains `word`. LookupError if none or several."""
        found = [text for source, text in self if word in source]
        if len(found) != 1:
            raise LookupError(f"{len(found)} cells have {word!r} in their source; one should")
        return found[0]

    def numbers(self, word: str) -> list[float]:
        """The numbers in that text, in order: 1,000, −0.5 and inf are numbers too."""
        return numbers(self.text(word))


class SoFar(Printed):
    """The first cells of a lesson that is still running: what asks for more is a LookupError."""

    def __iter__(self):
        raise LookupError("not every cell has been run")

    def text(self, word: str) -> str:
        return Printed(self[:]).text(word)


def numbers(text: str) -> list[float]:
    """The numbers in a text, in order."""
    return [float(n.replace("−", "-").replace(",", "")) for n in NUMBER.findall(text)]


def outputs(notebook: Any) -> Printed:
    """What an executed notebook's code cells print, or show as text; nothing for a picture."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return Printed((cell.source, "".join(map(_text, cell.outputs))) for cell in code)


def _text(output: Any) -> str:
    data = output.get("data", {})
    if any(kind.startswith("image/") for kind in data):
        return ""  # its text describes the picture
    return unveiled(output.get("text") or data.get("text/plain", ""))
