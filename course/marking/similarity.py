"""Which answers are alike: the same code but for names, comments and layout.

It is no proof of anything: there are few ways to write a short formula. An answer that many give
says nothing, and so a pair counts the more the rarer the answers are that they have in common.
"""

import ast
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from course.marking.grades import Grade

MOST = 4  # people who share an answer; with more it is the usual one
SHORTEST = 12  # nodes of the tree; shorter ones are alike by themselves


@dataclass
class Pair:
    """Two submissions, the exercises in which they are alike, and how rare that is, in nats."""

    a: Grade
    b: Grade
    exercises: list[str]
    weight: float


def fingerprint(code: str) -> str:
    """The code without comments, docstrings and layout, its own names numbered; "" if too short."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    numbers: dict[str, str] = {}
    count = 0
    for node in ast.walk(tree):
        count += 1
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and is_stored(n)}
    stored |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in stored:
            node.id = numbers.setdefault(node.id, f"n{len(numbers)}")
        elif isinstance(node, ast.arg):
            node.annotation = None
            node.arg = numbers.setdefault(node.arg, f"n{len(numbers)}")
    try:
        return ast.dump(tree) if count >= SHORTEST else ""
    except RecursionError:
        return ""


def is_stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def pairs(grades: Sequence[Grade], most: int = 20) -> list[Pair]:
    """The pairs that are most alike, the rarest first."""
    found: dict[tuple[int, int], Pair] = {}
    names = list(grades[0].points) if grades else []
    for name in names:
        by_print: dict[str, list[int]] = defaultdict(list)
        for i, grade in enumerate(grades):
            mark = next((m for m in grade.marks if m.name == name), None)
            if mark and mark.state != "not attempted" and (same := fingerprint(mark.code)):
                by_print[same].append(i)
        answered = sum(map(len, by_print.values()))
        for sharing in by_print.values():
            if not 2 <= len(sharing) <= MOST:
                continue
            for i, j in combinations(sharing, 2):
                pair = found.setdefault((i, j), Pair(grades[i], grades[j], [], 0.0))
                pair.exercises.append(name)
                pair.weight += math.log(answered / len(sharing))
    alike = [pair for pair in found.values() if pair.weight > 0]
    return sorted(alike, key=lambda p: (-p.weight, p.a.name, p.b.name))[:most]
