"""Each part of the stage's state is in its address: opened again, the page looks the same."""

import io

import numpy as np
import pytest
import torch
from explorer_page import save, show
from pages import eventually
from PIL import Image

from vaelib import models

pytestmark = pytest.mark.browser


def drag_handle(page, name, dx, dy):
    box = page.locator(f".vaelib-handle-{name}").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx, y + dy, steps=3)
    page.mouse.up()


def choose(label, value):
    return lambda page: page.get_by_label(label, exact=True).select_option(value)


def press(role, name):
    return lambda page: page.get_by_role(role, name=name).first.click()


def slide(page):
    page.locator(".vaelib-row input[type=range]").first.fill("1.3")


def move_ellipse(page):
    press("button", "Next test face")(page)
    press("button", "Resample ε")(page)
    drag_handle(page, "enc", -40, -30)


def grow_ellipse(page):
    press("button", "Next test face")(page)
    drag_handle(page, "sig", 60, 30)


def interpolate(page):
    press("tab", "Interpolation")(page)
    field = page.get_by_role("spinbutton", name="To test face", exact=True)
    field.fill("4")
    field.press("Enter")
    page.get_by_label("Place between the two").fill("0.3")


def sample_again(page):
    choose("Picture", "sample")(page)
    press("button", "Draw again")(page)


CHANGES = {
    "z": slide,
    "x": press("button", "Next test face"),
    "the ellipse's centre": move_ellipse,
    "the ellipse's size": grow_ellipse,
    "random": press("button", "Random draw"),
    "the view": press("tab", "Manifold"),
    "the two ends": interpolate,
    "the axes": choose("Across", "0"),
    "the noise of a sample": sample_again,
    "a lock": lambda page: page.get_by_role("checkbox", name="Lock z4").check(),
    "the order": choose("Order of the sliders", "number"),
    "the colours": choose("Dots by", "1"),
    "the manifold behind": lambda page: page.get_by_label("Manifold behind").check(),
    "the details": lambda page: page.locator("summary").click(),
}
# What is being said is no state, nor is whether there is something to undo.
HIDE = (
    ".vaelib-told { visibility: hidden } :focus-visible { outline: none !important }"
    "[aria-disabled] { border: 1px solid !important; color: inherit !important }"
)


def picture(shown):
    """The whole stage once nothing in it changes any more."""
    shown.page.mouse.move(0, 0)
    shown.page.evaluate("document.activeElement.blur()")
    shown.page.evaluate(
        """(css) => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(css);
      document.adoptedStyleSheets = [sheet];
    }""",
        HIDE,
    )
    still = "() => document.getAnimations().every((each) => each.playState !== 'running')"
    eventually(shown.page, lambda: shown.page.evaluate(still), "the end of the animation")
    shots = [b""]

    def rests():
        shown.frame()
        shots.append(shown.root.screenshot())
        return shots[-1] if shots[-1] == shots[-2] else None

    return eventually(shown.page, rests, "a picture that stays")


def differing(one, other):
    """How many pixels differ. z has six decimals in the address, so edges may do so."""
    a, b = (np.array(Image.open(io.BytesIO(png)).convert("RGB"), int) for png in (one, other))
    return int((np.abs(a - b).max(-1) > 32).sum()) if a.shape == b.shape else a.size


def reopened(page, shown, path):
    """The page that the address of this one opens, in a tab of its own."""
    before = picture(shown)
    link = page.evaluate("location.hash")
    page.goto("about:blank")
    page.goto(path.as_uri() + link)
    page.wait_for_selector(".vaelib-explorer")
    return link, before, picture(shown)


@pytest.mark.parametrize("what", CHANGES)
def test_what_was_changed_is_there_again(page, face_explorer, what):
    explorer, path = face_explorer
    page.set_viewport_size({"width": 1280, "height": 1700})
    shown = show(page, explorer, path)
    first = picture(shown)
    CHANGES[what](page)
    eventually(
        page, lambda: page.evaluate("location.hash").startswith("#model=faces"), "an address"
    )
    page.wait_for_timeout(400)  # the address follows 300 ms after a change
    link, before, after = reopened(page, shown, path)
    assert differing(before, first) > 50, "nothing was changed"
    assert differing(before, after) <= 10, link


def test_a_drawn_x_is_there_again(page, tmp_path):
    vae = models.dense((28, 28), 2, hidden=(16,), likelihood="bernoulli")
    explorer, path = save(tmp_path, vae, torch.rand(30, 28, 28))
    page.set_viewport_size({"width": 1280, "height": 1500})
    shown = show(page, explorer, path)
    page.get_by_role("button", name="Draw it yourself").click()
    for key in (" ", *["ArrowDown"] * 5, *["ArrowRight"] * 3):
        page.locator(".vaelib-drawing").press(key)
    drawn = shown.pixels(".vaelib-source > canvas:not(.vaelib-drawing)")
    values = shown.values()
    eventually(page, lambda: "ink=" in page.evaluate("location.hash"), "an address")
    page.wait_for_timeout(400)
    link = page.evaluate("location.hash")
    assert len(link) < 700
    page.goto("about:blank")
    page.goto(path.as_uri() + link)
    page.wait_for_selector(".vaelib-explorer")
    assert shown.text(".vaelib-source figcaption") == "x, drawn by you"
    assert np.array_equal(shown.pixels(".vaelib-source > canvas"), drawn) and drawn.max() == 255
    assert shown.values() == values
    assert "…" not in shown.text(".vaelib-bound .vaelib-formula")
