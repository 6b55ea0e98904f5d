"""The stage fits the window, and nothing in it moves under the pointer."""

import pytest

pytestmark = pytest.mark.browser

WINDOWS = [
    *((1280, 640), (1366, 768), (1920, 1080), (3840, 2160)),
    *((360, 740), (640, 320), (740, 360)),  # a telephone, 1280 × 640 at 200 %, one on its side
]
SEEN = {
    "picture": ".vaelib-picture canvas",
    "plane": ".vaelib-pad",
    "sliders": ".vaelib-sliders",
}
ALL = {
    **SEEN,
    "x": ".vaelib-source canvas",
    "encoder": ".vaelib-encoder",
    "decoder": ".vaelib-decoder",
    "terms": ".vaelib-allterms",
}
# What the reader can use, each with its place; what is shown of one view only is left out.
CONTROLS = """(root) => Object.fromEntries(
  [...root.querySelectorAll("button, input, select, summary, [role=slider], [role=tab]")]
    .filter((e) => e.checkVisibility({ visibilityProperty: true }))
    .filter((e) => !e.closest(".vaelib-panel, .vaelib-handle"))
    .map((e) => {
      const { left, top } = e.getBoundingClientRect();
      const name = e.ariaLabel || e.labels?.[0]?.textContent || e.textContent;
      return [`${e.tagName} ${name}`.slice(0, 60), [left + scrollX, top + scrollY]];
    }))"""


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_picture_plane_and_sliders_are_in_view_together(shown, window):
    width, height = window
    shown.page.set_viewport_size({"width": width, "height": height})
    shown.frame()
    places = ALL if height > 500 else SEEN
    for name, selector in places.items():
        box = shown.page.locator(selector).first.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width, name
        assert box["y"] >= 0 and box["y"] + box["height"] <= height, name
        assert min(box["width"], box["height"]) >= 30, name
    assert shown.page.evaluate("document.documentElement.scrollWidth") == width


def test_each_step_of_a_slider_has_a_pixel_at_least(shown):
    """For 120 steps and a thumb of 20 pixels; in a notebook the stage is 850 pixels wide."""
    for width in (360, 640, 800, 880, 1000, 1130, 1180, 1280):
        shown.page.set_viewport_size({"width": width, "height": 740})
        shown.frame()
        assert shown.slider().bounding_box()["width"] >= 150, width


def test_what_is_wanted_most_is_in_no_closed_menu(shown):
    """Each by its role and the start of its name."""
    page = shown.page
    page.get_by_role("tab", name="Interpolation").click()
    names = ("Random", "Reset", "Next", "Copy link", "Copy z", "Save", "Resample", "Undo")
    for name in names:
        assert page.get_by_role("button", name=name).first.is_visible(), name
    for name in ("Traversal", "Manifold", "Interpolation"):
        assert page.get_by_role("tab", name=name).is_visible(), name
    for name in ("From", "To"):
        assert page.get_by_role("spinbutton", name=f"{name} test face", exact=True).is_visible()
    assert page.get_by_role("slider", name="Plane").is_visible()


@pytest.mark.parametrize("width", [1280, 360])
def test_no_control_moves_when_another_is_used(shown, width):
    page = shown.page
    page.set_viewport_size({"width": width, "height": 1500})
    page.locator("details").evaluate("(details) => { details.open = true; }")
    shown.frame()
    before = shown.root.evaluate(CONTROLS)
    assert len(before) > 30

    def nothing_moved(after):
        shown.frame()
        now = shown.root.evaluate(CONTROLS)
        for name, place in before.items():
            if name in now:
                far = max(abs(a - b) for a, b in zip(place, now[name], strict=True))
                assert far <= 1, f"{name} moved by {far} px after {after}"

    buttons = ("Next test face", "Resample ε", "Random draw", "Copy z", "Copy link", "Undo")
    chips = ("From frown", "Turn", "A sleeping", "Beyond", "Pixels", "Reset")
    for name in (*buttons, *chips, "Next test face"):
        page.get_by_role("button", name=name).first.click()
        nothing_moved(name)
    for view in ("Manifold", "Interpolation", "Hide", "Traversal"):
        page.get_by_role("tab", name=view).click()
        nothing_moved(view)
    for slider in shown.root.locator(".vaelib-sliders input[type=range]").all():
        slider.press("ArrowLeft")
    page.get_by_role("button", name="Slider 1").click()
    nothing_moved("the question's answer")
    shown.root.locator(".vaelib-number").first.fill("7.5")
    nothing_moved("a z beyond the data")
    for name in ("Picture", "Across", "Dots by"):
        select = page.get_by_label(name, exact=True)
        if select.is_visible():
            select.select_option(index=1)
            nothing_moved(name)
    page.get_by_role("checkbox", name="Lock").first.check()
    page.get_by_label("Manifold behind").check()
    nothing_moved("lock and manifold")
