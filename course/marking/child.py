"""The process that runs one notebook: replays it, loads its functions and answers calls.

It knows no reference, and what it sends is evidence, not a mark. A submission that takes this
process over can only send other values, and right values are what is asked for.

What it is asked to load is a word and an argument; the answer is a JSON object in text.
`cell 3` runs the code cell 3. When that gives a function to a check, the answer is
`{"check": …}`, the function is the one that is called from then on, in the very moment in which
the check had it, and `on` lets the cell go on. Otherwise the answer is
`{"error": …, "defined": […]}`. `last elbo` is the student's last definition in the notebook that
was replayed, and `alone elbo` that function with what it needs and nothing else of the notebook.
"""

import json
import linecache
import os
import pickle
import random
import re
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vaelib
from course.marking import preload, sandbox
from course.marking.find import Answer, Code
from course.marking.notebook import Notebook, read_notebook
from course.marking.released import kept
from notebooks.cell_code import Statement, compiled

if TYPE_CHECKING:
    from course.marking.replay import Replay

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
    seconds: float,
) -> None:
    """Report what the file holds of the functions wanted (name and lesson), then answer.

    `seconds` are those for a cell, and for a function's imports, definitions and assignments.
    """
    preload.install()
    # Only now: they import the calling of functions, for which `install` has made the place.
    from course.marking import replay, wire

    ((file_name, path),) = files
    sandbox.alone()
    withdraw(connection, scratch)
    package = Path(vaelib.__file__).parent
    readable = [package, package.parent / "data", path]
    names = [name for name, _ in wanted]
    notebook_run = replay.Replay(names, scratch)  # it copies files of IPython's
    limits = sandbox.confine(scratch, readable)
    notebook = read_notebook(path, file_name)
    code = Code(notebook, handed_out)
    student = Student(connection, notebook, code, notebook_run, seconds)
    hello = student.hello() | {"limits": limits}
    with suppress(OSError):
        os.chdir(scratch / Path(file_name).parent)
    sys.path.insert(0, os.getcwd())
    notebook_run.install(sys.modules["vaelib.check"], student.given)
    connection.send_bytes(wire.pack(0, hello))
    with notebook_run.shell.builtin_trap:
        while True:
            student.reply(student.answer_to(student.question()))


class Student:
    """What the process knows of a notebook, and its side of the conversation."""

    def __init__(
        self,
        connection: Connection,
        notebook: Notebook,
        code: Code,
        replay: "Replay",
        seconds: float,
    ) -> None:
        self.connection = connection
        self.notebook = notebook
        self.code = code
        self.replay = replay
        self.seconds = seconds
        self.answers: dict[str, Answer] = {name: code.answer(name) for name in replay.exercises}
        self.partly = kept(notebook.cells, code.released, replay.exercises)
        self.function: Any = None
        self.number = 0  # of the question that is to be answered
        self.cell = (0, "")

    def hello(self) -> dict[str, Any]:
        """What the parent is told of the notebook."""
        bound = {number: self.bound(number) for number, _ in self.notebook.raw}
        checked = [n for n in self.answers if any(f"check.{n}" in each for each in bound.values())]
        found = {name: static(answer) for name, answer in self.answers.items()}
        cells = [number for number, _ in self.notebook.raw if self.partly.get(number, "run")]
        return {
            "answers": found,
            "remarks": self.notebook.remarks,
            "cells": cells,
            "checked": checked,
            "lessons": self.code.lessons,
            "bound": {str(number): bound[number] for number in cells},
        }

    def bound(self, number: int) -> list[str]:
        """The names that a cell binds, also if it is not Python, and `check.name` of its checks."""
        from course.marking.replay import bound_in

        source = dict(self.notebook.raw)[number]
        used = [n for n in self.answers if re.search(rf"\bcheck(\.| import.*\b){n}\b", source)]
        return sorted({*bound_in(source), *(f"check.{name}" for name in used)})[:500]

    def question(self) -> str:
        """Answer calls of the function until something else is asked, and return that."""
        from course.marking import wire

        call = sys.modules["vaelib.check.machinery.probe"].call
        while True:
            number, what, *rest = pickle.loads(self.connection.recv_bytes())
            same_random_numbers()
            if what == "load":
                self.number = number
                return rest[0]
            probe, seconds = rest
            self.replay.busy = True  # a check that the function calls itself is none
            outcome = call(self.function, probe, seconds)
            self.connection.send_bytes(wire.pack_outcome(number, outcome))

    def reply(self, content: dict[str, Any]) -> None:
        from course.marking import wire

        told = json.dumps(content, ensure_ascii=False)
        self.connection.send_bytes(wire.pack(self.number, {"error": told}))

    def answer_to(self, question: str) -> dict[str, Any]:
        self.replay.busy = False
        word, _, argument = question.partition(" ")
        if word == "cell":
            return self.run(int(argument))
        if word == "last":
            function, cell, source = self.replay.own.get(argument, (None, 0, ""))
            self.function = function
            return self.about(argument, function, cell, source) if cell else {}
        if word == "alone":
            self.function, error = load(argument, self.answers[argument].statements, self.seconds)
            return {"error": error}
        return {}

    def run(self, number: int) -> dict[str, Any]:
        """Run a cell, or what is kept of one that students got."""
        source = dict(self.notebook.raw)[number]
        students = number not in self.partly
        self.cell = (number, source)

        def run_cell() -> tuple[str, list[str]]:
            return self.replay.run(number, self.partly.get(number, source), students)

        try:
            error, defined = limited(run_cell, self.seconds)
        except TimeoutError:
            return {"error": f"not done after {self.seconds:g} s", "defined": []}
        return {"error": error, "defined": defined}

    def given(self, name: str, function: Any) -> None:
        """A check has been given a function: let it be judged, as it is now."""
        self.function = function
        number, source = self.cell
        self.reply({"check": self.about(name, function, number, source)})
        self.question()

    def about(self, name: str, function: Any, cell: int, source: str) -> dict[str, Any]:
        try:
            return self.replay.about(name, function, cell, source)
        except Exception:  # an object of the student's that answers every question with an error
            plain = {"name": name, "cell": cell, "text": source[:20000], "callable": True}
            return plain | {"vaelib": False, "needs": []}


def static(answer: Answer) -> dict[str, Any]:
    """What is known of an answer without running anything."""
    found = {"stub": answer.stub, "cell": answer.cell, "text": answer.text[:20000]}
    needs = {name for statement in answer.statements for name in statement.reads}
    return found | {"remarks": answer.remarks, "needs": sorted(needs)[:500]}


def same_random_numbers() -> None:
    import numpy
    import torch

    for set_seed in (random.seed, numpy.random.seed, torch.manual_seed):
        set_seed(0)


def limited(function: Callable[[], Any], seconds: float) -> Any:
    """function(), or TimeoutError after so many seconds."""
    from vaelib.check.machinery.limits import Late, run_limited

    if not hasattr(os, "fork"):  # no alarm, and the parent ends the process instead
        return function()
    try:
        return run_limited(function, seconds)
    except Late:
        raise TimeoutError from None


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


def load(name: str, statements: list[Statement], seconds: float) -> tuple[Any, str]:
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
            run_limited(run, seconds)
        except Late:
            return None, f"its cells were not done after {seconds:g} s"
    function = space.get(name)
    if not callable(function):
        return None, errors[0] if errors else f"{name} is no function"
    return function, ""
