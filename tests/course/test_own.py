"""An exercise of the lecturer's own, in the three steps of the README."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from inputs import HOME

from course import own
from course.marking import command
from course.own.__main__ import main, problems
from vaelib.check import EXERCISES, Exercise

EXAMPLE = HOME / "course" / "own" / "kl_poisson.py"
ANSWER = "def kl_poisson(rate_q, rate_p):\n    return rate_q * (rate_q / rate_p).log() {}"


@pytest.fixture
def exercises():
    """What is registered here is forgotten again."""
    before = dict(EXERCISES)
    yield
    EXERCISES.clear()
    EXERCISES.update(before)


@pytest.mark.refuses
def test_from_one_file_to_marks(tmp_path, exercises, capsys):
    assert main([str(EXAMPLE), "--out", str(tmp_path / "students")]) == 0
    assert "4 mistakes are named" in capsys.readouterr().out
    given = tmp_path / "students" / "kl_poisson.ipynb"
    for student, body in (("ada", "- rate_q + rate_p"), ("ben", ""), ("cleo", None)):
        notebook = nbformat.read(given, as_version=4)
        if body is not None:
            notebook.cells[2].source = ANSWER.format(body)
        (tmp_path / "all" / student).mkdir(parents=True)
        nbformat.write(notebook, tmp_path / "all" / student / "kl_poisson.ipynb")
        shutil.copy(tmp_path / "students" / "check_kl_poisson.py", tmp_path / "all" / student)
    words = [str(tmp_path / "all"), "--out", str(tmp_path / "out"), "--seed", "7"]
    assert command.main([*words, "--own", str(EXAMPLE), "--lessons", "8"]) == 0
    assert "a term left out" in capsys.readouterr().out
    table = (tmp_path / "out" / "marks.csv").read_text(encoding="utf-8-sig")
    assert re.findall(r"^(\w+),(\d),\1?", table, re.MULTILINE) == [
        ("ada", "2"),
        ("ben", "0"),
        ("cleo", "0"),
    ]
    assert "its check" not in table


def test_a_student_is_told_what_is_wrong(tmp_path):
    """In a process of the student's, where nobody has registered the exercise."""
    assert main([str(EXAMPLE), "--out", str(tmp_path)]) == 0
    text = (tmp_path / "check_kl_poisson.py").read_text(encoding="utf-8")
    assert "rate_q *" not in text and "term" not in text
    program = (
        "import check_kl_poisson as check\n"
        + ANSWER.format("")
        + ("\nprint(check.kl_poisson(kl_poisson))")
    )
    environment = {"PYTHONPATH": f"{tmp_path}:{HOME}"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert "this looks like: a term left out" in done.stdout, done.stderr


def changed(**fields) -> Exercise:
    from dataclasses import replace

    return replace(own.load(EXAMPLE)[1], **fields)


def test_an_exercise_that_is_not_as_it_should_be_is_refused():
    assert problems(changed()) == []
    assert problems(changed(mistakes=())) == ["it knows no mistake"]
    mistakes = changed().mistakes
    same = (mistakes[0].__class__("no mistake at all", "?", {"sign": 1.0}),)
    assert "passes" in problems(changed(mistakes=same))[0]
    first, second, *_ = mistakes
    twice = (first, first.__class__("the same again", "?", first.change), second)
    assert any("is taken for" in line for line in problems(changed(mistakes=twice)))
    assert "the reference is not right" in problems(changed(outputs=1, variant=random_one))[0]


def random_one(*args, **settings):
    import torch

    return torch.rand(3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1", "defines no EXERCISE"),
        ("1 / 0", "cannot be run: ZeroDivisionError"),
        (EXAMPLE.read_text(encoding="utf-8").split('"""', 2)[2], "begins with no statement"),
    ],
)
def test_a_file_that_is_none_is_refused_in_one_line(tmp_path, capsys, text, says):
    path = tmp_path / "a.py"
    path.write_text(text, encoding="utf-8")
    assert main([str(path), "--out", str(tmp_path)]) == 1
    assert says in capsys.readouterr().err
    assert main([str(Path("nowhere.py"))]) == 1


def test_a_name_or_number_that_is_taken_is_refused(tmp_path, exercises):
    name = next(iter(EXERCISES))
    text = EXAMPLE.read_text(encoding="utf-8")
    for old, new in (("kl_poisson", name), ('"8.1"', f'"{EXERCISES[name].number}"')):
        (tmp_path / "a.py").write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(ValueError, match="there is an exercise"):
            own.register(tmp_path / "a.py")
