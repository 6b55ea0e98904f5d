"""The process that runs one submission: loads its functions and answers calls.

It knows no reference, and what it sends is evidence, not a mark. A submission that takes this
process over can only send other values, and right values are what is asked for.
"""

import linecache
import os
import pickle
import random
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import vaelib
from course.marking import preload, sandbox
from course.marking.find import Answer, Code
from course.marking.notebook import read_notebook
from notebooks.cell_code import Statement, compiled

LOADING = 10.0  # seconds for a function's imports, definitions and assignments
KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "GOMP_SPINCOUNT",
    "SYSTEMROOT",
)


def main(
    connection: Connection,
    files: list[tuple[str, Path]],
    handed_out: dict[int, list[str]],
    wanted: list[tuple[str, int]],
    scratch: Path,
) -> None:
    """Report what the files hold of the functions wanted (name and lesson), then answer calls."""
    preload.install()
    import numpy
    import torch

    # Only now: it imports the calling of functions, for which `install` has made the place.
    from course.marking import wire

    sandbox.alone()
    withdraw(connection, scratch)
    package = Path(vaelib.__file__).parent
    readable = [package, package.parent / "data", *(path for _, path in files)]
    limits = sandbox.confine(scratch, readable)
    answers, remarks = find(files, handed_out, wanted)
    found = {
        name: {"stub": a.stub, "cell": a.cell, "text": a.text[:20000], "remarks": a.remarks}
        for name, a in answers.items()
    }
    hello = {"answers": found, "remarks": remarks, "limits": limits}
    connection.send_bytes(wire.pack(0, hello))
    call = sys.modules["vaelib.check.machinery.probe"].call
    function: Any = None
    while True:
        number, what, *rest = pickle.loads(connection.recv_bytes())
        for set_seed in (random.seed, numpy.random.seed, torch.manual_seed):
            set_seed(0)
        if what == "load":
            (name,) = rest
            function, error = load(name, answers[name].statements)
            connection.send_bytes(wire.pack(number, {"error": error}))
        else:
            probe, seconds = rest
            outcome = call(function, probe, seconds)
            connection.send_bytes(wire.pack_outcome(number, outcome))


def withdraw(connection: Connection, scratch: Path) -> None:
    """Close every file but the connection, empty the environment, and discard all output."""
    os.chdir(scratch)
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    os.environ.clear()
    os.environ.update(kept | dict.fromkeys(("HOME", "TMPDIR", "MPLCONFIGDIR"), str(scratch)))
    sys.dont_write_bytecode = True
    if os.name != "posix":
        return
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    own = connection.fileno()
    os.closerange(3, own)
    os.closerange(own + 1, 4096)


def find(
    files: list[tuple[str, Path]], handed_out: dict[int, list[str]], wanted: list[tuple[str, int]]
) -> tuple[dict[str, Answer], list[str]]:
    """An answer for each function wanted, and what was wrong with the files.

    If several files have the function, those of its own lesson are preferred, and of these the
    last.
    """
    remarks = []
    codes = []
    for file_name, path in files:
        notebook = read_notebook(path, file_name)
        where = f"{file_name}: " if len(files) > 1 else ""
        remarks += [where + remark for remark in notebook.remarks]
        codes.append((file_name, Code(notebook, handed_out)))
    answers = {}
    for name, lesson in wanted:
        found = [(code.answer(name), file, lesson in code.lessons) for file, code in codes]
        solved = [(answer, file, own) for answer, file, own in found if answer.statements]
        if not solved:
            answers[name] = Answer(stub=any(answer.stub for answer, _, _ in found))
            continue
        preferred = [(answer, file) for answer, file, own in solved if own]
        chosen, file = (preferred or [(answer, file) for answer, file, _ in solved])[-1]
        if len(solved) > 1:
            chosen.remarks.append(f"in {len(solved)} files, the one in {file} counts")
        answers[name] = chosen
    return answers, remarks


def load(name: str, statements: list[Statement]) -> tuple[Any, str]:
    """The function, from the statements it needs, and what was wrong if it is not there."""
    from vaelib.check.machinery.limits import Late, guarded, run_limited

    space: dict[str, Any] = {"__name__": "__main__"}
    errors: list[str] = []

    def attempt(waiting: list[Statement]) -> list[Statement]:
        """Run these. Those that fail are returned: a later cell may have what they need."""
        errors.clear()
        failed = []
        for statement in waiting:
            file = f"code cell {statement.cell}" if statement.cell else "the lesson"
            lines = statement.source.splitlines(keepends=True)
            linecache.cache[file] = (len(statement.source), None, lines, file)
            try:
                exec(compiled(statement.node, file), space)
            except (Exception, SystemExit, KeyboardInterrupt) as error:
                line = traceback.format_exception_only(error)[-1].strip()
                errors.append(f"{file}, line {statement.node.lineno}: {line}")
                failed.append(statement)
        return failed

    def run() -> None:
        """Run the statements until all have succeeded, or a round brings no progress."""
        before = len(statements) + 1
        waiting = statements
        while 0 < len(waiting) < before:
            before = len(waiting)
            waiting = attempt(waiting)

    with guarded():
        try:
            run_limited(run, LOADING)
        except Late:
            return None, f"its cells were not done after {LOADING:g} s"
    function = space.get(name)
    if not callable(function):
        return None, errors[0] if errors else f"{name} is no function"
    return function, ""
