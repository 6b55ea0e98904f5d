"""JupyterLab as `make lab` starts it, seen by a browser."""

import pytest

pytestmark = pytest.mark.browser


def test_a_notebook_opens_without_a_dialogue(jupyterlab, page):
    (jupyterlab.root / "empty.ipynb").write_text(
        '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    )
    page.goto(jupyterlab.url("empty.ipynb", workspace="opens"))
    page.wait_for_selector("#jp-main-dock-panel .jp-NotebookPanel", timeout=60_000)
    assert page.locator(".lm-DockPanel-tabBar .lm-mod-current").inner_text() == "empty.ipynb"
    assert page.locator(".Toastify__toast").count() == 0
