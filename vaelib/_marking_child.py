"""The process that runs one submission: loads its functions, answers calls, and knows no reference.

What it sends is evidence, not a mark: a submission that takes this process over can only send
other values, and right values are what is asked for.
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
    given: dict[int, list[str]],
    wanted: list[tuple[str, int]],
    scratch: Path,
) -> None:
    """Says what the files hold of the functions wanted (name and lesson), then answers calls."""
    from vaelib import _marking_preload, _marking_sandbox

    _marking_preload.install()
    import numpy
    import torch

    from vaelib import _marking_wire

    _marking_sandbox.alone()
    withdraw(connection, scratch)
    readable = [Path(__file__).parent, *(path for _, path in files)]
    limits = _marking_sandbox.confine(scratch, [*readable, readable[0].parent / "data"])
    answers, remarks = find(files, given, wanted)
    found = {
        name: {"stub": a.stub, "cell": a.cell, "text": a.text[:20000], "remarks": a.remarks}
        for name, a in answers.items()
    }
    hello = {"answers": found, "remarks": remarks, "limits": limits}
    connection.send_bytes(_marking_wire.pack(0, hello))
    call = sys.modules["vaelib.check.machinery.probe"].call
    function: Any = None
    while True:
        number, what, *rest = pickle.loads(connection.recv_bytes())
        for seed in (random.seed, numpy.random.seed, torch.manual_seed):
            seed(0)
        if what == "load":
            function, error = load(rest[0], answers[rest[0]].statements)
            connection.send_bytes(_marking_wire.pack(number, {"error": error}))
        else:
            probe, seconds = rest
            outcome = call(function, probe, seconds)
            connection.send_bytes(_marking_wire.pack_outcome(number, outcome))


def withdraw(connection: Connection, scratch: Path) -> None:
    """No file open but the way to the parent, nothing in the environment, output to nowhere."""
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
    files: list[tuple[str, Path]], given: dict[int, list[str]], wanted: list[tuple[str, int]]
) -> tuple[dict[str, Any], list[str]]:
    """An answer for each function wanted, and what was wrong with the files.

    Of several files that have one, the lesson's own comes first, then the last in their order.
    """
    from vaelib._marking_find import Answer, Code
    from vaelib._marking_notebook import read_notebook

    remarks, codes = [], []
    for name, path in files:
        notebook = read_notebook(path, name)
        where = f"{name}: " if len(files) > 1 else ""
        remarks += [where + remark for remark in notebook.remarks]
        codes.append((name, Code(notebook, given)))
    answers = {}
    for wanted_name, lesson in wanted:
        found = [(lesson in code.lessons, name, code.answer(wanted_name)) for name, code in codes]
        there = [one for one in found if one[2].statements]
        best = max(there, key=lambda one: one[0], default=None) if there else None
        best = [one for one in there if one[0] == best[0]][-1] if best else None
        if best is None:
            answers[wanted_name] = Answer(stub=any(a.stub for _, _, a in found))
            continue
        answers[wanted_name] = best[2]
        if len(there) > 1:
            best[2].remarks.append(f"in {len(there)} files, the one in {best[1]} counts")
    return answers, remarks


def load(name: str, statements: list[Any]) -> tuple[Any, str]:
    """The function, from the statements it needs, and what was wrong if it is not there."""
    from vaelib._marking_find import code_of
    from vaelib.check.machinery.limits import Late, guarded, run_limited

    space: dict[str, Any] = {"__name__": "__main__"}
    errors: list[str] = []

    def attempt(waiting: list[Any]) -> list[Any]:
        """Run these; what fails comes back, since a later cell may have what it needs."""
        errors.clear()
        failed = []
        for statement in waiting:
            file = f"code cell {statement.cell}" if statement.cell else "the lesson"
            lines = statement.source.splitlines(keepends=True)
            linecache.cache[file] = (len(statement.source), None, lines, file)
            try:
                exec(code_of(statement.node, file), space)
            except (Exception, SystemExit, KeyboardInterrupt) as error:
                line = traceback.format_exception_only(error)[-1].strip()
                errors.append(f"{file}, line {statement.node.lineno}: {line}")
                failed.append(statement)
        return failed

    def run() -> None:
        before, waiting = len(statements) + 1, statements
        while 0 < len(waiting) < before:
            before, waiting = len(waiting), attempt(waiting)

    with guarded():
        try:
            run_limited(run, LOADING)
        except Late:
            return None, f"its cells were not done after {LOADING:g} s"
    function = space.get(name)
    if not callable(function):
        return None, errors[0] if errors else f"{name} is no function"
    return function, ""
