"""The site and the slides built for the browser tests, and how a page of them is opened."""

import os
from functools import cache

from pages import eventually

from course.site import ROOT
from course.site.__main__ import main

LESSONS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))


@cache
def built(name):
    """The folder of the "site" or the "slides", made once by each worker that is asked for it."""
    into = ROOT / "build" / "tested" / os.environ.get("PYTEST_XDIST_WORKER", "alone") / name
    assert main(["--slides"] * (name == "slides") + ["--into", str(into)]) == 0
    return into


def open_page(page, path, live=True):
    """Open a page from disk, wait until its widgets are live, and return the requests it makes."""
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    if live:
        until(page, "[...document.querySelectorAll('.live')].every((one) => one.dataset.live)")
    return asked


def until(page, expression):
    """Wait until it is true: from outside, since the pages' own policy forbids to evaluate text."""
    eventually(page, lambda: page.evaluate(expression), expression)
