"""Slider to pixels: the explorer against `interact` with a matplotlib figure, in JupyterLab.

For each model one notebook with both, open alone in headless Chromium, and with a bare slider and
canvas, which tell what the browser itself needs. Rounds of key presses and drags go round the
ways, so that whatever else the machine does meets all alike.
Writes benchmarks/explorer.md. Usage: make bench-explorer (ROUNDS=6)
"""

import asyncio
import os
import platform
import sys
import tempfile
from datetime import date
from pathlib import Path
from statistics import median, quantiles

import nbformat
from jupyterlab_page import launching, open_notebook, serve
from playwright.async_api import async_playwright

HERE = Path(__file__).parent
ROUNDS = int(os.environ.get("ROUNDS", "6"))
PRESSES = 15  # a round
TAP, DRIFT = 120, 13  # ms from a picture to the next press: as one taps, out of the display's step
MOVES, EVERY, FAR = 180, 0.008, 4  # of a drag: moves of the mouse, s between two, pixels of each

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
# What the browser needs for a slider and a canvas of one grey: no decoder, no texts, no Python.
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

# Times are from the key's own time stamp to the task after the frame that shows another picture.
PROBE = """() => {
  const put = CanvasRenderingContext2D.prototype.putImageData;
  const large = (canvas) => canvas.closest(".vaelib-picture, .bare");
  window.probe = { pressed: 0, shown: [], waits: [] };
  const drawn = () => {  // within a frame: this message comes after it
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


async def press(page, selector: str, times: int) -> list[float]:
    """ms from a key press to the picture, for so many presses."""
    await page.locator(selector).first.focus()
    await page.wait_for_timeout(2000)  # JupyterLab goes on for a while after another cell is active
    waits = []
    for i in range(times):
        await page.wait_for_timeout(TAP + DRIFT * (i % 7))
        await page.evaluate("probe.next()")
        await page.keyboard.press("ArrowRight" if i % 10 < 5 else "ArrowLeft")
        waits.append(await page.evaluate("probe.answer"))
    return [3000.0 if wait is None else wait for wait in waits]


async def drag(page, selector: str) -> tuple[float, float]:
    """Pictures shown and moves of the mouse a second while the slider is dragged to and fro."""
    box = await page.locator(selector).first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.wait_for_timeout(300)
    start = await page.evaluate("performance.now()")
    clock = asyncio.get_running_loop().time
    first, sent = clock(), []
    for i in range(MOVES):
        swing = (i + 15) % 60
        to = x + FAR * ((swing if swing < 30 else 60 - swing) - 15)
        # As a mouse does, which waits for nobody: the page need not have seen the last move.
        sent.append(asyncio.create_task(page.mouse.move(to, y)))
        await asyncio.sleep(max(0, first + EVERY * (i + 1) - clock()))
    end = await page.evaluate("performance.now()")
    moves = MOVES / (clock() - first)
    await asyncio.gather(*sent)
    await page.mouse.up()
    script = "([a, b]) => probe.shown.filter((t) => t > a && t <= b).length"
    shown = await page.evaluate(script, [start, end])
    await page.wait_for_timeout(1500)  # what is still on its way comes to rest
    return 1000 * shown / (end - start), moves


async def measure(waits, rates) -> str:
    """Fill in the times and rates of each model and way; returns the browser's version."""
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
                for turn in range(ROUNDS + 1):
                    for way, selector in SLIDERS.items():
                        times = await press(page, selector, PRESSES)
                        rate = await drag(page, selector)
                        if turn:  # the first round warms up
                            waits[name, way] += times
                            rates[name, way].append(rate)
                        said = f"{median(times):.1f} ms, {rate[0]:.1f} of {rate[1]:.1f}/s"
                        print(f"round {turn}: {name}, {way}: {said}", flush=True)
                await page.close()
            version = browser.version
            await browser.close()
            return version


def main() -> int:
    waits = {(name, way): [] for name in MODELS for way in SLIDERS}
    rates = {(name, way): [] for name in MODELS for way in SLIDERS}
    version = asyncio.run(measure(waits, rates))
    text = table(waits, rates, version)
    (HERE / "explorer.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def table(waits, rates, version: str) -> str:
    lines = []
    for name in MODELS:
        middle = {way: median(waits[name, way]) for way in SLIDERS}
        for way in SLIDERS:
            late = quantiles(waits[name, way], n=20)[-1]
            times = middle["interact + matplotlib"] / middle[way]
            lines.append(
                f"| {name} | {way} | {middle[way]:.1f} | {late:.1f} | "
                f"{median(shown for shown, _ in rates[name, way]):.1f} | "
                f"{median(moves for _, moves in rates[name, way]):.1f} | {times:.1f} |"
            )
    count = len(next(iter(waits.values())))
    return (
        f"""# Slider to pixels in JupyterLab

The time from a key press on a slider to the frame that shows the new picture; and, while the slider
is dragged, pictures shown a second, of which the display takes 60. A key is pressed {TAP} to
{TAP + 6 * DRIFT} ms after the last picture, as one taps; the mouse moves every
{1000 * EVERY:.0f} ms and waits for no answer, as a real one does. `make bench-explorer` measures it
and writes this page; {date.today()}, {processor()}, {os.cpu_count()} cores, headless Chromium
{version}, {count} key presses and {ROUNDS} drags each, the ways in turn. The explorer also keeps
its strips, texts and Python up to date meanwhile; the bare slider does nothing but put one grey on
a canvas, so it is what the browser and the machine themselves need. Load average over the last five
minutes: {os.getloadavg()[1]:.1f}; with much more than the cores, the times are of the machine's
other work and only the ratio says something.

What makes a picture late is another frame shortly before it, since the browser then waits for the
display. JupyterLab draws two for every z that Python is told, when the kernel gets busy and when it
rests; so Python is told right after the first picture, and both are over before the next tap. Keys
pressed quicker than that more often wait one frame of the display.

| model | way | p50 ms | p95 ms | pictures/s | moves/s | times as fast |
|---|---|---|---|---|---|---|
"""
        + "\n".join(lines)
        + "\n"
    )


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
