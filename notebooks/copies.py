"""Stops the build where a function or a symbols table of the students' set answers an exercise.

At the end of a lesson, in its kernel, every function that the lesson has defined is handed to every
check, and so is every expression in a table of its prose, with the arguments in any order.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from itertools import permutations
from typing import Any

Function = Callable[..., Any]
Space = Mapping[str, Any]

SECONDS = 1.0  # for one call
MOST_ORDERS = 24  # orders of the arguments that are tried: all of up to four
TRIED = 2  # inputs that a function must be right on before the whole check is asked
SPAN = re.compile(r"`([^`]+)`")


def table_expressions(sources: list[str]) -> list[str]:
    """The code in the tables of cells of prose.

    >>> table_expressions(["| symbol | code |\\n|---|---|\\n| the mean | `x.mean()` |", "`y`"])
    ['x.mean()']
    """
    rows = [row for source in sources for row in source.splitlines() if row.startswith("|")]
    return [code for row in rows for code in SPAN.findall(row)]


def copied(space: Space, names: list[str], expressions: list[str]) -> list[str]:
    """The functions and expressions of a lesson that pass one of the checks, in words.

    `space` is what the lesson has defined; its `check`, or vaelib's, has a check of each name.
    """
    checks = space.get("check") or sys.modules.get("vaelib") and import_module("vaelib.check")
    found = []
    for exercise in names:
        judge = getattr(checks, exercise, None)
        if judge is None:
            continue
        for title, function in candidates(space, expressions, judge):
            if passes(judge, function):
                found.append(f"{title} passes check.{exercise}")
                break
    return found


def candidates(space: Space, expressions: list[str], judge: Any) -> Iterator[tuple[str, Function]]:
    """Every function of the lesson and every expression, for as many arguments as asked for."""
    exercise = getattr(judge, "exercise", None)
    count = len(exercise.arguments) if exercise else 1
    for name, value in space.items():
        own = callable(value) and getattr(value, "__module__", None) == "__main__"
        if own and not name.startswith("_") and takes(value, count):
            yield from orders(f"the function {name}", value, count)
    for code in expressions:
        parameters, function = as_function(code, space)
        if function is not None and 0 < len(parameters) <= count:
            yield from orders(f"`{code}`", function, count, len(parameters))


def takes(function: Function, count: int) -> bool:
    try:
        inspect.signature(function).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return True


def orders(
    title: str, function: Function, count: int, used: int | None = None
) -> Iterator[tuple[str, Function]]:
    """The function with its arguments in each order; it uses `used` of `count` arguments."""
    for number, order in enumerate(permutations(range(count), used)):
        if number == MOST_ORDERS:
            return
        yield title, lambda *args, order=order: function(*(args[i] for i in order))


def as_function(code: str, space: Space) -> tuple[list[str], Function | None]:
    """An expression as a function of its variables: the names that are no function there."""
    try:
        (statement,) = ast.parse(code.strip()).body
    except (SyntaxError, ValueError):
        return [], None
    value = getattr(statement, "value", None)
    if not isinstance(value, ast.expr):
        return [], None
    used = dict.fromkeys(n.id for n in ast.walk(value) if isinstance(n, ast.Name))
    known = {**vars(__import__("builtins")), **space}
    parameters = [name for name in used if not is_code(known.get(name))]
    source = f"lambda {', '.join(parameters)}: {ast.unparse(value)}"
    return parameters, eval(source, dict(space))  # the lesson's own text


def is_code(value: Any) -> bool:
    return inspect.isroutine(value) or inspect.isclass(value) or inspect.ismodule(value)


def passes(judge: Any, function: Function) -> bool:
    """Whether a function passes a check; most are refused after a call or two."""
    exercise = getattr(judge, "exercise", None)
    if exercise is not None and exercise.judge is None and not promising(exercise, function):
        return False
    return repr(judge(function)).startswith("✓")


def promising(exercise: Any, function: Function) -> bool:
    """Whether a function is right on the first inputs of an exercise."""
    # Only here, as a lesson without vaelib's checks need not load PyTorch.
    from numpy.random import default_rng

    from vaelib.check.machinery.judge import is_right
    from vaelib.check.machinery.probe import call
    from vaelib.check.machinery.recognise import expected

    for probe in exercise.inputs(default_rng(0))[:TRIED]:
        wants = [expected(exercise, probe, **flags) for flags in ({}, *exercise.also)]
        got = call(function, probe, SECONDS)
        if not any(is_right(got, want, probe) for want in wants):
            return False
    return True
