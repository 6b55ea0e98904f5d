"""A page whose script errors fail the test, and waiting for a thing itself.

No fixed time is enough on a busy machine, and most are too long on a quiet one.
"""

from contextlib import contextmanager

import pytest


@contextmanager
def opened(context):
    """A fresh page, closed afterwards; an exception in one of its scripts fails the test."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert not errors, f"exceptions in the page: {errors}"


FRAME = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"


def eventually(page, holds, *what, seconds=30):
    """What `holds()` gives, once that is true; fails with `what`, as it is then, if it never is."""
    for _ in range(int(seconds / 0.05)):
        if found := holds():
            return found
        page.wait_for_timeout(50)
    pytest.fail(f"not within {seconds} s: {' '.join(map(str, what))}")
