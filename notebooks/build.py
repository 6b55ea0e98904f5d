"""Build the lessons: notebooks/source/NN_name.py -> notebooks/NN_name.ipynb, one way.

    python notebooks/build.py               the student set, executed, outputs stored
    python notebooks/build.py 06 07         only these
    python notebooks/build.py --solutions   the instructor's set, in build/solutions/
    python notebooks/build.py --check       fails where a stored notebook is not its source's

Sources are py:percent. A solution stands between `### BEGIN SOLUTION` and `### END SOLUTION`; the
student set has `raise NotImplementedError` in its place. A heading may carry, in its cell's
metadata, `slide="…"` (a title of the lecture's deck), `pseudo=["…"]` (lines of its pseudo-code) and
`exercises=["6.1"]`; an exercise's heading carries `exercise="6.1 ★★"`. From these comes the map in
lesson 0, in place of the cell tagged `map`.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import os
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from lecture_map import lecture_map
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

Notebook = Any  # nbformat.NotebookNode, which is untyped

HERE = Path(__file__).resolve().parent
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
LIKE_A_MARKER = re.compile(r"^\s*#+\s*(BEGIN|END)\b.{0,3}\bSOL", re.IGNORECASE)
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
PROGRESS_BAR = re.compile(r"^ *0%\|[^|]*\| 0/(\d+) \[.*\]$")  # stored as it was at its start


class BuildError(Exception):
    """What is wrong, beginning with `file:line:` or the file."""


# ------------------------------------------------------------------ source -> two sets of cells


def strip_solutions(text: str, path: Path) -> tuple[str, list[int]]:
    """The student's source, each solution one `raise`, and the line of `text` that each was."""
    kept: list[tuple[str, int]] = []
    begun: tuple[int, str] | None = None  # line and indentation of the open BEGIN

    def wrong(line: int, message: str) -> BuildError:
        return BuildError(f"{path}:{line}: {message}")

    for number, line in enumerate(text.splitlines(), start=1):
        indentation, marker = line[: len(line) - len(line.lstrip())], line.strip()
        if LIKE_A_MARKER.match(line) and marker not in (BEGIN, END):
            raise wrong(number, f"{marker!r} is no marker; write {BEGIN!r} or {END!r}")
        if begun and (marker == BEGIN or line.startswith("# %%")):
            raise wrong(begun[0], f"{BEGIN} has no {END} in its cell")
        if marker == BEGIN:
            if not indentation:
                raise wrong(number, f"{BEGIN} must stand inside a function, indented")
            begun = (number, indentation)
            kept.append((f"{indentation}raise NotImplementedError", number))
        elif marker == END:
            if not begun:
                raise wrong(number, f"{END} without a {BEGIN} before it in its cell")
            if indentation != begun[1]:
                raise wrong(number, f"{END} is indented otherwise than its {BEGIN}")
            begun = None
        elif not begun:
            kept.append((line, number))
    if begun:
        raise wrong(begun[0], f"{BEGIN} has no {END} in its cell")
    return "\n".join(line for line, _ in kept) + "\n", [number for _, number in kept]


def must_parse(text: str, path: Path, numbers: list[int], which: str) -> None:
    """Stop at a source or a stub that is not valid Python."""
    try:
        ast.parse(text)
    except SyntaxError as error:
        line = [0, *numbers][min(error.lineno or 0, len(numbers))]
        raise BuildError(f"{path}:{line}: {which} is not Python: {error.msg}") from error


def read(path: Path, solutions: bool = False) -> Notebook:
    """The cells that a source gives; the id of one does not depend on any other cell."""
    text = path.read_text(encoding="utf-8")
    stub, numbers = strip_solutions(text, path)
    must_parse(text, path, [*range(1, text.count("\n") + 2)], "the source")
    must_parse(stub, path, numbers, "the student set")
    full, student = (jupytext.reads(t, fmt="py:percent") for t in (text, stub))
    seen: Counter[str] = Counter()
    for whole, cell in zip(full.cells, student.cells, strict=True):
        digest = hashlib.sha1(f"{whole.cell_type}\n{whole.source}".encode()).hexdigest()[:12]
        seen[digest] += 1
        whole.id = cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    notebook = full if solutions else student
    for before, cell in zip([None, *notebook.cells], notebook.cells, strict=False):
        cell.metadata.setdefault("slideshow", {"slide_type": slide_type(cell, before)})
    notebook.metadata, notebook.nbformat, notebook.nbformat_minor = METADATA, 4, 5
    return notebook


def slide_type(cell: Notebook, before: Notebook | None) -> str:
    """A section begins a slide; below it each stretch of prose takes its first code cell along."""
    if cell.cell_type == "code":
        return "-" if before and before.cell_type == "markdown" else "subslide"
    return "slide" if re.match(r"##? ", cell.source) else "subslide"


def load_sources(folder: Path, solutions: bool = False) -> dict[str, Notebook]:
    """Every lesson, by name, with lesson 0's map filled in."""
    lessons = {p.stem: read(p, solutions) for p in sorted(folder.glob("[0-9][0-9]_*.py"))}
    for name, notebook in lessons.items():
        for cell in notebook.cells:
            if "map" in cell.metadata.get("tags", []):
                try:
                    cell.source = lecture_map(cell.source, lessons)
                except ValueError as error:
                    raise BuildError(f"{folder / f'{name}.py'}: {error}") from error
    return lessons


# -------------------------------------------------------------------------- executing, checking


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
    """What a stored notebook must not be: run out of order, in error, or silent to some readers."""
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


def build(path: Path, notebook: Notebook, folder: Path) -> list[str]:
    """Execute and store; a notebook with faults is not stored, and they are returned."""
    path.parent.mkdir(parents=True, exist_ok=True)
    student = folder / path.name
    if path != student and not check(student, notebook):  # nothing to solve in it, and run before
        shutil.copyfile(student, path)
        return []
    try:
        execute(notebook, folder)
    except CellExecutionError as error:
        return [f"{path}: {error}"]
    if wrong := [f"{path}: {fault}" for fault in faults(notebook)]:
        return wrong
    half = path.with_suffix(".part")
    nbformat.write(notebook, half)
    half.replace(path)  # so that a notebook is never half-written
    return []


def main(arguments: list[str] | None = None, here: Path = HERE) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("lessons", nargs="*", help="only these: 06, 06_the_vae (default: all)")
    parser.add_argument("--check", action="store_true", help="compare with sources; run nothing")
    parser.add_argument("--solutions", action="store_true", help="into build/solutions/")
    options = parser.parse_args(arguments)
    into = here.parent / "build" / "solutions" if options.solutions else here
    wrong: list[str] = []
    try:
        lessons = load_sources(here / "source", options.solutions)
        chosen = {n: lessons[n] for n in lessons if n.startswith(tuple(options.lessons or [""]))}
        if not chosen:
            raise BuildError(f"no lesson {' '.join(options.lessons)}; there are {list(lessons)}")
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    if options.check and not options.lessons:
        extra = {p.stem for p in into.glob("*.ipynb")} - set(lessons)
        wrong += [f"{into / name}.ipynb: has no source" for name in sorted(extra)]
    for number, (name, notebook) in enumerate(chosen.items(), start=1):
        path, start = into / f"{name}.ipynb", time.perf_counter()
        found = check(path, notebook) if options.check else build(path, notebook, here)
        wrong += found
        seconds = "" if options.check else f" in {time.perf_counter() - start:.1f} s"
        state = "FAILED" if found else "ok"
        print(f"[{number}/{len(chosen)}] {name}: {state}{seconds}", flush=True)
    print(*wrong, sep="\n", end="\n" if wrong else "", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
