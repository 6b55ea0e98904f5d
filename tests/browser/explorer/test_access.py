"""The explorer for everyone: axe-core, contrast, high contrast, focus, narrow and large screens."""

import pytest
import torch
from axe import violations
from explorer_page import mount, save, show
from playwright.sync_api import expect

from vaelib import models
from vaelib.widgets import LatentExplorer

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    "width, scheme, forced",
    [(1280, "light", "none"), (320, "dark", "none"), (1280, "dark", "active")],
)
def test_axe_finds_no_violation(shown, width, scheme, forced):
    page = shown.page
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme, forced_colors=forced)
    page.get_by_role("button", name="Next test face").click()
    page.get_by_label("Picture", exact=True).select_option("sample")
    page.get_by_label("Manifold behind").check()
    page.locator("details").evaluate("(details) => { details.open = true; }")
    page.get_by_role("button", name="Copy z as code").click()
    for view in ("Manifold", "Interpolation"):  # all of them: tests/torture/test_axe.py
        page.get_by_role("tab", name=view).click()
        assert violations(page) == [], view


def test_a_saved_page_in_trouble_has_no_violation(page, tmp_path):
    vae = models.dense((8, 8), 2, hidden=())
    x = torch.zeros(4, 8, 8)
    x[2] = 1
    with torch.no_grad():
        vae.encoder.mu.weight.fill_(1e38)  # too much for the third image
    page.emulate_media(color_scheme="dark")
    shown = show(page, *save(tmp_path, vae, x))
    page.get_by_label("Start from image").fill("2")
    page.get_by_role("button", name="Encode").click()
    for mode in shown.explorer.spec["modes"]:
        page.locator(f"[role=tab][id$={mode}]").click()
        expect(page.get_by_role("alert")).to_contain_text("gives NaN or infinity for image 2")
        assert violations(page) == [], mode


def test_axe_is_there_to_find_something(shown):
    shown.page.evaluate("document.querySelector('.vaelib-number').removeAttribute('aria-label')")
    assert any(rule == "label" for rule, _ in violations(shown.page))


def test_a_widget_in_trouble_has_no_violation(page):
    explorer = LatentExplorer(models.dense((8, 8), 2, hidden=(5,)), torch.rand(4, 8, 8))
    mount(page, explorer, views=2, answers=True, weights={"bytes": [0] * 41}, error="ValueError: x")
    expect(page.get_by_role("alert").first).to_be_visible()
    assert violations(page, whole=False) == []


CONTRAST = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!colour.includes("rgba(0, 0, 0, 0)")) return colour;
    }
  };
  const ratio = (a, b) => {
    const pair = [light(a), light(b)].sort((x, y) => y - x);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
  };
  const texts = "label, button, p, h1, figcaption, caption, th, td, li, summary";
  const found = [...document.querySelectorAll(texts)]
    .filter((element) => element.textContent)
    .map((e) => [e.textContent, 4.5, ratio(getComputedStyle(e).color, behind(e))]);
  const marks = [...document.querySelectorAll(".vaelib-legend path")]
    .map((e) => [e.getAttribute("class"), 3, ratio(getComputedStyle(e).fill, behind(e))]);
  return [...found, ...marks];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_dots_can_be_seen_in_both_schemes(shown, scheme):
    shown.page.emulate_media(color_scheme=scheme)
    background = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    found = shown.page.evaluate(CONTRAST)
    assert sum(str(text).startswith("vaelib-level") for text, *_ in found) == 5
    for text, needed, ratio in found:
        assert ratio >= needed, text


def test_high_contrast_keeps_what_colours_told(shown):
    page = shown.page
    page.get_by_role("button", name="Next test face").click()
    page.wait_for_timeout(800)  # the animation is over
    page.emulate_media(forced_colors="active")
    text = page.evaluate("""() => {
      const probe = document.body.appendChild(document.createElement("i"));
      probe.style.color = "CanvasText";
      return getComputedStyle(probe).color;
    }""")
    shown.frame()
    for selector, what in ((".vaelib-dots path", "fill"), (".vaelib-q", "stroke")):
        found = page.locator(selector).first.evaluate(f"e => getComputedStyle(e).{what}")
        assert found == text, selector
    assert page.locator(".vaelib-band").first.is_visible()
    slider, rail = (page.locator(f".vaelib-rail{part}").first for part in (" input", ""))
    assert slider.bounding_box()["width"] == rail.bounding_box()["width"]


@pytest.mark.parametrize("width", [320, 768, 3840])
def test_it_fits_the_window(shown, width):
    shown.page.set_viewport_size({"width": width, "height": 700})
    shown.page.locator("details").evaluate("(details) => { details.open = true; }")
    for view in ("Manifold", "Interpolation"):
        shown.page.get_by_role("tab", name=view).click()
        assert shown.page.evaluate("document.documentElement.scrollWidth") == width
    places = (".vaelib-picture canvas", ".vaelib-track", ".vaelib-pad")
    boxes = [shown.page.locator(place).first.bounding_box() for place in places]
    assert all(box["width"] >= min(280, 0.2 * width) for box in boxes)
    cell = shown.page.locator(".vaelib-cells button").first.bounding_box()
    assert cell["width"] >= 24  # as large as a finger needs


def test_it_grows_on_a_projector(shown):
    sizes = []
    for width in (1280, 3840):
        shown.page.set_viewport_size({"width": width, "height": width * 9 // 16})
        places = (".vaelib-picture canvas", ".vaelib-pad", ".vaelib-rail", ".vaelib-play")
        boxes = [shown.page.locator(place).first.bounding_box() for place in places]
        sizes.append([box["width"] for box in boxes])
    assert all(large > 1.7 * small for small, large in zip(*sizes, strict=True)), sizes


def test_the_focus_is_seen(shown):
    kinds = set()
    for _ in range(60):
        shown.page.keyboard.press("Tab")
        kind = shown.page.evaluate("document.activeElement.type || document.activeElement.role")
        kinds.add(kind)
        style = shown.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert style == "solid" or kind is None, kind  # None: past the end, back at the page
    assert {"range", "number", "checkbox", "button", "select-one", "slider"} <= kinds
