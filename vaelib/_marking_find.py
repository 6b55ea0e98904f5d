"""Finds a student's functions by name, with what they need and nothing else of the notebook.

What is run of a submission: imports, definitions, and assignments that a function needs, directly
or through others. Never statements that stand alone (loops, calls: a lesson's training), and no
assignment that calls into vaelib. The last definition of a name that is not the stub counts, unless
it stands in a cell that was handed out like that.
"""

import __future__

import ast
import builtins
import dis
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import CodeType

from vaelib._marking_notebook import Notebook

FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | __future__.annotations.compiler_flag
DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)
SIMPLE = (*DEFINES, *IMPORTS, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Pass)
# Names of an import cell that was deleted; what the lesson itself imports comes before.
ENOUGH = 3  # cells as handed out: from then on a notebook is held to be that lesson's
SUPPLIED = """import math
import numpy
import scipy
import torch
import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn"""


@dataclass(frozen=True)
class Statement:
    """One statement at the top level of a cell: what names it binds, and what names it needs."""

    node: ast.stmt
    cell: int
    source: str
    given: bool
    binds: frozenset[str]
    reads: frozenset[str]


@dataclass
class Answer:
    """What is to be run for one function, in this order; nothing if there is no such function."""

    statements: list[Statement] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    stub: bool = False
    cell: int = 0
    text: str = ""


def code_of(node: ast.stmt, name: str = "cell") -> CodeType:
    """Annotations are not evaluated, so that one which lost its import does no harm."""
    return compile(ast.Module([node], []), name, "exec", FLAGS, dont_inherit=True)


def all_code(code: CodeType) -> Iterator[CodeType]:
    yield code
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from all_code(part)


def names(code: Iterable[CodeType], *operations: str) -> frozenset[str]:
    found = (i for part in code for i in dis.get_instructions(part) if i.opname in operations)
    return frozenset(i.argval for i in found if isinstance(i.argval, str))


def names_read(tree: ast.Module) -> frozenset[str]:
    """The names of the notebook that a cell needs, also inside of its functions."""
    code = compile(tree, "cell", "exec", FLAGS, dont_inherit=True)
    return names(all_code(code), "LOAD_NAME", "LOAD_GLOBAL")


def parts(node: ast.AST) -> Iterator[ast.AST]:
    """A statement, or for `if` and `try` the statements inside."""
    if isinstance(node, ast.If | ast.Try):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt | ast.ExceptHandler):
                yield from parts(child)
    elif isinstance(node, ast.ExceptHandler):
        for child in node.body:
            yield from parts(child)
    else:
        yield node


def statements(number: int, source: str, tree: ast.Module, given: bool) -> Iterator[Statement]:
    """The statements that may be run; one that does not compile is left out."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            continue
        if not all(isinstance(part, SIMPLE) for part in parts(node)):
            continue
        try:
            code = code_of(node)
        except (SyntaxError, ValueError, RecursionError):
            continue
        binds = names([code], "STORE_NAME", "STORE_GLOBAL")
        reads = names(all_code(code), "LOAD_NAME", "LOAD_GLOBAL")
        yield Statement(node, number, source, given, binds, reads)


def is_stub(node: ast.stmt) -> bool:
    """Whether a function is as it was handed out: nothing in it but its docstring and `raise`."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    return all(
        isinstance(part, ast.Pass)
        or (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
        or (isinstance(part, ast.Raise) and "NotImplementedError" in ast.unparse(part))
        for part in body
    )


def is_of_vaelib(node: ast.stmt) -> bool:
    modules = [alias.name for alias in node.names] if isinstance(node, IMPORTS) else []
    if isinstance(node, ast.ImportFrom):
        modules = [node.module or ""]
    return any(module.split(".")[0] == "vaelib" for module in modules)


class Code:
    """All that may be run of one notebook. `given` has the cells of each lesson, as handed out."""

    def __init__(self, notebook: Notebook, given: dict[int, list[str]]) -> None:
        handed_out = {
            lesson: {normal(ast.parse(cell)) for cell in cells} for lesson, cells in given.items()
        }
        mine = [normal(tree) for _, _, tree in notebook.cells]
        share = {
            lesson: len(cells & set(mine)) / len(cells)
            for lesson, cells in handed_out.items()
            if len(cells & set(mine)) >= ENOUGH
        }
        most = max(share.values(), default=0)
        self.lessons = [lesson for lesson, part in share.items() if part >= min(most, 0.3)]
        known = {text for lesson in self.lessons for text in handed_out[lesson]}
        self.statements = [
            statement
            for (number, source, tree), text in zip(notebook.cells, mine, strict=True)
            for statement in statements(number, source, tree, text in known)
        ]
        self.supplied = [
            statement
            for cell in [SUPPLIED, *(c for lesson in self.lessons for c in given[lesson])]
            for statement in statements(0, cell, ast.parse(cell), True)
            if not isinstance(statement.node, ast.Assign | ast.AnnAssign | ast.AugAssign)
        ]
        self.bound = self._by_name(self.statements)
        self.bound_elsewhere = self._by_name(self.supplied)
        imports = [s for s in (*self.statements, *self.supplied) if is_of_vaelib(s.node)]
        self.of_vaelib = {name for statement in imports for name in statement.binds}

    @staticmethod
    def _by_name(statements: list[Statement]) -> dict[str, list[Statement]]:
        table: dict[str, list[Statement]] = defaultdict(list)
        for statement in statements:
            for name in statement.binds:
                table[name].append(statement)
        return table

    def answer(self, name: str) -> Answer:
        """The function called `name`, with all that it needs."""
        found = [s for s in self._runnable(name) if not isinstance(s.node, IMPORTS)]
        if all(is_stub(s.node) or s.given for s in found):
            return Answer(stub=bool(found))
        own = [s for s in found if not is_stub(s.node) and not s.given]
        last = own[-1]
        answer = Answer(cell=last.cell, text=ast.get_source_segment(last.source, last.node) or "")
        counts = Counter(type(s.node).__name__ for s in own if isinstance(s.node, DEFINES))
        if counts.total() > 1:
            answer.remarks.append(f"defined {counts.total()} times, the last one counts")
        chosen, lacking = self._closure(name, own)
        answer.statements = [s for s in (*self.supplied, *self.statements) if id(s) in chosen]
        if lacking:
            answer.remarks.append(f"supplied, since the notebook lacks it: {', '.join(lacking)}")
        if any(self._uses(s.node, name) for s in answer.statements if not s.given):
            answer.remarks.append(f"calls vaelib's own {name}")
        return answer

    def _closure(self, name: str, own: list[Statement]) -> tuple[set[int], list[str]]:
        """The statements that `name` needs, by id, and the names that the notebook lacks."""
        chosen = {id(s) for s in self.statements if is_star(s.node)}
        lacking: list[str] = []
        seen, queue = {name}, [name]
        while queue:
            wanted = queue.pop()
            table = own if wanted == name else self._runnable(wanted)
            if not table and not hasattr(builtins, wanted) and self.bound_elsewhere[wanted]:
                table = self.bound_elsewhere[wanted][-1:]
                lacking.append(wanted)
            for statement in since_last(table, wanted):
                chosen.add(id(statement))
                queue += statement.reads - seen
                seen |= statement.reads
        return chosen, sorted(lacking)

    def _uses(self, node: ast.stmt, name: str) -> bool:
        """Whether vaelib's function of that name is imported, or taken as `divergences.name`."""
        if isinstance(node, ast.ImportFrom) and is_of_vaelib(node):
            return any(alias.name == name for alias in node.names)
        found = (n for n in ast.walk(node) if isinstance(n, ast.Attribute) and n.attr == name)
        return any(ast.unparse(n).split(".")[0] in self.of_vaelib for n in found)

    def _runnable(self, name: str) -> list[Statement]:
        """What binds a name; the stub of another exercise only where nothing else does."""
        found = [
            s
            for s in self.bound[name]
            if isinstance(s.node, (*DEFINES, *IMPORTS)) or not (s.reads & self.of_vaelib)
        ]
        return [s for s in found if not is_stub(s.node)] or found


def normal(tree: ast.Module) -> str:
    return ast.unparse(tree)


def is_star(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.names[0].name == "*"


def since_last(table: list[Statement], name: str) -> list[Statement]:
    """From the last statement that binds the name whatever it was before: earlier ones are over."""
    for i in range(len(table) - 1, 0, -1):
        node = table[i].node
        anew = isinstance(node, (*DEFINES, *IMPORTS)) and not getattr(node, "decorator_list", [])
        if anew or (isinstance(node, ast.Assign) and name not in table[i].reads):
            return table[i:]
    return table
