"""Notebook documents that are mutated at random: python FILE [COUNT] [SEED] reads COUNT of them.

Every tenth is also marked in full. None may raise, and none may take longer than it should.
"""

import copy
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from made_submissions import KL, handed_out, lessons

START = [
    "from vaelib import check\nfrom torch import log\n%matplotlib inline",
    KL,
    "check.kl_bernoulli(kl_bernoulli)",
    "!ls\nfiles = !pwd\nx = [1, 2]\nx[0] = 3\nfor a in x:\n    print(a)",
    "%%time\ny = {'a': 1}",
    "class A:\n    def f(self):\n        return 'ü'",
]
STRANGE: list[Any] = [
    *(None, True, -1, 1e308, 10**400, "", "\0", "\ud800", "\u202e", "\x1b[2J", [], {}, [[]]),
    *("x" * 10**5, "(" * 3000, "\\\n" * 500, "'''", "%%", "%", "!", "?", "\t\tx", "\x0c", "\ufeff"),
    *(
        "lambda: " * 500,
        "-" * 5000 + "1",
        "x=" * 2000 + "1",
        "if 1:\n" * 99,
        ">>> x",
        "async",
        "# %%",
    ),
    *(
        "def kl_bernoulli(",
        "check.kl_bernoulli(",
        "f'{",
        'f"{x!r:{y}}"',
        "@",
        ";",
        "😀 = 1",
        "ﬁ = 1",
    ),
]
WORDS = ["cells", "source", "cell_type", "code", "worksheets", "input", "metadata", "outputs", "id"]


def places(node: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a document."""
    found: list[tuple[Any, Any]] = []
    waiting = [node]
    while waiting:
        here = waiting.pop()
        keys = list(here) if isinstance(here, dict) else range(len(here))
        for key in keys:
            found.append((here, key))
            if isinstance(here[key], dict | list):
                waiting.append(here[key])
    return found


def of_text(text: str, rng: random.Random) -> str:
    """A text with a piece deleted, doubled, moved, or replaced by something strange."""
    i, j = sorted(rng.randrange(len(text) + 1) for _ in range(2))
    piece = str(rng.choice([*STRANGE, text[i:j] * 2, "", text[: j - i][::-1]]))[:20000]
    return text[:i] + piece + text[j:]


def mutated(document: Any, rng: random.Random) -> bytes:
    """The document with up to five changes in its structure, its texts or its bytes."""
    document = copy.deepcopy(document)
    for _ in range(rng.randint(1, 5)):
        here, key = rng.choice(places(document) or [({}, "")])
        action = rng.randrange(5)
        if action == 0:
            here[key] = rng.choice(STRANGE)
        elif action == 1 and isinstance(here.get(key) if isinstance(here, dict) else 0, str):
            here[key] = of_text(here[key], rng)
        elif action == 2 and isinstance(here, dict):
            here[rng.choice(WORDS)] = here.pop(key, None)
        elif action == 3 and isinstance(here, list):
            here.insert(rng.randrange(len(here) + 1), copy.deepcopy(rng.choice(here or [0])))
        elif key in (here if isinstance(here, dict) else range(len(here))):
            del here[key]
        if not isinstance(document, dict):
            break
        cells = document.get("cells")
        for cell in cells if isinstance(cells, list) else []:
            if (
                isinstance(cell, dict)
                and isinstance(cell.get("source"), str)
                and rng.random() < 0.3
            ):
                cell["source"] = of_text(cell["source"], rng)
    content = json.dumps(document).encode(rng.choice(["utf-8", "utf-8", "utf-16"]))
    if rng.random() < 0.2:
        at = rng.randrange(len(content) + 1)
        content = content[:at] + rng.randbytes(rng.randrange(4)) + content[at + rng.randrange(9) :]
    return content


def document(rng: random.Random) -> Any:
    """A small notebook, or now and then the whole of a lesson."""
    if rng.random() < 0.02:
        return json.loads(handed_out(rng.choice(lessons())))
    cells = [{"cell_type": "code", "metadata": {}, "source": source} for source in START]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}


def read(path: Path, handed: dict[int, list[str]], exercises: list[str]) -> int:
    """What a submission's process does with a file before it runs any of it."""
    from course.marking.find import Code
    from course.marking.notebook import read_notebook
    from course.marking.released import kept
    from course.marking.replay import bound_in

    notebook = read_notebook(path, path.name)
    code = Code(notebook, handed)
    for name in exercises:
        code.answer(name)
    kept(notebook.cells, code.released, exercises)
    return sum(len(bound_in(source)) for _, source in notebook.raw) + len(notebook.remarks)


def main(count: int = 1000, seed: int = 0) -> int:
    """Returns 1 if anything was raised, or took more than ten seconds."""
    from course.marking.marks import mark
    from vaelib.check import EXERCISES

    bad = 0
    slowest = 0.0
    points = 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            rng = random.Random(f"{seed} {number}")
            path = Path(folder) / "a.ipynb"
            path.write_bytes(mutated(document(rng), rng))
            started = time.monotonic()
            try:
                read(path, {}, list(EXERCISES))
                if number % 10 == 0:
                    points += mark("a", [("a.ipynb", path)], {}, 7).total
            except Exception as error:
                bad += 1
                print(f"document {number}: {type(error).__name__}: {error}"[:300], flush=True)
            took = time.monotonic() - started
            slowest = max(slowest, took)
            if took > 10:
                print(f"document {number}: {took:.1f} s", flush=True)
    print(f"{count} documents, {bad} raised, the slowest took {slowest:.1f} s, {points} points")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3])))
