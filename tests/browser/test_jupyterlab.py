"""JupyterLab as `make lab` starts it, seen by a browser: lessons run, the widgets move."""

import nbformat
import numpy as np
import pytest
from notebook_page import Notebook
from pages import FRAME, eventually, opened
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

MAKE = """\
import torch
from vaelib import models, training
from vaelib.widgets import LatentExplorer, TrainingCurves
vae = models.dense((8, 8), 2, hidden=(9,))
images = torch.rand(20, 8, 8)
explorer = LatentExplorer(vae, images)
explorer"""
CURVES = "curves = TrainingCurves()\ncurves"
TRAIN = """\
learner = models.dense((8, 8), 2, hidden=(9,))
history = training.fit(learner, images, epochs=3, batch_size=10, progress=curves)"""
PIXELS = """canvas => Array.from(
  canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data)"""


@pytest.fixture(scope="module")
def small_notebook(jupyterlab, lab_context):
    """A notebook with a small explorer and the curves of a training run, run once."""
    cells = [nbformat.v4.new_code_cell(source) for source in (MAKE, CURVES, TRAIN)]
    with opened(lab_context) as page:
        notebook = Notebook(jupyterlab, page, "small", nbformat.v4.new_notebook(cells=cells))
        notebook.run_all(60)
        yield notebook


@pytest.fixture
def two_dimensions(small_notebook):
    """The small explorer, as it is at first."""
    small_notebook.scroll_to(".vaelib-explorer")
    small_notebook.page.get_by_role("button", name="Reset (z = 0)").click()
    expect(small_notebook.page.locator(".vaelib-source")).to_contain_text("none yet")
    small_notebook.page.evaluate(FRAME)
    return small_notebook


def test_a_notebook_opens_without_a_dialogue(jupyterlab, lab_tab):
    page = lab_tab
    (jupyterlab.root / "empty.ipynb").write_text(
        '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    )
    page.goto(jupyterlab.url("empty.ipynb", workspace="opens"))
    page.wait_for_selector("#jp-main-dock-panel .jp-NotebookPanel", timeout=60_000)
    expect(page.locator(".lm-DockPanel-tabBar .lm-mod-current")).to_have_text("empty.ipynb")
    assert page.locator(".Toastify__toast").count() == 0


def test_keys_move_the_slider_the_picture_and_z(two_dimensions):
    page = two_dimensions.page
    canvas = page.locator(".vaelib-picture canvas")
    before = canvas.evaluate(PIXELS)
    page.locator(".vaelib-explorer input[type=range]").first.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".vaelib-number").first).to_have_value("0.50")
    eventually(page, lambda: canvas.evaluate(PIXELS) != before, "another picture")
    two_dimensions.z_is(0, 0.5)
    page.keyboard.press("End")
    two_dimensions.z_is(0, 3)


def test_buttons_that_ask_the_kernel(two_dimensions):
    page = two_dimensions.page
    page.get_by_label("Start from image").fill("4")
    page.get_by_role("button", name="Encode").click()
    expect(page.locator(".vaelib-source")).to_contain_text("x, image 4")
    expect(page.get_by_role("status").first).to_contain_text("Start from image 4")
    mu = two_dimensions.z(any)
    shown = [float(field.input_value()) for field in page.locator(".vaelib-number").all()]
    np.testing.assert_allclose(sorted(shown), mu, atol=0.006)
    page.get_by_role("button", name="Reset (z = 0)").press("Enter")
    two_dimensions.z_is(0, 0)
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


def test_ctrl_s_from_a_control_saves_the_notebook(two_dimensions):
    """The browser would save the page: what a control keeps from JupyterLab, it has to pass on."""
    page = two_dimensions.page
    page.locator(".vaelib-explorer input[type=range]").first.press("End")
    two_dimensions.z_is(0, 3)
    before = two_dimensions.path.stat().st_mtime
    page.keyboard.press("Control+s")
    eventually(page, lambda: two_dimensions.path.stat().st_mtime > before, "the file is saved")


def test_curves_grow_while_a_model_trains(small_notebook):
    status = small_notebook.scroll_to(".vaelib-curves .vaelib-status")
    expect(status).to_contain_text("Epoch 3: ")


def test_lesson_0_runs_and_its_explorer_moves(jupyterlab, lab_tab):
    page = lab_tab
    lesson = nbformat.read(jupyterlab.root / "00_start_here.ipynb", as_version=4)
    notebook = Notebook(jupyterlab, page, "lesson_0", lesson)
    notebook.run_all(60)  # a cell that fails would stop the run
    slider = notebook.scroll_to(".vaelib-explorer input[type=range]")
    canvas = page.locator(".vaelib-picture canvas").first
    before = canvas.evaluate(PIXELS)
    slider.focus()
    page.keyboard.press("Home")  # it starts from a face, so who knows where
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".vaelib-number").first).to_have_value("-2.00")
    eventually(page, lambda: canvas.evaluate(PIXELS) != before, "another picture")
    notebook.z(lambda found: -2 in found)
