"""What the code of a notebook's cell binds, and which of the notebook's names it needs.

The build uses this to run only the cells that the exercises need, and marking to find a student's
function together with what it calls.
"""

import __future__

import ast
import dis
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import CodeType

# As in a notebook, `await` may stand at the top level of a cell. Annotations are not evaluated, so
# that one whose import is missing does no harm.
FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | __future__.annotations.compiler_flag
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)
ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign)
SIMPLE = (*DEFINITIONS, *IMPORTS, *ASSIGNMENTS, ast.Pass)


@dataclass(frozen=True)
class Statement:
    """One statement at the top level of a cell: the names it binds, and the names it reads.

    `cell` is the number of its cell, and `handed_out` says whether students got that cell as it is.
    """

    node: ast.stmt
    source: str
    binds: frozenset[str]
    reads: frozenset[str]
    cell: int = 0
    handed_out: bool = False


def statements(
    source: str, tree: ast.Module, cell: int = 0, handed_out: bool = False
) -> Iterator[Statement]:
    """The imports, definitions and assignments of a cell whose text is `source`.

    Loops, calls and statements that do not compile are left out, and so is an `if` or a `try` that
    contains one of these.
    """
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            continue
        if not all(isinstance(part, SIMPLE) for part in parts(node)):
            continue
        try:
            code = compiled(node)
        except (SyntaxError, ValueError, RecursionError):
            continue
        binds = names([code], "STORE_NAME", "STORE_GLOBAL")
        reads = names(nested(code), "LOAD_NAME", "LOAD_GLOBAL")
        yield Statement(node, source, binds, reads, cell, handed_out)


def names_read(tree: ast.Module) -> frozenset[str]:
    """The names of the notebook that a cell reads, also inside its functions."""
    code = compile(tree, "cell", "exec", FLAGS, dont_inherit=True)
    return names(nested(code), "LOAD_NAME", "LOAD_GLOBAL")


def compiled(node: ast.stmt, file_name: str = "cell") -> CodeType:
    """The code of one statement. Raises SyntaxError, ValueError or RecursionError."""
    return compile(ast.Module([node], []), file_name, "exec", FLAGS, dont_inherit=True)


def nested(code: CodeType) -> Iterator[CodeType]:
    """A piece of code, and that of every function, class and comprehension inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested(constant)


def names(code: Iterable[CodeType], *operations: str) -> frozenset[str]:
    """The names on which these operations of the bytecode work, such as LOAD_GLOBAL."""
    instructions = (i for piece in code for i in dis.get_instructions(piece))
    found = (i.argval for i in instructions if i.opname in operations)
    return frozenset(name for name in found if isinstance(name, str))


def parts(node: ast.AST) -> Iterator[ast.AST]:
    """The statement itself, or for `if` and `try` the statements inside."""
    if isinstance(node, ast.If | ast.Try):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt | ast.ExceptHandler):
                yield from parts(child)
    elif isinstance(node, ast.ExceptHandler):
        for child in node.body:
            yield from parts(child)
    else:
        yield node
