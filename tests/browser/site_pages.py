"""The site and the slides built for the browser tests, and how these look at a page."""

import os
import sys
from functools import cache
from pathlib import Path

import axe_playwright_python

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import make_site  # noqa: E402

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
LESSONS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))


@cache
def built(name):
    """The folder of the "site" or the "slides", made once a run."""
    into = ROOT / "build" / "tested" / os.environ.get("PYTEST_XDIST_WORKER", "alone") / name
    assert make_site.main(["--slides"] * (name == "slides") + ["--into", str(into)]) == 0
    return into


def violations(page, everything=False):
    """What axe-core finds on the page: rule, and the first elements that break it.

    Of formulas it sees the MathML and of code its frame, unless it is to see everything: thousands
    of small parts, each with one of a few colours, take it most of a minute over all pages.
    """
    page.evaluate(AXE)
    # What watches the width of its parts answers in the frames that follow a change of it.
    page.evaluate(
        "() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
    )
    without = [] if everything else [[".katex-html"], ["pre.code > code"]]
    return page.evaluate(
        """(exclude) => axe.run({ include: [["html"]], exclude }, { preload: false })
          .then(({ violations }) =>
            violations.map(({ id, nodes }) => [id, nodes.slice(0, 3).map((node) => node.html)]))""",
        without,
    )


def open_page(page, path, live=True):
    """Open a page from disk, wait until its widgets are live, and return the requests it makes."""
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    if live:
        page.wait_for_function(
            "[...document.querySelectorAll('.live')].every((one) => one.dataset.live)"
        )
    return asked
