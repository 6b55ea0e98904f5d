"""The command that marks: what it says, and what an interruption leaves."""

import subprocess
import sys
from pathlib import Path

import pytest
from made_submissions import KL, ROOT, rows, simple

from course.marking import command, marks

# The processes of the submissions do not enforce annotations, and so no test here does.
pytestmark = pytest.mark.refuses


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    folder, out = Path("all"), Path("out")
    simple("ada.ipynb", "from torch import log", KL).write(folder)
    simple("ben.ipynb", "from torch import log", KL.replace("p / q", "q / p")).write(folder)
    (folder / "empty").mkdir()
    words = [sys.executable, "-m", "course.marking", str(folder), "--out", str(out)]
    done = subprocess.run([*words, "--seed", "7"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "3/3" in done.stderr and "with the seed 7" in done.stdout
    assert "✗ empty: not marked: there is nothing in it" in done.stdout
    assert [row["1.1 kl_bernoulli"] for row in rows(out)] == ["1", "0", "0"]
    assert command.main(words[3:]) == 0
    assert "with the seed 7" in capsys.readouterr().out  # saved before
    (out / "seed.txt").unlink()
    assert command.main([str(tmp_path / "none"), "--out", str(out)]) == 1
    assert "✗ there is no folder" in capsys.readouterr().err
    (tmp_path / "nothing").mkdir()
    assert command.main([str(tmp_path / "nothing"), "--out", str(out)]) == 1
    assert "✗ no notebook (.ipynb) in" in capsys.readouterr().err
    assert (out / "overrides.csv").read_text(encoding="utf-8-sig").startswith("submission,")


def test_an_interruption_loses_nothing(tmp_path, monkeypatch, capsys):
    folder, out = tmp_path / "all", tmp_path / "out"
    for name in ("a.ipynb", "b.ipynb", "c.ipynb"):
        simple(name, "from torch import log", KL).write(folder)
    original = marks.mark

    def interrupted(name, *rest):
        if name == "c.ipynb":
            raise KeyboardInterrupt
        return original(name, *rest)

    monkeypatch.setattr(marks, "mark", interrupted)
    assert command.main([str(folder), "--seed", "7", "--out", str(out), "--jobs", "1"]) == 130
    assert "the same command resumes here" in capsys.readouterr().err
    assert [row["submission"] for row in rows(out)] == ["a.ipynb", "b.ipynb"]
    marked = []
    monkeypatch.setattr(marks, "mark", lambda name, *a: marked.append(name) or original(name, *a))
    assert command.main([str(folder), "--seed", "7", "--out", str(out)]) == 0
    assert marked == ["c.ipynb"]
    assert [row["total"] for row in rows(out)] == ["1", "1", "1"]
