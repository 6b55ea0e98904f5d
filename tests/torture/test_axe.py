"""axe-core's rules hold on every page: site, stage, labs, decks; light, dark, forced colours."""

import pytest
from axe import SMALL_PARTS, violations
from explorer_page import show
from lab_states import LABS
from labs_page import show as show_lab
from site_pages import LESSONS, built, open_page, until

LOOKS = {
    "light": {"color_scheme": "light", "forced_colors": "none"},
    "dark": {"color_scheme": "dark", "forced_colors": "none"},
    "forced": {"color_scheme": "light", "forced_colors": "active"},
}
each_look = pytest.mark.parametrize("look", LOOKS)


@each_look
@pytest.mark.parametrize("name", ["index", "explorer", *LESSONS])
def test_a_page_of_the_site(page, name, look):
    page.emulate_media(**LOOKS[look])
    open_page(page, built("site") / f"{name}.html")
    assert violations(page, without=SMALL_PARTS) == []


@each_look
@pytest.mark.parametrize("name", ["index", *LESSONS])
def test_every_slide_of_a_deck(page, name, look):
    page.emulate_media(**LOOKS[look])
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto((built("slides") / f"{name}.html").as_uri())
    if name == "index":
        assert violations(page, without=SMALL_PARTS) == []
        return
    until(page, "Boolean(window.Reveal?.isReady())")
    broken = {}
    for at in range(page.evaluate("Reveal.getTotalSlides()")):
        page.evaluate(
            """(at) => {
          const { h, v } = Reveal.getIndices(Reveal.getSlides()[at]);
          Reveal.slide(h, v, 99);
        }""",
            at,
        )
        if found := violations(page, without=SMALL_PARTS):
            broken[at] = found
    assert broken == {}


@each_look
@pytest.mark.parametrize("width", [1280, 360])
def test_the_stage_in_all_its_views(page, face_explorer, width, look):
    page.emulate_media(**LOOKS[look])
    page.set_viewport_size({"width": width, "height": 900})
    show(page, *face_explorer)
    page.locator("details").evaluate("(details) => { details.open = true; }")
    assert violations(page) == []
    page.get_by_role("button", name="Next test face").click()
    page.get_by_label("Picture", exact=True).select_option("sample")
    page.get_by_label("Manifold behind").check()
    for slider in page.locator(".vaelib-sliders input[type=range]").all():
        slider.press("End")
    for view in ("Traversal", "Manifold", "Interpolation", "Hide"):
        page.get_by_role("tab", name=view).click()
        assert violations(page) == [], view
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("l")
    page.keyboard.press("4")
    page.wait_for_timeout(500)
    assert violations(page) == []


@each_look
@pytest.mark.parametrize("kind", LABS, ids=lambda kind: kind.__name__)
def test_a_lab_and_its_lecture_mode(page, kind, look):
    page.emulate_media(**LOOKS[look])
    show_lab(page, kind, dark=look == "dark")
    assert violations(page, whole=False) == []
    page.keyboard.press("l")
    for key in "12345":
        page.keyboard.press(key)
        page.wait_for_timeout(200)
        assert violations(page, whole=False) == [], key
