"""The explorer's saved page in a real browser: its decoder against PyTorch, controls, looks.

What needs two views of one model, or the traffic with a kernel, runs the same script on a model of
the test's own.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import expect
from torch import nn

from vaelib import checkpoint, data, models
from vaelib.models import VAE, GaussianDecoder
from vaelib.widgets import LatentExplorer, bundle

pytestmark = pytest.mark.browser

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
    page: object
    requests: list

    @property
    def root(self):
        return self.page.locator(".vaelib-explorer")

    def decode(self, z):
        script = "(root, z) => z.map(root.vaelibDecode)"
        return np.array(self.root.evaluate(script, z.tolist()))

    def pixels(self, which=".vaelib-picture canvas"):
        self.frame()
        return np.array(self.page.locator(which).evaluate(PIXELS))

    def frame(self):
        """Wait until what was asked for is drawn."""
        self.page.evaluate("() => new Promise(r => requestAnimationFrame(() => setTimeout(r)))")

    def slider(self, place=0):
        return self.page.get_by_role("slider").nth(place)

    def values(self):
        """The numbers beside the sliders, as text says them."""
        self.frame()
        texts = self.root.locator(".vaelib-value").all_inner_texts()
        return [float(text.replace("−", "-")) for text in texts]


def show(page, tmp_path, vae, images=None, precision="float16"):
    explorer = LatentExplorer(vae, images)
    path = explorer.save(tmp_path / "explorer.html", precision)
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.context.set_offline(True)
    page.goto(path.as_uri())
    page.wait_for_selector(".vaelib-explorer")
    return Shown(explorer, page, requests)


@pytest.fixture(scope="module")
def faces():
    return data.load("faces")


@pytest.fixture(scope="module")
def face_vae():
    return MODELS["faces, dense"]()


@pytest.fixture
def shown(page, tmp_path, face_vae, faces):
    return show(page, tmp_path, face_vae, faces)


@pytest.mark.parametrize("name", MODELS)
def test_the_page_decodes_as_pytorch_does(page, tmp_path, name):
    vae = MODELS[name]()
    z = torch.randn(128, vae.latent_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = vae.decoder.mean(z).flatten(1).numpy()
    assert expected.std() > 0.01  # pictures, not one grey
    found = show(page, tmp_path, vae, precision="float32").decode(z)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in MODELS if n != "every operation"])
def test_half_precision_is_within_one_grey_level(page, tmp_path, name):
    vae = MODELS[name]()
    z = torch.randn(128, vae.latent_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = vae.decoder.mean(z).flatten(1).numpy()
    found = show(page, tmp_path, vae, precision="float16").decode(z)
    grey = [np.rint(np.clip(picture, 0, 1) * 255) for picture in (found, expected)]
    assert np.abs(grey[0] - grey[1]).max() <= 1


def test_half_floats_are_read_exactly(page):
    halves = np.arange(2**16, dtype=np.uint16)
    script = bundle.script("decoder") + "\nwindow.halfToFloat = halfToFloat;"
    page.add_script_tag(content=script, type="module")
    found = page.evaluate(
        "() => Array.from(halfToFloat(Uint16Array.from({length: 65536}, (_, i) => i)), String)"
    )
    expected = halves.view(np.float16).astype(np.float64)
    np.testing.assert_array_equal(np.array([float(number) for number in found]), expected)


def test_the_page_asks_for_nothing_and_is_small(shown, tmp_path):
    assert len(shown.requests) == 1 and shown.requests[0].startswith("file:")
    assert (tmp_path / "explorer.html").stat().st_size < 1.5e6


def test_the_canvas_shows_what_the_decoder_returns(shown):
    expected = np.rint(np.clip(shown.decode(torch.zeros(1, 4))[0], 0, 1) * 255)
    assert np.abs(shown.pixels() - expected).max() <= 1


def test_keys_move_a_slider_its_text_and_the_picture(shown):
    before, slider = shown.pixels(), shown.slider()
    slider.focus()
    for _ in range(10):
        shown.page.keyboard.press("ArrowRight")
    assert shown.values()[0] == pytest.approx(0.5)
    assert slider.get_attribute("aria-valuetext") == "0.50"
    moved = shown.pixels()
    assert np.abs(moved - before).max() > 3
    z = torch.zeros(1, 4)
    z[0, shown.explorer.spec["rows"][0]["dim"]] = 0.5
    expected = np.rint(np.clip(shown.decode(z)[0], 0, 1) * 255)
    assert np.abs(moved - expected).max() <= 1
    for key, value in {"Home": -3, "End": 3, "ArrowLeft": 2.95, "PageDown": 2.35}.items():
        shown.page.keyboard.press(key)
        assert shown.values()[0] == pytest.approx(value), key
    assert slider.get_attribute("aria-valuetext") == "2.35"


def test_dragging_moves_the_picture(shown):
    before, box = shown.pixels(), shown.slider().bounding_box()
    middle = box["y"] + box["height"] / 2
    shown.page.mouse.move(box["x"] + box["width"] / 2, middle)
    shown.page.mouse.down()
    shown.page.mouse.move(box["x"] + box["width"] * 0.8, middle, steps=5)
    shown.page.mouse.up()
    assert np.abs(shown.pixels() - before).max() > 3
    assert 1.5 < shown.values()[0] < 2.1


def test_many_events_in_a_frame_draw_once(shown):
    drawn = shown.slider().evaluate("""async (input) => {
      let count = 0;
      const prototype = CanvasRenderingContext2D.prototype, put = prototype.putImageData;
      prototype.putImageData = function (...all) { count += 1; return put.apply(this, all); };
      for (let i = 0; i < 50; i += 1) {
        input.value = i / 20;
        input.dispatchEvent(new Event("input"));
      }
      await new Promise((r) => requestAnimationFrame(() => setTimeout(r)));
      prototype.putImageData = put;
      return count;
    }""")
    assert drawn == 1


def test_buttons(shown, face_vae, faces):
    page, order = shown.page, [row["dim"] for row in shown.explorer.spec["rows"]]
    start = shown.pixels()
    page.get_by_role("button", name="Random draw from the prior").click()
    drawn = shown.values()
    assert len(set(drawn)) == 4 and all(abs(value) < 6 for value in drawn)
    assert np.abs(shown.pixels() - start).max() > 3
    page.get_by_role("button", name="Reset (z = 0)").click()
    assert (shown.pixels() == start).all() and shown.values() == [0, 0, 0, 0]

    page.get_by_label("Start from test face").fill("5")
    page.get_by_role("button", name="Encode").click()
    shown.frame()
    mu = face_vae.posterior(faces.test[:8]).mu.detach()
    np.testing.assert_allclose(shown.values(), mu[5][order], atol=0.006)
    source = np.rint(faces.test[5].numpy().ravel() * 255)
    assert (shown.pixels(".vaelib-source canvas") == source).all()
    assert page.locator(".vaelib-source").inner_text() == "x, test face 5"

    page.get_by_role("button", name="Next test face").click()
    np.testing.assert_allclose(shown.values(), mu[6][order], atol=0.006)
    shown.slider().focus()
    page.keyboard.press("End")
    page.get_by_role("button", name="Encode").click()  # back to where that image is
    np.testing.assert_allclose(shown.values(), mu[6][order], atol=0.006)
    expect(page.get_by_role("status")).to_contain_text("Start from test face 6: z")
    page.get_by_label("Start from test face").fill("99")
    page.get_by_role("button", name="Encode").click()
    expect(page.get_by_role("status")).to_have_text("Choose a test face from 0 to 31")


def test_an_encoding_far_out_widens_its_slider(page, tmp_path):
    vae = models.dense((8, 8), 2, hidden=())
    with torch.no_grad():
        vae.encoder.mu.bias.copy_(torch.tensor([-4.2, 1.0]))
        vae.encoder.mu.weight.zero_()
    shown = show(page, tmp_path, vae, torch.rand(4, 8, 8))
    page.get_by_role("button", name="Encode").click()
    assert shown.values() == [-4.2, 1.0]
    assert [shown.slider(i).get_attribute("min") for i in (0, 1)] == ["-5", "-3"]


def test_everything_has_a_name(shown):
    rows = shown.explorer.spec["rows"]
    for place, row in enumerate(rows):
        name = f"z{row['dim'] + 1} · KL {row['kl']:.2f} nats"
        name += "" if row["active"] else " · inactive"
        assert shown.page.get_by_role("slider", name=name, exact=True).count() == 1, name
        assert shown.slider(place).get_attribute("data-lm-suppress-shortcuts") == "true"
    problems = shown.page.evaluate("""() => {
      const problems = [];
      for (const input of document.querySelectorAll("input")) {
        if (!input.labels.length) problems.push(`no label: ${input.outerHTML}`);
      }
      for (const button of document.querySelectorAll("button")) {
        if (!(button.textContent || button.ariaLabel)) problems.push(button.outerHTML);
      }
      for (const canvas of document.querySelectorAll("canvas")) {
        if (canvas.getAttribute("role") !== "img" || !canvas.ariaLabel) problems.push("canvas");
      }
      const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
      if (new Set(ids).size !== ids.length) problems.push("an id twice");
      if (!document.documentElement.lang || !document.title) problems.push("language or title");
      return problems;
    }""")
    assert problems == []


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
  return [...document.querySelectorAll("label, button, p, h1, figcaption, .vaelib-value")]
    .filter((element) => element.textContent)
    .map((element) => {
      const pair = [light(getComputedStyle(element).color), light(behind(element))];
      pair.sort((a, b) => b - a);
      return [element.textContent, (pair[0] + 0.05) / (pair[1] + 0.05)];
    });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(shown, scheme):
    shown.page.emulate_media(color_scheme=scheme)
    background = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    for text, ratio in shown.page.evaluate(CONTRAST):
        assert ratio >= 4.5, text


@pytest.mark.parametrize("width", [320, 768, 3840])
def test_it_fits_the_window(shown, width):
    shown.page.set_viewport_size({"width": width, "height": 700})
    assert shown.page.evaluate("document.documentElement.scrollWidth") == width
    boxes = [
        shown.page.locator(s).first.bounding_box()
        for s in (".vaelib-picture canvas", ".vaelib-track")
    ]
    assert all(box["width"] >= min(280, width - 90) for box in boxes)


def test_the_focus_is_seen(shown):
    shown.page.keyboard.press("Tab")
    assert shown.page.evaluate("document.activeElement.type") == "range"
    assert shown.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


# From here on the view is on a model of the test's own, as in a notebook but without a kernel.

MODEL = """
window.FakeModel = class {
  constructor(state) { this.state = state; this.handlers = []; this.saved = []; }
  get(name) { return this.state[name]; }
  set(name, value) {
    if (JSON.stringify(this.state[name]) === JSON.stringify(value)) return;
    this.state[name] = value;
    for (const [event, handler] of [...this.handlers]) {
      if (event === `change:${name}`) handler();
    }
  }
  save_changes() { this.saved.push(JSON.parse(JSON.stringify(
    { z: this.state.z, image_index: this.state.image_index }))); }
  on(event, handler) { this.handlers.push([event, handler]); }
  off(event, handler) {
    this.handlers = this.handlers.filter(([e, h]) => e !== event || h !== handler);
  }
};
"""


@pytest.fixture
def views(page):
    """Two views of one model: `window.model`, `window.elements`, `window.cleanups`."""
    explorer = LatentExplorer(models.dense((8, 8), 2, hidden=(5,)), torch.rand(4, 8, 8))
    state = {"spec": explorer.spec, "z": [0, 0], "image_index": None, "encoding": {}, "error": ""}
    page.set_content(f"<style>{LatentExplorer._css}</style><div id=a></div><div id=b></div>")
    script = bundle.script("dom", "decoder", "layout", "explorer", default=False)
    page.add_script_tag(content=f"{MODEL}\n{script}\nwindow.render = render;", type="module")
    page.wait_for_function("() => Boolean(window.render)")
    page.evaluate(
        """([state, weights]) => {
          const bytes = Uint8Array.from(weights);
          window.model = new FakeModel({
            ...state,
            weights: new DataView(bytes.buffer),
          });
          window.elements = [document.getElementById("a"), document.getElementById("b")];
          window.cleanups = elements.map((el) => render({ model, el }));
          window.move = (value) => {
            const input = elements[0].querySelector("input[type=range]");
            input.value = value;
            input.dispatchEvent(new Event("input"));
          };
        }""",
        [state, list(explorer.weights)],
    )
    return page


def test_moves_reach_python_ten_times_a_second_and_the_last_one_always(views):
    saved = views.evaluate("""async () => {
      for (let i = 1; i <= 60; i += 1) {
        move(i / 20);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await new Promise((resolve) => setTimeout(resolve, 250));
      return model.saved.map((state) => state.z);
    }""")
    assert 2 <= len(saved) <= 12
    assert 3.0 in saved[-1]


def test_views_of_one_model_move_together(views):
    views.evaluate("move(1.5)")
    views.wait_for_function(
        "[...elements].every((el) => el.querySelector('.vaelib-value').textContent === '1.50')"
    )


def test_python_moves_the_page(views):
    views.evaluate("model.set('z', [0.25, -1.5])")
    views.wait_for_function(
        "elements[1].querySelector('.vaelib-rows').textContent.includes('−1.50')"
    )
    assert views.evaluate("model.saved.length") == 0  # what came from Python is not sent back


def test_an_echo_does_not_pull_the_slider_back(views):
    views.evaluate("move(1)")
    views.wait_for_function("model.saved.length === 1")
    views.evaluate("""() => {
      const sent = model.state.z;
      move(2);  // not sent yet
      model.state.z = null;
      model.set("z", sent);  // the kernel's echo of the first move
    }""")
    views.wait_for_function("model.saved.length === 2")
    assert 2 in json.loads(views.evaluate("JSON.stringify(model.saved[1].z)"))


def test_reset_is_sent_at_once_and_as_one_change(views):
    views.evaluate("model.set('image_index', 2); model.set('z', [1, 1])")
    views.get_by_role("button", name="Reset (z = 0)").first.click()
    assert views.evaluate("model.saved") == [{"z": [0, 0], "image_index": None}]


def test_waiting_for_a_busy_kernel_is_said(views):
    views.get_by_role("button", name="Encode").first.click()
    status = views.get_by_role("status").first
    expect(status).to_have_text("Waiting for Python to encode image 0")
    assert views.evaluate("model.saved") == [{"z": [0, 0], "image_index": 0}]
    views.get_by_role("button", name="Encode").first.click()  # asked twice, sent once
    assert views.evaluate("model.saved.length") == 1
    views.evaluate("""() => {
      const source = new DataView(new Uint8Array(64).buffer);
      model.set("encoding", { index: 0, mu: [0.5, 1.25], source });
      model.set("z", [0.5, 1.25]);
    }""")
    expect(status).to_contain_text("Start from image 0: z")


def test_an_error_is_said(views):
    alert = views.get_by_role("alert").first
    assert not alert.is_visible()
    views.evaluate("model.set('error', 'TraitError: z is 2 numbers')")
    assert alert.is_visible() and alert.inner_text() == "TraitError: z is 2 numbers"
    views.evaluate("model.set('error', '')")
    assert not alert.is_visible()


def test_a_closed_view_leaves_nothing(views):
    assert views.evaluate("model.handlers.length") > 0
    views.evaluate("move(1); cleanups.forEach((cleanup) => cleanup())")
    assert views.evaluate("model.handlers.length") == 0
    assert views.evaluate("model.saved.length") == 1  # what was not sent yet still is
    assert views.evaluate("elements.map((el) => el.childElementCount)") == [0, 0]


def test_fifty_views_opened_and_closed_leave_nothing(views):
    left = views.evaluate("""() => {
      const before = model.handlers.length;
      for (let i = 0; i < 50; i += 1) render({ model, el: elements[0] })();
      return model.handlers.length - before;
    }""")
    assert left == 0


def test_no_script_is_longer_than_it_should_be():
    for path in Path(bundle.STATIC).iterdir():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 250, path.name
