"""Predict in a browser: by itself, in a lesson of the site, on a slide, in JupyterLab."""

import base64
import re
import shutil

import nbformat
import pytest
from axe import SMALL_PARTS, violations
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from playwright.sync_api import expect
from site_pages import open_page, until

from course.site.__main__ import main
from notebooks import build
from vaelib.plots import AltFigure
from vaelib.widgets import Predict, bundle

pytestmark = pytest.mark.browser
MINUTE = 60_000
DIE = {
    "question": r"Ten rolls: is $\enc{q_\phi}$ below $\frac{1}{2}$?",
    "answers": {"2 : 1": "Too low.", "20 : 1": "", "1,000 : 1": r"Only $x^2$ sixes."},
    "right": "20 : 1",
    "because": "Ten rolls carry $2.94$ nats.",
}
NUMBER = {
    "question": "How many nats?",
    "answers": {"1.10": "A six alone."},
    "right": 0.294,
    "tolerance": 0.03,
    "unit": "nats",
    "because": "On average.",
}
HEIGHT = "document.querySelector('.vaelib-predict').getBoundingClientRect().height"


def show(page, tmp_path, fields):
    """The question in a page of its own."""
    html = bundle.page("A question", "It is asked here.", Predict(**fields).export())
    (tmp_path / "question.html").write_text(html, encoding="utf-8")
    page.goto((tmp_path / "question.html").as_uri())
    return page.locator(".vaelib-predict")


def verdict(asked):
    """What is seen of the answer; the same is said to a screen reader."""
    return asked.locator(".vaelib-verdict")


def test_it_is_answered_with_the_keyboard(page, tmp_path):
    asked = show(page, tmp_path, DIE)
    button = asked.get_by_role("button")
    expect(asked.get_by_role("group")).to_have_accessible_name(re.compile("^Predict Ten rolls"))
    expect(asked.get_by_text("Ten rolls carry")).to_be_hidden()
    button.press("Enter")  # nothing is chosen yet
    expect(button).to_have_text("Commit")
    asked.get_by_role("radio").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(asked.get_by_role("radio", name="1,000 : 1")).to_be_checked()
    page.keyboard.press("Tab")
    expect(button).to_be_focused()
    page.keyboard.press("Space")
    expect(button).to_have_text("Committed")
    expect(button).to_be_focused()
    expect(verdict(asked).get_by_text("Not quite. It is 20 : 1")).to_be_visible()
    expect(asked.get_by_text("Ten rolls carry").first).to_be_visible()
    expect(asked.get_by_role("status")).to_have_text(re.compile("Not quite.*20 : 1.*2.94"))
    expect(asked.get_by_text("Too low.")).to_be_visible()
    expect(asked.get_by_role("radio").first).to_be_disabled()


def test_the_right_answer_is_called_right(page, tmp_path):
    asked = show(page, tmp_path, DIE)
    asked.get_by_text("20 : 1").first.click()
    asked.get_by_role("button").click()
    expect(verdict(asked).get_by_text("Right: 20 : 1")).to_be_visible()
    expect(verdict(asked).get_by_text("Not quite.")).to_be_hidden()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("0.3", "Right: 0.294 nats"),
        ("0,264", "Right"),
        ("0.2639", "Not quite"),
        ("−1", "Not quite"),
    ],
)
def test_a_number_is_right_within_its_tolerance(page, tmp_path, typed, said):
    asked = show(page, tmp_path, NUMBER)
    field = asked.get_by_role("textbox", name="Your number")
    field.fill("many")
    field.press("Enter")
    expect(asked.get_by_role("button")).to_have_text("Commit")  # that is no number
    field.fill(typed)
    field.press("Enter")
    expect(asked.get_by_role("status")).to_have_text(re.compile(f"^{said}"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("fields", [DIE, NUMBER], ids=["answers", "number"])
def test_nothing_moves_and_nobody_is_shut_out(page, tmp_path, fields, width, scheme):
    page.set_viewport_size({"width": width, "height": 740})
    page.emulate_media(color_scheme=scheme)
    asked = show(page, tmp_path, fields)
    before = page.evaluate(HEIGHT)
    assert violations(page) == []
    if fields is DIE:
        asked.get_by_role("radio").first.check()
    else:
        asked.get_by_role("textbox").fill("1")
    asked.get_by_role("button").click()
    expect(verdict(asked).get_by_text("Not quite.")).to_be_visible()
    assert page.evaluate(HEIGHT) == before
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert violations(page) == []


LESSON = r"""# %% [markdown]
# # 1 · A lesson
#
# **Why?** With $\enc{{q}}$ and $\gap{{\mathrm{{KL}}}}$.

# %%
from vaelib import plots
from vaelib.widgets import Predict

# %%
Predict({die})

# %% tags=["spoiler"] alt="A line that rises to the right, to nineteen."
plots.curves({{"odds": {{"": [1, 19]}}}})

# %% tags=["spoiler"]
print("nineteen to one")

# %% [markdown] tags=["aside"]
# #### Why nats
#
# With $\enc{{q_\phi}}$ and $$\gap{{x}} = y.$$

# %%
Predict({number})

# %% tags=["spoiler"]
print("a third of a nat")

# %% tags=["check"]
print("✓ one is one")
"""


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    """A folder with a small lesson, built, and the explorer that every site opens on."""
    here = tmp_path_factory.mktemp("lesson") / "notebooks"
    (here / "source").mkdir(parents=True)
    text = LESSON.format(die=unpacked(DIE), number=unpacked(NUMBER))
    (here / "source" / "01_lesson.py").write_text(text, encoding="utf-8")
    assert build.main([], here=here, known={}) == 0
    # What a site opens on: the explorer of the shipped model, as a lesson stores it.
    png = base64.b64encode(AltFigure("A dot, and nothing else.", (1, 1)).png()).decode()
    data = {
        "image/png": png,
        "text/plain": "LatentExplorer: 4 dimensions, started from test face 0",
    }
    about = {"image/png": {"alt": "A face."}}
    explorer = new_code_cell("explorer")
    explorer.outputs = [new_output("execute_result", data, metadata=about)]
    start = new_notebook(cells=[new_markdown_cell("# 0 · Start\n\n**Why?**"), explorer])
    nbformat.write(start, here / "00_start.ipynb")
    return here


def unpacked(fields):
    return ", ".join(f"{name}={value!r}" for name, value in fields.items())


def test_on_the_site_an_answer_opens_what_it_veiled(page, lesson, tmp_path):
    assert main(["--notebooks", str(lesson), "--into", str(tmp_path / "site")]) == 0
    open_page(page, tmp_path / "site" / "01_lesson.html")
    odds, line, third = page.locator("details.veil").all()
    expect(odds.locator("img")).to_be_hidden()
    third.locator("summary").press("Enter")  # by hand, with the keyboard
    expect(third.get_by_text("a third of a nat")).to_be_visible()
    third.locator("summary").click()
    page.get_by_text("2 : 1", exact=True).first.click()
    page.get_by_role("button", name="Commit").first.click()
    expect(odds.locator("img")).to_be_visible()
    expect(line.get_by_text("nineteen to one")).to_be_visible()
    expect(third.get_by_text("a third of a nat")).to_be_hidden()  # of the next question
    # The dark has lighter colours for the symbols, and a chart on its own ground.
    seen = """() => [
      getComputedStyle(document.querySelector(".katex [style*='--enc']")).color,
      getComputedStyle(document.querySelector(".picture.chart img")).filter,
    ]"""
    light = page.evaluate(seen)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(seen)
    assert light == ["rgb(0, 98, 196)", "none"]
    assert dark[0] == "rgb(108, 184, 245)" and "invert" in dark[1]
    assert violations(page, without=SMALL_PARTS) == []


def test_a_slide_asks_and_then_shows_the_result(page, lesson, tmp_path):
    flags = ["--slides", "--notebooks", str(lesson), "--into", str(tmp_path / "slides")]
    assert main(flags) == 0
    open_page(page, tmp_path / "slides" / "01_lesson.html", live=False)
    until(page, "window.Reveal?.isReady()")
    page.evaluate(
        "Reveal.slide(...Object.values(Reveal.getIndices("
        "document.querySelector('.vaelib-predict').closest('section'))).slice(0, 2))"
    )
    asked = page.locator("section.present .vaelib-predict").first
    asked.get_by_text("20 : 1").first.click()
    here = page.evaluate("Reveal.getIndices()")
    asked.get_by_role("button").press("Space")  # commits, and turns no page
    expect(verdict(asked).get_by_text("Right: 20 : 1")).to_be_visible()
    assert page.evaluate("Reveal.getIndices()") == here
    box = asked.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 1280
    hidden = page.locator(".fragment").first
    expect(hidden).not_to_have_class(re.compile("visible"))


def test_jupyterlab_asks_collapses_and_typesets(page, lesson, jupyterlab):
    shutil.copy(lesson / "01_lesson.ipynb", jupyterlab.root / "small_lesson.ipynb")
    page.set_viewport_size({"width": 1280, "height": 2400})
    page.goto(jupyterlab.url("small_lesson.ipynb", workspace="predict"))
    page.get_by_text(re.compile(r"\| Idle$")).wait_for(timeout=MINUTE)
    panel = page.locator(".jp-NotebookPanel")
    expect(panel.get_by_text("The result, for when you have predicted")).to_have_count(3)
    expect(panel.get_by_text("nineteen to one")).to_have_count(1)  # in the code
    expect(panel.get_by_text("( ) 20 : 1")).to_be_visible()
    aside = panel.locator("details")
    expect(aside).not_to_have_attribute("open", "")
    aside.locator("summary").click()
    expect(aside.locator("mjx-container")).to_have_count(2)
    assert "$" not in aside.inner_text()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    asked = panel.locator(".vaelib-predict").first
    asked.wait_for(timeout=MINUTE)
    asked.get_by_text("1,000 : 1").first.click()
    asked.get_by_role("button").click()
    expect(verdict(asked).get_by_text("Not quite. It is 20 : 1")).to_be_visible()
    expect(asked.locator("legend math").first).to_be_visible()
