"""JupyterLab as `make lab` starts it, seen by a browser: lessons run, the widgets move."""

import json
import re
import time

import nbformat
import numpy as np
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

MINUTE = 60_000
MAKE = """\
import torch
from vaelib import models
from vaelib.widgets import LatentExplorer, TrainingCurves
vae = models.dense((8, 8), 2, hidden=(9,))
images = torch.rand(20, 8, 8)
explorer = LatentExplorer(vae, images)
explorer"""
# Put behind the cells of a notebook: tells the test that all have run, and each z that arrives.
WATCH = """\
import json, pathlib
from vaelib.widgets import LatentExplorer
def tell(change):
    pathlib.Path("{name}.z").write_text(json.dumps(change["new"]))
for thing in list(globals().values()):
    if isinstance(thing, LatentExplorer):
        thing.observe(tell, "z")
pathlib.Path("{name}.done").write_text("all cells have run")"""
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
PIXELS = """canvas => Array.from(
  canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data)"""


class Notebook:
    """A notebook open in JupyterLab."""

    def __init__(self, lab, page, name, notebook):
        self.lab = lab
        self.page = page
        self.name = name
        notebook.metadata |= KERNEL
        notebook.cells.append(nbformat.v4.new_code_cell(WATCH.format(name=name)))
        nbformat.write(notebook, lab.root / f"{name}.ipynb")
        page.goto(lab.url(f"{name}.ipynb", workspace=name))
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=MINUTE)
        # Asked to run before its kernel is there, JupyterLab would ask which kernel to take.
        page.get_by_text(re.compile(r"\| Idle$")).wait_for(timeout=MINUTE)

    def run_all(self, seconds):
        """Run → Run All Cells; fails where a cell fails or takes for ever."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        done = self.lab.root / f"{self.name}.done"
        stopped = 0
        deadline = time.monotonic() + seconds
        while not done.exists():
            self.page.wait_for_timeout(500)
            # The last cell is in sight and waits, [*], until one before it fails.
            waits = "*" in self.page.locator(".jp-CodeCell .jp-InputPrompt").last.inner_text()
            stopped = 0 if waits else stopped + 1
            if stopped > 20 or time.monotonic() > deadline:
                pytest.fail(f"the run stopped or took over {seconds} s: {self.errors()}")

    def errors(self):
        """The errors among the outputs, from the saved file: the page holds only cells in sight."""
        self.page.keyboard.press("Control+s")
        self.page.wait_for_timeout(3000)
        notebook = nbformat.read(self.lab.root / f"{self.name}.ipynb", as_version=4)
        outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
        found = [f"{out.ename}: {out.evalue}" for out in outputs if out.output_type == "error"]
        return found or "no cell failed"

    def wait_for(self, suffix, seconds=20):
        """The text of a file that the kernel writes."""
        path = self.lab.root / f"{self.name}.{suffix}"
        deadline = time.monotonic() + seconds
        while not (path.exists() and path.read_text()):
            if time.monotonic() > deadline:
                pytest.fail(f"{path.name} was not written")
            self.page.wait_for_timeout(100)
        return path.read_text()

    def scroll_to(self, selector):
        """The first such element; JupyterLab makes cells only as they come near the window."""
        panel = self.page.locator(".jp-WindowedPanel-outer").first
        panel.evaluate("(element) => { element.scrollTop = 0; }")
        for _ in range(200):
            if self.page.locator(selector).count():
                break
            panel.evaluate("(element) => { element.scrollTop += 400; }")
            self.page.wait_for_timeout(100)
        found = self.page.locator(selector).first
        found.scroll_into_view_if_needed()
        return found

    def z(self):
        """The last z that arrived in Python."""
        self.page.wait_for_timeout(400)  # the page sends ten times a second
        return json.loads(self.wait_for("z"))


@pytest.fixture
def two_dimensions(jupyterlab, page, request):
    """A notebook with a small explorer, run."""
    cells = [nbformat.v4.new_code_cell(MAKE)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    opened = Notebook(jupyterlab, page, request.node.name, notebook)
    opened.run_all(60)
    page.wait_for_selector(".vaelib-explorer", timeout=MINUTE)
    return opened


def test_a_notebook_opens_without_a_dialogue(jupyterlab, page):
    (jupyterlab.root / "empty.ipynb").write_text(
        '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    )
    page.goto(jupyterlab.url("empty.ipynb", workspace="opens"))
    page.wait_for_selector("#jp-main-dock-panel .jp-NotebookPanel", timeout=60_000)
    assert page.locator(".lm-DockPanel-tabBar .lm-mod-current").inner_text() == "empty.ipynb"
    assert page.locator(".Toastify__toast").count() == 0


def test_keys_move_the_slider_the_picture_and_z(two_dimensions):
    page = two_dimensions.page
    canvas = page.locator(".vaelib-picture canvas")
    before = canvas.evaluate(PIXELS)
    page.locator(".vaelib-explorer input[type=range]").first.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".vaelib-number").first).to_have_value("0.50")
    assert canvas.evaluate(PIXELS) != before
    assert sorted(two_dimensions.z()) == [0, 0.5]
    page.keyboard.press("End")
    assert sorted(two_dimensions.z()) == [0, 3]


def test_buttons_that_ask_the_kernel(two_dimensions):
    page = two_dimensions.page
    page.get_by_label("Start from image").fill("4")
    page.get_by_role("button", name="Encode").click()
    expect(page.locator(".vaelib-source")).to_contain_text("x, image 4")
    expect(page.get_by_role("status").first).to_contain_text("Start from image 4")
    mu = two_dimensions.z()
    assert any(mu)
    shown = [float(field.input_value()) for field in page.locator(".vaelib-number").all()]
    np.testing.assert_allclose(sorted(shown), sorted(mu), atol=0.006)
    page.get_by_role("button", name="Reset (z = 0)").press("Enter")
    assert two_dimensions.z() == [0, 0]
    expect(page.locator(".vaelib-source")).to_contain_text("none yet")


def test_keys_typed_into_the_widget_are_not_jupyterlabs(two_dimensions):
    """There "00" restarts the kernel, "dd" deletes the cell, and Enter goes into it."""
    page = two_dimensions.page
    index = page.get_by_label("Start from image")
    index.fill("")
    index.press_sequentially("00")
    index.press("Enter")
    expect(page.locator(".vaelib-source")).to_contain_text("x, image 0")
    for name in ("slider", "button"):
        page.get_by_label("Latent explorer").get_by_role(name).last.press("d")
        page.keyboard.press("d")
    assert page.locator(".jp-Dialog").count() == 0
    assert page.locator(".vaelib-explorer").count() == 1


def test_curves_grow_while_a_model_trains(jupyterlab, page):
    sources = [
        f"{MAKE}\nfrom vaelib import training\ncurves = TrainingCurves()\ncurves",
        "history = training.fit(vae, images, epochs=3, batch_size=10, progress=curves)",
    ]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    opened = Notebook(jupyterlab, page, "curves", nbformat.v4.new_notebook(cells=cells))
    opened.run_all(60)
    expect(page.locator(".vaelib-curves .vaelib-status")).to_contain_text("Epoch 3: ")


def test_lesson_7_runs_and_its_explorer_moves(jupyterlab, page):
    lesson = nbformat.read(jupyterlab.root / "07_latent_traversals.ipynb", as_version=4)
    opened = Notebook(jupyterlab, page, "lesson_7", lesson)
    opened.run_all(300)  # a cell that fails would stop the run
    slider = opened.scroll_to(".vaelib-explorer input[type=range]")
    canvas = page.locator(".vaelib-picture canvas").first
    before = canvas.evaluate(PIXELS)
    slider.focus()
    page.keyboard.press("Home")  # it starts from a face, so who knows where
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".vaelib-number").first).to_have_value("-2.00")
    assert canvas.evaluate(PIXELS) != before
    assert sorted(opened.z())[0] == -2.0
