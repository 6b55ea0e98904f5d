"""What the tests of the lessons share: the numbers that a lesson prints, to compute another way."""

from pathlib import Path

import lesson_output
import nbformat
import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


@pytest.fixture(scope="module")
def printed(request):
    """What the stored lesson prints, cell by cell: test_lesson_1.py is about lesson 1."""
    number = int(request.module.__name__.rpartition("_")[2])
    (path,) = NOTEBOOKS.glob(f"{number:02}_*.ipynb")
    return lesson_output.outputs(nbformat.read(path, as_version=4))
