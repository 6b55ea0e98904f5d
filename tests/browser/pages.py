"""A page whose script errors fail the test, and waiting for a thing itself.

No fixed time is enough on a busy machine, and most are too long on a quiet one.
"""

from contextlib import contextmanager

import pytest


@contextmanager
def opened(context, known=()):
    """A fresh page, closed afterwards; an exception in one of its scripts fails the test.

    `known` are the exceptions of a front end itself, which it throws on any notebook.
    """
    page = context.new_page()
    page.set_default_timeout(2 * PATIENCE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    ours = [error for error in errors if error not in known]
    assert not ours, f"exceptions in the page: {ours}"


PATIENCE = 30_000  # milliseconds until something counts as not happening
FRAME = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"


def eventually(page, holds, *what):
    """What `holds()` gives, once that is true; fails with `what`, as it is then, if it never is."""
    for _ in range(PATIENCE // 50):
        if found := holds():
            return found
        page.wait_for_timeout(50)
    pytest.fail(f"not within {PATIENCE // 1000} s: {' '.join(map(str, what))}")
