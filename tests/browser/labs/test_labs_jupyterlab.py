"""The labs in JupyterLab, with a kernel: they move."""

import json

import pytest
from lab_states import LABS
from playwright.sync_api import TimeoutError, expect

pytestmark = pytest.mark.browser


def notebook(path, *cells):
    code = [
        {"cell_type": "code", "id": f"cell{i}", "source": source, "metadata": {}, "outputs": []}
        | {"execution_count": None}
        for i, source in enumerate(cells)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.write_text(
        json.dumps(
            {"cells": code, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
        )
    )


@pytest.fixture
def lab_page(jupyterlab, lab_tab):
    """Opens a notebook of the cells given in JupyterLab and runs them all."""
    page = lab_tab

    def open_it(name, *cells):
        notebook(jupyterlab.root / f"{name}.ipynb", *cells)
        page.goto(jupyterlab.url(f"{name}.ipynb", workspace=name))
        page.wait_for_selector("#jp-main-dock-panel .jp-NotebookPanel .jp-Cell", timeout=180_000)
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=180_000)
        page.locator(".jp-Cell").first.click()
        for _ in cells:
            page.keyboard.press("Shift+Enter")
        return page

    return open_it


def test_all_labs_move_in_jupyterlab(lab_page):
    names = [kind.__name__ for kind in LABS]
    cells = [f"from vaelib.widgets import {', '.join(names)}"]
    cells += [f"{name.lower()} = {name}()\n{name.lower()}" for name in names]
    page = lab_page("labs", *cells, "pass")
    for kind in LABS:
        group = page.get_by_role("group", name=kind.title)
        group.wait_for(timeout=180_000)
        path = group.locator(".vaelib-mark[data-key]").first
        text = group.locator(".vaelib-says").inner_text()
        before = group.inner_html()
        group.get_by_role("slider").first.focus()
        page.keyboard.press("End")
        page.wait_for_function(
            "([title, text]) => document.querySelector(`[aria-label=${JSON.stringify(title)}] "
            ".vaelib-says`).innerText !== text",
            arg=[kind.title, text],
        )
        assert group.inner_html() != before and path.get_attribute("d")
    ends = [next(iter(kind.controls().values())).high for kind in LABS]
    page.locator(".jp-Cell .cm-content").last.click()
    page.keyboard.press("Control+A")
    widgets = ", ".join(map(str.lower, names))
    page.keyboard.insert_text(f"print('now', *[[*w.state.values()][0] for w in ({widgets})])")
    said = page.get_by_text("now " + " ".join(map(str, ends)), exact=True)
    for _ in range(60):  # Python hears of a move a moment later: the cell may run before that
        page.keyboard.press("Control+Enter")
        try:
            return said.wait_for(timeout=2_000)
        except TimeoutError:
            continue
    said.wait_for(timeout=1)


def test_lecture_mode_in_jupyterlab(lab_page):
    """L, from a control of the lab; the notebook's own keys do nothing until Esc."""
    page = lab_page("lecture", "from vaelib.widgets import ElboLab\nElboLab()", "pass")
    group = page.get_by_role("group", name="ELBO lab")
    group.wait_for(timeout=180_000)
    cells = page.locator(".jp-Cell").count()
    group.get_by_role("slider").first.press("l")
    lecture = page.get_by_role("dialog", name="lecture mode")
    expect(lecture).to_be_visible()
    size = page.viewport_size
    assert lecture.bounding_box() == {"x": 0, "y": 0, **size}
    for key in ("2", "a", "d", "ArrowRight"):
        page.keyboard.press(key)
    expect(lecture.locator("[aria-pressed=true]")).to_have_text("3")
    page.keyboard.press("Escape")
    expect(lecture).to_have_count(0)
    expect(group).to_be_visible()
    assert page.locator(".jp-Cell").count() == cells
    assert group.get_by_role("slider").first.input_value() == "-1.5"  # of the third preset
