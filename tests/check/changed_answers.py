"""Small changes to right answers: an attack on the checks, as mistakes of typing and thinking are.

    python tests/check/changed_answers.py [EXERCISE ...]

prints the changed answers that pass. Most of these are right (an axis counted from the other end, a
dtype that is the default). One that passes for some seeds only, or is wrong, is a hole in a check.
"""

import ast
import copy
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from right_answers import ANSWERS

from vaelib import check

OPERATIONS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
}
METHODS = {
    "sum": ("mean", "prod"),
    "mean": ("sum", "median"),
    "log": ("log2", "log1p", "exp"),
    "exp": ("expm1", "log"),
    "max": ("min",),
    "amax": ("amin",),
    "sqrt": ("square",),
    "square": ("sqrt", "abs"),
    "ceil": ("floor", "round"),
    "std": ("var",),
    "var": ("std",),
    "logsumexp": ("mean",),
}
COMPARISONS = (ast.Lt, ast.Gt, ast.LtE, ast.GtE, ast.Eq, ast.NotEq)


def changes(node: ast.AST, arguments: list[str]) -> Iterator[ast.AST]:
    """What could stand in the place of one expression."""
    if isinstance(node, ast.BinOp):
        yield from (node.left, node.right)
        if type(node.op) in OPERATIONS:
            yield ast.BinOp(node.left, OPERATIONS[type(node.op)](), node.right)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield from (ast.Constant(v) for v in (node.value + 1, 2 * node.value, -node.value, 0))
    elif isinstance(node, ast.Attribute):
        yield from (ast.Attribute(node.value, n, node.ctx) for n in METHODS.get(node.attr, ()))
    elif isinstance(node, ast.Call):
        yield from node.args[:1]
        yield from (ast.Call(node.func, node.args, [k]) for k in node.keywords)
        if len(node.args) > 1:
            yield ast.Call(node.func, node.args[::-1], node.keywords)
            yield ast.Call(node.func, node.args[:-1], node.keywords)
    elif isinstance(node, ast.Compare):
        for operation in COMPARISONS:
            yield ast.Compare(node.left, [operation()], node.comparators)
    elif isinstance(node, ast.Subscript):
        yield node.value
    elif isinstance(node, ast.Name) and node.id in arguments:
        yield from (ast.Name(other, node.ctx) for other in arguments if other != node.id)


class Change(ast.NodeTransformer):
    """Makes the change with a number, counted over the whole function."""

    def __init__(self, number: int, arguments: list[str]) -> None:
        self.remaining = number
        self.arguments = arguments

    def visit(self, node: ast.AST) -> ast.AST:
        node = self.generic_visit(node)
        for new in changes(node, self.arguments):
            if ast.dump(new) == ast.dump(node):
                continue
            self.remaining -= 1
            if self.remaining == -1:
                return copy.deepcopy(new)
        return node


def mutants(function: Callable) -> Iterator[tuple[str, Callable]]:
    """The text of each changed function, and the function itself."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    if not isinstance(tree, ast.FunctionDef):
        return
    tree.decorator_list = []
    arguments = [argument.arg for argument in tree.args.args]
    number = 0
    while True:
        change = Change(number, arguments)
        body = [change.visit(copy.deepcopy(statement)) for statement in tree.body]
        if change.remaining >= 0:
            return
        number += 1
        changed = ast.FunctionDef(tree.name, tree.args, body, [], tree.returns)
        module = ast.fix_missing_locations(ast.Module([changed], []))
        space = dict(function.__globals__)
        try:
            exec(compile(ast.unparse(module), "<mutant>", "exec"), space)
        except SyntaxError:
            continue
        yield ast.unparse(module), space[tree.name]


def main(chosen: list[str]) -> None:
    tried = 0
    for parameter in ANSWERS:
        name, function = parameter.values
        if chosen and name not in chosen:
            continue
        for text, mutant in mutants(function) if inspect.isfunction(function) else ():
            tried += 1
            results = [getattr(check, name)(mutant, seed=s, seconds=0.5).passed for s in range(3)]
            if any(results):
                print(
                    f"{name}: {sum(results)} of 3 seeds pass",
                    textwrap.indent(text, "    "),
                    "",
                    sep="\n",
                )
    print(f"{tried} changed answers tried")


if __name__ == "__main__":
    main(sys.argv[1:])
