"""In Firefox the stage, the labs, a lesson and a deck open, move and fill the screen."""

import json

import firefox
import pytest
from lab_states import LABS

from course.site.__main__ import main
from vaelib.widgets import LatentExplorer

pytestmark = pytest.mark.skipif(
    not firefox.path(), reason="no Firefox: apt-get install firefox-esr"
)
WIDGET = """<!DOCTYPE html><html lang=en><meta charset=utf-8><title>A lab</title>
<style>body {{ margin: 8px }} {style}</style><main></main><script>{script}</script>
<script>vaelibWidgets[{name}]({state}, document.querySelector("main"))</script></html>"""
SIZES = ((360, 740), (1280, 640))
# All that is drawn and said: pixels, paths, texts.
SHOWN = """[...document.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL()).join() +
  document.querySelector("main, .reveal, body").innerHTML"""
LECTURE = 'Boolean(document.querySelector("dialog.vaelib-lecture[open]"))'
ESCAPE = "\ue00c"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with firefox.opened(tmp_path_factory.mktemp("firefox")) as page:
        yield page
        assert page.errors == []


@pytest.fixture(scope="module")
def addresses(tmp_path_factory, face_vae, faces):
    """Pages by name: the stage saved, a page per lab, the site and the slides."""
    folder = tmp_path_factory.mktemp("pages")
    found = {"stage": LatentExplorer(face_vae, faces).save(folder / "stage.html")}
    for lab in LABS:
        export = lab().export()
        path = folder / f"{lab.__name__}.html"
        path.write_text(
            WIDGET.format(
                name=json.dumps(export.name),
                state=export.state_json(),
                script=export.script,
                style=export.style,
            ),
            encoding="utf-8",
        )
        found[lab.__name__] = path
    assert main(["--into", str(folder / "site")]) == 0
    assert main(["--slides", "--into", str(folder / "slides")]) == 0
    found |= {"start page": folder / "site" / "index.html"}
    found |= {"lesson": folder / "site" / "04_the_elbo.html"}
    found |= {"deck": folder / "slides" / "00_start_here.html"}
    return {name: path.as_uri() for name, path in found.items()}


def ready(page):
    page.evaluate("""(async () => {
      const live = [...document.querySelectorAll(".live")];
      for (let i = 0; i < 100 && !live.every((one) => one.dataset.live); i += 1)
        await new Promise((done) => setTimeout(done, 100));
      await document.fonts.ready;
      await new Promise((done) => setTimeout(done, 300));
    })()""")


PAGES = ("stage", *(lab.__name__ for lab in LABS), "start page", "lesson")


@pytest.mark.parametrize("name", PAGES)
def test_it_fits_moves_and_fills_the_screen(page, addresses, name):
    for width, height in SIZES:
        page.open(addresses[name], width, height)
        ready(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    slider = ".vaelib input[type=range]"
    before = page.evaluate(SHOWN)
    page.drag(slider, 0.8, 0.5)
    dragged = page.evaluate(SHOWN)
    assert dragged != before, "a dragged slider moves nothing"
    page.evaluate(f"void document.querySelector('{slider}').focus()")
    page.press("\ue012")
    assert page.evaluate(SHOWN) != dragged, "an arrow key moves nothing"
    if page.evaluate("Boolean(document.querySelector('.vaelib-pad'))"):
        before = page.evaluate("document.querySelector('.vaelib-pad').ariaValueText")
        page.drag(".vaelib-pad", 0.3, 0.7)
        assert page.evaluate("document.querySelector('.vaelib-pad').ariaValueText") != before
    page.press("l")
    assert page.evaluate(LECTURE), "L does not enter lecture mode"
    page.press(ESCAPE)
    assert not page.evaluate(LECTURE), "Escape does not leave it"


def test_a_deck_turns_its_slides(page, addresses):
    page.open(addresses["deck"], 1280, 720)
    ready(page)
    first = page.evaluate("document.querySelector('section.present').innerText")
    page.press("\ue014")
    page.evaluate("new Promise((done) => setTimeout(done, 1000))")
    assert page.evaluate("document.querySelector('section.present').innerText") != first
