"""Wrong answers that try to get their points all the same."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "course" / "marking"))
from forged_answers import FORGED, forged  # noqa: E402

pytestmark = pytest.mark.refuses


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_answer_gets_no_point(name, tmp_path, record_property):
    marked = forged(name, tmp_path)
    record_property("held", int(marked.total == 0))
    assert marked.total == 0
