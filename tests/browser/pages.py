"""A page whose script errors fail the test, and waiting for a thing itself.

No fixed time is enough on a busy machine, and most are too long on a quiet one.
"""

import re
from contextlib import contextmanager

import pytest


@contextmanager
def opened(context, theirs=None):
    """A fresh page, closed afterwards; an exception in one of its scripts fails the test.

    With a list in `theirs` those that a front end throws in its own files are put there instead.
    """
    page = context.new_page()
    page.set_default_timeout(2 * PATIENCE)
    errors: list[str] = []

    def thrown(error):
        lines = re.findall(r"(?:https?|blob|data):\S+", error.stack or "")
        own = lines and all(re.search("/static/(lab|notebook)/", line) for line in lines)
        (theirs if own and theirs is not None else errors).append(str(error))

    page.on("pageerror", thrown)
    yield page
    page.close()
    assert not errors, f"exceptions in the page: {errors}"


PATIENCE = 30_000  # milliseconds until something counts as not happening
FRAME = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"


def eventually(page, holds, *what):
    """What `holds()` gives, once that is true; fails with `what`, as it is then, if it never is."""
    for _ in range(PATIENCE // 50):
        if found := holds():
            return found
        page.wait_for_timeout(50)
    pytest.fail(f"not within {PATIENCE // 1000} s: {' '.join(map(str, what))}")
