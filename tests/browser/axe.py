"""axe-core, the accessibility rules that most checkers use, run on a page."""

from pathlib import Path

import axe_playwright_python

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
# What a widget in a page of someone else's cannot decide.
PAGE_RULES = ("landmark-one-main", "page-has-heading-one", "region", "bypass")
# Left out of most pages, since these thousands of small parts would take axe most of a minute. It
# still looks at the MathML of a formula and at the frame of code.
SMALL_PARTS = [[".katex-html"], ["pre.code > code"]]
FRAMES = "() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"


def violations(page, whole=True, without=()):
    """The rules that the page breaks, each with the first elements that break it.

    `whole=False` is for a widget by itself; what matches `without` is not looked at.
    """
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(AXE)  # not a script element: the saved page's own policy would refuse it
    # What watches the width of its parts answers in the frames that follow a change of it.
    page.evaluate(FRAMES)
    off = {} if whole else {rule: {"enabled": False} for rule in PAGE_RULES}
    return page.evaluate(
        """([exclude, rules]) =>
          axe.run({ include: [["html"]], exclude },
            { rules, preload: false, resultTypes: ["violations"], selectors: false })
            .then(({ violations }) => violations.map(({ id, nodes }) =>
              [id, nodes.slice(0, 4).map((node) => node.html.slice(0, 160))]))""",
        [list(without), off],
    )
