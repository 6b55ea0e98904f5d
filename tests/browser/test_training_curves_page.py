"""The live training curves in a real browser, on a model of the test's own."""

import pytest

from vaelib.widgets import TrainingCurves, bundle

pytestmark = pytest.mark.browser

SETUP = """
window.model = {
  state: { reconstruction: [], kl: [], elbo: [], beta: [] },
  handlers: [],
  get() { return this.state; },
  on(event, handler) { this.handlers.push(handler); },
  off(event, handler) { this.handlers = this.handlers.filter((other) => other !== handler); },
  show(values) { this.state = values; this.handlers.forEach((handler) => handler()); },
};
window.cleanup = render({ model, el: document.querySelector("main") });
Object.assign(window, { ticks, range });
"""


@pytest.fixture
def curves(page):
    page.set_content(f"<style>{TrainingCurves._css}</style><main></main>")
    script = bundle.joined(TrainingCurves.view)
    page.add_script_tag(content=script + SETUP, type="module")
    page.wait_for_function("() => Boolean(window.cleanup)")
    return page


def show(page, epochs, **more):
    """Values as `fit` would send them after so many epochs, drawn."""
    values = {
        "reconstruction": [1000.0 + 10 * i for i in range(epochs)],
        "kl": [0.5 * i for i in range(epochs)],
        "elbo": [1000.0 + 9.5 * i for i in range(epochs)],
        "beta": [1.0] * epochs,
        **more,
    }
    page.evaluate("(values) => model.show(values)", values)
    page.evaluate("() => new Promise((r) => requestAnimationFrame(() => setTimeout(r)))")


def points(page, panel):
    text = page.locator("polyline:not(.vaelib-validation)").nth(panel).get_attribute("points")
    numbers = [float(number) for number in text.replace(" ", ",").split(",")]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def test_before_the_first_epoch_it_says_so(curves):
    assert curves.locator("svg").count() == 4
    assert curves.locator(".vaelib-status").inner_text() == "No epoch yet."


def test_numbers_stand_in_text(curves):
    show(curves, 3)
    status = curves.locator(".vaelib-status").inner_text()
    assert status == (
        "Epoch 3: reconstruction 1020.0, KL 1.00, ELBO 1019.0 nats per example; β 1.00."
    )
    label = curves.locator("svg").nth(1).get_attribute("aria-label")
    assert label == "KL(q(z|x) ‖ p(z)): from 0.00 to 1.00 nats in 3 epochs"


def test_validation_is_a_dashed_line_and_a_number(curves):
    show(curves, 3)
    assert "validation" not in curves.locator("main").inner_text()
    show(curves, 3, validation=[900.0, 950.0, 925.25])
    assert (
        curves.locator(".vaelib-status")
        .inner_text()
        .endswith("On the validation data the ELBO is 925.3.")
    )
    dashed = curves.locator("polyline.vaelib-validation").nth(2)
    assert dashed.evaluate("e => getComputedStyle(e).strokeDasharray") != "none"
    heights = [float(p.split(",")[1]) for p in dashed.get_attribute("points").split(" ")]
    assert heights[0] > heights[2] > heights[1] and max(heights) < 154, "900, 925, 950 from below"
    assert "dashed: validation" in curves.locator("svg").nth(2).text_content()


def test_lines_rise_from_left_to_right_within_their_panel(curves):
    show(curves, 5)
    found = points(curves, 0)
    assert len(found) == 5
    assert all(a[0] < b[0] and a[1] > b[1] for a, b in zip(found, found[1:], strict=False))
    assert all(52 <= x <= 288 and 26 <= y <= 154 for x, y in found)
    flat = points(curves, 3)
    assert len({y for _, y in flat}) == 1


def test_the_panels_are_made_once(curves):
    show(curves, 2)
    curves.evaluate("() => { window.first = document.querySelector('.vaelib-last'); }")
    show(curves, 30)
    assert curves.evaluate("first === document.querySelector('.vaelib-last')")
    assert len(points(curves, 0)) == 30


def test_one_epoch_and_numbers_that_are_none(curves):
    show(curves, 1)
    assert len(points(curves, 0)) == 1
    values = {name: [1.0, None] for name in ("reconstruction", "kl", "elbo", "beta")}
    curves.evaluate(
        """(values) => model.show(Object.fromEntries(Object.entries(values).map(
             ([name, list]) => [name, list.map((v) => v ?? NaN)])))""",
        values,
    )
    curves.evaluate("() => new Promise((r) => requestAnimationFrame(() => setTimeout(r)))")
    assert "NaN" in curves.locator(".vaelib-status").inner_text()
    assert len(points(curves, 0)) == 1


@pytest.mark.parametrize("low, high", [(0, 1), (-3, 4), (480, 1210), (0.001, 0.0014), (1, 40)])
def test_ticks_are_round_and_within(curves, low, high):
    found = curves.evaluate("([low, high]) => ticks(low, high)", [low, high])
    values = found["values"]
    digits = found["digits"]
    assert 3 <= len(values) <= 8
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in values)
    assert len({f"{value:.{digits}f}" for value in values}) == len(values)


@pytest.mark.parametrize("width", [320, 700, 1280])
def test_it_fits_the_window(curves, width):
    curves.set_viewport_size({"width": width, "height": 700})
    show(curves, 4)
    assert curves.evaluate("document.documentElement.scrollWidth") == width


def test_a_closed_view_leaves_nothing(curves):
    curves.evaluate("cleanup()")
    assert curves.evaluate("[model.handlers.length, document.querySelectorAll('svg').length]") == [
        0,
        0,
    ]
