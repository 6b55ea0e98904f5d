"""The labs in a real browser: the page computes what Python computes, a slider moves picture and
text, everything has a name; and in JupyterLab a move is on the screen sooner than `interact`'s."""

import itertools
import json
import re

import numpy as np
import pytest

from vaelib.widgets import ElboLab, JensenLab, KLLab, LikelihoodLab, ReparameterisationLab
from vaelib.widgets.labs._lab import say

pytestmark = pytest.mark.browser

LABS = (KLLab, LikelihoodLab, JensenLab, ElboLab, ReparameterisationLab)
each_lab = pytest.mark.parametrize("kind", LABS, ids=lambda kind: kind.__name__)
BOX = {"left": 54, "right": 348, "top": 10, "bottom": 208}  # of plot.js

MODEL = """
window.FakeModel = class {
  constructor(state) { this.state = state; this.handlers = []; this.saved = []; }
  get(name) { return this.state[name]; }
  set(name, value) {
    if (this.state[name] === value) return;
    this.state[name] = value;
    for (const [event, handler] of [...this.handlers]) if (event === `change:${name}`) handler();
  }
  save_changes() { this.saved.push({ ...this.state, spec: null }); }
  on(event, handler) { this.handlers.push([event, handler]); }
  off(event, handler) {
    this.handlers = this.handlers.filter(([e, h]) => e !== event || h !== handler);
  }
};
window.slider = (label, view = 0) => [...elements[view].querySelectorAll("label")]
  .find((element) => element.textContent.startsWith(label)).control;
window.frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
"""


def show(page, kind, views=1, dark=False):
    """The lab on a model of the test's own, once or several times: window.model, .elements."""
    lab = kind()
    paper = "background: #111" if dark else ""
    places = "<div></div>" * views
    page.set_content(
        f"<!DOCTYPE html><html lang=en><title>Lab</title><style>body {{ margin: 8px; {paper} }}"
        f"{lab._css}</style>{places}"
    )
    script = lab._esm.replace("export default { render };", "window.render = render;")
    page.add_script_tag(content=MODEL + script, type="module")
    page.wait_for_function("() => Boolean(window.render)")
    page.evaluate(
        """(state) => {
          window.model = new FakeModel(state);
          window.elements = [...document.querySelectorAll("body > div")];
          window.cleanups = elements.map((el) => render({ model, el }));
        }""",
        {"spec": lab.spec, "error": "", **lab.state},
    )
    return lab


def states(kind, count):
    """Every corner's middle and ends, thinned out to about `count`, and some between."""
    places = []
    for control in kind.controls().values():
        at = control.positions()
        places.append([at[i] for i in sorted({0, len(at) // 3, len(at) // 2, len(at) - 1})])
    grid = list(itertools.product(*places))
    names = list(kind.controls())
    step = max(1, len(grid) // count)
    return [dict(zip(names, state, strict=True)) for state in grid[::step]]


def close(name, ours, theirs):
    np.testing.assert_allclose(ours, theirs, atol=1e-6, rtol=0, err_msg=name)


@each_lab
def test_the_page_computes_what_python_computes(page, kind):
    show(page, kind)
    for state in states(kind, 60):
        found = page.evaluate(
            """(state) => {
              const { series, numbers, limits } = document.querySelector(".vaelib-lab")
                .vaelibCompute(state);
              const plain = Object.entries(series).map(([key, parts]) =>
                [key, parts.map((part) => Array.from(part))]);
              return { series: Object.fromEntries(plain), numbers, limits };
            }""",
            state,
        )
        scene = kind.compute(**state)
        assert set(found["series"]) == set(scene.series)
        assert set(found["numbers"]) == set(scene.numbers)
        for key, parts in scene.series.items():
            assert len(parts) == len(found["series"][key])
            for ours, theirs in zip(parts, found["series"][key], strict=True):
                close(f"{key} at {state}", ours, theirs)
        for key, number in scene.numbers.items():
            if isinstance(number, str):
                assert found["numbers"][key] == number
            else:
                close(f"{key} at {state}", number, found["numbers"][key])
        assert set(found["limits"]) == set(scene.limits)
        for key, limits in scene.limits.items():
            close(f"limits of {key} at {state}", limits, found["limits"][key])


def drawn(page, key):
    """Where a line's or an area's path goes, in the drawing's units, (n, 2)."""
    d = page.locator(f"path[data-key={key}]").get_attribute("d")
    return np.array([[float(v) for v in pair] for pair in re.findall(r"[ML](\S+?),([-\d.]+)", d)])


def expected(panel, scene, key):
    """The same from Python's numbers, as far as it is inside the panel, and where that is."""
    left, right, bottom, top = panel.limits or scene.limits[panel.key]
    x, y = scene.series[key][:2]
    if "x" in panel.log:
        x, left, right = np.log10(x), np.log10(left), np.log10(right)
    if "y" in panel.log:
        y, bottom, top = np.log10(y), np.log10(bottom), np.log10(top)
    across = BOX["left"] + (x - left) / (right - left) * (BOX["right"] - BOX["left"])
    up = BOX["bottom"] - (y - bottom) / (top - bottom) * (BOX["bottom"] - BOX["top"])
    there = ~np.isnan(across + up)
    return np.stack([across, up], 1)[there]


def text_of(page):
    """The lab's sentences as one reads them, sub- and superscripts marked as in the templates."""
    return page.evaluate("""() => [...document.querySelectorAll(".vaelib-says p")].map((line) =>
      [...line.childNodes].map((node) =>
        ({ SUB: "_", SUP: "^" }[node.nodeName] ?? "") + node.textContent).join(""))""")


@each_lab
def test_a_slider_moves_the_picture_and_its_text(page, kind):
    lab = show(page, kind)
    control = next(iter(kind.controls().values()))
    paths = "[...document.querySelectorAll('path[data-key]')].map((path) => path.getAttribute('d'))"
    before = page.evaluate(paths)
    page.get_by_role("slider", name=control.label, exact=True).focus()
    for key in ("ArrowRight", "ArrowRight", "PageDown", "End"):
        page.keyboard.press(key)
        page.evaluate("frame()")
        value = float(page.get_by_role("slider", name=control.label, exact=True).input_value())
        setattr(lab, control.name, value)
        scene = lab.scene
        assert text_of(page) == [say(template, scene.numbers) for template in lab.says]
        for panel in lab.panels:
            for mark in panel.marks:
                if mark.kind == "points":
                    continue
                wanted = expected(panel, scene, mark.key)
                found = drawn(page, mark.key)[: len(wanted)]
                inside = np.abs(wanted) < 9000  # far outside the page draws less far
                np.testing.assert_allclose(found[inside], wanted[inside], atol=0.011)
            label = page.get_by_role("img").nth(lab.panels.index(panel)).get_attribute("aria-label")
            said = f"{say(panel.title, scene.numbers)}. {say(panel.alt, scene.numbers)}"
            assert label == said
    assert value == control.high
    assert page.evaluate(paths) != before


@each_lab
def test_every_control_moves_and_reset_returns(page, kind):
    lab = show(page, kind)
    start = page.locator(".vaelib-says").inner_text()
    for name, control in kind.controls().items():
        target = control.positions()[-1]
        if hasattr(control, "options"):
            page.get_by_label(control.label).select_option(target)
        else:
            page.get_by_role("slider", name=control.label, exact=True).focus()
            page.keyboard.press("End")
        page.wait_for_function("([name, value]) => model.state[name] === value", arg=[name, target])
        setattr(lab, name, target)
    page.evaluate("frame()")
    assert text_of(page) == [say(template, lab.numbers) for template in lab.says]
    page.get_by_role("button", name="Reset").click()
    page.evaluate("frame()")
    assert page.locator(".vaelib-says").inner_text() == start
    page.wait_for_function(
        "(state) => Object.entries(state).every(([name, value]) => model.state[name] === value)",
        arg=kind().state,
    )


@each_lab
def test_everything_has_a_name(page, kind):
    show(page, kind)
    problems = page.evaluate("""() => {
      const problems = [];
      for (const input of document.querySelectorAll("input, select")) {
        if (!input.labels.length) problems.push(`no label: ${input.outerHTML}`);
      }
      for (const element of document.querySelectorAll("input, select, button")) {
        if (element.dataset.lmSuppressShortcuts !== "true") problems.push(element.outerHTML);
      }
      for (const drawing of document.querySelectorAll("svg")) {
        const hidden = drawing.closest("[aria-hidden=true]");
        if (!hidden && !(drawing.getAttribute("role") === "img" && drawing.ariaLabel.length > 40)) {
          problems.push("a drawing without words");
        }
      }
      const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
      if (new Set(ids).size !== ids.length) problems.push("an id twice");
      return problems;
    }""")
    assert problems == []
    for control in kind.controls().values():
        role = "combobox" if hasattr(control, "options") else "slider"
        assert page.get_by_role(role, name=control.label, exact=True).count() == 1
    assert page.get_by_role("group", name=kind.title).count() == 1


def test_marks_of_one_panel_differ_in_more_than_colour():
    for kind in LABS:
        for panel in kind.panels:
            looks = [(m.kind, m.style, m.hatch, m.width) for m in panel.marks if m.name]
            assert len(set(looks)) == len(looks)


def test_a_screen_reader_is_told_when_the_slider_rests(page):
    show(page, KLLab)
    status = page.get_by_role("status")
    assert status.inner_text() == ""
    page.get_by_role("slider", name="μ, mean of q").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('[role=status]').textContent.length > 40")
    assert page.get_by_role("slider").first.get_attribute("aria-valuetext") == "1.05"


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
      return Math.min(...[...document.querySelectorAll(".vaelib-plot > svg text")].map(size));
    }""")
    assert smallest >= 9.9
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
  return { text: [...of("label, p, .vaelib-legend span", "color"), ...of("svg text", "fill")],
    marks: of("path[data-key]:not(.vaelib-points)", "stroke") };
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
        "elements.every((el) => el.querySelector('.vaelib-value').textContent === '0.25')"
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
    assert alert.is_visible() and alert.inner_text() == "TraitError: mu is 9"
    page.evaluate("model.set('error', '')")
    assert not alert.is_visible()
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


# In JupyterLab, with a kernel, beside what most courses do.

INTERACT = """import matplotlib.pyplot as plt
import numpy as np
from ipywidgets import interact

%matplotlib inline

z = np.linspace(-6, 6, 241)

def density(mu, sigma):
    return np.exp(-0.5 * ((z - mu) / sigma) ** 2) / sigma / np.sqrt(2 * np.pi)

@interact(mu=(-4.0, 4.0, 0.05), sigma=(0.2, 3.0, 0.05))
def draw(mu=1.0, sigma=0.6):
    q, p = density(mu, sigma), density(0, 1)
    figure, axes = plt.subplots(1, 3, figsize=(12, 4))
    axes[0].plot(z, q, z, p)
    axes[1].fill_between(z, q * np.log((q + 1e-300) / p))
    axes[2].fill_between(z, p * np.log(p / (q + 1e-300)))
    plt.show()
"""
# Milliseconds from the key to the first frame that shows the new picture.
WATCH = """(scope) => {
  window.times = [];
  let pressed = 0;
  const root = document.querySelector(scope);
  const painted = () => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      if (pressed) window.times.push(performance.now() - pressed);
      pressed = 0;
    };
    channel.port2.postMessage(0);
  });
  window.addEventListener("keydown", () => { pressed = performance.now(); }, true);
  new MutationObserver((records) => {
    for (const { target, addedNodes } of records) {
      if (target.matches?.("path[data-key=q]")) { painted(); return; }
      for (const node of addedNodes) {
        const image = node.querySelector?.("img") ?? (node.nodeName === "IMG" ? node : null);
        if (image) { image.decode().then(painted); return; }
      }
    }
  }).observe(root, { subtree: true, childList: true, attributes: true, attributeFilter: ["d"] });
}"""


def notebook(path, *cells):
    code = [
        {"cell_type": "code", "id": f"cell{i}", "source": source, "metadata": {}, "outputs": []}
        | {"execution_count": None}
        for i, source in enumerate(cells)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.write_text(
        json.dumps(
            {"cells": code, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
        )
    )


@pytest.fixture
def lab_page(jupyterlab, page):
    """Opens a notebook of the cells given in JupyterLab and runs them all."""

    def open_it(name, *cells):
        notebook(jupyterlab.root / f"{name}.ipynb", *cells)
        page.goto(jupyterlab.url(f"{name}.ipynb", workspace=name))
        page.wait_for_selector("#jp-main-dock-panel .jp-NotebookPanel .jp-Cell", timeout=180_000)
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=180_000)
        page.locator(".jp-Cell").first.click()
        for _ in cells:
            page.keyboard.press("Shift+Enter")
        return page

    return open_it


def test_all_labs_move_in_jupyterlab(lab_page):
    names = [kind.__name__ for kind in LABS]
    cells = [f"from vaelib.widgets import {', '.join(names)}"]
    cells += [f"{name.lower()} = {name}()\n{name.lower()}" for name in names]
    page = lab_page("labs", *cells, "pass")
    for kind in LABS:
        group = page.get_by_role("group", name=kind.title)
        group.wait_for(timeout=180_000)
        path = group.locator(".vaelib-mark[data-key]").first
        text, before = group.locator(".vaelib-says").inner_text(), group.inner_html()
        group.get_by_role("slider").first.focus()
        page.keyboard.press("End")
        page.wait_for_function(
            "([title, text]) => document.querySelector(`[aria-label=${JSON.stringify(title)}] "
            ".vaelib-says`).innerText !== text",
            arg=[kind.title, text],
        )
        assert group.inner_html() != before and path.get_attribute("d")
    ends = [next(iter(kind.controls().values())).high for kind in LABS]
    page.locator(".jp-Cell .cm-content").last.click()
    page.keyboard.press("Control+A")
    widgets = ", ".join(map(str.lower, names))
    page.keyboard.insert_text(f"print('now', *[[*w.state.values()][0] for w in ({widgets})])")
    page.keyboard.press("Control+Enter")
    page.get_by_text("now " + " ".join(map(str, ends)), exact=True).wait_for(timeout=120_000)


def test_a_lab_is_at_least_twice_as_fast_as_interact(lab_page, record_property):
    page = lab_page("race", INTERACT, "from vaelib.widgets import KLLab\nKLLab()")
    page.locator(".jp-OutputArea img").first.wait_for(timeout=180_000)
    page.get_by_role("group", name=KLLab.title).wait_for(timeout=180_000)
    page.wait_for_timeout(1000)
    page.evaluate(WATCH, ".jp-Notebook")
    handles = {
        "interact": page.locator(".noUi-handle").first,
        "lab": page.get_by_role("group", name=KLLab.title).get_by_role("slider").first,
    }
    times = {name: [] for name in handles}
    for turn in range(3):  # interleaved, so that a busy moment meets both
        for name, handle in handles.items():
            handle.focus()
            for press in range(12):
                page.evaluate("window.times = []")
                page.keyboard.press("ArrowLeft" if turn % 2 else "ArrowRight")
                page.wait_for_function("window.times.length > 0", timeout=60_000)
                if press > 1:  # the first ones warm up
                    times[name].append(page.evaluate("window.times[0]"))
                page.wait_for_timeout(60)
    medians = {name: float(np.median(found)) for name, found in times.items()}
    p95 = {name: float(np.quantile(found, 0.95)) for name, found in times.items()}
    report = ", ".join(f"{name} {medians[name]:.1f} / {p95[name]:.1f} ms" for name in times)
    record_property("slider_to_picture_p50_p95", report)
    print(report)
    assert medians["lab"] <= medians["interact"] / 2, report
