"""What the tests of this folder share: the browser, a JupyterLab, and the order of the tests.

`page` is a fresh page whose script errors fail the test; `chromium` the browser behind it;
`jupyterlab` a server on a copy of the notebooks, whose addresses `jupyterlab.url(...)` gives, and
`lab_tab` a page for it: see running.py. The tests with JupyterLab are a group, so that one worker
runs them all and starts one server; so are those of the site and the slides. The groups come first,
since they take longest, and what is left then is in small pieces.
"""

import pytest
from running import NO_BROWSER, chromium, jupyterlab, lab_context, lab_tab, page

__all__ = ["chromium", "jupyterlab", "lab_context", "lab_tab", "page"]


def group_of(nodeid: str) -> str:
    """What one worker runs: the tests with JupyterLab, those of the site, or one by itself."""
    if "jupyterlab.py::" in nodeid:
        return "JupyterLab"
    return "site" if "browser/site/" in nodeid else nodeid


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: group_of(item.nodeid) == item.nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Workers take the groups first, then test by test: `--dist` has no such way."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group_of(nodeid)

    config.option.loadscopereorder = False
    return Groups(config, log)


def pytest_terminal_summary(terminalreporter):
    """One line for all the browser tests that were skipped, where pytest has one for each."""
    skipped = [r for r in terminalreporter.stats.get("skipped", []) if NO_BROWSER in r.longreprtext]
    if skipped:
        terminalreporter.write_line(f"Browser tests skipped ({len(skipped)}): {NO_BROWSER}")


@pytest.fixture(scope="session")
def faces():
    from vaelib import data

    return data.load("faces")


@pytest.fixture(scope="session")
def face_vae():
    from vaelib import checkpoint, data

    return checkpoint.load_vae(data.shipped("faces_vae.safetensors"))
