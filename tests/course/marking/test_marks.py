"""Marking one submission: which function counts, what it needs, and what it may not reach."""

import json
import sys
import time

import pytest
from made_submissions import KL, ROOT, handed_out, right, simple

from course.marking.marks import mark, seed_of
from vaelib.check import EXERCISES

# The processes of the submissions do not enforce annotations, and so no test here does.
pytestmark = pytest.mark.refuses


def one(tmp_path, *cells: str, seed: int = 7, with_lessons: bool = False, own_cells=()):
    """The marks of a notebook with these code cells, by exercise, and its remarks."""
    made = simple("a.ipynb", *cells)
    made.write(tmp_path)
    lessons = {}
    if with_lessons:
        for number in {int(e.number[0]) for e in EXERCISES.values()}:
            code = [c for c in json.loads(handed_out(number))["cells"] if c["cell_type"] == "code"]
            lessons[number] = [cell["source"] for cell in code]
    if own_cells:
        lessons[6] = [*own_cells]
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
    assert marks["kl_bernoulli"].remarks == ["its check is gone: the last of 2 definitions counts"]
    assert one(tmp_path, imports, KL, stub, bad)[0]["kl_bernoulli"].state == "wrong"
    marks, _ = one(tmp_path, imports, stub, "kl_gaussian = kl_gaussian")
    assert marks["kl_bernoulli"].state == marks["kl_gaussian"].state == "not attempted"


def test_vaelibs_own_function_is_no_answer_and_a_call_of_it_is_remarked(tmp_path):
    imports = "from vaelib import divergences\nfrom vaelib.divergences import kl_gaussian"
    assert one(tmp_path, imports)[0]["kl_gaussian"].state == "not attempted"
    marks, _ = one(
        tmp_path, imports, "def kl_gaussian(*a):\n    return divergences.kl_gaussian(*a)"
    )
    assert "calls vaelib's own kl_gaussian" in marks["kl_gaussian"].remarks


def test_what_the_lesson_itself_defines_is_no_answer(tmp_path):
    """A lesson that shows an exercise's function in full: that code is not the student's."""
    answer = right(4)["gaussian_log_likelihood"]
    shown = ["import torch", answer.replace("squares", "the_squares"), "P = 1024"]
    marks, _ = one(tmp_path, *shown, own_cells=shown)
    assert {mark.state for mark in marks.values()} == {"not attempted"}
    marks, _ = one(tmp_path, *shown, answer, own_cells=shown)
    assert marks["gaussian_log_likelihood"].state == "right"


def test_the_process_finds_no_reference(tmp_path):
    body = (
        "    from vaelib.check import EXERCISES\n    return EXERCISES['kl_bernoulli'].variant(p, q)"
    )
    assert one(tmp_path, f"def kl_bernoulli(p, q):\n{body}")[0]["kl_bernoulli"].points == 0
    body = "    from vaelib.check.catalogue.lesson1 import kl_bernoulli as it\n    return it(p, q)"
    mark = one(tmp_path, f"def kl_bernoulli(p, q):\n{body}")[0]["kl_bernoulli"]
    assert mark.points == 0 and "ModuleNotFoundError" in mark.message


NOSY = """from torch import log
def kl_bernoulli(p, q):
    for path in PATHS:
        try:
            open(path).read()
        except OSError:
            continue
        raise ValueError(f"can read {path}")
    for module in ("course.marking.marks", "course.marking.report", "notebooks.build"):
        try:
            __import__(module)
        except (ImportError, PermissionError):
            continue
        raise ValueError(f"can import {module}")
    return p * log(p / q) + (1 - p) * log((1 - p) / (1 - q))"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere reading is not confined")
def test_the_process_reads_no_solution_and_nothing_of_the_marking_program(tmp_path):
    paths = [*(ROOT / "notebooks" / "source").glob("*.py"), ROOT / "tests" / "conftest.py"]
    paths += [*(ROOT / "course" / "marking").glob("*.py"), ROOT / "notebooks" / "cell_code.py"]
    source = f"PATHS = {[str(path) for path in paths]}"
    mark = one(tmp_path, source, NOSY)[0]["kl_bernoulli"]
    assert mark.state == "right", mark.message


def test_one_that_ends_its_process_spoils_no_other(tmp_path):
    ends = "import os\ndef {}(*a):\n    os._exit(1)"
    cells = [ends.format("gaussian_mle"), "from torch import log", KL, ends.format("elbo")]
    marks, _ = one(tmp_path, *cells)
    assert marks["kl_bernoulli"].state == "right"
    assert "ended the process" in marks["elbo"].message


def test_another_seed_is_other_hidden_inputs(tmp_path):
    assert len({seed_of(seed, name) for seed in (1, 2) for name in EXERCISES}) == 2 * len(EXERCISES)
    assert seed_of(1, "elbo") == seed_of(1, "elbo")


@pytest.mark.parametrize("answer", [KL, KL.replace("p / q", "q / p")], ids=["right", "wrong"])
def test_a_cell_that_checks_without_end_is_ended(tmp_path, monkeypatch, answer):
    monkeypatch.setattr("course.marking.marks.SECONDS_PER_SUBMISSION", 2.0)
    start = "from torch import log\nfrom vaelib import check"
    endless = "while True:\n    check.kl_bernoulli(kl_bernoulli)"
    started = time.monotonic()
    marks, _ = one(tmp_path, start, answer, endless)
    assert time.monotonic() - started < 60
    assert marks["kl_bernoulli"].points == (answer is KL)
    assert "was not run" not in str(marks)  # cells 1 and 2 were


def test_in_one_cell_not_more_than_so_many_checks_are_judged(tmp_path, monkeypatch):
    monkeypatch.setattr("course.marking.marks.MOST_CHECKS", 2)
    start = "from torch import log\nfrom vaelib import check"
    answer = f"calls = 0\n{KL.replace('return', 'return 0 if calls < 3 else')}"
    checks = "for calls in range(4):\n    check.kl_bernoulli(kl_bernoulli)"
    marks, _ = one(tmp_path, start, answer, checks)
    assert marks["kl_bernoulli"].state == "wrong"
