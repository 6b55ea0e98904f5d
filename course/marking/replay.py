"""Runs a notebook again, cell by cell, as IPython does, and catches what is given to the checks.

The shell is IPython's own. What would reach out of the notebook (shell commands, installations,
graphical windows, other languages) does nothing.
"""

import ast
import builtins
import inspect
import linecache
import re
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, cast

from IPython.core.compilerop import CachingCompiler
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.text import SList
from traitlets import Type
from traitlets.config import Config

from course.marking.find import is_stub
from notebooks.cell_code import nested

LONGEST = 20000  # characters of a function's source that are reported
# Magics that run Python of the notebook or set something in it. All others do nothing.
MAGICS = {
    *("time", "timeit", "run", "prun", "capture", "writefile", "file", "reset", "xdel", "env"),
    *("set_env", "precision", "cd", "pwd", "who", "whos", "memit"),
}
BOUND = re.compile(r"\b(?:def|class|import|as|for)\s+(\w+)|\b(\w+)\s*(?:,|=(?!=)|:[^:=\n]*=)")
Given = Callable[[str, Any], None]


class Compiler(CachingCompiler):
    """Names a cell's code after the cell's number, for the messages about errors."""

    cell = 0
    part = 0

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        self.part += 1
        # Distinct, since a cell can be run in several pieces (%%time) that have other lines.
        return f"code cell {self.cell}" + " " * (self.part - 1)


class Shell(InteractiveShell):
    """IPython's shell, whose magics and commands reach nothing outside the notebook."""

    compiler_class = Type(Compiler)

    def system(self, command: str) -> None:
        self.user_ns["_exit_code"] = 0

    system_piped = system_raw = system

    def getoutput(self, command: str, split: bool = True, depth: int = 0) -> Any:
        return SList() if split else ""

    def run_line_magic(self, magic_name: str, line: str, _stack_depth: int = 1) -> Any:
        if magic_name not in MAGICS:
            return None
        if magic_name == "timeit":
            line = "-n 1 -r 1 " + re.sub(r"^(?:\s*-[nr]\s*\d+)+", "", line)
        return super().run_line_magic(magic_name, line, _stack_depth + 1)

    def run_cell_magic(self, magic_name: str, line: str, cell: str) -> Any:
        if magic_name in ("debug", "memit"):
            return self.run_cell(cell)
        if magic_name not in MAGICS:
            return None
        if magic_name == "timeit":
            line = "-n 1 -r 1 " + re.sub(r"^(?:\s*-[nr]\s*\d+)+", "", line)
        return super().run_cell_magic(magic_name, line, cell)

    def showtraceback(self, *args: Any, **settings: Any) -> None:
        """An error is reported by `Replay.run`; printing it takes time."""

    def showsyntaxerror(self, *args: Any, **settings: Any) -> None:
        """As `showtraceback`."""

    def enable_gui(self, gui: Any = None) -> None:
        """There is no window."""

    def ask_exit(self) -> None:
        """A notebook's `exit` ends the kernel; here the next cell is run."""


class Result:
    """What a check returns to the notebook: the verdict is not known here, so that it goes on."""

    passed = True
    attempted = True
    message = ""
    misconception = None

    def __repr__(self) -> str:
        return ""


class Replay:
    """One notebook in one shell, whose settings lie in the folder `here`.

    `own` has the last function that one of the student's own cells bound to the name of an
    exercise, unless it is the stub.
    """

    def __init__(self, exercises: Iterable[str], here: Path) -> None:
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "nocolor"
        config.InteractiveShell.ipython_dir = str(here)
        config.DisplayFormatter.active_types = ["text/plain"]
        self.shell = Shell.instance(config=config)
        self.compiler = cast(Compiler, self.shell.compile)
        self.exercises = list(exercises)
        self.given: Given | None = None
        self.busy = False
        self.own: dict[str, tuple[Any, int, str]] = {}

    def install(self, checks: ModuleType, given: Given) -> None:
        """Put a check that hands over its function in the place of each exercise's.

        `given(name, function)` is called when a cell gives a function to a check, and the cell goes
        on when it returns.
        """
        self.given = given
        builtins.input = no_input
        for name in self.exercises:
            setattr(checks, name, partial(self._catch, name))
            sys.modules[f"check_{name}"] = checks  # of an exercise of the lecturer's own

    def _catch(self, name: str, function: Any = None, *args: Any, **settings: Any) -> Result:
        main_thread = threading.current_thread() is threading.main_thread()
        if self.given and main_thread and not self.busy:
            self.busy = True
            pause = hasattr(signal, "setitimer")
            left = signal.setitimer(signal.ITIMER_REAL, 0) if pause else (0.0, 0.0)
            try:
                self.given(name, function)
            finally:
                self.busy = False
                if left[0]:
                    signal.setitimer(signal.ITIMER_REAL, *left)
        return Result()

    def run(self, number: int, source: str, students: bool) -> tuple[str, list[str]]:
        """Run a cell; returns its error, or "", and the exercises that it has defined."""
        self.compiler.cell = number
        self.compiler.part = 0
        before = {name: self.shell.user_ns.get(name) for name in self.exercises}
        result = self.shell.run_cell(source, store_history=True)
        error = result.error_before_exec or result.error_in_exec
        defined = []
        for name in self.exercises if students else ():
            now = self.shell.user_ns.get(name)
            if now is not before[name] and self._is_own(now):
                self.own[name] = (now, number, source)
                defined.append(name)
        return error_text(error, f"code cell {number}") if error else "", defined

    def _is_own(self, thing: Any) -> bool:
        """Whether this is a function of the student's: neither a stub nor a library's."""
        module = getattr(thing, "__module__", None) or ""
        if not callable(thing) or str(module).split(".")[0] == "vaelib":
            return False
        if isinstance(thing, partial) and thing.func == self._catch:  # imported from vaelib.check
            return False
        try:
            tree = ast.parse(textwrap.dedent(source_of(thing)))
        except (SyntaxError, ValueError):
            return True
        return not (tree.body and is_stub(tree.body[0]))

    def about(self, name: str, function: Any, cell: int, source: str) -> dict[str, Any]:
        """What the report says of a function: its text, its cell, and what it needs."""
        text = source_of(function) or source
        needs, of_vaelib = needed_by(function, name)
        found = {"name": name, "cell": cell, "text": text[:LONGEST], "vaelib": of_vaelib}
        return found | {"needs": sorted(needs)[:500], "callable": callable(function)}


def no_input(prompt: object = "") -> str:
    raise EOFError("input() has nobody to answer it when a notebook is marked")


def error_text(error: BaseException, file: str) -> str:
    """An error in one line, with the line of the cell in which it was raised."""
    try:
        text = f"{type(error).__name__}: {error}".strip().split("\n")[0][:300]
    except Exception:
        text = type(error).__name__
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.strip() == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"line {line}: {text}" if line else text


def source_of(function: Any) -> str:
    """The text of a function as its cell has it; "" if it has none."""
    code = getattr(inspect.unwrap(function) if callable(function) else None, "__code__", None)
    if not isinstance(code, CodeType):
        return ""
    lines = linecache.getlines(code.co_filename)[code.co_firstlineno - 1 :]
    try:
        return "".join(inspect.getblock(lines))
    except Exception:  # the tokenizer's errors, which differ between versions of Python
        return ""


def parts_of(thing: Any) -> Iterator[Any]:
    """The functions inside a partial, a method, a decorated function or an instance."""
    if isinstance(thing, partial):
        yield thing.func
        yield from thing.args
    for name in ("__wrapped__", "__func__", "_fun", "py_func", "pyfunc"):
        if name in getattr(thing, "__dict__", {}) or name == "__func__":
            yield getattr(thing, name, None)
    if not isinstance(thing, FunctionType | ModuleType | type):
        yield vars(type(thing)).get("__call__")
    if isinstance(thing, FunctionType):
        for cell in thing.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # it is empty
                continue


def needed_by(function: Any, exercise: str) -> tuple[set[str], bool]:
    """The names that a function reads, also through its helpers; whether it uses vaelib's own."""
    found: set[str] = set()
    own_of_vaelib = False
    waiting = [function]
    seen: set[int] = set()
    while waiting and len(seen) < 1000:
        thing = waiting.pop()
        if id(thing) in seen or thing is None:
            continue
        seen.add(id(thing))
        module = str(getattr(thing, "__module__", "") or "")
        if module.split(".")[0] == "vaelib":
            own_of_vaelib |= getattr(thing, "__name__", "") == exercise
            continue
        waiting += parts_of(thing)
        if not isinstance(thing, FunctionType):
            continue
        for code in nested(thing.__code__):
            found |= set(code.co_names)
        values = [thing.__globals__[n] for n in found if n in thing.__globals__]
        waiting += [v for v in values if isinstance(v, FunctionType | type | partial)]
        modules = [v.__name__ for v in values if isinstance(v, ModuleType)]
        uses_vaelib = any(name.split(".")[0] == "vaelib" for name in modules)
        own_of_vaelib |= uses_vaelib and exercise in found
    return found, own_of_vaelib


def bound_in(source: str) -> set[str]:
    """The names that a cell seems to bind, also one that is not Python."""
    return {name for pair in BOUND.findall(source) for name in pair if name}
