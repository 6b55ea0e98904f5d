"""Submissions that are damaged or hostile, and the marks that they must get all the same."""

import random
from pathlib import Path
from typing import Any

from made_submissions import (
    HOSTILE,
    Made,
    answered,
    code_cell,
    dump,
    lessons,
    plain,
    right,
    solves,
    with_body,
    wrong,
)

from course.marking.tables import remarks
from vaelib.check import EXERCISES


def one(number: int, kind: str, rng: random.Random) -> tuple[dict, Made]:
    notebook, part = answered(rng.choice(lessons()), rng, "rrw")
    name = f"{kind.replace(' ', '-')}-{number:03}.ipynb"
    return notebook, Made(name, {}, part.points, part.says)


def deleted(notebook, made, rng):
    """Half of the cells are gone, and all imports; the answers are still there."""
    keep = [c for c in notebook["cells"] if solves(c) or rng.random() < 0.5]
    imports = ("import ", "from ")
    notebook["cells"] = [c for c in keep if not c["source"].startswith(imports)]
    return dump(notebook)


def answers_deleted(notebook, made, rng):
    gone = rng.choice([c for c in notebook["cells"] if solves(c)])
    notebook["cells"].remove(gone)
    made.points[gone["metadata"]["nbgrader"]["grade_id"]] = 0
    made.says.clear()
    return dump(notebook)


def duplicated(notebook, made, rng):
    """A wrong first attempt before each answer, and the stub once more after it."""
    cells = []
    for cell in notebook["cells"]:
        if solves(cell):
            name = cell["metadata"]["nbgrader"]["grade_id"]
            solution = right(int(EXERCISES[name].number[0]))[name]
            stub = with_body(solution, "raise NotImplementedError")
            cells += [code_cell(wrong(name, solution)), cell, code_cell(stub)]
        else:
            cells.append(cell)
    notebook["cells"] = cells
    return dump(notebook)


def reordered(notebook, made, rng):
    rng.shuffle(notebook["cells"])
    return dump(notebook)


def renamed(notebook, made, rng):
    number = made.name[-9:-6]
    names = [f"Kopie ({number}) – final.IPYNB", f"abgabe {number}.ipynb.txt"]
    names.append(f"=cmd|' C calc'!A{number}.ipynb")
    made.name = rng.choice(names)
    return dump(notebook)


def huge_outputs(notebook, made, rng):
    output = {"output_type": "stream", "name": "stdout", "text": "x" * 5_000_000}
    notebook["cells"].insert(1, code_cell("0", outputs=[output]))
    return dump(notebook)


def foreign(notebook, made, rng):
    """Saved by Colab or VS Code, with another kernel and without the ids of the cells."""
    notebook["metadata"] = {
        "colab": {"provenance": [], "toc_visible": True},
        "kernelspec": {"name": "conda-env-ml-py", "display_name": "Python [conda env:ml]"},
        "language_info": {"name": "python", "version": "3.7.1"},
        "vscode": {"interpreter": {"hash": "0"}},
    }
    for cell in notebook["cells"]:
        cell.pop("id", None)
        cell["metadata"] = {"id": "a", "vscode": {"languageId": "python"}, "outputId": "b"}
        cell["source"] = cell["source"].splitlines(keepends=True)
        cell.pop("execution_count", None)
    magic = (
        "%%time\n%matplotlib inline\n!pip install torch\n#@title Setup\nimport torch\ntorch.log?"
    )
    notebook["cells"].insert(0, code_cell(magic))
    return dump(notebook)


def version_3(notebook, made, rng):
    cells = [
        {"cell_type": "code", "input": c["source"], "language": "python", "outputs": []}
        if c["cell_type"] == "code"
        else {"cell_type": "markdown", "source": c["source"]}
        for c in notebook["cells"]
    ]
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}}
    return dump(old | {"worksheets": [{"cells": cells, "metadata": {}}]})


def byte_order_mark(notebook, made, rng):
    return dump(notebook, "utf-8-sig")


def utf_16(notebook, made, rng):
    return dump(notebook, rng.choice(["utf-16", "utf-16-le", "utf-16-be"]))


def broken_cells(notebook, made, rng):
    for source in ("def (:\n", "for x in\n  pass", "1 / 0", "raise SystemExit", "%%bash\nrm -r x"):
        at = rng.randrange(len(notebook["cells"]))
        notebook["cells"].insert(at, code_cell(source))
    made.says.append("is not Python")
    return dump(notebook)


def nothing(made, says):
    """The submission gets no points, and its remarks say why."""
    made.points = dict.fromkeys(made.points, 0)
    made.says[:] = [says]


def not_json(notebook, made, rng):
    nothing(made, "not valid JSON")
    content = dump(notebook)
    return content[: len(content) // 2]


def empty(notebook, made, rng):
    nothing(made, "the file is empty")
    return b""


def no_notebook(notebook, made, rng):
    nothing(made, "not marked")
    return rng.choice([b"[1, 2]", b"\x89PNG\r\n\x1a\n", b"{}", b"[" * 100_000, b'"\xff"'])


DAMAGES = [
    *(deleted, answers_deleted, duplicated, reordered, renamed, huge_outputs, foreign, version_3),
    *(byte_order_mark, utf_16, broken_cells, not_json, empty, no_notebook),
]


def damaged(number: int, damage, rng: random.Random) -> Made:
    notebook, made = one(number, damage.__name__, rng)
    content = damage(notebook, made, rng)
    made.files = {made.name: content}
    return made


def twins(number: int, rng: random.Random) -> list[Made]:
    """Two students whose file has the same name, in folders of their own."""
    both = []
    for group in "ab":
        notebook, made = one(number, "twin", rng)
        made.name = f"twin-{number:03}-{group}"
        made.files = {f"{made.name}/submission.ipynb": dump(notebook)}
        both.append(made)
    return both


def group(number: int, rng: random.Random) -> list[Made]:
    """A folder with a notebook of each student of a group, all of the same lesson."""
    lesson = rng.choice(lessons())
    members = []
    for member in ("ada", "ben", "cleo"):
        notebook, part = answered(lesson, rng, "rw")
        name = f"group-{number:03}/{member}.ipynb"
        members.append(Made(name, {name: dump(notebook)}, part.points, part.says))
    return members


def hostile(kind: str, out: Path, port: int, rng: random.Random) -> Made:
    """All of a lesson right but one exercise, which does harm in its place."""
    lesson = rng.choice(lessons())
    notebook, part = answered(lesson, rng, "r")
    cell = rng.choice([c for c in notebook["cells"] if solves(c)])
    name = cell["metadata"]["nbgrader"]["grade_id"]
    body = HOSTILE[kind].replace("{out!r}", repr(str(out))).replace("{port}", str(port))
    cell["source"] = with_body(right(lesson)[name], body)
    harm = code_cell("import os, sys\nos.environ.clear()\nsys.exit('at import')")
    notebook["cells"].insert(1, harm)
    file = f"hostile-{kind.replace(' ', '-')}.ipynb"
    return Made(file, {file: dump(notebook)}, part.points | {name: 0})


def generate(count: int, seed: int, out: Path, port: int = 9, bad: int = 0) -> list[Made]:
    """`count` submissions: ten hostile, a quarter (or `bad`) damaged, the others as they come."""
    rng = random.Random(seed)
    made = [hostile(kind, out, port, rng) for kind in HOSTILE]
    made += twins(0, rng) + group(0, rng)
    for number in range(bad or count // 4):
        made.append(damaged(number, DAMAGES[number % len(DAMAGES)], rng))
    return made + [plain(number, rng) for number in range(count - len(made))]


def differences(made: list[Made], grades: list[Any]) -> list[str]:
    """Where marks are not those known by construction, or a remark does not say what it must."""
    found = []
    by_name = {one.name: one for one in grades}
    if len(grades) != len(made):
        found.append(f"{len(made)} submissions, {len(grades)} rows")
    for one in made:
        if one.name not in by_name:
            found.append(f"{one.name} is lost")
            continue
        got = by_name[one.name]
        said = "; ".join(remarks(got))
        points = {mark.name: mark.points for mark in got.marks if mark.points}
        if points != {name: n for name, n in one.points.items() if n}:
            found.append(f"{one.name}: {points}, not {one.points}; {said}")
        found += [f"{one.name} does not say {w!r}: {said}" for w in one.says if w not in said]
    return found
