"""What a lesson's source says in short, and the stored notebook says in full.

`\\enc{…}` and its like become coloured formulas. The tags of a cell say how it is shown:

- `spoiler` (code): its output answers a Predict. It is collapsed in the notebook, veiled on the
  site, a fragment on a slide, and absent from the hand-out.
- `check` (code): it only checks, and prints one line that says what. Its source is folded.
- `aside` (prose or code): what the lecture does not need. It is folded; the first line of the prose
  is a heading, which becomes the line that opens it.

A code cell's metadata `alt="…"` is the alternative text of its figure.
"""

from __future__ import annotations

import re
from typing import Any

from notebooks.exercises import BuildError
from vaelib.plots import SYMBOLS

Cell = Any  # nbformat.NotebookNode, which is untyped

KNOWN = {"spoiler", "check", "aside", "map", "nbval-ignore-output", "nbval-skip"}
# JupyterLab shows the first line of what it collapses. notebooks/nbval.cfg leaves this one out.
VEIL = "The result, for when you have predicted\n"
COLOUR = re.compile(rf"\\({'|'.join(SYMBOLS)})(?=\{{)")
ASIDE = re.compile(r"#+ +(?:Aside: *)?(?P<title>.+)\n\n?(?P<body>(?s:.+))")


def tags(cell: Cell) -> set[str]:
    return set(cell.metadata.get("tags", []))


def apply(cell: Cell, where: str) -> None:
    """Turn one cell of a source into what is stored. `where` begins the message of a BuildError."""
    if unknown := tags(cell) - KNOWN:
        known = ", ".join(sorted(KNOWN))
        raise BuildError(f"{where}: no tag {sorted(unknown)[0]!r}; there are {known}")
    if cell.cell_type == "markdown":
        cell.source = coloured(cell.source)
        if "aside" in tags(cell):
            cell.source = folded(cell.source, where)
        if wrong := tags(cell) & {"spoiler", "check"}:
            raise BuildError(f"{where}: a cell of prose cannot be tagged {sorted(wrong)[0]!r}")
        return
    hidden = {
        "source_hidden": bool(tags(cell) & {"check", "aside"}),
        "outputs_hidden": bool(tags(cell) & {"spoiler", "aside"}),
    }
    if any(hidden.values()):
        cell.metadata["jupyter"] = {name: True for name, on in hidden.items() if on}


def coloured(text: str) -> str:
    r"""The text with `\enc{…}` and its like as `\textcolor{…}{…}`, which every renderer knows.

    >>> coloured(r"$\enc{q_\phi(z \mid x)}$")
    '$\\textcolor{#0062C4}{q_\\phi(z \\mid x)}$'
    """
    return COLOUR.sub(lambda match: rf"\textcolor{{{SYMBOLS[match[1]][1]}}}", text)


def folded(text: str, where: str) -> str:
    """A cell of prose that is an aside: closed, with its heading as the line that opens it."""
    match = ASIDE.fullmatch(text.strip())
    if not match:
        raise BuildError(
            f"{where}: an aside begins with a heading, such as '#### Why nats', then text"
        )
    # The empty lines let Markdown and formulas inside the HTML be rendered.
    title = re.sub(r"[`*]", "", match["title"]).strip()
    summary = f"<summary><b>Aside:</b> {title}</summary>"
    return f"<details>\n{summary}\n\n{match['body'].strip()}\n\n</details>"


def describe(cell: Cell) -> None:
    """Give an executed cell's figure its alternative text, and a result to be veiled its veil."""
    for output, kind in pictures(cell):
        if alt := cell.metadata.get("alt"):
            output.metadata.setdefault(kind, {})["alt"] = alt
    if "spoiler" in tags(cell):
        for output in cell.get("outputs", [])[:1]:
            if "text" in output:
                output.text = VEIL + output.text
            elif "text/plain" in output.get("data", {}):
                output.data["text/plain"] = VEIL + output.data["text/plain"]


def unveiled(text: str) -> str:
    """The text of an output without the line that stands before a result to be veiled."""
    return text.removeprefix(VEIL)


def pictures(cell: Cell) -> list[tuple[Any, str]]:
    """The outputs of a cell that show a picture, each with its media type."""
    shown = [(output, output.get("data", {})) for output in cell.get("outputs", [])]
    return [(output, kind) for output, data in shown for kind in data if kind.startswith("image/")]


def broken(cell: Cell) -> list[str]:
    """What an executed cell does not keep of what its tags and its metadata promise."""
    wrong = []
    if cell.cell_type == "code" and "alt" in cell.metadata and len(pictures(cell)) != 1:
        wrong.append(f"has alt={cell.metadata['alt'][:30]!r} and not one picture")
    if "check" in tags(cell):
        texts = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs]
        if len(texts) != 1 or not re.fullmatch(r"✓ [^\n]+\n?", texts[0]):
            wrong.append("is tagged check and must print one line, such as '✓ equal to SciPy's'")
    return wrong


def without_spoilers(notebook: Any) -> Any:
    """The notebook, as students get it, without the outputs of cells that answer a Predict."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and "spoiler" in tags(cell):
            cell.outputs = []
            cell.execution_count = None
    return notebook
