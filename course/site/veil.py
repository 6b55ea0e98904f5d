"""What a page keeps out of focus: all that follows a question, up to the next heading."""

import re
from copy import deepcopy
from typing import Any

HEADING = re.compile(r"^#{1,4} ", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def asks(cell: Any) -> bool:
    """Whether the cell shows a question to be answered before the lesson goes on."""
    outputs = cell.get("outputs", [])
    return any(o.get("metadata", {}).get("vaelib", {}).get("predict") for o in outputs)


def veiled(notebook: Any) -> Any:
    """A copy whose cells say in their metadata where a veil begins and where it ends.

    A cell of prose in which a heading comes later is divided there: only what is before the heading
    belongs to the question.
    """
    copy = deepcopy(notebook)
    copy.cells = [part for cell in copy.cells for part in divided(cell)]
    group: list[Any] | None = None
    for cell in [*copy.cells, None]:
        ends = cell is None or asks(cell) or begins_section(cell)
        if ends and group:
            group[0].metadata["veil_begins"] = True
            group[-1].metadata["veil_ends"] = True
        if ends:
            group = [] if cell is not None and asks(cell) else None
        elif group is not None:
            group.append(cell)
    return copy


def begins_section(cell: Any) -> bool:
    return cell.cell_type == "markdown" and bool(HEADING.match(cell.source))


def divided(cell: Any) -> list[Any]:
    """The cell, or its two halves where prose comes before its first heading."""
    if cell.cell_type != "markdown":
        return [cell]
    code = [match.span() for match in FENCE.finditer(cell.source)]
    starts = (match.start() for match in HEADING.finditer(cell.source))
    outside = (at for at in starts if not any(a <= at < b for a, b in code))
    at = next(outside, 0)
    if not cell.source[:at].strip():
        return [cell]
    before = deepcopy(cell)
    before.id = f"{cell.id}-0"
    before.source = cell.source[:at].rstrip()
    cell.source = cell.source[at:]
    return [before, cell]
