"""In the browser that the student has: JupyterLab 4 and Notebook 7, the oldest and the newest.

Lesson 0, and below it a lab, a question and a check, in each: run, saved and reopened; and a
kernel that goes while the stage is open. Screenshots of all that are in build/torture.
"""

import re

import nbformat
import psutil
import pytest
from front_ends import FRONT_ENDS, ROOT, installed
from notebook_page import Notebook
from pages import eventually, opened
from playwright.sync_api import expect
from running import WINDOW, started

pytestmark = pytest.mark.browser
CELLS = [
    "from vaelib.widgets import KLLab\nKLLab(mu=2.0)",
    'from vaelib.widgets import Predict\nPredict("die")',
    "from vaelib import check\ndef kl_bernoulli(p, q):\n    return p * (p / q).log()",
    "check.kl_bernoulli(kl_bernoulli)",
]
STAGE_CELL = """\
import os, pathlib
from vaelib import checkpoint, data
from vaelib.widgets import LatentExplorer
pathlib.Path("pid").write_text(str(os.getpid()))
LatentExplorer(checkpoint.load_vae(data.shipped("faces_vae.safetensors")), data.load("faces"))"""
# As a hub sets it, only sooner.
CULLED = [f"--MappingKernelManager.cull_{name}" for name in ("idle_timeout=20", "interval=1")]
CULLED += ["--MappingKernelManager.cull_connected=True"]
SCREENSHOTS = ROOT / "build" / "torture"
SLIDER = ".vaelib-explorer .vaelib-row input[type=range]"
CHECKED = "1.1 kl_bernoulli"
PICTURE = ".jp-OutputArea-output img"
PIXELS = "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].join()"
WIDTH = "image => image.decode().then(() => image.naturalWidth)"


@pytest.fixture(params=FRONT_ENDS, scope="module")
def front_end(request, chromium, tmp_path_factory):
    """Its name, its program and the Python that has it."""
    app, packages = FRONT_ENDS[request.param]
    python = installed(tmp_path_factory.mktemp("front_end") / "environment", packages)
    return request.param, app, python


@pytest.fixture
def context(chromium):
    context = chromium.new_context(viewport=WINDOW)
    yield context
    context.close()


def photograph(notebook, name, selector):
    notebook.scroll_to(selector)
    notebook.page.wait_for_timeout(500)  # for the eye, not for the test
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    notebook.page.screenshot(path=SCREENSHOTS / f"{re.sub('[ ,]+', '-', name)}.png")


def stage_moves(notebook, key):
    notebook.scroll_to(SLIDER)
    page = notebook.page
    canvas = page.locator(".vaelib-picture canvas").first
    before = canvas.evaluate(PIXELS)
    page.locator(SLIDER).first.press(key)
    eventually(page, lambda: canvas.evaluate(PIXELS) != before, "the stage moves")


def all_is_live(notebook, key):
    """The stage, the lab and the question do what they do, and the check says what it says."""
    page = notebook.page
    stage_moves(notebook, key)
    lab = notebook.scroll_to(".vaelib-lab")
    said = lab.locator(".vaelib-says").inner_text()
    lab.get_by_role("slider").first.press(key)
    expect(lab.locator(".vaelib-says")).not_to_have_text(said)
    question = notebook.scroll_to(".vaelib-predict")
    question.get_by_role("radio").first.check()
    question.get_by_role("button", name="Commit").click()
    expect(question).to_have_class(re.compile("vaelib-committed"))
    notebook.scroll_to(f".jp-OutputArea-output:has-text('{CHECKED}')")
    assert page.get_by_text("Error displaying widget").count() == 0


def test_run_saved_and_reopened(front_end, context, tmp_path, record_property):
    name, app, python = front_end
    record_property("cases", 3)
    theirs = []
    with started(tmp_path / "server", python, app) as server:
        lesson = nbformat.read(server.root / "00_start_here.ipynb", as_version=4)
        lesson.cells += [nbformat.v4.new_code_cell(source) for source in CELLS]
        with opened(context, theirs) as page:
            notebook = Notebook(server, page, "lesson", lesson)
            notebook.run_all(120)
            all_is_live(notebook, "Home")
            photograph(notebook, f"{name} run", SLIDER)
            saved = notebook.save()
        server.stop_kernels()

        with opened(context, theirs) as page:
            notebook = Notebook(server, page, "lesson")
            all_is_live(notebook, "End")
            photograph(notebook, f"{name} reopened", SLIDER)
        server.stop_kernels()

        for cell in saved.cells:
            cell.source += "\n# by somebody else"  # a signature counts for the cells as they were
        nbformat.write(saved, server.root / "distrusted.ipynb")
        with opened(context, theirs) as page:
            notebook = Notebook(server, page, "distrusted")
            assert notebook.scroll_to(PICTURE).evaluate(WIDTH) > 600
            photograph(notebook, f"{name} untrusted", PICTURE)
            notebook.scroll_to(f".jp-OutputArea-output:has-text('{CHECKED}')")
            assert page.get_by_text("Error displaying widget").count() == 0
    if theirs:
        record_property("worst", f"{name} throws by itself: {', '.join(sorted({*theirs}))}")


@pytest.mark.parametrize("how", ["killed", "culled"])
def test_a_kernel_goes_while_the_stage_is_open(front_end, how, context, tmp_path):
    name, app, python = front_end
    cells = [nbformat.v4.new_code_cell(STAGE_CELL)]
    options = CULLED if how == "culled" else ()
    with (
        started(tmp_path / "server", python, app, options) as server,
        opened(context, theirs=[]) as page,
    ):
        notebook = Notebook(server, page, "stage", nbformat.v4.new_notebook(cells=cells))
        notebook.run_all(120)
        stage_moves(notebook, "End")
        if how == "killed":
            psutil.Process(int((server.root / "pid").read_text())).kill()
        says = page.locator(".vaelib-explorer").get_by_role("alert")
        expect(says).to_contain_text("its kernel stopped", timeout=90_000)
        if how == "killed":
            page.get_by_role("button", name="Ok").click()  # JupyterLab's own word of it
        stage_moves(notebook, "Home")
        photograph(notebook, f"{name} {how}", SLIDER)
        if how == "culled":
            notebook.wake()
        notebook.run_all(120)  # and it comes back
        stage_moves(notebook, "End")
        expect(says).not_to_be_visible()
