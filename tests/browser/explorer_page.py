"""The explorer in a page of the test's own: saved, or on a model without a kernel."""

import base64
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from fake_model import FAKE_MODEL
from pages import eventually
from torch import nn

from vaelib import checkpoint, data, models
from vaelib.models import VAE, GaussianDecoder
from vaelib.widgets import LatentExplorer, bundle
from vaelib.widgets.explorer import compute

PIXELS = """canvas => {
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return Array.from(data).filter((_, i) => i % 4 === 0);
}"""


def spread(vae, gain=2.0):
    """Larger weights, as training leaves them, so that pictures are not all grey."""
    with torch.no_grad():
        for parameter in vae.decoder.body.parameters():
            parameter.mul_(gain)
    return vae


def all_operations():
    """A decoder with each operation there is, odd sizes, and layers without bias."""
    body = nn.Sequential(
        nn.Sequential(nn.Linear(3, 24, bias=False), nn.Tanh()),
        nn.Unflatten(1, (4, 2, 3)),
        nn.ConvTranspose2d(4, 5, (3, 4), stride=(2, 3), padding=(1, 0), output_padding=(1, 2)),
        nn.SiLU(),
        nn.Conv2d(5, 6, (3, 2), stride=(1, 2), padding=(2, 1)),
        nn.ReLU(),
        nn.Linear(7, 7),  # over the last axis of a picture
        nn.ConvTranspose2d(6, 1, 2, bias=False),
        nn.Sigmoid(),
        nn.Flatten(),
        nn.Linear(7 * 8, 60),
    )
    encoder = models.dense((6, 10), 3, hidden=()).encoder
    return VAE(encoder, GaussianDecoder(body, (6, 10)), 3)


MODELS = {
    "faces, dense": lambda: checkpoint.load_vae(data.shipped("faces_vae.safetensors")),
    "MNIST's size, dense, Bernoulli": lambda: spread(
        models.dense((28, 28), 20, hidden=(400,), likelihood="bernoulli")
    ),
    "convolutional": lambda: spread(models.conv((28, 28), 8, likelihood="bernoulli"), 1.5),
    "convolutional, colour": lambda: spread(models.conv((3, 16, 16), 4, channels=(8, 16)), 1.5),
    "every operation": all_operations,
}


@dataclass
class Shown:
    """An explorer and the page that it was saved as."""

    explorer: LatentExplorer
    path: Path
    page: object
    requests: list

    @property
    def root(self):
        return self.page.locator(".vaelib-explorer")

    def decode(self, z):
        """What the page's decoder makes of each z, in float32 as it is."""
        script = """(root, z) => {
          const bytes = new Uint8Array(Float32Array.from(z.flatMap(root.vaelibDecode)).buffer);
          let text = "";
          for (let i = 0; i < bytes.length; i += 1024) {
            text += String.fromCharCode(...bytes.subarray(i, i + 1024));
          }
          return btoa(text);
        }"""
        found = np.frombuffer(base64.b64decode(self.root.evaluate(script, z.tolist())), "<f4")
        return found.reshape(len(z), -1)

    def encode(self, x):
        """What the page's encoder makes of each image: μ and σ, (N, D) each."""
        script = "(root, all) => all.map((x) => root.vaelibEncode(x))"
        found = self.root.evaluate(script, x.flatten(1).tolist())
        return [np.array([each[name] for each in found]) for name in ("mu", "sigma")]

    def text(self, selector):
        """The text of an element once what was asked for is shown, with plain minus signs."""
        self.frame()
        return self.root.locator(selector).first.inner_text().replace("−", "-")

    def pixels(self, which=".vaelib-picture canvas"):
        self.frame()
        return np.array(self.page.locator(which).evaluate(PIXELS))

    def frame(self):
        """Wait until what was asked for is drawn, and what follows the picture is written."""
        self.page.evaluate("() => new Promise(r => requestAnimationFrame(() => setTimeout(r, 80)))")

    def slider(self, place=0):
        return self.root.locator(".vaelib-row input[type=range]").nth(place)

    def values(self):
        """The numbers beside the sliders, as text says them."""
        self.frame()
        fields = self.root.locator(".vaelib-number").all()
        return [float(field.input_value()) for field in fields]


def save(folder, vae, images=None, precision="float16"):
    """An explorer and the file that it was saved to, for `show`."""
    explorer = LatentExplorer(vae, images)
    return explorer, explorer.save(folder / "explorer.html", precision)


def show(page, explorer, path):
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.context.set_offline(True)
    page.goto(path.as_uri())
    page.wait_for_selector(".vaelib-explorer")
    return Shown(explorer, path, page, requests)


SCRIPT = """
window.revive = (value) => {
  if (value?.bytes) return new DataView(Uint8Array.from(value.bytes).buffer);
  if (Array.isArray(value)) return value.map(revive);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, revive(v)]));
};
window.frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 5)));
"""

SYNCED = (
    *(
        "spec",
        "weights",
        "encoder_weights",
        "dots",
        "z",
        "image_index",
        "mode",
        "picture",
        "axes",
        "between",
    ),
    *("locked", "encoding", "between_encoding", "error"),
)


def plain(value):
    """A trait's value for the page, bytes marked as such."""
    if isinstance(value, bytes):
        return {"bytes": [*value]}
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def mount(page, explorer, views=1, answers=False, **changed):
    """Views of one model: `window.model`, `.elements`, `.cleanups`; `answers`: Python decodes."""
    places = "<div></div>" * views
    page.set_content(
        "<!DOCTYPE html><html lang=en><title>Explorer</title>"
        f"<style>{LatentExplorer._css}</style>{places}"
    )
    script = bundle.joined(LatentExplorer.view)
    content = f"{FAKE_MODEL}{SCRIPT}{script}\nwindow.render = render;"
    page.add_script_tag(content=content, type="module")
    page.wait_for_function("() => Boolean(window.render)")
    if answers:
        page.expose_function("python", lambda codes: decode(explorer, codes))
        page.evaluate("""() => {
          window.answer = async ({ content, z }) => {
            const pictures = Float32Array.from(await window.python(z), (v) => v ?? NaN);
            const { view, id } = content;
            model.trigger("msg:custom", { view, id }, [new DataView(pictures.buffer)]);
          };
        }""")
    page.evaluate(
        """(state) => {
          window.model = new FakeModel(revive(state), ["z", "image_index"]);
          window.elements = [...document.querySelectorAll("body > div")];
          window.cleanups = elements.map((el) => render({ model, el }));
          window.move = (value) => {
            const input = elements[0].querySelector("input[type=range]");
            input.value = value;
            input.dispatchEvent(new Event("input"));
          };
        }""",
        plain({name: getattr(explorer, name) for name in SYNCED} | changed),
    )
    return page


def decode(explorer, codes):
    """What Python answers, as JSON can carry it."""
    z = torch.tensor(codes).reshape(-1, explorer.vae.latent_dim)
    values = compute.means(explorer.vae, z).ravel()
    return [float(value) if np.isfinite(value) else None for value in values]


CELLS = """(field, count) => {
  const canvas = field.querySelector("canvas");
  const columns = getComputedStyle(field).gridTemplateColumns.split(" ").length;
  const rows = field.querySelectorAll("button").length / columns;
  const [w, h] = [canvas.width / columns, canvas.height / rows];
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const cell = (r, c) => {
    const grey = [];
    for (let y = r * h; y < (r + 1) * h - 1; y += 1)
      for (let x = c * w; x < (c + 1) * w - 1; x += 1) grey.push(data[4 * (y * canvas.width + x)]);
    return grey;
  };
  return Array.from({length: rows * columns}, (_, i) =>
    cell(Math.floor(i / columns), i % columns));
}"""


def z_of(shown):
    """z as the page's code says it, in the model's order."""
    shown.page.get_by_role("button", name="Copy z as code").click()
    code = shown.page.get_by_label("z as code").input_value()
    assert code.startswith("z = torch.tensor([[")
    return eval(code.removeprefix("z = "), {"torch": torch})[0].tolist()


def cells(shown, codes):
    """Wait until the view's pictures are those of `codes` (N, D)."""
    expected = np.rint(np.clip(shown.decode(codes), 0, 1) * 255)

    def there():
        shown.frame()
        found = np.array(shown.page.locator(".vaelib-cells").evaluate(CELLS))
        return found.shape == expected.shape and np.abs(found - expected).max() <= 1

    eventually(shown.page, there, "the pictures of the codes given")


def drag(shown, across, up):
    """Press in the middle of the plane and drag to shares of its box."""
    box = shown.page.locator(".vaelib-pad").bounding_box()
    at = [
        (box["x"] + box["width"] * x, box["y"] + box["height"] * (1 - y))
        for x, y in ((0.5, 0.5), (across, up))
    ]
    shown.page.mouse.move(*at[0])
    shown.page.mouse.down()
    shown.page.mouse.move(*at[1], steps=4)
    shown.page.mouse.up()
    shown.frame()
