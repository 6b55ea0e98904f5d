"""A lab's slider to its picture in JupyterLab, against `interact` with matplotlib.

    ROUNDS=6 python -m benchmarks.labs

Both stand in one notebook, and their turns alternate, so that other work slows both alike.
"""

import asyncio
import os
import tempfile
from pathlib import Path
from statistics import median, quantiles

import nbformat
from playwright.async_api import Page, async_playwright
from tqdm.auto import tqdm

from benchmarks.browser import launching, open_notebook, serve
from benchmarks.tables import circumstances, heading, table

ROUNDS = int(os.environ.get("ROUNDS", "6"))
PRESSES = 15  # per round
TAP = 120  # ms from a picture to the next press
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
LAB = "from vaelib.widgets import KLLab\nKLLab()"
HANDLES = {"the lab": "[role=group] input[type=range]", "interact + matplotlib": ".noUi-handle"}
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


async def press(page: Page, handle: str, key: str) -> list[float]:
    """ms from a key press to the first frame that shows its picture; the first two warm up."""
    await page.locator(handle).first.focus()
    found = []
    for _ in range(PRESSES + 2):
        await page.evaluate("window.times = []")
        await page.keyboard.press(key)
        await page.wait_for_function("window.times.length > 0", timeout=60_000)
        found.append(await page.evaluate("window.times[0]"))
        await page.wait_for_timeout(TAP)
    return found[2:]


async def measure(times: dict[str, list[float]]) -> None:
    """Fill in the times of each."""
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as lab:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(**launching())
            page = await browser.new_page(viewport={"width": 1280, "height": 2000})
            cells = [nbformat.v4.new_code_cell(source) for source in (INTERACT, LAB)]
            await open_notebook(lab, page, "race", nbformat.v4.new_notebook(cells=cells))
            for handle in HANDLES.values():
                await page.wait_for_selector(handle, timeout=120_000)
            await page.wait_for_timeout(2000)
            await page.evaluate(WATCH, ".jp-Notebook")
            for turn in tqdm(range(ROUNDS), unit="round"):
                for name, handle in HANDLES.items():
                    times[name] += await press(page, handle, ("ArrowRight", "ArrowLeft")[turn % 2])


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in HANDLES}
    asyncio.run(measure(times))
    slowest = median(times["interact + matplotlib"])
    rows = [
        [name, f"{median(ms):.1f}", f"{quantiles(ms, n=20)[18]:.1f}", f"{slowest / median(ms):.1f}"]
        for name, ms in times.items()
    ]
    print(heading("## Labs", "python -m benchmarks.labs", circumstances()))
    print(table(["way", "p50 ms", "p95 ms", "times as fast"], rows))


if __name__ == "__main__":
    main()
