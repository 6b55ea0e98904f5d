"""Where things stand in the labs: in one view, unmoved by each other, large enough to read."""

import numpy as np
import pytest
from lab_states import each_lab
from labs_page import show
from pages import FRAME

from vaelib.widgets import ElboLab

pytestmark = pytest.mark.browser
PARTS = ".vaelib-plot, .lab-row, .lab-buttons > button"
PLACES = f"""() => [...document.querySelectorAll("{PARTS}, .vaelib-says")].map((element) => {{
  const {{ x, y, width, height }} = element.getBoundingClientRect();
  return [element.className || element.textContent, x, y, width, height];
}})"""
SMALLEST = """() => Math.min(...[...document.querySelectorAll(".vaelib-lab *")]
  .filter((element) => !element.closest(".lab-aloud") && element.checkVisibility() &&
    [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()))
  .map((element) => parseFloat(getComputedStyle(element).fontSize)))"""
CUT = """() => [...document.querySelectorAll(".lab-title, .lab-row, .lab-challenge, .lab-legend")]
  .filter((e) => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 4)
  .map((e) => e.textContent)"""


@each_lab
@pytest.mark.parametrize("size", [(1280, 720), (896, 700), (360, 740)], ids=str)
def test_controls_and_plots_are_on_one_screen_and_nothing_moves(page, kind, size):
    width, height = size
    page.set_viewport_size({"width": width, "height": height})
    show(page, kind)
    page.evaluate(FRAME)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(SMALLEST) >= 16
    before = page.evaluate(PLACES)
    lowest = max(y + tall for name, _, y, _, tall in before if name != "vaelib-says")
    assert lowest <= height
    for preset in kind().spec["presets"]:
        page.evaluate(
            "(all) => Object.entries(all).forEach(([k, v]) => model.set(k, v))", preset["state"]
        )
        page.evaluate(FRAME)
        assert page.evaluate(CUT) == []
        moved(page, before, f"at {preset['state']}")
    for name, control in kind.controls().items():
        for value in (control.positions()[0], control.positions()[-1]):
            page.evaluate("([name, value]) => model.set(name, value)", [name, value])
            page.evaluate(FRAME)
            assert page.evaluate(CUT) == []
            moved(page, before, f"{name} = {value}")


@pytest.mark.parametrize("size", [(1280, 720), (360, 740)], ids=str)
def test_no_button_moves_what_is_around_it(page, size):
    page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
    show(page, ElboLab)
    before = [place[1:] for place in page.evaluate(PLACES)]
    buttons = ["Challenge", "Let the gradient do it", "Stop", "Challenge", "Challenge", "Reset"]
    for name in buttons:
        page.get_by_role("button", name=name, exact=True).click()
        page.evaluate(FRAME)
        after = [place[1:] for place in page.evaluate(PLACES)]
        assert np.abs(np.subtract(after, before)).max() <= 1, name
        assert page.evaluate(CUT) == []


def moved(page, before, when):
    for was, now in zip(before, page.evaluate(PLACES), strict=True):
        assert was[0] == now[0]
        for a, b in zip(was[1:], now[1:], strict=True):
            assert abs(a - b) <= 1, f"{was[0]} moved {when}: {was[1:]} to {now[1:]}"
