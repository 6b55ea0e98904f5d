"""Make lesson N wrong, in each way that mutants_N.toml lists, and see whether somebody notices.

    python tests/lessons/mutants.py              every lesson that has a mutants_N.toml
    python tests/lessons/mutants.py --some 1 2   a tenth of the mutants of lessons 1 and 2

A mutant is killed if the lesson stops, or if a test of test_lesson_N.py refuses what it prints. The
students' set runs as a script, without a kernel and without drawing what it shows. Every mutant has
a process of its own: a fork, from before vaelib is loaded if the library is changed, and from just
before the changed cell if the lesson is.
"""

import argparse
import ast
import contextlib
import importlib
import io
import os
import signal
import sys
import tomllib
from importlib.machinery import SourceFileLoader
from multiprocessing.connection import wait
from pathlib import Path

# Before torch is imported: a fork does not take OpenMP's threads along.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jupytext
import nbformat
import pytest

from notebooks.exercises import strip_solutions

HOME = Path(__file__).resolve().parents[2]
SLOW_TO_LOAD = ("torch", "anywidget", "matplotlib.figure", "safetensors.torch", "scipy.integrate")
SLOW_TO_LOAD += ("scipy.optimize", "scipy.stats", "sklearn.mixture", "jaxtyping", "pooch")
SLOW_TO_LOAD += ("tqdm.auto", "torch._dynamo")  # the first optimiser loads it
SECONDS = 90  # of computing, after which a mutant counts as one that never ends


class Tests:
    """A plugin of pytest: the tests that take `printed`, as far as the lesson has come."""

    def __init__(self, given, complete):
        self.given, self.complete, self.refused = given, complete, ""

    @pytest.fixture(scope="module")
    def printed(self):
        return self.given

    def pytest_collection_modifyitems(self, items):
        # The last one first: what has just been printed is what the mutant has changed.
        items[:] = [item for item in reversed(items) if "printed" in item.fixturenames]

    def pytest_runtest_makereport(self, item, call):
        error = call.excinfo and call.excinfo.value
        # A cell that is not there has not been run yet; `printed` says so by a LookupError.
        undecided = type(error) is LookupError and not self.complete
        if error and not undecided and not isinstance(error, pytest.skip.Exception):
            self.refused = f"{item.name}: {type(error).__name__}"
            item.session.shouldstop = self.refused


class Lesson:
    """The code cells of the students' set, and what those print that have been run."""

    def __init__(self, root, number):
        self.root, self.number = root, number
        (self.path,) = root.glob(f"notebooks/source/{number:02}_*.py")
        self.source = self.path.read_text(encoding="utf-8")
        self.cells = self.code(self.source)
        self.texts = []
        self.names = {"__name__": "__main__"}
        listed = (root / f"tests/lessons/mutants_{number}.toml").read_text(encoding="utf-8")
        self.mutants = tomllib.loads(listed)["mutant"]

    def code(self, source):
        stub, _ = strip_solutions(source, self.path)
        cells = jupytext.reads(stub, fmt="py:percent").cells
        return [cell.source for cell in cells if cell.cell_type == "code"]

    def path_of(self, mutant):
        return self.path if mutant["file"] == "lesson" else self.root / mutant["file"]

    def text_of(self, mutant):
        return self.path_of(mutant).read_text(encoding="utf-8")

    def changed(self, mutant):
        """The text of the changed file."""
        return self.text_of(mutant).replace(mutant["old"], mutant["new"])

    def badly_described(self):
        """What is wrong with the list of mutants, a line for each."""
        faults = []
        for mutant in self.mutants:
            if (count := self.text_of(mutant).count(mutant["old"])) != 1:
                faults.append(f"{mutant['file']} has {mutant['old']!r} {count} times; expected 1")
            elif mutant["file"] == "lesson" and self.code(self.changed(mutant)) == self.cells:
                faults.append(f"{mutant['new']!r} changes no code of the students' set")
            if not mutant.get("why", "").strip():
                faults.append(f"{mutant['new']!r} says no `why`")
        return [f"mutants_{self.number}.toml: {fault}" for fault in faults]

    def run(self, cell):
        """Run one cell, and keep what it prints and the text of its value, but no picture."""
        tree = ast.parse(cell)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            exec(compile(tree, "cell", "exec"), self.names)
            if last and not cell.rstrip().endswith(";"):
                value = eval(compile(ast.Expression(last.value), "cell", "eval"), self.names)
                drawn = hasattr(value, "_repr_mimebundle_") or hasattr(value, "_repr_png_")
                out.write("" if value is None or drawn else repr(value))
        self.texts.append(out.getvalue())

    def refused(self):
        """Which test refuses what has been printed, "" if none does."""
        from lesson_output import Printed, SoFar  # it loads vaelib, changed or not

        complete = len(self.texts) == len(self.cells)
        pairs = zip(self.cells, self.texts, strict=complete)
        tests = Tests(Printed(pairs) if complete else SoFar(pairs), complete)
        path = self.root / f"tests/lessons/test_lesson_{self.number}.py"
        options = ["--noconftest", "-oaddopts=", "-pno:cacheprovider", "-pno:terminal"]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            code = pytest.main([*options, f"--rootdir={self.root}", str(path)], plugins=[tests])
        return tests.refused or (f"pytest ends with code {int(code)}" if code > 1 else "")

    def verdict(self, mutant):
        """Who notices the mutant, "" if nobody does: the lesson runs on from where it stands."""
        cells = self.cells
        if mutant["file"] == "lesson":
            cells = self.code(self.changed(mutant))
        else:
            replace(self.path_of(mutant), self.changed(mutant))
        usual = self.usual()
        differs = False
        for number in range(len(self.texts), len(cells)):
            try:
                self.run(cells[number])
            except Exception as error:
                return f"the lesson stops: {type(error).__name__}"
            if not differs and self.texts[-1] != usual.get(self.cells[number]):
                differs = True
                if refused := self.refused():
                    return refused
        return self.refused() if differs else ""

    def usual(self):
        """What the stored lesson prints, by cell: a mutant that prints the same needs no test."""
        from lesson_output import outputs

        stored = self.root / "notebooks" / f"{self.path.stem}.ipynb"
        return dict(outputs(nbformat.read(stored, as_version=4))) if stored.exists() else {}

    def first(self, mutant):
        """The number of the first cell that the mutant may change."""
        if mutant["file"] != "lesson":
            return 0
        pairs = zip(self.cells, self.code(self.changed(mutant)), strict=True)
        return next(number for number, (old, new) in enumerate(pairs) if old != new)


def replace(path, text):
    """From now on, loading the module at `path` loads `text`."""
    if loaded := [n for n, m in sys.modules.items() if getattr(m, "__file__", "") == str(path)]:
        raise RuntimeError(f"{loaded[0]} is loaded already and cannot be changed any more")
    usual = SourceFileLoader.get_code

    def get_code(loader, name):
        return compile(text, path, "exec") if loader.path == str(path) else usual(loader, name)

    SourceFileLoader.get_code = get_code


def start(answer, *arguments):
    """Fork a process that writes what `answer(*arguments)` returns: (its id, where to read it)."""
    read, write = os.pipe()
    sys.stdout.flush()
    if pid := os.fork():
        os.close(write)
        return pid, read
    try:
        os.write(write, answer(*arguments).encode())
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def limited(lesson, mutant):
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    return lesson.verdict(mutant) or "nobody"


def judge(lesson, mutants, jobs):
    """Report on each mutant, and on the lesson as it is, which must pass: a line for each fault.

    Some of the mutants go without the lesson as it is: other tests of `make test` look at that.
    """
    os.chdir(lesson.root / "notebooks")
    sys.path.insert(0, str(lesson.root))
    running, faults = {}, []

    def collect():
        read = wait(list(running))[0]
        pid, mutant = running.pop(read)
        with open(read) as pipe:
            noticed = pipe.read()
        _, status = os.waitpid(pid, 0)
        if os.waitstatus_to_exitcode(status) == -signal.SIGPROF:
            noticed = f"the lesson runs for more than {SECONDS} s"
        print(f"  {mutant['why']}: {noticed or 'no verdict'}", flush=True)
        if noticed in ("", "nobody"):
            faults.append(f"lesson {lesson.number} survives {mutant['new']!r}: {mutant['why']}")

    first = [lesson.first(mutant) for mutant in mutants]
    every = mutants == lesson.mutants
    for number, cell in enumerate(lesson.cells if every else lesson.cells[: max(first) + 1]):
        for mutant in (mutants[i] for i, at in enumerate(first) if at == number):
            if len(running) == jobs:
                collect()
            pid, read = start(limited, lesson, mutant)
            running[read] = pid, mutant
        lesson.run(cell)
    if every and (refused := lesson.refused()):
        faults.append(f"lesson {lesson.number} as it is fails here too: {refused}")
    while running:
        collect()
    killed = len(mutants) - sum(" survives " in fault for fault in faults)
    print(f"lesson {lesson.number}: {killed} of {len(mutants)} mutants killed", flush=True)
    return "\n".join(faults)


def tenth(lesson):
    """A tenth of them: one for each of the first cells that have some, since they are run soonest.

    The library has tests of its own.
    """
    by_cell = {lesson.first(mutant): mutant for mutant in reversed(lesson.mutants)}
    own = [mutant for cell, mutant in sorted(by_cell.items()) if cell]
    return own[: max(1, len(lesson.mutants) // 10)]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("lessons", nargs="*", type=int, help="only these: 1 2 (default: all)")
    parser.add_argument("--some", action="store_true", help="a tenth of the mutants")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once (default: 2)")
    parser.add_argument("--root", type=Path, default=HOME, help="where notebooks/ and tests/ are")
    options = parser.parse_args(arguments)
    listed = options.root.glob("tests/lessons/mutants_*.toml")
    faults = []
    for number in options.lessons or sorted(int(path.stem.split("_")[1]) for path in listed):
        lesson = Lesson(options.root, number)
        if wrong := lesson.badly_described():
            faults += wrong
            continue
        for name in SLOW_TO_LOAD:
            importlib.import_module(name)  # once, and not in each fork
        mutants = tenth(lesson) if options.some else lesson.mutants
        pid, read = start(judge, lesson, mutants, options.jobs)
        with open(read) as pipe:
            faults += pipe.read().splitlines()
        _, status = os.waitpid(pid, 0)
        faults += [f"lesson {number}: the runner itself fails"] if status else []
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
