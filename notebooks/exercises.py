"""The exercises of a lesson: solutions taken out, checks found, nbgrader's metadata added.

An exercise is a heading "### Exercise 1.1 `name`" whose metadata carries `exercise="1.1 ★"`, one
cell that defines `name` with its solution between the markers, and after it the cell
`check.name(name)`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Cell = Any  # nbformat.NotebookNode, which is untyped

BEGIN = "### BEGIN SOLUTION"
END = "### END SOLUTION"
LIKE_A_MARKER = re.compile(r"#\W*(BEGIN|END)[\W_]{0,3}(SOL|HIDDEN)", re.IGNORECASE)
HEADING = re.compile(r"### Exercise (?P<number>\d+\.\d+) `(?P<name>\w+)`\s*$", re.MULTILINE)
HIDDEN = """
### BEGIN HIDDEN TESTS
from vaelib import check as trusted
result = trusted.{name}({name})
assert result.passed, result.message
### END HIDDEN TESTS"""


class BuildError(Exception):
    """What is wrong with a source; the message begins with `file:line:` or the file."""


def strip_solutions(text: str, path: Path) -> tuple[str, list[int]]:
    """The student's source, with one `raise` for each solution, and where its lines come from.

    The second result has, for each line of the first, its number in `text`.
    """
    kept: list[tuple[str, int]] = []
    begun: tuple[int, str] | None = None  # line and indentation of the open BEGIN

    def wrong(line: int, message: str) -> BuildError:
        return BuildError(f"{path}:{line}: {message}")

    for number, line in enumerate(text.splitlines(), start=1):
        marker = line.strip()
        indentation = line[: len(line) - len(line.lstrip())]
        if LIKE_A_MARKER.search(line) and marker not in (BEGIN, END):
            raise wrong(number, f"{marker!r} is not a marker; write {BEGIN!r} or {END!r}")
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
                raise wrong(number, f"{END} is not indented like its {BEGIN}")
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


def first_lines(text: str, path: Path, cells: int) -> list[int]:
    """The line of the source on which each cell begins."""
    starts = [n for n, line in enumerate(text.splitlines(), 1) if line.startswith("# %%")]
    if len(starts) == cells - 1:
        starts = [1, *starts]  # code above the first `# %%` is a cell too
    if len(starts) != cells:
        raise BuildError(f"{path}:1: {len(starts)} lines `# %%` but {cells} cells")
    return starts


def exercise_of(cell: Cell) -> tuple[str, str, str] | None:
    """Number, stars and name of the exercise that a heading begins, if any.

    Raises ValueError if only the heading or only its metadata is that of an exercise.
    """
    metadata = cell.metadata.get("exercise")
    heading = HEADING.match(cell.source)
    if metadata is None and not cell.source.startswith("### Exercise "):
        return None
    if metadata is None or not heading:
        raise ValueError('an exercise is headed "### Exercise 1.1 `name`", with exercise="1.1 ★"')
    number, _, stars = metadata.partition(" ")
    if number != heading["number"]:
        raise ValueError(f"the heading says {heading['number']}, its metadata {number}")
    return number, stars, heading["name"]


@dataclass
class Pair:
    """One exercise with the cells of its solution and its check, as far as they have been found."""

    number: str
    name: str
    line: int
    solution: Cell | None = None
    check: Cell | None = None

    def __str__(self) -> str:
        return f"exercise {self.number} `{self.name}`"


def pair(
    path: Path, starts: list[int], solved: list[Cell], student: list[Cell], known: Mapping[str, Any]
) -> dict[str, Pair]:
    """Every exercise of a lesson, by name; its cells in both sets get nbgrader's metadata.

    `known` has the number, stars and points of each check. Raises BuildError at an exercise that
    lacks its solution or its check, and at a solution or a check without an exercise.
    """
    pairs: dict[str, Pair] = {}
    current: Pair | None = None
    for start, solved_cell, cell in zip(starts, solved, student, strict=True):
        line = start
        try:
            if solved_cell.cell_type != "code":
                if found := exercise_of(solved_cell):
                    must_be_complete(current, path)
                    current = begin(*found, start, pairs, known)
                continue
            for name, at in checked(solved_cell.source):
                line = start + at
                current = take_check(current, name, solved_cell, known)
                add_metadata(solved_cell, cell, f"check_{name}", known[name].points)
            lines = [text.strip() for text in solved_cell.source.splitlines()]
            if BEGIN in lines:
                line = start + lines.index(BEGIN) + 1
                current = take_solution(current, solved_cell, cell)
                add_metadata(solved_cell, cell, current.name, None)
        except ValueError as error:
            raise BuildError(f"{path}:{line}: {error}") from None
    must_be_complete(current, path)
    return pairs


def begin(
    number: str, stars: str, name: str, line: int, pairs: dict, known: Mapping[str, Any]
) -> Pair:
    """The exercise that a heading begins. Raises ValueError if it is not its check's, or twice."""
    if name not in known:
        raise ValueError(f"exercise {number} `{name}` has no check: there is no check.{name}")
    if (number, stars) != (known[name].number, "★" * known[name].stars):
        wanted = f"{known[name].number} {'★' * known[name].stars}"
        raise ValueError(f"`{name}` is {number} {stars} here, and {wanted} in its check")
    if name in pairs:
        raise ValueError(f"a second exercise `{name}`, the first is on line {pairs[name].line}")
    pairs[name] = Pair(number, name, line)
    return pairs[name]


def must_be_complete(pair: Pair | None, path: Path) -> None:
    """Stop at an exercise that lacks its solution or its check."""
    if pair and pair.solution is None:
        raise BuildError(f"{path}:{pair.line}: {pair} has no solution between {BEGIN} and {END}")
    if pair and pair.check is None:
        wanted = f"check.{pair.name}({pair.name})"
        raise BuildError(f"{path}:{pair.line}: {pair} has no check: add a cell {wanted}")


def checked(source: str) -> list[tuple[str, int]]:
    """The names of the checks that a cell calls, each with its line in the cell."""
    calls = (node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    methods = (func for func in calls if isinstance(func, ast.Attribute))
    of_check = (m for m in methods if isinstance(m.value, ast.Name) and m.value.id == "check")
    return [(method.attr, method.lineno) for method in of_check]


def take_check(current: Pair | None, name: str, cell: Cell, known: Mapping[str, Any]) -> Pair:
    """The current exercise with its check. Raises ValueError if it does not belong there."""
    if name not in known:
        raise ValueError(f"check.{name} is unknown: there is no such check")
    if current is None or current.name != name:
        raise ValueError(f"check.{name} has no exercise `{name}` above it")
    if ast.unparse(ast.parse(cell.source)) != f"check.{name}({name})":
        raise ValueError(f"the cell of a check is check.{name}({name}) and nothing else")
    if current.solution is None:
        raise ValueError(f"check.{name} stands before the solution of {current}")
    if current.check is not None:
        raise ValueError(f"{current} has a second check")
    current.check = cell
    return current


def take_solution(current: Pair | None, solved_cell: Cell, cell: Cell) -> Pair:
    """The current exercise with its solution. Raises ValueError if it does not belong there."""
    if current is None:
        raise ValueError("a solution without the heading of an exercise above it")
    if current.solution is not None:
        raise ValueError(f"{current} has a second solution")
    functions = {f.name: f for f in ast.parse(cell.source).body if isinstance(f, ast.FunctionDef)}
    name = current.name
    if name not in functions:
        raise ValueError(f"the solution of {current} does not define {name}")
    raises = [ast.unparse(n) for n in ast.walk(functions[name]) if isinstance(n, ast.Raise)]
    if "raise NotImplementedError" not in raises:
        raise ValueError(f"the solution of {current} is not inside {name}")
    current.solution = solved_cell
    return current


def add_metadata(solved_cell: Cell, cell: Cell, name: str, points: int | None) -> None:
    """nbgrader's metadata, in both sets: a solution to be written, or a test worth points."""
    test = points is not None
    data = {"schema_version": 3, "grade": test, "solution": not test, "locked": test}
    data |= {"task": False, "grade_id": name}
    if test:
        data["points"] = points
    solved_cell.metadata["nbgrader"] = dict(data)
    cell.metadata["nbgrader"] = dict(data)
