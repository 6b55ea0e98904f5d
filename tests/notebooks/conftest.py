"""What the tests of the build share."""

import pytest
import small_lesson


@pytest.fixture
def here(tmp_path):
    """A notebooks/ folder with two sources."""
    return small_lesson.make(tmp_path / "notebooks")
