"""Some of the mutated documents of `fuzzed_notebooks.py`, whose main program tries thousands."""

import random
import warnings

import fuzzed_notebooks
import pytest
from made_submissions import simple

from course.marking import marks
from course.marking.unzip import Budget, unzip
from vaelib.check import EXERCISES

pytestmark = pytest.mark.refuses


def test_no_mutated_document_stops_the_reading(tmp_path):
    path = tmp_path / "a.ipynb"
    warnings.simplefilter("ignore")
    found = 0
    for number in range(120):
        rng = random.Random(f"suite {number}")
        path.write_bytes(fuzzed_notebooks.mutated(fuzzed_notebooks.document(rng), rng))
        found += fuzzed_notebooks.read(path, {}, list(EXERCISES)) > 0
    assert found > 90


def test_mutated_documents_are_marked(tmp_path):
    path = tmp_path / "a.ipynb"
    for number in range(2):
        rng = random.Random(f"marked {number}")
        path.write_bytes(fuzzed_notebooks.mutated(fuzzed_notebooks.document(rng), rng))
        got = marks.mark("a", [("a.ipynb", path)], {}, 7)
        assert len(got.marks) == len(EXERCISES) and got.limits


def test_no_mutated_zip_stops_the_unpacking(tmp_path):
    from test_submissions import zipped

    good = zipped({"a/01.ipynb": b"def kl_bernoulli(x): " * 9, "b.txt": b"x" * 300})
    read = 0
    for number in range(300):
        rng = random.Random(number)
        content = bytearray(good)
        for _ in range(rng.randint(1, 6)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path = tmp_path / "a.zip"
        path.write_bytes(bytes(content))
        into = tmp_path / str(number)
        into.mkdir()
        try:
            unzip(path, into, Budget())
        except ValueError as error:
            assert "the zip cannot be read" in str(error)
        else:
            read += 1
        assert all(p.is_relative_to(into) for p in into.rglob("*"))
    assert 50 < read < 300


def test_what_was_not_run_for_lack_of_time_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(marks, "SECONDS_PER_REPLAY", -1.0)
    made = simple(
        "a.ipynb",
        "from torch import log\nfrom vaelib import check",
        "for ONE in [1.0]:\n    pass",
        "def kl_bernoulli(p, q):\n    return p * log(p / q) * ONE",
        "check.kl_bernoulli(kl_bernoulli)",
    )
    made.write(tmp_path)
    got = marks.mark("a", [("a.ipynb", tmp_path / "a.ipynb")], {}, 7)
    (found,) = (mark for mark in got.marks if mark.name == "kl_bernoulli")
    assert "code cell 2 was not run: the time was over" in found.remarks
