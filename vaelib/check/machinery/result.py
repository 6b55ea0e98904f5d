"""The result of a check, as text and as a small panel that can be read without its colour."""

import html
import re
from dataclasses import dataclass, field
from typing import Any

COLOURS = {"right": "0,158,115", "wrong": "213,94,0", "open": "127,127,127"}
PANEL = (
    "border-left:5px solid rgb({0});background:rgba({0},0.12);color:inherit;max-width:60em;"
    "padding:0.4em 0.8em;line-height:1.5;overflow-wrap:anywhere"
)
HEAD = "display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1.5em"
CODE = "font-family:monospace;font-size:0.95em"
EXAMPLE = re.compile(r"(for|with) \w+ = |in the line: ")  # a line with an input or a line of code


@dataclass(frozen=True, repr=False)
class CheckResult:
    """Whether an answer is right and was attempted, the text for the student, the mistake's name.

    The first line of `message` says whether it is right; further lines, if any, explain. `inputs`
    holds the arguments of the example, by name, `shown` says what a right answer has shown, and
    `progress` how many exercises of the lesson are done.
    """

    passed: bool
    attempted: bool
    message: str
    misconception: str | None = None
    inputs: dict[str, Any] = field(default_factory=dict, compare=False)
    shown: str = ""
    progress: str = field(default="", compare=False)

    def __repr__(self) -> str:
        return self.message

    def _repr_html_(self) -> str:
        """The panel. Text keeps the colour of the page, so that it suits a dark one as well."""
        state = "right" if self.passed else "wrong" if self.attempted else "open"
        first, *rest = (html.escape(line.strip()) for line in self.message.split("\n"))
        head = f"<strong>{first}</strong>"
        if self.progress:
            head += f'<span style="white-space:nowrap;font-size:0.9em">{self.progress}</span>'
        lines = [f'<div style="{HEAD}">{head}</div>']
        lines += [f'<div style="{CODE if EXAMPLE.match(r) else ""}">{r}</div>' for r in rest]
        if self.shown:
            lines.append(f"<div>What you have just shown: {html.escape(self.shown)}</div>")
        return f'<div role="status" style="{PANEL.format(COLOURS[state])}">{"".join(lines)}</div>'
