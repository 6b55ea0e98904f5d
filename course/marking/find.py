"""Finds a student's functions by name, with what they need and nothing else of the notebook.

What is run of a submission: imports, definitions, and assignments that a function needs, directly
or through other names. Statements that stand alone (loops, calls: a lesson's training) and
assignments that call vaelib are not run. The last definition of a name counts, except a stub and a
definition in a cell that students got like that.
"""

import ast
import builtins
from collections import defaultdict
from dataclasses import dataclass, field

from course.marking.notebook import Notebook
from notebooks.cell_code import ASSIGNMENTS, DEFINITIONS, IMPORTS, Statement, statements

# A notebook belongs to a lesson if it has at least so many of the lesson's cells unchanged.
ENOUGH_CELLS = 3
# A notebook of several lessons belongs to each of which it has at least this fraction.
ENOUGH_OF_A_LESSON = 0.3
# For a student who deleted the cell of imports. What the lesson itself imports is preferred.
SUPPLIED = """import math
import numpy
import scipy
import torch
import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn"""


@dataclass
class Answer:
    """What is to be run for one function, in this order; empty if there is no such function."""

    statements: list[Statement] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    stub: bool = False
    cell: int = 0
    text: str = ""


class Code:
    """Everything in one notebook that may be run.

    `handed_out` has the code cells of each lesson as students got them.
    """

    def __init__(self, notebook: Notebook, handed_out: dict[int, list[str]]) -> None:
        cells = [normal(tree) for _, _, tree in notebook.cells]
        unchanged = {
            lesson: {normal(ast.parse(source)) for source in sources}
            for lesson, sources in handed_out.items()
        }
        self.lessons = lessons_of(set(cells), unchanged)
        known = {cell for lesson in self.lessons for cell in unchanged[lesson]}
        numbered = list(zip(notebook.cells, cells, strict=True))
        self.released = {number for (number, _, _), cell in numbered if cell in known}
        self.statements = [
            statement
            for number, source, tree in notebook.cells
            for statement in statements(source, tree, number, number in self.released)
        ]
        own_sources = [source for lesson in self.lessons for source in handed_out[lesson]]
        self.supplied = [
            statement
            for source in [SUPPLIED, *own_sources]
            for statement in statements(source, ast.parse(source), handed_out=True)
            if not isinstance(statement.node, ASSIGNMENTS)
        ]
        self.bound = by_name(self.statements)
        self.bound_elsewhere = by_name(self.supplied)
        imports = [s for s in (*self.statements, *self.supplied) if imports_vaelib(s.node)]
        self.of_vaelib = {name for statement in imports for name in statement.binds}

    def answer(self, name: str) -> Answer:
        """The function called `name`, with everything that it needs."""
        found = [s for s in self._runnable(name) if not isinstance(s.node, IMPORTS)]
        own = [s for s in found if not is_stub(s.node) and not s.handed_out]
        if not own:
            return Answer(stub=bool(found))
        last = own[-1]
        answer = Answer(cell=last.cell, text=ast.get_source_segment(last.source, last.node) or "")
        chosen, lacking = self._closure(name, own)
        answer.statements = [s for s in (*self.supplied, *self.statements) if id(s) in chosen]
        if lacking:
            answer.remarks.append(f"supplied, since the notebook lacks it: {', '.join(lacking)}")
        if any(self._uses(s.node, name) for s in answer.statements if not s.handed_out):
            answer.remarks.append(f"calls vaelib's own {name}")
        return answer

    def _closure(self, name: str, own: list[Statement]) -> tuple[set[int], list[str]]:
        """The statements that `name` needs, by id, and the names that the notebook lacks."""
        chosen = {id(s) for s in self.statements if is_star_import(s.node)}
        lacking: list[str] = []
        seen = {name}
        queue = [name]
        while queue:
            wanted = queue.pop()
            table = own if wanted == name else self._runnable(wanted)
            if not table and not hasattr(builtins, wanted) and self.bound_elsewhere[wanted]:
                table = self.bound_elsewhere[wanted][-1:]
                lacking.append(wanted)
            for statement in since_last_binding(table, wanted):
                chosen.add(id(statement))
                queue += statement.reads - seen
                seen |= statement.reads
        return chosen, sorted(lacking)

    def _uses(self, node: ast.stmt, name: str) -> bool:
        """Whether vaelib's function of that name is imported, or taken as `divergences.name`."""
        if isinstance(node, ast.ImportFrom) and imports_vaelib(node):
            return any(alias.name == name for alias in node.names)
        found = (n for n in ast.walk(node) if isinstance(n, ast.Attribute) and n.attr == name)
        return any(ast.unparse(n).split(".")[0] in self.of_vaelib for n in found)

    def _runnable(self, name: str) -> list[Statement]:
        """What binds a name; the stub of another exercise only where nothing else does."""
        found = [
            s
            for s in self.bound[name]
            if isinstance(s.node, (*DEFINITIONS, *IMPORTS)) or not (s.reads & self.of_vaelib)
        ]
        return [s for s in found if not is_stub(s.node)] or found


def lessons_of(cells: set[str], unchanged: dict[int, set[str]]) -> list[int]:
    """The lessons that a notebook with these cells comes from, by the cells that are unchanged."""
    fractions = {}
    for lesson, originals in unchanged.items():
        common = originals & cells
        if len(common) >= ENOUGH_CELLS:
            fractions[lesson] = len(common) / len(originals)
    needed = min(max(fractions.values(), default=0), ENOUGH_OF_A_LESSON)
    return [lesson for lesson, fraction in fractions.items() if fraction >= needed]


def by_name(found: list[Statement]) -> dict[str, list[Statement]]:
    """The statements that bind a name, by the name; an empty list for any other."""
    table: dict[str, list[Statement]] = defaultdict(list)
    for statement in found:
        for name in statement.binds:
            table[name].append(statement)
    return table


def normal(tree: ast.Module) -> str:
    """A cell's code without its comments and its layout."""
    return ast.unparse(tree)


def is_stub(node: ast.stmt) -> bool:
    """Whether a function is as it was handed out: only its docstring and `raise`."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    return all(
        isinstance(part, ast.Pass)
        or (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
        or (isinstance(part, ast.Raise) and "NotImplementedError" in ast.unparse(part))
        for part in body
    )


def imports_vaelib(node: ast.stmt) -> bool:
    modules = [alias.name for alias in node.names] if isinstance(node, IMPORTS) else []
    if isinstance(node, ast.ImportFrom):
        modules = [node.module or ""]
    return any(module.split(".")[0] == "vaelib" for module in modules)


def is_star_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.names[0].name == "*"


def since_last_binding(table: list[Statement], name: str) -> list[Statement]:
    """From the last statement that binds the name whatever it was before; the rest is void."""
    for i in range(len(table) - 1, 0, -1):
        node = table[i].node
        defines = isinstance(node, (*DEFINITIONS, *IMPORTS))
        if defines and not getattr(node, "decorator_list", []):
            return table[i:]
        if isinstance(node, ast.Assign) and name not in table[i].reads:
            return table[i:]
    return table
