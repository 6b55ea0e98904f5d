"""In the browser that the student has: JupyterLab 4 and Notebook 7, the oldest and the newest.

Lesson 0, and below it a lab, a question and a check, in each front end: run, saved, reopened.
"""

import re

import nbformat
import pytest
from front_ends import FRONT_ENDS, ROOT, installed, version
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
PICTURES = ROOT / "build" / "torture"
STAGE = ".vaelib-explorer"
PIXELS = "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].join()"
WHOLE = "image => image.decode().then(() => image.naturalWidth)"


@pytest.fixture(params=FRONT_ENDS, scope="module")
def front_end(request, chromium, tmp_path_factory):
    """A running server of it."""
    app, packages = FRONT_ENDS[request.param]
    home = tmp_path_factory.mktemp("front end")
    python = installed(home / "environment", packages)
    with started(home / "server", python, app) as lab:
        yield request.param, lab, version(python, app)


@pytest.fixture
def context(chromium):
    context = chromium.new_context(viewport=WINDOW)
    yield context
    context.close()


def photograph(notebook, name, selector):
    notebook.scroll_to(selector)
    PICTURES.mkdir(parents=True, exist_ok=True)
    notebook.page.wait_for_timeout(500)
    notebook.page.screenshot(path=PICTURES / f"{name.replace(', ', ' ').replace(' ', '-')}.png")


def moves(notebook):
    """The stage, the lab and the question do what they do, and the check is there in words."""
    page = notebook.page
    notebook.scroll_to(f"{STAGE} input[type=range]")
    canvas = page.locator(".vaelib-picture canvas").first
    before = canvas.evaluate(PIXELS)
    page.locator(f"{STAGE} .vaelib-row input[type=range]").first.press("Home")
    eventually(page, lambda: canvas.evaluate(PIXELS) != before, "the stage moves")
    notebook.scroll_to(".vaelib-lab")
    lab = page.get_by_role("group", name="KL lab")
    said = lab.locator(".vaelib-says").inner_text()
    lab.get_by_role("slider").first.press("Home")
    expect(lab.locator(".vaelib-says")).not_to_have_text(said)
    notebook.scroll_to(".vaelib-predict")
    question = page.locator(".vaelib-predict").last
    question.get_by_role("radio").first.check()
    question.get_by_role("button", name="Commit").click()
    expect(question).to_have_class(re.compile("vaelib-committed"))
    assert page.get_by_text("Error displaying widget").count() == 0


def test_run_saved_and_reopened(front_end, context, record_property):
    name, lab, number = front_end
    lesson = nbformat.read(lab.root / "00_start_here.ipynb", as_version=4)
    lesson.cells += [nbformat.v4.new_code_cell(source) for source in CELLS]
    with opened(context) as page:
        notebook = Notebook(lab, page, "lesson", lesson)
        notebook.run_all(120)
        moves(notebook)
        photograph(notebook, f"{name} run", STAGE)
        saved = notebook.save()
    lab.stop_kernels()

    with opened(context) as page:
        notebook = Notebook(lab, page, "lesson")
        moves(notebook)
        photograph(notebook, f"{name} reopened", STAGE)
    lab.stop_kernels()

    for cell in saved.cells:
        cell.source += "\n" if cell.cell_type == "markdown" else "  # somebody else's"
    nbformat.write(saved, lab.root / "distrusted.ipynb")
    with opened(context) as page:
        notebook = Notebook(lab, page, "distrusted")
        photograph(notebook, f"{name} untrusted", ".jp-OutputArea-output img")
        pictures = page.locator(".jp-OutputArea-output img")
        assert pictures.first.evaluate(WHOLE) > 600
        assert page.get_by_text("Error displaying widget").count() == 0
