"""Slider to pixels: the explorer against `interact` with a matplotlib figure, in JupyterLab.

    ROUNDS=6 python -m benchmarks.explorer

For each model there is one notebook, open alone in headless Chromium, with both of them and with a
bare slider and canvas, which show what the browser itself needs. Each round has key presses and a
drag for every way in turn, so that other work on the machine slows all of them alike. Writes
benchmarks/explorer.md.
"""

import asyncio
import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median, quantiles

import nbformat
from playwright.async_api import async_playwright

from benchmarks.browser import launching, open_notebook, serve
from benchmarks.tables import circumstances, heading, table

HERE = Path(__file__).parent
ROUNDS = int(os.environ.get("ROUNDS", "6"))
PRESSES = 15  # per round
TAP = 120  # ms from an image to the next press, as fast as a person taps
DRIFT = 13  # ms by which that grows with each press, so that presses do not follow the display
MOVES = 180  # of the mouse, per drag
EVERY = 0.008  # s between two of them
FAR = 4  # pixels of each; SWING of them from the middle to the turning point
SWING = 15
TITLE = "# Slider to pixels in JupyterLab"
EXPLAINED = "What the columns mean: [README.md](README.md#slider-to-pixels)."

MODELS = {
    "dense faces, 32 × 32, z of 4": """
vae = checkpoint.load_vae(data.shipped("faces_vae.safetensors"))
explorer = LatentExplorer(vae, data.load("faces"))""",
    "dense, MNIST's size, 28 × 28, z of 20": """
vae = spread(models.dense((28, 28), 20, hidden=(400,), likelihood="bernoulli"), 2.0)
explorer = LatentExplorer(vae)""",
    "convolutional, 28 × 28, z of 8": """
vae = spread(models.conv((28, 28), 8, likelihood="bernoulli"), 1.5)
explorer = LatentExplorer(vae)""",
}
IMPORTS = """
import matplotlib.pyplot as plt
import torch
from ipywidgets import FloatSlider, interact
from vaelib import checkpoint, data, models
from vaelib.widgets import LatentExplorer
torch.set_num_threads(1)
def spread(vae, gain):
    with torch.no_grad():  # as large as training leaves them, so that pictures change
        for parameter in vae.decoder.body.parameters():
            parameter.mul_(gain)
    return vae
"""
INTERACT = """
def draw(**z):
    code = torch.zeros(1, vae.latent_dim)
    code[0, :4] = torch.tensor([*z.values()])
    with torch.no_grad():
        picture = vae.decoder.mean(code)[0]
    plt.figure(figsize=(3, 3))
    plt.imshow(picture, cmap="gray", vmin=0, vmax=1)
    plt.axis("off")
    plt.show()
interact(draw, **{f"z{i + 1}": FloatSlider(0, min=-3, max=3, step=0.05) for i in range(4)});"""
# A slider that paints a canvas in one grey: no decoder, no texts, no Python.
BARE = '''
import anywidget
class Bare(anywidget.AnyWidget):
    _esm = """export default { render({ el }) {
      el.innerHTML = `<div class="bare"><input type="range" min="-3" max="3" step="0.05" value="0"
        data-lm-suppress-shortcuts="true" style="display: block; width: 400px">
        <canvas width="32" height="32" style="width: 320px"></canvas></div>`;
      const [input, canvas] = el.querySelectorAll("input, canvas");
      const context = canvas.getContext("2d");
      const image = context.createImageData(32, 32);
      let frame = 0;
      const draw = () => {
        frame = 0;
        image.data.fill(128 + 40 * Number(input.value));
        context.putImageData(image, 0, 0);
      };
      input.addEventListener("input", () => { frame ||= requestAnimationFrame(draw); });
    } }"""
Bare()'''

# A time runs from the key's own time stamp to the task after the frame that shows a new image.
PROBE = """() => {
  const put = CanvasRenderingContext2D.prototype.putImageData;
  const large = (canvas) => canvas.closest(".vaelib-picture, .bare");
  window.probe = { pressed: 0, shown: [], waits: [] };
  const drawn = () => {  // called within a frame; the message arrives after it
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      const now = performance.now();
      probe.shown.push(now);
      probe.waits.splice(0).forEach((done) => done(now - probe.pressed));
    };
    channel.port2.postMessage(0);
  };
  const loaded = () => requestAnimationFrame(drawn);
  CanvasRenderingContext2D.prototype.putImageData = function (...all) {
    put.apply(this, all);
    if (large(this.canvas)) drawn();
  };
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) for (const node of addedNodes) {
      const images = node.querySelectorAll ? [...node.querySelectorAll("img")] : [];
      if (node.tagName === "IMG") images.push(node);
      for (const image of images) {
        if (image.complete) loaded();
        else image.addEventListener("load", loaded);
      }
    }
  }).observe(document.body, { childList: true, subtree: true });
  addEventListener("keydown", (event) => { probe.pressed = event.timeStamp; }, true);
  probe.next = () => { probe.answer = new Promise((done) => {
    probe.waits = [done];
    setTimeout(() => done(null), 3000);
  }); };
}"""
SLIDERS = {
    "the explorer": ".vaelib-explorer input[type=range]",
    "interact + matplotlib": ".noUi-handle",
    "a bare slider and canvas": ".bare input",
}
PAD = ".vaelib-explorer .vaelib-pad"
PLANE = "the explorer, z dragged in the plane"  # where no key is pressed


async def press(page, selector: str, times: int) -> list[float]:
    """ms from a key press to the new image, for each press."""
    await page.locator(selector).first.focus()
    await page.wait_for_timeout(2000)  # JupyterLab is busy for a while after a cell becomes active
    waits = []
    for i in range(times):
        await page.wait_for_timeout(TAP + DRIFT * (i % 7))
        await page.evaluate("probe.next()")
        await page.keyboard.press("ArrowRight" if i % 10 < 5 else "ArrowLeft")
        waits.append(await page.evaluate("probe.answer"))
    return [3000.0 if wait is None else wait for wait in waits]


async def drag(page, selector: str) -> tuple[float, float]:
    """Images shown and mouse moves per second while the slider is dragged to and fro."""
    box = await page.locator(selector).first.bounding_box()
    # Beyond the end of a rail nothing moves, so that no image would be due there.
    if "input" in selector and box["width"] / 2 < FAR * SWING + 12:
        raise SystemExit(f"{selector} is too short to be dragged so far")
    x = box["x"] + box["width"] / 2
    y = box["y"] + box["height"] / 2
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.wait_for_timeout(300)
    start = await page.evaluate("performance.now()")
    clock = asyncio.get_running_loop().time
    first = clock()
    sent = []
    for i in range(MOVES):
        swing = (i + SWING) % (4 * SWING)
        to = x + FAR * (min(swing, 4 * SWING - swing) - SWING)
        # A real mouse does not wait until the page has handled its last move.
        sent.append(asyncio.create_task(page.mouse.move(to, y)))
        await asyncio.sleep(max(0, first + EVERY * (i + 1) - clock()))
    end = await page.evaluate("performance.now()")
    moves = MOVES / (clock() - first)
    await asyncio.gather(*sent)
    await page.mouse.up()
    script = "([a, b]) => probe.shown.filter((t) => t > a && t <= b).length"
    shown = await page.evaluate(script, [start, end])
    await page.wait_for_timeout(1500)  # let the last events be handled
    return 1000 * shown / (end - start), moves


async def one_round(page, name: str, waits, rates) -> None:
    """Key presses and a drag for every way in turn, and a drag in the plane."""
    for way, selector in SLIDERS.items():
        waits[name, way] += await press(page, selector, PRESSES)
        rates[name, way].append(await drag(page, selector))
    await page.locator(PAD).first.focus()  # brings it into view
    await page.wait_for_timeout(2000)
    rates[name, PLANE].append(await drag(page, PAD))
    for way, found in rates.items():
        if way[0] == name:
            print(f"{name}, {way[1]}: {found[-1][0]:.1f} of {found[-1][1]:.1f}/s", flush=True)


async def measure(waits, rates) -> str:
    """Fill in the times and rates of each model and way; return the browser's version."""
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as lab:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(**launching())
            context = await browser.new_context(viewport={"width": 1280, "height": 2000})
            for i, (name, source) in enumerate(MODELS.items()):
                cells = [IMPORTS + source + "\nexplorer", INTERACT, BARE]
                notebook = nbformat.v4.new_notebook(
                    cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells]
                )
                page = await context.new_page()
                await open_notebook(lab, page, f"model_{i}", notebook)
                for selector in SLIDERS.values():
                    await page.wait_for_selector(selector, timeout=120_000)
                await page.evaluate(PROBE)
                await one_round(page, name, *empty())  # warms up
                for _ in range(ROUNDS):
                    await one_round(page, name, waits, rates)
                await page.close()
            version = browser.version
            await browser.close()
            return version


def empty() -> tuple[defaultdict, defaultdict]:
    """Nothing measured yet: times and rates, by model and way."""
    return defaultdict(list), defaultdict(list)


def page(waits, rates, version: str) -> str:
    """benchmarks/explorer.md: the circumstances and one table."""
    lines = []
    for name in MODELS:
        slowest = median(waits[name, "interact + matplotlib"])
        for way in [*SLIDERS, PLANE]:
            shown = median(shown for shown, _ in rates[name, way])
            moves = median(moves for _, moves in rates[name, way])
            times = waits.get((name, way))
            middle = f"{median(times):.1f}" if times else "–"
            late = f"{quantiles(times, n=20)[-1]:.1f}" if times else "–"
            faster = f"{slowest / median(times):.1f}" if times else "–"
            lines.append([name, way, middle, late, f"{shown:.1f}", f"{moves:.1f}", faster])
    about = circumstances() | {
        "Chromium": version,
        "key presses": str(len(next(iter(waits.values())))),
        "drags": str(ROUNDS),
    }
    header = ["model", "way", "p50 ms", "p95 ms", "images/s", "moves/s", "times as fast"]
    return f"{heading(TITLE, 'make bench-explorer', about)}\n{table(header, lines)}\n{EXPLAINED}\n"


def main() -> int:
    waits, rates = empty()
    version = asyncio.run(measure(waits, rates))
    text = page(waits, rates, version)
    (HERE / "explorer.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
