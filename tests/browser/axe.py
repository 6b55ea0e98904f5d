"""axe-core, the accessibility rules that most checkers use, run on a page."""

from importlib.util import find_spec
from pathlib import Path

# What a widget in a page of someone else's cannot decide.
NOT_OURS = ("landmark-one-main", "page-has-heading-one", "region", "bypass")


def violations(page, whole=True):
    """What axe-core finds in the page, one line a rule; `whole=False` for a widget by itself."""
    spec = find_spec("axe_playwright_python")
    assert spec is not None and spec.origin is not None
    script = Path(spec.origin).with_name("axe.min.js").read_text(encoding="utf-8")
    page.evaluate(script)  # not a script element: the saved page's own policy would refuse it
    off = {} if whole else {"rules": {rule: {"enabled": False} for rule in NOT_OURS}}
    found = page.evaluate("(options) => axe.run(document, options)", off)
    return [
        f"{rule['id']}: {rule['help']}: {[node['html'][:160] for node in rule['nodes'][:4]]}"
        for rule in found["violations"]
    ]
