"""The labs in JupyterLab, with a kernel: they move, and sooner than what most courses do."""

import json

import numpy as np
import pytest
from lab_states import LABS

from vaelib.widgets import KLLab

pytestmark = pytest.mark.browser

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
def lab_page(jupyterlab, lab_tab):
    """Opens a notebook of the cells given in JupyterLab and runs them all."""
    page = lab_tab

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
        text = group.locator(".vaelib-says").inner_text()
        before = group.inner_html()
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
    for turn in range(2):  # interleaved, so that a busy moment meets both
        for name, handle in handles.items():
            handle.focus()
            for press in range(5):
                page.evaluate("window.times = []")
                page.keyboard.press("ArrowLeft" if turn % 2 else "ArrowRight")
                page.wait_for_function("window.times.length > 0", timeout=60_000)
                if press > 1:  # the first two warm up
                    times[name].append(page.evaluate("window.times[0]"))
                page.wait_for_timeout(60)
    medians = {name: float(np.median(found)) for name, found in times.items()}
    p95 = {name: float(np.quantile(found, 0.95)) for name, found in times.items()}
    report = ", ".join(f"{name} {medians[name]:.1f} / {p95[name]:.1f} ms" for name in times)
    record_property("slider_to_picture_p50_p95", report)
    print(report)
    assert medians["lab"] <= medians["interact"] / 2, report
