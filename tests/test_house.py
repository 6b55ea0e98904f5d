"""The rules of the house: who may import whom, what is private, how long a function may be."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from inputs import HOME

# Imports point downwards: a module may import those of its own floor and of the floors below it.
FLOORS = [
    {"vaelib", "vaelib.startup", "vaelib.validation"},
    {"vaelib.distributions", "vaelib.divergences", "vaelib.schedules"},
    {"vaelib.bounds", "vaelib.exact"},
    {"vaelib.models"},
    {"vaelib.checkpoint", "vaelib.faces", "vaelib.data", "vaelib.pictures", "vaelib.plots"},
    {"vaelib.run"},
    {"vaelib.engine"},
    {"vaelib.training"},
    {"vaelib.evaluation"},
    {"vaelib.widgets", "vaelib.check"},
    {"vaelib.commands", "vaelib.cli", "vaelib.doctor", "vaelib.__main__"},
    {"course", "notebooks"},
]
CHAIN = ("distributions", "divergences", "bounds", "models", "training")
LONGEST = 60
PACKAGE = 3929  # the aim is 3,600 with all that the second edition adds


def modules() -> dict[str, Path]:
    """Every module of vaelib, course and the notebooks' build, by its dotted name."""
    found = {}
    for top in ("vaelib", "course", "notebooks"):
        for path in sorted((HOME / top).rglob("*.py")):
            name = ".".join(path.relative_to(HOME).with_suffix("").parts)
            if not name.startswith(("notebooks.source", "course.handout.files")):
                found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}


def imports(name: str, nodes: list[ast.stmt] | None = None) -> Iterator[tuple[str, str]]:
    """(module, name in it or "") of each import of our own packages, also inside functions."""
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(TREES[name]) if nodes is None else nodes:
        if isinstance(node, ast.Import):
            yield from ((a.name, "") for a in node.names if ours(a.name))
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            for alias in node.names if ours(module) else ():
                inner = f"{module}.{alias.name}"
                yield (inner, "") if inner in MODULES else (module, alias.name)


def ours(module: str) -> bool:
    return module.split(".")[0] in ("vaelib", "course", "notebooks")


def floor(module: str) -> int:
    """The floor of a module, or of the package that it belongs to."""
    while module:
        for number, names in enumerate(FLOORS):
            if module in names:
                return number
        module = module.rpartition(".")[0]
    raise AssertionError("every module has a floor")


def type_checking_imports(name: str) -> set[ast.stmt]:
    """Imports under `if TYPE_CHECKING:`, which never run."""
    blocks = (n for n in ast.walk(TREES[name]) if isinstance(n, ast.If))
    return {
        node
        for block in blocks
        if isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }


def test_every_module_has_its_own_floor():
    names = {name for name in MODULES if name.count(".") == 1 and name.startswith("vaelib.")}
    placed = set().union(*FLOORS)
    assert names <= placed, f"where do {names - placed} stand?"
    assert all(n in MODULES for n in placed)


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_downwards(name):
    skipped = type_checking_imports(name)
    nodes = [n for n in ast.walk(TREES[name]) if n not in skipped]
    for module, _ in imports(name, nodes):
        if module.split(".")[:2] != name.split(".")[:2] or floor(name) != floor(module):
            assert floor(module) <= floor(name), f"{name} imports {module}"
    if name.startswith("vaelib"):
        assert not any(m.startswith(("course", "notebooks")) for m, _ in imports(name))


def test_no_circles():
    """A first-to-last order of all modules exists, counting what is imported when they load."""
    needs = {}
    for name, tree in TREES.items():
        loaded = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
        needs[name] = {m for m, _ in imports(name, loaded)} & MODULES.keys() - {name}
    while needs:
        # A package's __init__ counts as loaded with the modules that it gathers.
        free = [n for n, wanted in needs.items() if not (wanted & needs.keys())]
        assert free, f"a circle among {sorted(needs)}"
        for name in free:
            del needs[name]


@pytest.mark.parametrize("name", MODULES)
def test_no_private_name_of_another_module(name):
    for module, attribute in imports(name):
        private = [p for p in (*module.split("."), attribute) if p.startswith("_")]
        private = [p for p in private if not p.startswith("__")]
        assert not private, f"{name} imports {module}.{attribute}"
    aliases = {
        (alias.asname or alias.name)
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.ImportFrom) and ours(node.module or "")
        for alias in node.names
        if f"{node.module}.{alias.name}" in MODULES
    }
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used = node.attr.startswith("_") and not node.attr.startswith("__")
            assert not (used and node.value.id in aliases), f"{name}: {node.value.id}.{node.attr}"


def functions(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Each function and its lines without its docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node) is not None
            docstring = first.end_lineno - first.lineno + 1 if documented else 0
            yield node.name, node.end_lineno - node.lineno + 1 - docstring


@pytest.mark.parametrize("name", MODULES)
def test_functions_are_short(name):
    long = {f: n for f, n in functions(TREES[name]) if n > LONGEST}
    assert not long, f"{name}: {long}"


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_the_students_chain_can_be_read_in_an_evening():
    counts = {name: lines(HOME / "vaelib" / f"{name}.py") for name in CHAIN}
    assert sum(counts.values()) <= 1050, counts


def test_the_package_is_small():
    """All of vaelib but the checks and the widgets, which are as long as their subjects."""
    counts = {path.name: lines(path) for path in (HOME / "vaelib").glob("*.py")}
    assert sum(counts.values()) <= PACKAGE, counts


def test_no_family_of_files_with_one_private_prefix():
    """A family of `_prefix_*.py` files is a folder."""
    assert not [n for n in MODULES if "_" in n.rpartition(".")[2].strip("_") and "._" in n]


def test_fit_has_few_parameters():
    tree = TREES["vaelib.training"]
    fit = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "fit")
    arguments = [*fit.args.args, *fit.args.kwonlyargs]
    assert len(arguments) <= 14, [a.arg for a in arguments]
