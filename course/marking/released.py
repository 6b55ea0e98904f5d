"""Which statements of the cells that students got are run again when their notebook is replayed.

What only trains, draws or prints is passed over. A statement is run if an answer needs a name that
it binds or changes, directly or through others, if it changes a setting
(`torch.set_default_dtype`), or if it is an exercise's check. What the student wrote for other
purposes is run as well, but nothing is trained for it: it gets imports and definitions.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from notebooks.cell_code import DEFINITIONS, IMPORTS, compiled, names, names_read, nested

SETTINGS = ("set_", "manual_seed", "seed")  # how the names of calls begin that change a setting


@dataclass(frozen=True, eq=False)
class Part:
    """A statement of a released cell or a cell of the student's, and the names in it.

    `always` marks what is needed in any case, `cheap` an import or a definition.
    """

    node: ast.AST
    binds: frozenset[str]
    reads: frozenset[str]
    always: bool
    cheap: bool


def kept(
    cells: list[tuple[int, str, ast.Module]], released: set[int], exercises: Iterable[str]
) -> dict[int, str]:
    """The code that is run of each released cell, by the cell's number; "" if there is none."""
    checks = frozenset(exercises)
    imported = {name for _, _, tree in cells for name in imports(tree)}
    parts = {
        number: [part_of(node, checks, imported) for node in tree.body]
        for number, _, tree in cells
        if number in released
    }
    own = [part_of(tree, checks, imported) for number, _, tree in cells if number not in released]
    own = [replace(part, always=part.always or bool(part.binds & checks)) for part in own]
    waiting = [part for of_cell in parts.values() for part in of_cell]
    always = [part for part in [*waiting, *own] if part.always]
    needed = reachable([*waiting, *own], set(), always)  # by the answers and the checks
    cheap = reachable([part for part in waiting if part.cheap], reads_in([*own, *needed]), [])
    chosen = needed | cheap
    wanted = reads_in([*own, *chosen])
    sources = {number: source for number, source, _ in cells}
    return {
        number: "\n".join(
            text_of(sources[number], part.node, wanted)
            for part in of_cell
            if part in chosen and isinstance(part.node, ast.stmt)
        )
        for number, of_cell in parts.items()
    }


def reads_in(parts: Iterable[Part]) -> set[str]:
    return {name for part in parts for name in part.reads}


def reachable(parts: list[Part], wanted: set[str], chosen: Iterable[Part]) -> set[Part]:
    """Those chosen, and those that bind or change a name that is wanted or that these read."""
    found = set(chosen)
    names_wanted = wanted | reads_in(found)
    more = True
    while more:
        new = [part for part in parts if part not in found and part.binds & names_wanted]
        found.update(new)
        names_wanted |= reads_in(new)
        more = bool(new)
    return found


def text_of(source: str, node: ast.stmt, needed: set[str]) -> str:
    """The text of a statement, with its decorators; of an import only what is needed."""
    if isinstance(node, IMPORTS):
        # A lesson imports what it draws with, and that takes half a second.
        wanted = [a for a in node.names if a.name == "*" or bound_by(a) in needed]
        module = f"from {node.module} " if isinstance(node, ast.ImportFrom) else ""
        return f"{module}import {', '.join(ast.unparse(alias) for alias in wanted)}"
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    return "\n".join(source.splitlines()[first - 1 : node.end_lineno])


def bound_by(alias: ast.alias) -> str:
    """The name that an import binds: `import a.b` binds a."""
    return (alias.asname or alias.name).split(".")[0]


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, IMPORTS):
            yield from map(bound_by, node.names)


def reads_of(tree: ast.Module) -> frozenset[str]:
    """The names that a cell reads; every name in it if it does not compile."""
    try:
        return names_read(tree)
    except (SyntaxError, ValueError, RecursionError):
        return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


def part_of(node: ast.stmt | ast.Module, checks: frozenset[str], imported: set[str]) -> Part:
    always = is_setting(node, imported) or is_check(node, checks)
    cheap = isinstance(node, (*DEFINITIONS, *IMPORTS))
    if isinstance(node, ast.Module):
        stored = (n for n in ast.walk(node) if isinstance(n, (ast.Name, ast.alias, *DEFINITIONS)))
        binds = frozenset(map(name_of, stored)) - {""}
        return Part(node, binds | (set(changed(node)) - imported), reads_of(node), always, cheap)
    code = compiled(node)
    binds = names([code], "STORE_NAME", "STORE_GLOBAL")
    reads = names(nested(code), "LOAD_NAME", "LOAD_GLOBAL")
    return Part(node, binds | (set(changed(node)) - imported), reads, always, cheap)


def name_of(node: ast.AST) -> str:
    """The name that a part of a cell binds; "" if it only reads one."""
    if isinstance(node, ast.alias):
        return bound_by(node)
    if isinstance(node, ast.Name):
        return node.id if isinstance(node.ctx, ast.Store) else ""
    return str(getattr(node, "name", ""))


def changed(node: ast.AST) -> Iterator[str]:
    """The names whose object a statement changes: `x[0] = 1`, `rows.append(…)`, `del d["a"]`."""
    for part in ast.walk(node):
        targets: list[ast.expr] = []
        if isinstance(part, ast.Assign | ast.Delete):
            targets = [t for t in part.targets if not isinstance(t, ast.Name)]
        elif isinstance(part, ast.AugAssign | ast.AnnAssign):
            targets = [part.target]
        elif isinstance(part, ast.Expr) and isinstance(part.value, ast.Call):
            targets = [part.value.func]
        for target in targets:
            yield from root(target)


def root(node: ast.expr) -> Iterator[str]:
    """The name that `name.a[0].b` begins with, and nothing for a mere `name(…)`."""
    inner: ast.AST = node
    while isinstance(inner, ast.Attribute | ast.Subscript | ast.Call):
        inner = inner.func if isinstance(inner, ast.Call) else inner.value
    if inner is not node and isinstance(inner, ast.Name):
        yield inner.id


def is_setting(node: ast.AST, imported: set[str]) -> bool:
    """Whether a statement is a call such as `torch.set_default_dtype(torch.float64)`."""
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return False
    called = node.value.func
    if not (isinstance(called, ast.Attribute) and called.attr.startswith(SETTINGS)):
        return False
    return bool(set(root(called)) & imported)


def is_check(node: ast.AST, exercises: frozenset[str]) -> bool:
    """Whether there is `check.<exercise>` in it."""
    found = (n for n in ast.walk(node) if isinstance(n, ast.Attribute) and n.attr in exercises)
    return any(ast.unparse(n.value).split(".")[-1] == "check" for n in found)
