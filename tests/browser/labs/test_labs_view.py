"""The looks of the labs at every width and in both schemes; the state between view and Python."""

import pytest
from lab_states import each_lab
from labs_page import show
from playwright.sync_api import expect

from vaelib.plots import SYMBOLS
from vaelib.widgets import ElboLab, JensenLab, KLLab

pytestmark = pytest.mark.browser


@each_lab
@pytest.mark.parametrize("width", [320, 640, 1280, 3840])
def test_it_fits_the_window(page, kind, width):
    page.set_viewport_size({"width": width, "height": 720})
    show(page, kind)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    drawings = page.get_by_role("img")
    for i in range(drawings.count()):
        assert drawings.nth(i).bounding_box()["width"] >= 250
    smallest = page.evaluate("""() => {
      const size = (element) => {
        const { a, b } = element.getScreenCTM();  // b where the text is turned
        return parseFloat(getComputedStyle(element).fontSize) * Math.hypot(a, b);
      };
      return Math.min(...[...document.querySelectorAll(".vaelib-plot svg text")].map(size));
    }""")
    assert smallest > 15.99
    if width == 1280:  # a projector: controls, picture and text at once
        assert page.evaluate("document.documentElement.scrollHeight") <= 720


CONTRAST = """(paper) => {
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const colour = (text) => {
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const ratio = (text) => {
    const pair = [light(colour(text)), light(paper)].sort((a, b) => b - a);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
  };
  const of = (selector, property) => [...document.querySelectorAll(selector)]
    .map((element) => [selector, ratio(getComputedStyle(element)[property])]);
  return { text: [...of("label, p, .lab-legend span", "color"), ...of("svg text", "fill")],
    marks: of("path[data-key]:not(.lab-points)", "stroke") };
}"""


@each_lab
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_and_lines_are_seen_in_both_schemes(page, kind, dark):
    page.emulate_media(color_scheme="dark" if dark else "light")
    show(page, kind, dark=dark)
    seen = page.evaluate(CONTRAST, [17, 17, 17] if dark else [255, 255, 255])
    assert len(seen["text"]) > 20 and len(seen["marks"]) >= 3
    assert min(ratio for _, ratio in seen["text"]) >= 4.5
    assert min(ratio for _, ratio in seen["marks"]) >= 3


@pytest.mark.parametrize("jupyterlab", [None, "true", "false"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_symbols_have_the_colours_of_the_formulas(page, dark, jupyterlab):
    """JupyterLab's theme decides where there is one, else what the reader prefers."""
    page.emulate_media(color_scheme="dark" if dark else "light")
    show(page, ElboLab)
    if jupyterlab:
        page.evaluate("(light) => { document.body.dataset.jpThemeLight = light }", jupyterlab)
        dark = jupyterlab == "false"
    found = page.evaluate("""() => Object.fromEntries(
      ["q", "posterior", "prior", "arc", "reconstruction", "kl", "gap"].map((key) =>
        [key, getComputedStyle(document.querySelector(`[data-key=${key}]`)).stroke]))""")
    symbols = dict(q="enc", posterior="code", prior="prior", arc="dec", reconstruction="dec")
    for key, symbol in (symbols | {"kl": "gap", "gap": "gap"}).items():
        wanted = SYMBOLS[symbol][2 if dark else 1]
        red, green, blue = (int(wanted[i : i + 2], 16) for i in (1, 3, 5))
        assert found[key] == f"rgb({red}, {green}, {blue})", key


# The state between the view and Python.


def test_moves_reach_python_ten_times_a_second_and_the_last_one_always(page):
    show(page, KLLab)
    saved, seconds = page.evaluate("""async () => {
      const input = slider("μ");
      const start = performance.now();
      for (let i = 1; i <= 60; i += 1) {
        input.value = i / 20;
        input.dispatchEvent(new Event("input"));
        await new Promise((done) => setTimeout(done, 10));
      }
      await new Promise((done) => setTimeout(done, 250));
      return [model.saved.map((state) => state.mu), (performance.now() - start) / 1000];
    }""")
    assert 2 <= len(saved) <= 10 * seconds + 1 and saved[-1] == 3


def test_python_moves_the_page_and_all_its_views(page):
    show(page, ElboLab, views=2)
    page.evaluate("model.set('mu', 0.25)")
    page.wait_for_function(
        "elements.every((el) => el.querySelector('.lab-value').textContent === '0.25')"
    )
    assert page.evaluate("model.saved.length") == 0  # what came from Python is not sent back
    page.evaluate("slider('μ').value = 2; slider('μ').dispatchEvent(new Event('input'))")
    page.wait_for_function("slider('μ', 1).value === '2'")


def test_an_echo_does_not_pull_the_slider_back(page):
    show(page, KLLab)
    page.evaluate("""() => {
      window.move = (value) => {
        slider("μ").value = value;
        slider("μ").dispatchEvent(new Event("input"));
      };
      move(2);
    }""")
    page.wait_for_function("model.saved.length === 1")
    page.evaluate("move(3); model.state.mu = null; model.set('mu', 2)")
    page.wait_for_function("model.saved.length === 2")
    assert page.evaluate("model.saved[1].mu") == 3


def test_errors_of_python_and_of_the_page_are_said(page):
    show(page, KLLab)
    alert = page.get_by_role("alert")
    assert not alert.is_visible()
    page.evaluate("model.set('error', 'TraitError: mu is 9')")
    expect(alert).to_be_visible()
    expect(alert).to_have_text("TraitError: mu is 9")
    page.evaluate("model.set('error', '')")
    expect(alert).not_to_be_visible()
    page.evaluate("""() => {
      const failing = { get: (name) => (name === "p" ? "nothing known" : model.get(name)),
        on() {}, off() {}, set() {}, save_changes() {} };
      try {
        render({ model: failing, el: elements[0] });
      } catch (problem) {
        window.problem = String(problem);
      }
    }""")
    assert "TypeError" in page.evaluate("window.problem")  # raised, for the console and for tests


def test_fifty_views_opened_and_closed_leave_nothing(page):
    show(page, JensenLab)
    left = page.evaluate("""async () => {
      const before = model.handlers.length;
      for (let i = 0; i < 50; i += 1) {
        const cleanup = render({ model, el: elements[0] });
        const input = elements[0].lastElementChild.querySelector("input");
        input.dispatchEvent(new Event("input"));
        cleanup();
      }
      await frame();
      return [model.handlers.length - before, elements[0].childElementCount];
    }""")
    assert left == [0, 1]
