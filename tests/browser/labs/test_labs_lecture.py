"""Lecture mode: a lab fills the screen, in letters that the last row reads."""

import pytest
from lab_states import each_lab
from labs_page import show
from pages import FRAME
from playwright.sync_api import expect

from vaelib.widgets import ElboLab, JensenLab, KLLab

pytestmark = pytest.mark.browser
PROJECTOR = {"width": 1280, "height": 720}
# All letters that are seen, smallest first, and what is drawn outside the window.
SEEN = """() => {
  const seen = [...document.querySelectorAll(".vaelib-lecture *")]
    .filter((element) => !element.closest(".lab-aloud") && element.checkVisibility());
  const letters = seen.filter((element) => !element.closest("option") && [...element.childNodes]
    .some((node) => node.nodeType === 3 && node.textContent.trim()));
  const outside = seen.filter((element) => {
    const { left, top, right, bottom, width } = element.getBoundingClientRect();
    return width && !element.closest("defs, g, .vaelib-lecture-pointer") &&
      (left < -1 || top < -1 || right > innerWidth + 1 || bottom > innerHeight + 1);
  });
  return {
    smallest: Math.min(...letters.map((e) => parseFloat(getComputedStyle(e).fontSize))),
    outside: outside.map((element) => element.outerHTML.slice(0, 80)),
  };
}"""


def lecture(page):
    return page.get_by_role("dialog")


@each_lab
@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080)], ids=str)
def test_it_fills_the_screen_in_large_letters(page, kind, size):
    page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
    show(page, kind)
    page.keyboard.press("l")
    expect(lecture(page)).to_be_visible()
    place = lecture(page).bounding_box()
    assert (place["x"], place["y"], place["width"], place["height"]) == (0, 0, *size)
    bars = set()
    for key in "12345":
        page.keyboard.press(key)
        page.evaluate(FRAME)
        page.evaluate(FRAME)
        found = page.evaluate(SEEN)
        assert found["smallest"] >= 24 and found["outside"] == []
        plots = [page.get_by_role("img").nth(i).bounding_box() for i in range(3)]
        assert sum(p["width"] * p["height"] for p in plots) > 0.35 * size[0] * size[1]
        assert min(p["height"] for p in plots) > 100
        bars.add(page.locator(".vaelib-lecture-bar").bounding_box()["height"])
    assert len(bars) == 1  # no sentence moves the plots


@each_lab
def test_its_keys_lead_through_the_presets(page, kind):
    show(page, kind)
    page.keyboard.press("L")
    presets = kind().spec["presets"]
    says = page.locator(".vaelib-lecture-says")
    keys = ["3", "ArrowRight", "PageDown", "ArrowRight", "ArrowLeft", "PageUp", "1"]
    for key, at in zip(keys, [2, 3, 4, 4, 3, 2, 0], strict=True):
        page.keyboard.press(key)
        expect(says).to_have_text(presets[at]["says"])
        page.wait_for_function(
            "(wanted) => Object.entries(wanted).every(([k, v]) => model.state[k] === v)",
            arg=presets[at]["state"],
        )
        pressed = lecture(page).locator("[aria-pressed=true]")
        expect(pressed).to_have_text(str(at + 1))
    page.get_by_role("button", name="Next").click()
    expect(says).to_have_text(presets[1]["says"])


def test_escape_leaves_and_the_page_is_as_it_was(page):
    show(page, KLLab)
    tall = page.locator(".vaelib-lab").bounding_box()
    page.keyboard.press("l")
    expect(lecture(page)).to_be_visible()
    page.keyboard.press("2")
    page.keyboard.press("Escape")
    expect(lecture(page)).to_have_count(0)
    page.evaluate(FRAME)
    assert page.locator(".vaelib-lab").bounding_box() == tall
    assert page.evaluate("document.querySelector('.vaelib-lecture-place, dialog')") is None
    page.wait_for_function("model.state.sigma === 1")  # the state of the second preset stays
    page.get_by_role("button", name="Lecture mode").click()
    page.get_by_role("button", name="Leave").click()
    expect(lecture(page)).to_have_count(0)


def test_the_screen_is_filled_and_given_back(page):
    show(page, KLLab)
    page.keyboard.press("l")
    page.wait_for_function("document.fullscreenElement === document.documentElement")
    page.wait_for_timeout(100)
    middle = "document.elementFromPoint(innerWidth / 2, innerHeight / 2)"
    assert page.evaluate(f"Boolean({middle}.closest('dialog:modal'))")
    page.keyboard.press("2")
    expect(lecture(page).locator("[aria-pressed=true]")).to_have_text("2")
    page.evaluate("document.exitFullscreen()")  # as the browser's own Esc does
    expect(lecture(page)).to_have_count(0)
    page.keyboard.press("l")
    page.wait_for_function("document.fullscreenElement")
    page.keyboard.press("Escape")
    expect(lecture(page)).to_have_count(0)
    page.wait_for_function("!document.fullscreenElement")


def test_arrows_belong_to_a_slider_that_has_the_focus_until_the_mouse_lets_go(page):
    page.set_viewport_size(PROJECTOR)
    show(page, KLLab)
    page.keyboard.press("l")
    page.keyboard.press("1")
    slider = page.get_by_role("slider", name="σ of q")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("model.state.sigma === 0.65")
    slider.click(position={"x": 40, "y": 10})
    page.keyboard.press("ArrowRight")
    page.wait_for_function("model.state.sigma === 1 && model.state.mu === 0")


def test_letters_typed_elsewhere_are_letters(page):
    show(page, KLLab)
    page.evaluate("document.body.insertAdjacentHTML('afterbegin', '<input aria-label=name>')")
    page.get_by_label("name").press("l")
    assert page.get_by_label("name").input_value() == "l"
    page.get_by_role("button", name="Reset").press("Control+l")
    expect(lecture(page)).to_have_count(0)
    page.get_by_role("button", name="Reset").press("l")
    expect(lecture(page)).to_be_visible()


def test_of_two_labs_the_focused_one_or_the_one_in_view_is_shown(page):
    show(page, KLLab, views=2)
    page.get_by_role("slider", name="σ of q").nth(1).press("l")
    expect(lecture(page)).to_be_visible()
    assert page.evaluate("elements[0].querySelector('.vaelib-lab') !== null")
    assert page.evaluate("elements[1].querySelector('.vaelib-lab') === null")
    page.keyboard.press("Escape")
    expect(lecture(page)).to_have_count(0)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.keyboard.press("l")
    expect(lecture(page)).to_be_visible()
    assert page.evaluate("elements[0].querySelector('.vaelib-lab') === null")


def test_a_pointer_is_drawn_where_the_mouse_is(page):
    page.set_viewport_size(PROJECTOR)
    show(page, ElboLab)
    page.keyboard.press("l")
    pointer = page.locator(".vaelib-lecture-pointer")
    expect(pointer).to_be_hidden()
    page.mouse.move(500, 300)
    expect(pointer).to_be_visible()
    place = pointer.bounding_box()
    middle = (place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    assert middle == (500, 300) and place["width"] >= 60


def test_the_address_enters_and_is_cleared_again(page, tmp_path):
    file = tmp_path / "lab.html"
    file.write_text(JensenLab(f="square").to_html(), encoding="utf-8")
    page.goto(f"{file.as_uri()}#lecture")
    expect(lecture(page)).to_be_visible()
    page.keyboard.press("Escape")
    expect(lecture(page)).to_have_count(0)
    assert "lecture" not in page.url
    page.evaluate("location.hash = '#z=1&lecture'")
    expect(lecture(page)).to_be_visible()
    page.keyboard.press("l")
    expect(lecture(page)).to_have_count(0)
    assert page.url.endswith("#z=1")


def test_a_lab_that_goes_takes_its_lecture_with_it(page):
    show(page, KLLab)
    page.keyboard.press("l")
    expect(lecture(page)).to_be_visible()
    page.evaluate("cleanups[0]()")
    expect(lecture(page)).to_have_count(0)
    page.keyboard.press("l")
    page.evaluate(FRAME)
    assert page.evaluate("document.querySelectorAll('.vaelib-lab, dialog').length") == 0
