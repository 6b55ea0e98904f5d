"""Marking a folder: every submission gets the marks known by construction, and nothing is lost."""

import json
import socket
import sys
import threading
from pathlib import Path

import marking_damage
import pytest
from marking_bank import KL, exercises, handed_out, right, rows, simple

from vaelib import grading

# The processes of the submissions do not enforce annotations, and so no test here does.
pytestmark = pytest.mark.refuses


@pytest.fixture(scope="module")
def home():
    """A port on this machine, and how many have called there."""
    calls = []
    server = socket.create_server(("127.0.0.1", 0))

    def listen() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            calls.append(connection.recv(100))
            connection.close()

    threading.Thread(target=listen, daemon=True).start()
    yield server.getsockname()[1], calls
    server.close()


@pytest.fixture(scope="module")
def marked(tmp_path_factory, home):
    """Some thirty submissions with everything in them that happens, and what marking made of it."""
    folder, out = (tmp_path_factory.mktemp(name) for name in ("submissions", "out"))
    bad = len(marking_damage.DAMAGES)
    made = marking_damage.generate(bad + 18, 1, out, home[0], bad)
    for one in made:
        one.write(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    got = grading.grade(folder, 7, out, jobs=2)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    return folder, out, made, got


def test_every_mark_is_the_one_known_by_construction(marked):
    folder, out, made, got = marked
    found = marking_damage.differences(made, got)
    assert not found, "\n".join(found)


def test_nothing_was_written_elsewhere_and_nobody_called_home(marked, home):
    folder, out, made, got = marked
    assert home[1] == []
    for place in (out, folder, folder.parent, Path.home(), Path("/tmp")):
        assert not (place / "stolen-by-vaelib-test").exists()
    assert "all points" not in (out / "marks.csv").read_text(encoding="utf-8")


def test_the_table_has_a_row_each_and_no_formula(marked):
    folder, out, made, got = marked
    table = rows(out)
    head = [f"{e.number} {name}" for name, e in exercises().items()]
    assert list(table[0]) == ["submission", *head, "total", "of", "remarks"]
    assert sorted(row["submission"].removeprefix("'") for row in table) == sorted(
        one.name for one in made
    )
    for row in table:
        assert int(row["total"]) == sum(int(row[name]) for name in head)
        assert row["submission"][0] not in "=+-@" and row["remarks"][:1] not in set("=+-@")


def test_there_is_a_page_each_and_one_of_the_class(marked):
    folder, out, made, got = marked
    assert len(list((out / "reports").glob("*.html"))) == len(made)
    page = (out / "class.html").read_text(encoding="utf-8")
    for one in got:
        link = grading_page(one.name)
        assert link in page
        report = (out / link).read_text(encoding="utf-8")
        assert f"{one.total} of " in report and "<script" not in report
    assert "N−1" in page or "no ½" in page
    assert "Landlock" in page or sys.platform != "linux"


def grading_page(name: str) -> str:
    from vaelib._marking_report import file_name

    return f"reports/{file_name(name)}.html"


def test_the_same_marks_again_and_only_what_changed_is_marked_again(marked, monkeypatch):
    folder, out, made, got = marked
    table = (out / "marks.csv").read_text(encoding="utf-8")
    from vaelib import _marking_run

    again = []
    original = _marking_run.mark
    monkeypatch.setattr(
        _marking_run, "mark", lambda name, *a: again.append(name) or original(name, *a)
    )
    assert grading.grade(folder, 7, out, jobs=2) == got
    assert not [name for name in again if "not marked" not in row_of(got, name)]
    changed = next(one.name for one in made if one.name.startswith("reordered"))
    (out / "marks" / f"{Path(grading_page(changed)).stem}.json").unlink()
    again.clear()
    assert grading.grade(folder, 7, out, jobs=2) == got
    assert changed in again
    assert (out / "marks.csv").read_text(encoding="utf-8") == table


def row_of(got, name: str) -> str:
    return "; ".join(next(one for one in got if one.name == name).remarks)


def one(tmp_path, *cells: str, seed: int = 7, given: bool = False):
    """The marks of a notebook with these code cells, by exercise, and its remarks."""
    from vaelib._marking_run import mark

    made = simple("a.ipynb", *cells)
    made.write(tmp_path)
    lessons = {}
    if given:
        for number in {int(e.number[0]) for e in exercises().values()}:
            code = [c for c in json.loads(handed_out(number))["cells"] if c["cell_type"] == "code"]
            lessons[number] = [cell["source"] for cell in code]
    got = mark("a.ipynb", [("a.ipynb", tmp_path / "a.ipynb")], lessons, seed)
    return {each.name: each for each in got.marks}, got.remarks


def test_what_a_function_needs_is_found_wherever_it_stands(tmp_path):
    marks, remarks = one(
        tmp_path,
        KL,
        "raise SystemExit('never run')",
        "unused = [print('never run')] * 10**9",
        "def log(x):\n    return LIBRARY.log(x) * ONE",
        "ONE = TWO - 1",
        "TWO = 2",
        "try:\n    import no_such as LIBRARY\nexcept ImportError:\n    import torch as LIBRARY",
    )
    assert marks["kl_bernoulli"].state == "right", marks["kl_bernoulli"].message
    assert marks["elbo"].state == "not attempted" and remarks == []


def test_the_last_definition_that_is_no_stub_counts(tmp_path):
    stub = 'def kl_bernoulli(p, q):\n    """KL."""\n    raise NotImplementedError'
    bad = "def kl_bernoulli(p, q):\n    return p"
    imports = "from torch import log\nfrom vaelib.divergences import kl_gaussian"
    marks, _ = one(tmp_path, imports, bad, KL, stub)
    assert marks["kl_bernoulli"].state == "right"
    assert marks["kl_bernoulli"].remarks == ["defined 2 times, the last one counts"]
    assert one(tmp_path, imports, KL, stub, bad)[0]["kl_bernoulli"].state == "wrong"
    marks, _ = one(tmp_path, imports, stub, "kl_gaussian = kl_gaussian")
    assert marks["kl_bernoulli"].state == marks["kl_gaussian"].state == "not attempted"


def test_vaelibs_own_function_is_no_answer_and_a_call_of_it_is_remarked(tmp_path):
    imports = "from vaelib import divergences\nfrom vaelib.divergences import kl_gaussian"
    assert one(tmp_path, imports)[0]["kl_gaussian"].state == "not attempted"
    marks, _ = one(
        tmp_path, imports, "def kl_gaussian(*a):\n    return divergences.kl_gaussian(*a)"
    )
    assert marks["kl_gaussian"].remarks == ["calls vaelib's own kl_gaussian"]


def test_what_the_lesson_itself_defines_is_no_answer(tmp_path):
    """Lesson 6 has `gaussian_log_likelihood`, which is exercise 4.1, in full."""
    code = [c for c in json.loads(handed_out(6))["cells"] if c["cell_type"] == "code"]
    sources = [cell["source"] for cell in code]
    assert any(source.startswith("def gaussian_log_likelihood(") for source in sources)
    marks, _ = one(tmp_path, *sources, given=True)
    assert {mark.state for mark in marks.values()} == {"not attempted"}
    answer = right(4)["gaussian_log_likelihood"]
    marks, _ = one(tmp_path, *sources, "import torch", answer, given=True)
    assert marks["gaussian_log_likelihood"].state == "right"


def test_the_process_finds_no_reference(tmp_path):
    body = (
        "    from vaelib.check import EXERCISES\n    return EXERCISES['kl_bernoulli'].variant(p, q)"
    )
    assert one(tmp_path, f"def kl_bernoulli(p, q):\n{body}")[0]["kl_bernoulli"].points == 0
    body = "    from vaelib.check.catalogue.lesson1 import kl_bernoulli as it\n    return it(p, q)"
    mark = one(tmp_path, f"def kl_bernoulli(p, q):\n{body}")[0]["kl_bernoulli"]
    assert mark.points == 0 and "ModuleNotFoundError" in mark.message


def test_one_that_ends_its_process_spoils_no_other(tmp_path):
    ends = "import os\ndef {}(*a):\n    os._exit(1)"
    cells = [ends.format("gaussian_mle"), "from torch import log", KL, ends.format("elbo")]
    marks, _ = one(tmp_path, *cells)
    assert marks["kl_bernoulli"].state == "right"
    assert "ended the process" in marks["elbo"].message


def test_another_seed_is_other_hidden_inputs(tmp_path):
    from vaelib._marking_run import seed_of

    assert len({seed_of(seed, name) for seed in (1, 2) for name in exercises()}) == 2 * len(
        exercises()
    )
    assert seed_of(1, "elbo") == seed_of(1, "elbo")
