"""A tenth of the lessons' mutants are noticed; `make mutants` runs them all."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNNER = ROOT / "tests/lessons/mutants.py"

SOURCE = '''# %%
import shapes_of_a_field

# %% [markdown]
# The field is 3 by 4.

# %%
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %%
long, wide = 3, 4
print("area", shapes_of_a_field.area(long, wide))

# %%
fence = 2 * (long + wide)
colour = "green"
assert fence > 0
fence
'''
LIBRARY = "def area(long, wide):\n    return long * wide\n"
TESTS = """
def test_the_field(printed):
    assert printed.numbers("area") == [12]
    assert printed.numbers("colour") == [14]


def test_without_the_lesson():
    raise AssertionError("this test does not ask what the lesson prints")
"""
MUTANT = '[[mutant]]\nfile = "{}"\nold = "{}"\nnew = "{}"\nwhy = "{}"\n'
KILLED = (
    ("shapes_of_a_field.py", "long * wide", "long + wide", "a sum"),
    ("lesson", "2 * (long", "3 * (long", "one side too many"),
    ("lesson", "fence > 0", "fence < 0", "the lesson stops"),
)
SURVIVOR = ("lesson", "green", "red", "nobody asks for the colour")


def run(*arguments):
    command = [sys.executable, str(RUNNER), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return done.returncode, done.stdout + done.stderr


def field(root, *mutants, tests=TESTS):
    """A lesson about a field, and the mutants of it."""
    files = {
        "notebooks/source/01_field.py": SOURCE,
        "shapes_of_a_field.py": LIBRARY,
        "tests/lessons/test_lesson_1.py": tests,
        "tests/lessons/mutants_1.toml": "\n".join(MUTANT.format(*mutant) for mutant in mutants),
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return run("--root", root)


def test_a_tenth_of_the_mutants_is_noticed():
    code, said = run("--some", "--jobs", 1)
    assert code == 0, said
    assert said.count("mutants killed") == len(list(ROOT.glob("notebooks/source/*.py"))) - 1


def test_a_survivor_is_reported_with_its_why(tmp_path):
    code, said = field(tmp_path, *KILLED, SURVIVOR)
    assert code == 1
    assert "a sum: test_the_field" in said
    assert "one side too many: test_the_field" in said
    assert "the lesson stops: the lesson stops: AssertionError" in said
    assert "lesson 1: 3 of 4 mutants killed" in said
    assert said.splitlines()[-1] == "lesson 1 survives 'red': nobody asks for the colour"


def test_a_lesson_that_fails_as_it_is_kills_nothing(tmp_path):
    code, said = field(tmp_path, *KILLED, tests=TESTS.replace("14", "15"))
    assert code == 1
    assert "lesson 1 as it is fails here too: test_the_field" in said


def test_mutants_that_are_not_well_described_are_refused(tmp_path):
    code, said = field(
        tmp_path,
        ("lesson", "long, wide", "wide, long", "it is there twice"),
        ("lesson", "3 by 4", "4 by 3", "it changes only prose"),
        ("lesson", "2 * x", "3 * x", "it changes only a solution"),
        ("lesson", "green", "red", " "),
    )
    assert code == 1
    assert said.splitlines() == [
        "mutants_1.toml: lesson has 'long, wide' 2 times; expected 1",
        "mutants_1.toml: '4 by 3' changes no code of the students' set",
        "mutants_1.toml: '3 * x' changes no code of the students' set",
        "mutants_1.toml: 'red' says no `why`",
    ]
