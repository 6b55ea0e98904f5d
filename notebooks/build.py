"""Build the lessons: notebooks/source/NN_name.py -> notebooks/NN_name.ipynb, one way.

    python -m notebooks.build               the student set, executed, outputs stored
    python -m notebooks.build 06 07         only these
    python -m notebooks.build --solutions   the instructor's set, in build/solutions/
    python -m notebooks.build --nbgrader    the same for nbgrader, in build/nbgrader/
    python -m notebooks.build --check       fails where a stored notebook is not its source's

Sources are py:percent. A solution stands between `### BEGIN SOLUTION` and `### END SOLUTION`; the
student set has `raise NotImplementedError` in its place (exercises.py says what belongs to an
exercise). A heading may carry, in its cell's metadata, `slide="…"` (a title of the lecture's deck),
`pseudo=["…"]` (lines of its pseudo-code) and `exercises=["6.1"]`; an exercise's heading carries
`exercise="6.1 ★★"`. From these comes the map in lesson 0, in place of the cell tagged `map`. What
else a source may say, such as tags and colours, stands in conventions.py.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jupytext
import nbformat

from notebooks.conventions import apply, tags
from notebooks.exercises import (
    HEADING,
    HIDDEN,
    BuildError,
    first_lines,
    must_parse,
    pair,
    strip_solutions,
)
from notebooks.leaks import must_not_bind, must_not_leak
from notebooks.lecture_map import lecture_map
from notebooks.stored import METADATA, WIDGET_VIEW, build, check

__all__ = ["WIDGET_VIEW", "load_sources", "main", "read"]

Notebook = Any  # nbformat.NotebookNode, which is untyped

HERE = Path(__file__).resolve().parent
NBGRADER_CONFIG = """\
# Students find what `make notebooks` gives them: one line in place of a solution.
c = get_config()  # noqa: F821
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError"}
c.ExecutePreprocessor.timeout = 600
"""


def read(path: Path, kind: str = "student", known: Mapping[str, Any] | None = None) -> Notebook:
    """The notebook of a source; the id of a cell does not depend on the other cells.

    `kind` is "student", "solutions" or "nbgrader". With `known`, which are the checks by name, the
    exercises are paired with their checks.
    """
    text = path.read_text(encoding="utf-8")
    stub, numbers = strip_solutions(text, path)
    must_parse(text, path, [*range(1, text.count("\n") + 2)], "the source")
    must_parse(stub, path, numbers, "the student set")
    solved = jupytext.reads(text, fmt="py:percent")
    student = jupytext.reads(stub, fmt="py:percent")
    seen: Counter[str] = Counter()
    for solved_cell, cell in zip(solved.cells, student.cells, strict=True):
        content = f"{solved_cell.cell_type}\n{solved_cell.source}"
        digest = hashlib.sha1(content.encode()).hexdigest()[:12]
        seen[digest] += 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        solved_cell.id = cell.id
    if known is not None:
        starts = first_lines(text, path, len(solved.cells))
        pairs = pair(path, starts, solved.cells, student.cells, known)
        must_not_leak(path, starts, solved.cells, student.cells)
        must_not_bind(path, starts, student.cells, pairs)
        if kind == "nbgrader":
            for name, exercise in pairs.items():
                exercise.check.source += HIDDEN.format(name=name)
    notebook = student if kind == "student" else solved
    lines = first_lines(text, path, len(notebook.cells))
    for line, before, cell in zip(lines, [None, *notebook.cells], notebook.cells, strict=False):
        apply(cell, f"{path}:{line}")
        cell.metadata.setdefault("slideshow", {"slide_type": slide_type(cell, before)})
    notebook.metadata = METADATA
    notebook.nbformat = 4
    notebook.nbformat_minor = 5
    return notebook


def slide_type(cell: Notebook, before: Notebook | None) -> str:
    """A section begins a slide. Below it, prose begins one too, and takes the next code along.

    What the lecture does not need, an aside, is on no slide.
    """
    if "aside" in tags(cell):
        return "skip"
    if cell.cell_type == "code":
        follows = before and before.cell_type == "markdown" and "aside" not in tags(before)
        return "-" if follows else "subslide"
    return "slide" if re.match(r"##? ", cell.source) else "subslide"


def load_sources(
    folder: Path, kind: str = "student", only: list[str] | None = None, known: Any = None
) -> dict[str, Notebook]:
    """The lessons chosen, by name; lesson 0's map of all lessons is filled in.

    Raises BuildError at a lesson that does not exist and, if all are chosen, at a check without an
    exercise.
    """
    paths = {path.stem: path for path in sorted(folder.glob("[0-9][0-9]_*.py"))}
    chosen = [name for name in paths if name.startswith(tuple(only or [""]))]
    if not chosen:
        raise BuildError(f"no lesson {' '.join(only or [])}; there are {list(paths)}")
    known = known or {}
    lessons = {
        name: read(path, kind, known if name in chosen else None) for name, path in paths.items()
    }
    if not only:
        every_check_has_an_exercise(lessons, paths, known, folder)
    minutes = {exercise.number: exercise.minutes for exercise in known.values()}
    for name in chosen:
        for cell in lessons[name].cells:
            if "map" in cell.metadata.get("tags", []):
                try:
                    cell.source = lecture_map(cell.source, lessons, minutes)
                except ValueError as error:
                    raise BuildError(f"{paths[name]}: {error}") from error
    return {name: lessons[name] for name in chosen}


def every_check_has_an_exercise(
    lessons: dict[str, Notebook], paths: dict[str, Path], known: Mapping[str, Any], folder: Path
) -> None:
    """Raises BuildError at a check that no heading of an exercise names."""
    cells = (cell for notebook in lessons.values() for cell in notebook.cells)
    headings = (HEADING.match(cell.source) for cell in cells)
    named = {heading["name"] for heading in headings if heading}
    for name, exercise in known.items():
        if name not in named:
            lesson = int(exercise.number.partition(".")[0])
            where = next((path for n, path in paths.items() if int(n[:2]) == lesson), folder)
            raise BuildError(f"{where}:1: check.{name} ({exercise.number}) has no exercise")


def release(into: Path, lessons: dict[str, Notebook]) -> int:
    """Write each lesson as an nbgrader assignment of the same name; nothing is executed."""
    into.mkdir(parents=True, exist_ok=True)
    (into / "nbgrader_config.py").write_text(NBGRADER_CONFIG, encoding="utf-8")
    for name, notebook in lessons.items():
        path = into / "source" / name / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
        print(f"wrote {path}", flush=True)
    return 0


def main(
    arguments: list[str] | None = None, here: Path = HERE, known: Mapping[str, Any] | None = None
) -> int:
    """Returns the exit code. `known` are the checks by name, by default those of `vaelib.check`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("lessons", nargs="*", help="only these: 06, 06_the_vae (default: all)")
    parser.add_argument("--check", action="store_true", help="compare with sources; run nothing")
    parser.add_argument("--solutions", action="store_true", help="into build/solutions/")
    parser.add_argument("--nbgrader", action="store_true", help="into build/nbgrader/, not run")
    options = parser.parse_args(arguments)
    kind = "nbgrader" if options.nbgrader else "solutions" if options.solutions else "student"
    into = here if kind == "student" else here.parent / "build" / kind
    if known is None:
        from vaelib.check import EXERCISES as known
    wrong: list[str] = []
    try:
        chosen = load_sources(here / "source", kind, options.lessons, known)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    if options.nbgrader:
        return release(into, chosen)
    if options.check and not options.lessons:
        extra = {p.stem for p in into.glob("*.ipynb")} - set(chosen)
        wrong += [f"{into / name}.ipynb: has no source" for name in sorted(extra)]
    for number, (name, notebook) in enumerate(chosen.items(), start=1):
        path = into / f"{name}.ipynb"
        start = time.perf_counter()
        found = (
            check(path, notebook)
            if options.check
            else build(path, notebook, here, list(known or {}))
        )
        wrong += found
        seconds = "" if options.check else f" in {time.perf_counter() - start:.1f} s"
        state = "FAILED" if found else "ok"
        print(f"[{number}/{len(chosen)}] {name}: {state}{seconds}", flush=True)
    print(*wrong, sep="\n", end="\n" if wrong else "", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
