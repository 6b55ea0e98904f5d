"""Stops the build where students could read a solution elsewhere in their set."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from notebooks import cell_code
from notebooks.exercises import BEGIN, END, BuildError

Cell = Any  # nbformat.NotebookNode, which is untyped

SHORTEST = 24  # characters without spaces: shorter pieces of code occur elsewhere by chance


def squeeze(code: str) -> str:
    """Code without its layout, to compare."""
    return "".join(code.split()).replace('"', "'")


def all_statements(source: str) -> list[ast.stmt]:
    """Every statement of a cell, also those inside functions and loops."""
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]


def pieces(source: str) -> Iterator[tuple[int, str]]:
    """The statements between the markers and the values in them, each with its line."""
    lines = [line.strip() for line in source.splitlines()]
    solved: set[int] = set()
    for number, line in enumerate(lines, start=1):
        if line == BEGIN:
            solved |= set(range(number, lines.index(END, number) + 1))
    for node in all_statements(source):
        for part in (node, getattr(node, "value", None)):
            if node.lineno in solved and isinstance(part, ast.AST):
                for code in (ast.unparse(part), ast.get_source_segment(source, part) or ""):
                    if len(squeeze(code)) >= SHORTEST:
                        yield node.lineno, squeeze(code)


def bodies(source: str) -> Iterator[tuple[int, str]]:
    """Each function's line, and its arguments and body without its name and docstring."""
    for node in all_statements(source):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1 if ast.get_docstring(node) is not None else 0 :]
            if body:
                yield node.lineno, squeeze("\n".join(map(ast.unparse, (node.args, *body))))


def shown(cell: Cell) -> Iterator[tuple[int, str]]:
    """What a cell shows, the smallest parts first, each with its line in the cell."""
    if cell.cell_type == "code":
        parts = [(node.lineno, squeeze(ast.unparse(node))) for node in all_statements(cell.source)]
        yield from sorted(parts, key=lambda part: len(part[1]))
    lines = cell.source.splitlines()
    yield from ((number, squeeze(line)) for number, line in enumerate(lines, start=1))
    yield 0, squeeze(cell.source)


def must_not_leak(path: Path, starts: list[int], solved: list[Cell], student: list[Cell]) -> None:
    """Stop where students can read code of a solution, or its function under another name.

    The code searched for, in the students' code and prose, is each statement of the solution and
    each value that it assigns or returns.
    """
    for start, solution in zip(starts, solved, strict=True):
        if solution.cell_type != "code" or BEGIN not in solution.source:
            continue
        secrets = [(start + line, code) for line, code in pieces(solution.source)]
        functions = {body: start + line for line, body in bodies(solution.source)}
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
    """Stop where a lesson binds the name of one of its exercises to something else.

    When cells are run again in another order, one of the two would replace the other.
    """
    for start, cell in zip(starts, cells, strict=True):
        if cell.cell_type != "code" or cell.metadata.get("nbgrader", {}).get("solution"):
            continue
        for statement in cell_code.statements(cell.source, ast.parse(cell.source)):
            for name in sorted(statement.binds & set(names)):
                line = start + statement.node.lineno
                raise BuildError(f"{path}:{line}: {name} is the name of an exercise below or above")
