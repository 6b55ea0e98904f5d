"""The command that marks: what it says, and what an interruption leaves."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_submissions import KL, ROOT, rows, simple

from course.marking import command, marks, sandbox

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


def zip_of_moodle(place: Path) -> Path:
    """Three people, as Moodle lets one download them: right, wrong, and with nothing to mark."""
    folder = place / "source"
    start = "from torch import log\nfrom vaelib import check"
    check = "check.kl_bernoulli(kl_bernoulli)"
    wrong = KL.replace("p / q", "q / p")
    for name, answer in (("Ada Lovelace_1", KL), ("=Ben_2", wrong)):
        made = simple("01.ipynb", start, answer, check)
        made.write(folder / f"{name}_assignsubmission_file_")
    (folder / "Cleo_3_assignsubmission_file_").mkdir()
    (folder / "Cleo_3_assignsubmission_file_" / "essay.pdf").write_bytes(b"%PDF")
    return Path(shutil.make_archive(str(place / "moodle"), "zip", folder))


GRADES = """Identifier,Full name,Grade,Maximum Grade,Feedback comments
Participant 1,Ada Lovelace,,1,
Participant 2,Ben,,1,
Participant 9,Dora,,1,
"""


def test_a_lecturers_hour(tmp_path, capsys, monkeypatch):
    """Mark Moodle's zip, override, give part of a point, export, and mark one again."""
    archive, out = zip_of_moodle(tmp_path), tmp_path / "out"
    words = [str(archive), "--seed", "7", "--out", str(out), "--lessons", "1"]

    def run(*more: str) -> dict[str, dict[str, str]]:
        assert command.main([*words, *more]) == 0
        return {row["submission"]: row for row in rows(out)}

    first = run("--anonymous")
    assert {name: row["total"] for name, row in first.items()} == {
        "Ada Lovelace": "1",
        "'=Ben": "0",
        "Cleo": "0",
    }
    assert "no notebook in it, only essay.pdf" in first["Cleo"]["remarks"]
    assert "✗ Cleo: not marked" in capsys.readouterr().out
    alias = first["Ada Lovelace"]["alias"]
    page = (out / "anonymous" / "reports" / f"{alias}.html").read_text(encoding="utf-8")
    assert "Lovelace" not in page
    assert "Lovelace" not in (out / "anonymous" / "class.html").read_text(encoding="utf-8")
    assert "2.1 average" not in page

    marked = []
    original = marks.mark
    monkeypatch.setattr(marks, "mark", lambda name, *a: marked.append(name) or original(name, *a))
    with (out / "overrides.csv").open("a", encoding="utf-8") as file:
        file.write("Cleo,1.1,1,shown at the board\nNobody,1.1,1,\n")
    (tmp_path / "partial.csv").write_text("exercise;mistake;points\n1.1;*;0,5\n")
    (tmp_path / "grades.csv").write_text(GRADES, encoding="utf-8")
    again = run(
        *("--partial", str(tmp_path / "partial.csv"), "--gradebook", str(tmp_path / "grades.csv"))
    )
    assert {name: row["total"] for name, row in again.items()} == {
        "Ada Lovelace": "1",
        "'=Ben": "0.5",
        "Cleo": "1",
    }
    assert marked == [] and "shown at the board" in again["Cleo"]["remarks"]
    said = capsys.readouterr().out
    assert "overrides.csv, line 3: there is no submission 'Nobody'" in said
    filled = (out / "gradebook.csv").read_text(encoding="utf-8-sig").splitlines()
    assert filled[1].startswith("Participant 1,Ada Lovelace,1,1,")
    assert filled[2].startswith("Participant 2,Ben,0.5,1,") and filled[3] == GRADES.splitlines()[3]
    assert "Cleo (3) is not in grades.csv" in said

    assert run("--again", "Ada Lovelace")["Cleo"]["total"] == "1"
    assert marked == ["Ada Lovelace"]
    run("--again", "1.1")
    assert sorted(marked[1:]) == ["=Ben", "Ada Lovelace"]
    capsys.readouterr()
    assert command.main([*words, "--again", "9.9"]) == 1
    assert "neither an exercise nor a submission" in capsys.readouterr().err


def test_marking_one_exercise_again_keeps_the_other_marks(tmp_path):
    """Also where the program has changed since: the other marks are those of then."""
    simple("a.ipynb", "from torch import log", KL).write(tmp_path / "all")
    out = tmp_path / "out"
    words = [str(tmp_path / "all"), "--seed", "7", "--out", str(out)]
    assert command.main(words) == 0
    (saved,) = (out / "marks").glob("*.json")
    document = json.loads(saved.read_text(encoding="utf-8"))
    document["key"] = "of another program"
    document["marked"]["marks"][1] |= {"state": "right", "points": 2}
    saved.write_text(json.dumps(document), encoding="utf-8")
    assert command.main([*words, "--again", "1.1"]) == 0
    assert [row["total"] for row in rows(out)] == ["3"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--jobs", "-1"], "at least one at a time, not -1"),
        (["--jobs", "0"], "at least one at a time, not 0"),
        (["--lessons", "one"], "lessons are given as in 1,3-4"),
        (["--due", "tomorrow"], "a time is given as in"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_in_one_line(tmp_path, capsys, options, says):
    with pytest.raises(SystemExit):
        command.main([str(tmp_path), *options])
    error = capsys.readouterr().err
    assert says in error and "Traceback" not in error


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--lessons", "77"], "these lessons have no exercise"),
        (["--partial", "none.csv"], "there is no file none.csv"),
        (["--own", "none.py"], "there is no file none.py"),
    ],
)
def test_a_file_or_lesson_that_is_not_there_is_said(tmp_path, capsys, options, says):
    assert command.main([str(tmp_path), "--out", str(tmp_path / "out"), *options]) == 1
    assert says in capsys.readouterr().err


def test_hostile_names_do_not_steer_the_terminal(tmp_path, capsys):
    if os.name != "posix":
        pytest.skip("names of files with control characters")
    folder = tmp_path / "all"
    for name in ("\x1b[2J\u202e.ipynb", os.fsdecode(b"\xff\xfe.ipynb")):
        simple("a.ipynb", "x = 1").write(folder)
        (folder / "a.ipynb").rename(folder / name)
    (folder / "\x1b]0;title\x07.txt").write_bytes(b"")
    assert command.main([str(folder), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "\x1b[2J" not in said.out and "\x1b]0" not in said.out and "\x07" not in said.out
    assert len(rows(tmp_path / "out")) == 2


def test_without_a_sandbox_nothing_is_marked_unless_the_lecturer_says_so(
    tmp_path, capsys, monkeypatch
):
    simple("a.ipynb", "from torch import log", KL).write(tmp_path / "all")
    monkeypatch.setattr(sandbox, "refusal", lambda: "this system has no Landlock")
    words = [str(tmp_path / "all"), "--out", str(tmp_path / "out")]
    assert command.main(words) == 1
    assert "✗ this system has no Landlock" in capsys.readouterr().err
    assert not (tmp_path / "out" / "marks.csv").exists()
    monkeypatch.setenv(sandbox.UNSAFE, "")  # so that what is set now is unset at the end
    assert command.main([*words, "--unsafe"]) == 0
    assert [row["total"] for row in rows(tmp_path / "out")] == ["1"]
