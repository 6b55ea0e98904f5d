"""A solution that students could read elsewhere in their set, however it is laid out there."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from exercises import BEGIN, END, BuildError

from vaelib._marking_find import statements as top_level

Cell = Any  # nbformat.NotebookNode, which is untyped

ENOUGH = 24  # characters without spaces: shorter pieces of code stand in many places by chance


def squeeze(code: str) -> str:
    return "".join(code.split()).replace('"', "'")


def statements(source: str) -> list[ast.stmt]:
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]


def pieces(source: str) -> Iterator[tuple[int, str]]:
    """The statements between the markers and the values in them, each with its line."""
    lines = [line.strip() for line in source.splitlines()]
    solved: set[int] = set()
    for number, line in enumerate(lines, start=1):
        if line == BEGIN:
            solved |= set(range(number, lines.index(END, number) + 1))
    for node in statements(source):
        for part in (node, getattr(node, "value", None)):
            if node.lineno in solved and isinstance(part, ast.AST):
                for code in (ast.unparse(part), ast.get_source_segment(source, part) or ""):
                    if len(squeeze(code)) >= ENOUGH:
                        yield node.lineno, squeeze(code)


def bodies(source: str) -> Iterator[tuple[int, str]]:
    """Each function's line, its arguments and what it does, whatever its name and docstring."""
    for node in statements(source):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1 if ast.get_docstring(node) is not None else 0 :]
            if body:
                yield node.lineno, squeeze("\n".join(map(ast.unparse, (node.args, *body))))


def shown(cell: Cell) -> Iterator[tuple[int, str]]:
    """What a cell shows, the smallest parts first, each with its line in the cell."""
    if cell.cell_type == "code":
        parts = [(node.lineno, squeeze(ast.unparse(node))) for node in statements(cell.source)]
        yield from sorted(parts, key=lambda part: len(part[1]))
    lines = cell.source.splitlines()
    yield from ((number, squeeze(line)) for number, line in enumerate(lines, start=1))
    yield 0, squeeze(cell.source)


def must_not_leak(path: Path, starts: list[int], full: list[Cell], student: list[Cell]) -> None:
    """Stop where code of a solution, or its function under another name, is left for students.

    Looked for are whole statements and the values that they assign or return, in code and in prose.
    """
    for start, whole in zip(starts, full, strict=True):
        if whole.cell_type != "code" or BEGIN not in whole.source:
            continue
        secrets = [(start + line, code) for line, code in pieces(whole.source)]
        functions = {body: start + line for line, body in bodies(whole.source)}
        for other, cell in zip(starts, student, strict=True):
            found = [
                (other + line, secret)
                for line, text in shown(cell)
                for secret, code in secrets
                if code in text
            ]
            if cell.cell_type == "code" and other != start:
                same = [(other + at, functions.get(body)) for at, body in bodies(cell.source)]
                found += [(at, secret) for at, secret in same if secret]
            if found:
                at, secret = found[0]
                raise BuildError(f"{path}:{at}: shows students the solution of line {secret}")


def must_not_bind(path: Path, starts: list[int], cells: list[Cell], names: Collection[str]) -> None:
    """Stop where the name of an exercise is given to something else in its lesson.

    The stub would take its place when an earlier cell is run again, or it the answer's.
    """
    for start, cell in zip(starts, cells, strict=True):
        if cell.cell_type != "code" or cell.metadata.get("nbgrader", {}).get("solution"):
            continue
        for part in top_level(0, cell.source, ast.parse(cell.source), given=True):
            for name in sorted(part.binds & set(names)):
                line = start + part.node.lineno
                raise BuildError(f"{path}:{line}: {name} is the name of an exercise below or above")
