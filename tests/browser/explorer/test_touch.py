"""Fingers: real touch events, as Chromium makes them from the screen."""

import pytest
from explorer_page import show, z_of
from pages import PATIENCE, opened

pytestmark = pytest.mark.browser


@pytest.fixture
def telephone(chromium, face_explorer):
    context = chromium.new_context(
        viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
    )
    with opened(context) as page:
        page.set_default_timeout(PATIENCE)
        yield show(page, *face_explorer)
    context.close()


def swipe(page, start, end, steps=8):
    session = page.context.new_cdp_session(page)
    send = lambda kind, points: session.send(  # noqa: E731
        "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
    )
    send("touchStart", [{"x": start[0], "y": start[1]}])
    for i in range(1, steps + 1):
        x, y = (a + (b - a) * i / steps for a, b in zip(start, end, strict=True))
        send("touchMove", [{"x": x, "y": y}])
        page.wait_for_timeout(16)
    send("touchEnd", [])
    page.wait_for_timeout(300)


def place(telephone, x, y):
    box = telephone.page.locator(".vaelib-pad").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def code(telephone):
    telephone.page.locator("details").evaluate("(details) => { details.open = true; }")
    return z_of(telephone)


def test_a_finger_that_goes_up_on_the_plane_scrolls_the_page(telephone):
    page = telephone.page
    swipe(page, place(telephone, 0.2, 0.85), place(telephone, 0.2, 0.1))
    assert page.evaluate("scrollY") > 80
    page.evaluate("scrollTo(0, 0)")
    assert code(telephone) == [0, 0, 0, 0]


def test_a_tap_and_a_finger_that_goes_sideways_move_z(telephone):
    page = telephone.page
    page.touchscreen.tap(*place(telephone, 0.75, 0.25))
    telephone.frame()
    page.evaluate("scrollTo(0, 0)")
    z = code(telephone)
    assert z[2] > 1 and z[1] > 1
    page.evaluate("scrollTo(0, 0)")
    swipe(page, place(telephone, 0.5, 0.6), place(telephone, 0.1, 0.6))
    assert page.evaluate("scrollY") == 0
    assert code(telephone)[2] < -2


def test_the_ring_is_dragged_in_any_direction(telephone):
    page = telephone.page
    swipe(page, place(telephone, 0.5, 0.5), place(telephone, 0.5, 0.1))
    assert page.evaluate("scrollY") == 0
    assert code(telephone)[1] > 2
