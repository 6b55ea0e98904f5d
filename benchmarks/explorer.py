"""Slider to pixels: the explorer against `interact` with a matplotlib figure, in JupyterLab.

For each model one notebook with both, open in one headless Chromium; rounds of key presses and
drags go round the models and the two ways, so that whatever else the machine does meets all alike.
Writes benchmarks/explorer.md. Usage: make bench-explorer (ROUNDS=6)
"""

import os
import platform
import sys
import tempfile
from datetime import date
from pathlib import Path
from statistics import median, quantiles

import nbformat
from jupyterlab_page import chromium, open_notebook, serve

HERE = Path(__file__).parent
ROUNDS = int(os.environ.get("ROUNDS", "6"))
PRESSES, STEPS = 15, 150  # a round: key presses, and steps of one drag

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

# Times are from the key's own time stamp to the task after the frame that shows another picture.
PROBE = """() => {
  const put = CanvasRenderingContext2D.prototype.putImageData;
  const large = () => document.querySelector(".vaelib-picture canvas");
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
    if (this.canvas === large()) drawn();
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
}


def press(page, selector: str, times: int) -> list[float]:
    """ms from a key press to the picture, for so many presses."""
    page.locator(selector).first.focus()
    waits = []
    for i in range(times):
        page.wait_for_timeout(60 + 13 * (i % 7))  # at rest, and in no step with the display
        page.evaluate("probe.next()")
        page.keyboard.press("ArrowRight" if i % 10 < 5 else "ArrowLeft")
        waits.append(page.evaluate("probe.answer"))
    return [3000.0 if wait is None else wait for wait in waits]


def drag(page, selector: str, steps: int) -> tuple[float, float]:
    """Pictures shown and moves of the mouse a second while the slider is dragged to and fro."""
    handle = page.locator(selector).first
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    start = page.evaluate("performance.now()")
    for i in range(steps):
        swing = i % 40 if i % 80 < 40 else 40 - i % 40
        page.mouse.move(x + 3 * swing - 40, y)
    end = page.evaluate("performance.now()")
    page.mouse.up()
    shown = page.evaluate(
        "([a, b]) => probe.shown.filter((t) => t > a && t <= b).length", [start, end]
    )
    page.wait_for_timeout(1500)  # what is still on its way comes to rest
    return 1000 * shown / (end - start), 1000 * steps / (end - start)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as lab, chromium() as browser:
        context = browser.new_context(viewport={"width": 1280, "height": 2000})
        pages = {}
        for i, (name, source) in enumerate(MODELS.items()):
            cells = [IMPORTS + source + "\nexplorer", INTERACT]
            notebook = nbformat.v4.new_notebook(
                cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells]
            )
            pages[name] = page = context.new_page()
            open_notebook(lab, page, f"model_{i}", notebook)
            for selector in SLIDERS.values():
                page.wait_for_selector(selector, timeout=120_000)
            page.evaluate(PROBE)
        waits = {(name, way): [] for name in MODELS for way in SLIDERS}
        rates = {(name, way): [] for name in MODELS for way in SLIDERS}
        for turn in range(ROUNDS + 1):
            for name, page in pages.items():
                page.bring_to_front()
                for way, selector in SLIDERS.items():
                    found = press(page, selector, PRESSES), drag(page, selector, STEPS)
                    if turn:  # the first round warms up
                        waits[name, way] += found[0]
                        rates[name, way].append(found[1])
                    said = f"{median(found[0]):.1f} ms, {found[1][0]:.1f} of {found[1][1]:.1f}/s"
                    print(f"round {turn}: {name}, {way}: {said}", flush=True)
        version = browser.version
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
is dragged, pictures shown and moves of the mouse a second, the first of which cannot be more than
the second. `make bench-explorer` measures it and writes this page; {date.today()}, {processor()},
{os.cpu_count()} cores, headless Chromium {version}, {count} key presses and {ROUNDS} drags each,
the models and the two ways in turn. The explorer also keeps its strips up to date meanwhile. Load
average over the last five minutes: {os.getloadavg()[1]:.1f}; with much more than the cores, the
times are of the machine's other work and only the ratio says something.

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
