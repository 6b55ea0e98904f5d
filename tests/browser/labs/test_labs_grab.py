"""What can be grabbed in the labs' plots: with a mouse, with a finger, with the arrow keys."""

import math

import pytest
from lab_states import each_lab
from labs_page import show
from pages import FRAME, opened

from vaelib.widgets import ElboLab, JensenLab, KLLab, ReparameterisationLab

pytestmark = pytest.mark.browser
GRIPS = {
    "KLLab": {"the top of q": "mu", "the shoulder of q": "sigma"},
    "LikelihoodLab": {"θ on": "theta", "K, where": "n_samples", "D on": "dim"},
    "JensenLab": {"x₁": "x1", "x₂": "x2", "the mean": "weight", "K on": "n_samples"},
    "ElboLab": {"the top": "mu", "the shoulder": "log_sigma", "x in the plane": "x1"},
    "ReparameterisationLab": {"the samples": "mu", "the top": "mu", "the shoulder": "log_sigma"},
}


def grip(page, name):
    return page.get_by_role("application", name=name)


def middle(page, name):
    """The middle of a grip in the window."""
    place = grip(page, name).bounding_box()
    return place["x"] + place["width"] / 2, place["y"] + place["height"] / 2


def drag(page, name, right, down=0):
    x, y = middle(page, name)
    page.mouse.move(x, y)
    page.mouse.down()
    for part in (0.3, 0.7, 1):
        page.mouse.move(x + part * right, y + part * down)
    page.mouse.up()
    page.evaluate(FRAME)


def saved(page):
    page.wait_for_function("model.saved.length > 0")
    page.wait_for_timeout(150)
    return page.evaluate("model.saved.at(-1)")


@each_lab
def test_each_grip_moves_its_control_with_mouse_and_keys(page, kind):
    show(page, kind)
    sliders = page.get_by_role("slider")
    assert sliders.count() == sum(hasattr(c, "positions") for c in kind.controls().values()) - sum(
        hasattr(c, "options") for c in kind.controls().values()
    )
    for name, control in GRIPS[kind.__name__].items():
        before = page.evaluate("(name) => model.state[name]", control)
        drag(page, name, 40)
        assert saved(page)[control] > before
        now = page.evaluate("(name) => model.state[name]", control)
        grip(page, name).focus()
        page.keyboard.press("ArrowLeft")
        page.wait_for_function("([n, was]) => model.state[n] < was", arg=[control, now])


def test_a_grip_follows_the_pointer(page):
    """The bell's top and its shoulder end where the pointer does, to a pixel."""
    show(page, KLLab)
    x, _ = middle(page, "the top of q")
    drag(page, "the top of q", 57)
    assert middle(page, "the top of q")[0] == pytest.approx(x + 57, abs=1)
    x, _ = middle(page, "the shoulder of q")
    drag(page, "the shoulder of q", 23)
    assert middle(page, "the shoulder of q")[0] == pytest.approx(x + 23, abs=1)


def test_x_can_be_put_anywhere_and_stays_on_the_circle_near_it(page):
    show(page, ElboLab)
    x, y = middle(page, "x in the plane")
    drag(page, "x in the plane", -30, 20)
    assert middle(page, "x in the plane") == pytest.approx((x - 30, y + 20), abs=1.5)
    scale = page.evaluate("""() => {
      const x = document.querySelector("[data-key=arc]").getBBox();
      return x.width / 2;  // of the circle, whose radius is 1
    }""")
    at = saved(page)
    radius = math.hypot(at["x1"], at["x2"])
    out = (1.03 / radius - 1) * scale  # to where the circle is near
    drag(page, "x in the plane", out * at["x1"], -out * at["x2"])
    at = saved(page)
    assert math.hypot(at["x1"], at["x2"]) == pytest.approx(1, abs=0.01)


def test_q_can_be_led_along_the_arc(page):
    """μ follows the pointer round the circle, past π too, and stops at its own end."""
    show(page, ElboLab)
    x, y = middle(page, "G(μ) on the arc")
    radius = page.evaluate("document.querySelector('[data-key=arc]').getBBox().width / 2")
    centre = (x - radius * math.sin(0.5), y + radius * math.cos(0.5))
    page.mouse.move(x, y)
    page.mouse.down()
    for angle in (1, 2, 3, 3.6):
        page.mouse.move(
            centre[0] + 1.3 * radius * math.sin(angle), centre[1] - 1.3 * radius * math.cos(angle)
        )
        page.evaluate(FRAME)
    assert saved(page)["mu"] == pytest.approx(3.6, abs=0.08)
    page.mouse.move(centre[0] + radius * math.sin(5), centre[1] - radius * math.cos(5))
    page.mouse.up()
    assert saved(page)["mu"] == 4


def test_every_sample_leads_the_others(page):
    """The dot that was grabbed follows the pointer; ε and σ stay, so all move by as much."""
    lab = show(page, ReparameterisationLab)
    before = page.evaluate("document.querySelector('[data-key=eps]').getAttribute('d')")
    drag(page, "the samples z", 30)
    state = saved(page)
    assert state["mu"] > lab.mu and state["log_sigma"] == lab.log_sigma
    assert page.evaluate("document.querySelector('[data-key=eps]').getAttribute('d')") == before


def test_what_is_dragged_beyond_its_control_stops_at_its_end(page):
    show(page, JensenLab)
    drag(page, "x₂", 900)
    assert saved(page)["x2"] == 4
    drag(page, "x₁", -900)
    assert saved(page)["x1"] == 0.1


@pytest.fixture
def phone(chromium):
    context = chromium.new_context(viewport={"width": 360, "height": 740}, has_touch=True)
    with opened(context) as page:
        yield page
    context.close()


def swipe(page, x, y, right, down):
    """One finger, by touch events of the browser's own."""
    session = page.context.new_cdp_session(page)
    points = [{"x": x, "y": y}]
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points})
    for part in (0.2, 0.4, 0.6, 0.8, 1):
        points = [{"x": x + part * right, "y": y + part * down}]
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_timeout(300)


def test_a_finger_moves_a_grip_and_elsewhere_scrolls_the_page(phone):
    show(phone, ElboLab)
    for name, control in (("the top", "mu"), ("the shoulder", "log_sigma"), ("x in", "x1")):
        before = phone.evaluate("(name) => model.state[name]", control)
        swipe(phone, *middle(phone, name), 24, 0)
        assert phone.evaluate("scrollY") == 0
        assert saved(phone)[control] > before
    phone.evaluate("document.body.style.paddingBottom = '600px'")
    place = phone.get_by_role("img").nth(1).bounding_box()
    swipe(phone, place["x"] + 90, place["y"] + 90, 0, -120)
    assert phone.evaluate("scrollY") > 50
