"""Lecture mode: the stage fills the screen in large letters, and the stories are its presets."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
SMALL = """() => [...document.querySelectorAll(".vaelib-lecture *")]
  .filter((e) => e.checkVisibility() && !e.closest("sub, .vaelib-heard, select"))
  .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
  .filter((e) => parseFloat(getComputedStyle(e).fontSize) < 24)
  .map((e) => e.className + e.textContent.slice(0, 30))"""


@pytest.mark.parametrize("window", [(1280, 720), (1920, 1080)], ids=str)
def test_the_stage_fills_the_screen(shown, window):
    page = shown.page
    page.set_viewport_size(dict(zip(("width", "height"), window, strict=True)))
    page.keyboard.press("l")
    lecture = page.get_by_role("dialog", name="The stage, lecture mode")
    expect(lecture).to_be_visible()
    shown.frame()
    assert page.evaluate(SMALL) == []
    for part in (".vaelib-picture canvas", ".vaelib-pad", ".vaelib-sliders", ".vaelib-allterms"):
        box = page.locator(part).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= window[0], part
        assert box["y"] >= 0 and box["y"] + box["height"] <= window[1], part
    page.keyboard.press("1")
    expect(lecture).to_contain_text("From frown to smile. Only one number moves: z2 goes from")
    page.keyboard.press("ArrowRight")
    expect(lecture).to_contain_text("Turn the head.")
    page.keyboard.press("Escape")
    expect(lecture).to_have_count(0)
    expect(page.get_by_role("button", name="Random")).to_be_visible()


def test_the_address_opens_it(page, face_explorer):
    page.goto(f"{face_explorer[1].as_uri()}#model=faces&z=0,1,0,0&lecture")
    lecture = page.get_by_role("dialog", name="The stage, lecture mode")
    expect(lecture).to_be_visible()
    page.keyboard.press("4")
    page.wait_for_timeout(800)
    assert page.url.endswith("&lecture")
    page.keyboard.press("Escape")
    expect(lecture).to_have_count(0)
    assert "lecture" not in page.url and "model=faces" in page.url
