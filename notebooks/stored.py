"""Stored notebooks: executed in order, and compared with what their sources give."""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from notebooks.cell_code import names_read, statements
from notebooks.conventions import broken, describe, pictures
from notebooks.copies import table_expressions
from notebooks.exercises import BEGIN, strip_solutions

Notebook = Any  # nbformat.NotebookNode, which is untyped

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
NOT_YET = "not attempted yet"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
PROGRESS_BAR = re.compile(r"^ *0%\|[^|]*\| 0/(\d+) \[.*\]$")  # as it is stored: at its start


def execute(notebook: Notebook, folder: Path) -> None:
    """Run every cell in order, in `folder`, and save the outputs that are the same every time."""
    # Without these two settings, the debugger and the kernel print warnings.
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.extra_arguments = ["--log-level=ERROR"]
    client.record_timing = False
    client.store_widget_state = False
    client.coalesce_streams = True
    client.execute()
    notebook.metadata = METADATA
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            data.pop(WIDGET_VIEW, None)  # the picture and the text of the widget are kept
            if bar := PROGRESS_BAR.match(data.get("text/plain", "")):
                data["text/plain"] = f"100%|{'█' * 20}| {bar[1]}/{bar[1]}"
        describe(cell)


def faults(notebook: Notebook) -> Iterator[str]:
    """What is wrong with a stored notebook.

    It must have run in order and without errors, its pictures must have alternative texts, and the
    check of each exercise must say what it should say in its set.
    """
    if "widgets" in notebook.metadata:
        yield "widget state is stored"
    code = [c for c in notebook.cells if c.cell_type == "code"]
    if [c.execution_count for c in code] != list(range(1, len(code) + 1)):
        yield "its cells were not executed in order, from a fresh kernel"
    for number, cell in enumerate(notebook.cells):
        yield from (f"cell {number} ({cell.id}) {fault}" for fault in broken(cell))
        for output in cell.get("outputs", []):
            where = f"cell {number} ({cell.id})"
            data = output.get("data", {})
            if output.output_type == "error":
                yield f"{where} ends in {output.ename}: {output.evalue}"
            if output.get("name") == "stderr":
                yield f"{where} writes to stderr: {output.text.strip()[:200]}"
            if WIDGET_VIEW in data:
                yield f"{where} stores a widget view, whose id changes with every run"
        for output, kind in pictures(cell):
            if not (output.metadata.get(kind, {}).get("alt") or output.metadata.get("alt")):
                yield f"cell {number} ({cell.id}) shows a picture without alt text"
    yield from wrong_answers(code)


def wrong_answers(code: list[Any]) -> Iterator[str]:
    """The checks that do not say "right" of a solution, or "not attempted" of a stub."""
    solved: set[str] = set()
    for cell in code:
        data = cell.metadata.get("nbgrader", {})
        if data.get("solution") and BEGIN in cell.source:
            solved.add(data["grade_id"])
        if data.get("grade"):
            name = data["grade_id"].removeprefix("check_")
            texts = (o.get("data", {}).get("text/plain", "") for o in cell.outputs)
            message = "".join(texts).strip() or "nothing"
            wanted = "✓" if name in solved else NOT_YET
            if not (message.startswith(wanted) if name in solved else wanted in message):
                yield f"check.{name} should say {wanted!r} and says: {message[:500]}"


def bare(notebook: Notebook) -> list[Any]:
    """A notebook without its outputs, to compare."""
    cells = [(c.cell_type, c.id, c.source, dict(c.metadata)) for c in notebook.cells]
    return [dict(notebook.metadata), *cells]


def check(path: Path, wanted: Notebook) -> list[str]:
    """Why the stored notebook at `path` is not what its source gives; nothing is executed."""
    if not path.exists():
        return [f"{path}: missing; build it: python -m notebooks.build {path.stem}"]
    stored = nbformat.read(path, as_version=4)
    wrong = [f"{path}: {fault}" for fault in faults(stored)]
    if bare(stored) != bare(wanted):
        pairs = zip(bare(stored), bare(wanted), strict=False)
        first = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
        where = {None: "its number of cells differs", 0: "its metadata differs"}
        reason = where.get(first, f"cell {(first or 0) - 1} differs")
        wrong.append(f"{path}: stale, {reason}; run: python -m notebooks.build {path.stem}")
    return wrong


def needed(notebook: Notebook) -> list[Any]:
    """Solutions and checks, and the cells of imports and definitions that these need, in order."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    reads = {}
    binds = {}  # only of cells that may be run
    for cell in code:
        tree = ast.parse(cell.source)
        reads[cell.id] = names_read(tree)
        found = list(statements(cell.source, tree))
        if "nbgrader" in cell.metadata or len(found) == len(tree.body):
            binds[cell.id] = {name for statement in found for name in statement.binds}
    chosen = {cell.id for cell in code if "nbgrader" in cell.metadata}
    queue = list(chosen)
    while queue:
        wanted = reads[queue.pop()]
        for key, names in binds.items():
            if key not in chosen and wanted & names:
                chosen.add(key)
                queue.append(key)
    return [cell for cell in code if cell.id in chosen]


def solve(notebook: Notebook, student: Notebook, folder: Path) -> None:
    """Run what the exercises need; all other outputs are those of the student's notebook."""
    extract = nbformat.v4.new_notebook(cells=deepcopy(needed(notebook)), metadata=METADATA)
    if extract.cells:
        execute(extract, folder)
    run_now = {cell.id: cell for cell in extract.cells}
    run_before = {cell.id: cell for cell in student.cells}
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, start=1):
        cell.execution_count = count
        cell.outputs = (run_now if "nbgrader" in cell.metadata else run_before)[cell.id].outputs
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count


def execute_and_try(notebook: Notebook, folder: Path, checks: list[str]) -> list[str]:
    """Execute the students' set, and hand what it has defined to every check.

    Returns what passes one: students could copy it.
    """
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    root = str(Path(__file__).resolve().parents[1])
    trial = nbformat.v4.new_code_cell(
        f"import json, sys\nsys.path.insert(0, {root!r})\nfrom notebooks.copies import copied\n"
        f"print(json.dumps(copied(dict(globals()), {checks!r}, {table_expressions(prose)!r})))"
    )
    notebook.cells.append(trial)
    try:
        execute(notebook, folder)
    finally:
        notebook.cells.pop()
    return json.loads(trial.outputs[-1].text)


def build(
    path: Path, notebook: Notebook, folder: Path, checks: list[str] | None = None
) -> list[str]:
    """Execute and store a notebook. Returns its faults; with any, it is not stored.

    `checks` are the names of all checks, on which the functions of the students' set are tried.

    The notebooks of students are in `folder`. If the one of the same name is up to date, a solved
    notebook takes over its outputs, and only what the exercises need is run.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    student = folder / path.name
    unsolved = deepcopy(notebook)
    for cell in unsolved.cells:
        if cell.cell_type == "code":
            cell.source = strip_solutions(cell.source, path)[0].rstrip("\n")
    copies: list[str] = []
    try:
        if path == student:
            copies = execute_and_try(notebook, folder, checks or [])
        elif check(student, unsolved):
            execute(notebook, folder)
        else:
            solve(notebook, nbformat.read(student, as_version=4), folder)
    except CellExecutionError as error:
        return [f"{path}: {error}"]
    if wrong := [f"{path}: {fault}" for fault in (*faults(notebook), *copies)]:
        return wrong
    unfinished = path.with_suffix(".part")
    nbformat.write(notebook, unfinished)
    unfinished.replace(path)  # so that an interruption leaves the old notebook
    return []
