"""Notebooks as they are stored: executed in order, and compared with what their sources give."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
from exercises import BEGIN, strip_solutions
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from vaelib._marking_find import names_read, statements

Notebook = Any  # nbformat.NotebookNode, which is untyped

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
NOT_YET = "not attempted yet"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
PROGRESS_BAR = re.compile(r"^ *0%\|[^|]*\| 0/(\d+) \[.*\]$")  # stored as it was at its start


def execute(notebook: Notebook, folder: Path) -> None:
    """Run every cell in order, in `folder`, and keep of the outputs what is the same every time."""
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # else a warning of the debugger
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.extra_arguments = ["--log-level=ERROR"]  # else it warns that it listens on this machine
    client.record_timing, client.store_widget_state, client.coalesce_streams = False, False, True
    client.execute()
    notebook.metadata = METADATA
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            data.pop(WIDGET_VIEW, None)  # its picture and its text stay
            if bar := PROGRESS_BAR.match(data.get("text/plain", "")):
                data["text/plain"] = f"100%|{'█' * 20}| {bar[1]}/{bar[1]}"


def faults(notebook: Notebook) -> Iterator[str]:
    """What a stored notebook must not be: run out of order, in error, or silent to some readers.

    Nor may a check say of an exercise what its set does not expect.
    """
    if "widgets" in notebook.metadata:
        yield "widget state is stored"
    code = [c for c in notebook.cells if c.cell_type == "code"]
    if [c.execution_count for c in code] != list(range(1, len(code) + 1)):
        yield "its cells were not executed in order, from a fresh kernel"
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            where, data = f"cell {number} ({cell.id})", output.get("data", {})
            if output.output_type == "error":
                yield f"{where} ends in {output.ename}: {output.evalue}"
            if output.get("name") == "stderr":
                yield f"{where} writes to stderr: {output.text.strip()[:200]}"
            if WIDGET_VIEW in data:
                yield f"{where} stores a widget view, whose id changes with every run"
            for kind in data:
                alt = output.metadata.get(kind, {}).get("alt") or output.metadata.get("alt")
                if kind.startswith("image/") and not alt:
                    yield f"{where} shows a picture without alt text"
    yield from wrong_answers(code)


def wrong_answers(code: list[Any]) -> Iterator[str]:
    """The checks that say other than right of a solution, other than not attempted of a stub."""
    solved: set[str] = set()
    for cell in code:
        data = cell.metadata.get("nbgrader", {})
        if data.get("solution") and BEGIN in cell.source:
            solved.add(data["grade_id"])
        if data.get("grade"):
            name = data["grade_id"].removeprefix("check_")
            texts = (o.get("data", {}).get("text/plain", "") for o in cell.outputs)
            said = "".join(texts).strip() or "nothing"
            if not (said.startswith("✓") if name in solved else NOT_YET in said):
                wanted = "✓" if name in solved else NOT_YET
                yield f"check.{name} should say {wanted!r} and says: {said[:500]}"


def bare(notebook: Notebook) -> list[Any]:
    """All of a notebook but its outputs, to compare."""
    cells = [(c.cell_type, c.id, c.source, dict(c.metadata)) for c in notebook.cells]
    return [dict(notebook.metadata), *cells]


def check(path: Path, wanted: Notebook) -> list[str]:
    """Why the stored notebook at `path` is not what its source gives; nothing is executed."""
    if not path.exists():
        return [f"{path}: missing; build it: python notebooks/build.py {path.stem}"]
    stored = nbformat.read(path, as_version=4)
    wrong = [f"{path}: {fault}" for fault in faults(stored)]
    if bare(stored) != bare(wanted):
        pairs = zip(bare(stored), bare(wanted), strict=False)
        first = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
        where = {None: "its number of cells differs", 0: "its metadata differs"}
        reason = where.get(first, f"cell {(first or 0) - 1} differs")
        wrong.append(f"{path}: stale, {reason}; run: python notebooks/build.py {path.stem}")
    return wrong


def needed(notebook: Notebook) -> list[Any]:
    """Solutions and checks, and the cells of imports and definitions that these need, in order."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    runnable = {}
    for cell in code:
        tree = ast.parse(cell.source)
        found = list(statements(0, cell.source, tree, given=True))
        if "nbgrader" in cell.metadata or len(found) == len(tree.body):
            runnable[cell.id] = found
    chosen = {cell.id for cell in code if "nbgrader" in cell.metadata}
    queue = list(chosen)
    while queue:
        node = ast.parse(next(cell.source for cell in code if cell.id == queue[-1]))
        reads = names_read(node)
        queue.pop()
        for key, found in runnable.items():
            if key not in chosen and any(reads & statement.binds for statement in found):
                chosen.add(key)
                queue.append(key)
    return [cell for cell in code if cell.id in chosen]


def solve(notebook: Notebook, student: Notebook, folder: Path) -> None:
    """Run what the exercises need; what else there is was run in the student's notebook."""
    part = nbformat.v4.new_notebook(cells=deepcopy(needed(notebook)), metadata=METADATA)
    if part.cells:
        execute(part, folder)
    ran = {cell.id: cell for cell in part.cells}
    stored = {cell.id: cell for cell in student.cells}
    count = 0
    for cell in notebook.cells:
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            cell.outputs = (ran if "nbgrader" in cell.metadata else stored)[cell.id].outputs
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = count


def build(path: Path, notebook: Notebook, folder: Path) -> list[str]:
    """Execute and store; a notebook with faults is not stored, and they are returned."""
    path.parent.mkdir(parents=True, exist_ok=True)
    student, unsolved = folder / path.name, deepcopy(notebook)
    for cell in unsolved.cells:
        if cell.cell_type == "code":
            cell.source = strip_solutions(cell.source, path)[0].rstrip("\n")
    try:
        if path == student or check(student, unsolved):
            execute(notebook, folder)
        else:
            solve(notebook, nbformat.read(student, as_version=4), folder)
    except CellExecutionError as error:
        return [f"{path}: {error}"]
    if wrong := [f"{path}: {fault}" for fault in faults(notebook)]:
        return wrong
    half = path.with_suffix(".part")
    nbformat.write(notebook, half)
    half.replace(path)  # so that a notebook is never half-written
    return []
