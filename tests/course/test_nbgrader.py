"""The instructor's set in nbgrader itself, where that is installed: solved, half solved, forged."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from notebooks import build

ROOT = Path(__file__).resolve().parents[2]
NBGRADER = shutil.which("nbgrader", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
pytestmark = pytest.mark.skipif(
    NBGRADER is None,
    reason='nbgrader is not installed (the optional extra: pip install -e ".[nbgrader]")',
)
LESSON = '''# %% [markdown]
# # 1 · A lesson

# %%
from vaelib import check

# %% [markdown] exercise="1.1 ★"
# ### Exercise 1.1 `kl_bernoulli`

# %%
def kl_bernoulli(p, q):
    """KL(Bern(p) ‖ Bern(q)), elementwise, in nats."""
    ### BEGIN SOLUTION
    return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    ### END SOLUTION


# %%
check.kl_bernoulli(kl_bernoulli)

# %% [markdown] exercise="5.1 ★"
# ### Exercise 5.1 `reparameterise`

# %%
def reparameterise(mu, log_sigma, eps):
    """z."""
    ### BEGIN SOLUTION
    return mu + eps * log_sigma.exp()
    ### END SOLUTION


# %%
check.reparameterise(reparameterise)
'''
SOLVED = "return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()"


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """A course with one assignment, released."""
    from vaelib.check import EXERCISES

    here = tmp_path_factory.mktemp("course") / "notebooks"
    (here / "source").mkdir(parents=True)
    (here / "source" / "01_lesson.py").write_text(LESSON, encoding="utf-8")
    known = {name: EXERCISES[name] for name in ("kl_bernoulli", "reparameterise")}
    assert build.main(["--nbgrader"], here, known) == 0
    course = here.parent / "build" / "nbgrader"
    # nbgrader may be installed elsewhere: its kernel is this Python, which has vaelib.
    kernel = course / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    nbgrader(course, "generate_assignment", "01_lesson", "--create", "--force")
    return course


def nbgrader(course: Path, *words: str) -> str:
    path = f"{Path(str(NBGRADER)).parent}:{os.environ['PATH']}"  # it calls alembic, beside it
    environment = os.environ | {"JUPYTER_PATH": str(course / "jupyter"), "PYTHONPATH": str(ROOT)}
    environment["PATH"] = path
    done = subprocess.run(
        [str(NBGRADER), *words], cwd=course, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{words}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def released(course: Path):
    return nbformat.read(course / "release" / "01_lesson" / "01_lesson.ipynb", as_version=4)


def test_the_release_is_what_students_get_from_us(course):
    theirs = [cell for cell in released(course).cells if cell.cell_type == "code"]
    sources = course.parents[1] / "notebooks" / "source"
    ours = build.read(sources / "01_lesson.py").cells
    assert [c.source for c in theirs] == [c.source for c in ours if c.cell_type == "code"]
    assert "HIDDEN" not in nbformat.writes(released(course))


def hand_in(course: Path, student: str, notebook) -> None:
    path = course / "submitted" / student / "01_lesson" / "01_lesson.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)


def test_a_solved_submission_gets_all_points_and_an_unsolved_one_none(course):
    unsolved, solved, half, cheat = (released(course) for _ in range(4))
    stub = "raise NotImplementedError"
    for notebook, answers in (
        (solved, [SOLVED, "return mu + eps * log_sigma.exp()"]),
        (half, [SOLVED, "return mu + eps * log_sigma"]),
        (cheat, ["return p", "return mu"]),
    ):
        cells = [cell for cell in notebook.cells if stub in cell.source]
        for cell, answer in zip(cells, answers, strict=True):
            cell.source = cell.source.replace(stub, answer)
    # A student who edits the locked test, or puts something else in the place of `check`.
    cheat.cells[-1].source = "print('✓')"
    cheat.cells[1].source = "class check:\n    kl_bernoulli = reparameterise = print"
    notebooks = {"unsolved": unsolved, "solved": solved, "half": half, "cheat": cheat}
    for student, notebook in notebooks.items():
        hand_in(course, student, notebook)
    nbgrader(course, "autograde", "01_lesson", "--create")
    nbgrader(course, "export", "--to", "grades.csv")
    with (course / "grades.csv").open(encoding="utf-8") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert {name: float(row["score"]) for name, row in rows.items()} == {
        "unsolved": 0,
        "solved": 2,
        "half": 1,
        "cheat": 0,
    }
    assert {float(row["max_score"]) for row in rows.values()} == {2}
