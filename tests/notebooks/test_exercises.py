"""Exercises and checks that do not belong together, and solutions that leak, stop the build."""

from types import SimpleNamespace

import nbformat
import pytest
import torch
from small_lesson import KNOWN, LESSON, main, write

from notebooks import build
from notebooks.copies import copied, table_expressions
from vaelib import check

HEADING = '# %% [markdown] exercise="1.1 ★"\n# ### Exercise 1.1 `double`\n'
SOLUTION = LESSON[LESSON.index("# %%\ndef double") : LESSON.rindex("# %%\n")]
CALL = "# %%\ncheck.double(double)\n"
NONE = "`double` has no solution between"


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (HEADING, "", 16, "a solution without the heading of an exercise above it"),
        (SOLUTION, "", 16, "check.double stands before the solution"),
        (SOLUTION + CALL, "", 12, NONE),
        (CALL, "", 12, "exercise 1.1 `double` has no check: add a cell check.double(double)"),
        (HEADING + "\n" + SOLUTION, "", 13, "check.double has no exercise `double` above it"),
        (CALL, CALL + "\n" + CALL, 28, "exercise 1.1 `double` has a second check"),
        (SOLUTION, SOLUTION * 2, 27, "exercise 1.1 `double` has a second solution"),
        (SOLUTION, CALL + "\n" + SOLUTION, 16, "check.double stands before the solution"),
        (HEADING, HEADING * 2, 12, NONE),
        (CALL, CALL + "\n" + HEADING, 27, "a second exercise `double`, the first is on line 12"),
        ("check.double(double)", "check.treble(double)", 25, "check.treble is unknown"),
        ("check.double(double)", "check.double(float)", 25, "is check.double(double) and nothing"),
        ("check.double(double)", "a = check.double(double)", 25, "and nothing else"),
        ("check.double(double)", "0\ncheck.double(double)", 26, "and nothing else"),
        ("`double`", "`treble`", 12, "there is no check.treble"),
        ("`double`", "double", 12, "an exercise is headed"),
        (' exercise="1.1 ★"', "", 12, "an exercise is headed"),
        (' exercise="1.1 ★"', ' exercise="1.2 ★"', 12, "heading says 1.1, its metadata 1.2"),
        (' exercise="1.1 ★"', ' exercise="1.1 ★★"', 12, "is 1.1 ★★ here, and 1.1 ★ in its check"),
        ("def double(x)", "def treble(x)", 18, "does not define double"),
        ("    ### BEGIN", "    pass\ndef b():\n    ### BEGIN", 20, "is not inside double"),
        ("    ### BEGIN", "    return 2 * x  # BEGIN_SOLUTION\n    ### BEGIN", 18, "not a marker"),
        ("    ### BEGIN", "    # BEGIN HIDDEN TESTS\n    ### BEGIN", 18, "is not a marker"),
    ],
)
def test_what_does_not_pair_stops_the_build_with_file_and_line(
    here, capsys, old, new, line, message
):
    assert old in LESSON
    path = write(here, LESSON.replace(old, new, 1))
    assert main([], here) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"{path}:{line}: ") and message in error, error
    assert not list(here.glob("*.ipynb"))


LONG = "return sum([x for _ in range(2)], start=0 * x)"


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        (f"# %%\ndef other(x):\n    {LONG}\n", 28),
        ("# %%\nx = 1\ny = sum( [x for _ in\n    range(2)],start = 0*x )  # so\n", 28),
        ("# %% [markdown]\n# Try this:\n#\n# `sum([x for _ in range(2)], start=0 * x)`\n", 29),
        ("# %% [markdown]\n# Try `sum([x for _\n# in range(2)], start=0 * x)`\n", 26),
        (f'# %%\ntext = """\n{LONG}\n"""\n', 27),
        (f"# %%\n# {LONG}\n0\n", 27),
    ],
)
def test_a_solution_shown_elsewhere_stops_the_build(here, capsys, cell, line):
    solved = LESSON.replace("    twice = 2 * x\n    return twice\n", f"    {LONG}\n")
    path = write(here, solved + "\n" + cell)
    assert main([], here) == 1
    error = capsys.readouterr().err
    assert error == f"{path}:{line}: shows students the solution of line 19\n"


def test_a_short_solution_under_another_name_is_a_leak_too(here, capsys):
    path = write(
        here, f"{LESSON}\n# %%\n0\n\n\ndef other(x):\n    twice = 2*x  # so\n    return (twice)\n"
    )
    assert main([], here) == 1
    assert f"{path}:31: shows students the solution of line 16" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line", ["double = 2", "from vaelib import double", "def double():\n    1", "class double: 1"]
)
def test_the_name_of_an_exercise_is_given_to_nothing_else(here, capsys, line):
    for text in (f"{LESSON}\n# %%\n{line}\n", LESSON.replace("check\n", f"check\n\n{line}\n", 1)):
        path = write(here, text)
        assert main([], here) == 1
        at = 28 if text.startswith(LESSON) else 12
        assert f"{path}:{at}: double is the name of an exercise" in capsys.readouterr().err


def test_a_line_that_is_like_a_short_solution_is_no_leak(here):
    write(here, LESSON + "\n# %%\nx = 3\ntwice = 2 * x\ntwice\n")
    assert build.load_sources(here / "source", known=KNOWN)


TABLE = "\n# %% [markdown]\n# | symbol | code |\n# |---|---|\n# | $2x$ | `two = y + y` |\n"


def test_what_could_be_copied_stops_the_build(here, capsys):
    write(here, LESSON + TABLE.replace("y + y", "y + y + 1"))
    assert main(["01"], here) == 0
    write(here, f"{LESSON}\n# %%\ndef other(x):\n    return x + x\n{TABLE}")
    (here / "01_lesson.ipynb").unlink()
    assert main(["01"], here) == 1
    assert "01_lesson.ipynb: the function other passes check.double" in capsys.readouterr().err
    assert not (here / "01_lesson.ipynb").exists()


class Says:
    """A check of `double`; what it returns shows itself as "✓" for a right function."""

    def __call__(self, function):
        self.right = function(2) == 4
        return self

    def __repr__(self):
        return "✓" if self.right else "✗"


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (lambda x: x + x, True),
        (lambda ignored=1, a=2: a * ignored, True),
        (lambda x: 3 * x, False),
        (lambda a, b: a + b, False),
    ],
)
def test_a_function_that_could_be_copied_is_found(function, found):
    function.__module__ = "__main__"
    space = {"check": SimpleNamespace(double=Says()), "other": function}
    assert bool(copied(space, ["double"], [])) == found
    function.__module__ = "vaelib.bounds"
    assert not copied(space, ["double"], [])


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("y + y", True),
        ("two = y + y", True),
        ("3 * x", False),
        ("print(2)", False),
        ("(M, D)", False),
    ],
)
def test_an_expression_of_a_table_that_could_be_copied_is_found(code, found):
    space = {"check": SimpleNamespace(double=Says())}
    assert table_expressions([f"| $2x$ | `{code}` |", f"`{code}`"]) == [code]
    assert bool(copied(space, ["double"], [code])) == found


def test_arguments_are_tried_in_any_order():
    """Of the checks of vaelib: a function with p and q exchanged is a copy too."""

    def right(q, p):
        return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()

    def wrong(q, p):
        return p * (p / q).log()

    for function, found in ((right, 1), (wrong, 0)):
        function.__module__ = "__main__"
        assert len(copied({"f": function}, ["kl_bernoulli", "kl_gaussian"], [])) == found
    for code, found in (("torch.lerp(m, n, 0.5)", 0), ("w @ f(x) - f(w @ x)", 1)):
        assert len(copied({"torch": torch}, [*check.EXERCISES], [code])) == found


def test_a_check_without_an_exercise_stops_the_build_of_all(here, capsys):
    other = SimpleNamespace(number="1.2", name="treble", stars=1, minutes=5, points=1)
    assert build.main(["01"], here, KNOWN | {"treble": other}) == 0
    assert build.main([], here, KNOWN | {"treble": other}) == 1
    path = here / "source" / "01_lesson.py"
    assert f"{path}:1: check.treble (1.2) has no exercise" in capsys.readouterr().err


def test_a_wrong_solution_and_a_stub_that_passes_stop_the_build(here, capsys):
    write(here, LESSON.replace("2 * x", "3 * x"))
    assert main(["01", "--solutions"], here) == 1
    assert "check.double should say '✓' and says: ✗ 1.1 double: wrong" in capsys.readouterr().err
    assert not (here.parent / "build" / "solutions" / "01_lesson.ipynb").exists()
    given = "def double(x):\n    if x:\n        return x + x\n"
    write(here, LESSON.replace("def double(x):\n", given))
    assert main(["01"], here) == 1
    assert "should say 'not attempted yet' and says: ✓" in capsys.readouterr().err


def test_solutions_and_checks_carry_the_metadata_of_nbgrader(here):
    for kind in ("student", "solutions", "nbgrader"):
        cells = build.load_sources(here / "source", kind, None, KNOWN)["01_lesson"].cells
        marked = [cell.metadata["nbgrader"] for cell in cells if "nbgrader" in cell.metadata]
        common = {"schema_version": 3, "task": False}
        solution = {"grade_id": "double", "solution": True, "grade": False, "locked": False}
        test = {"grade_id": "check_double", "solution": False, "grade": True, "locked": True}
        assert marked == [common | solution, common | test | {"points": 1}]
        assert ("HIDDEN" in cells[5].source) == (kind == "nbgrader")


def test_building_for_nbgrader_runs_nothing(here):
    assert main(["--nbgrader"], here) == 0
    into = here.parent / "build" / "nbgrader"
    assert {p.name for p in (into / "source").iterdir()} == {"00_start", "01_lesson"}
    notebook = nbformat.read(into / "source" / "01_lesson" / "01_lesson.ipynb", as_version=4)
    assert "return twice" in notebook.cells[4].source
    assert notebook.cells[5].source.startswith("check.double(double)\n### BEGIN HIDDEN TESTS\n")
    assert not notebook.cells[5].outputs


TRAINING = """
# %%
FACTOR = 2


def times(factor, x):
    return factor * x


# %%
trained = open("ran", "a").write("x")
trained
"""


def test_the_solved_set_runs_only_what_the_exercises_need(here):
    place = LESSON.index('\n# %% [markdown] exercise="1.1')
    text = LESSON[:place] + TRAINING + LESSON[place:].replace("2 * x\n", "times(FACTOR, x)\n")
    write(here, text)
    assert main(["01"], here) == main(["01", "--solutions"], here) == 0
    assert (here / "ran").read_text() == "x"
    solved = nbformat.read(here.parent / "build" / "solutions" / "01_lesson.ipynb", as_version=4)
    code = [cell for cell in solved.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, 3, 4, 5]
    assert code[2].outputs[0].data["text/plain"] == "1"
    assert code[4].outputs[0].data["text/plain"] == "✓ 1.1 double: right"
    write(here, text.replace("FACTOR = 2", "FACTOR = 1 + 1"))  # now the student's set is stale
    assert main(["01", "--solutions"], here) == 0
    assert (here / "ran").read_text() == "xx"


def test_a_solution_that_needs_what_was_not_run_is_said_to_fail(here, capsys):
    text = LESSON.replace("check\n", "check\n\n# %%\nTWO = 2\nprint(TWO)\n", 1)
    write(here, text.replace("2 *", "TWO *"))
    assert main(["01"], here) == 0
    assert main(["01", "--solutions"], here) == 1
    assert "name 'TWO' is not defined" in capsys.readouterr().err
