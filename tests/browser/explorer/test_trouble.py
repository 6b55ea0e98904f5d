"""What the explorer says and does when something is wrong: nothing may freeze."""

import re

import numpy as np
import pytest
import torch
from explorer_page import mount, save, show
from pages import eventually
from playwright.sync_api import expect
from torch import nn

from vaelib import models
from vaelib.models import VAE, GaussianDecoder
from vaelib.widgets import LatentExplorer
from vaelib.widgets.explorer import compute

pytestmark = pytest.mark.browser

PICTURE = """() => {
  const canvas = document.querySelector(".vaelib-picture canvas");
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return Array.from(data).filter((_, i) => i % 4 === 0);
}"""

# Shows the explorer once more, on a model whose manager has a kernel with JupyterLab's signals.
WITH_KERNEL = """() => {
  class Signal {
    slots = new Set();
    connect(slot) { this.slots.add(slot); }
    disconnect(slot) { this.slots.delete(slot); }
    emit(value) { for (const slot of [...this.slots]) slot(null, value); }
  }
  window.kernel = { statusChanged: new Signal(), disposed: new Signal() };
  model.widget_manager = { kernel };
  cleanups[0]();
  cleanups[0] = render({ model, el: elements[0] });
}"""


class Wave(nn.Module):
    """A layer of one's own."""

    def forward(self, x):
        return torch.sin(3 * x)


def unknown_layer():
    encoder = models.dense((8, 8), 2, hidden=(9,)).encoder
    body = nn.Sequential(nn.Linear(2, 32), Wave(), nn.Linear(32, 64), nn.Sigmoid())
    return VAE(encoder, GaussianDecoder(body, (8, 8)), 2)


def alert(page):
    return page.get_by_role("alert").first


def shows(page, explorer, z):
    """The picture is the one that PyTorch decodes at z."""
    expected = np.rint(compute.decode(explorer.vae, torch.tensor([z])).ravel() * 255)

    def there():
        return np.abs(np.array(page.evaluate(PICTURE)) - expected).max() <= 1

    eventually(page, there, "the picture at z =", z)


def test_python_decodes_what_the_page_cannot(page):
    explorer = LatentExplorer(unknown_layer(), torch.rand(6, 8, 8))
    assert explorer.spec["runs"] == "kernel"
    mount(page, explorer, answers=True)
    notice = page.locator(".vaelib-notice")
    expect(notice).to_contain_text("Python decodes, since the page cannot run this decoder")
    expect(notice).to_contain_text("decoder.body.1 is a Wave")
    shows(page, explorer, [0.0, 0.0])
    dim = explorer.spec["rows"][0]["dim"]
    z = [0.0, 0.0]
    page.locator(".vaelib-row input").first.fill("1.5")
    z[dim] = 1.5
    shows(page, explorer, z)
    # The small pictures come from Python too, and are pictures.
    page.wait_for_function("""() => {
      const canvas = document.querySelector(".vaelib-cells canvas");
      const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const rows = new Set(data.filter((_, i) => i % 4 === 0));
      return rows.size > 50;
    }""")
    assert not alert(page).is_visible()


def test_what_was_overtaken_is_not_asked_for(page):
    explorer = LatentExplorer(unknown_layer(), torch.rand(6, 8, 8))
    mount(page, explorer, mode="none")
    asked = page.evaluate("""async () => {
      await frame();
      for (let i = 1; i <= 20; i += 1) { move(i / 10); await frame(); }
      const answer = ({ content, z }) => model.trigger("msg:custom", content,
        [new DataView(new Float32Array(64 * z.length / 2).buffer)]);
      answer(model.asked.at(-1));
      await frame();
      answer(model.asked.at(-1));
      await frame();
      return model.asked.map(({ z }) => z);
    }""")
    assert asked[0] == [0, 0] and len(asked) == 2 and 2 in asked[1]


def test_a_kernel_that_does_not_answer_is_said_and_asked_again(page):
    explorer = LatentExplorer(unknown_layer(), torch.rand(6, 8, 8))
    mount(page, explorer, mode="none")
    page.clock.install()
    page.evaluate("move(1)")  # the first question is not answered
    page.clock.run_for(6000)
    # It was asked with the real clock, so it is the second that grows late.
    page.evaluate("""() => model.trigger("msg:custom", model.asked.at(-1).content,
      [new DataView(new Float32Array(64).buffer)])""")
    page.clock.run_for(6000)
    expect(alert(page)).to_contain_text("No answer from Python")
    page.evaluate("move(2)")
    page.clock.run_for(200)
    assert 2 in page.evaluate("model.asked.at(-1).z")
    page.evaluate("""() => model.trigger("msg:custom", model.asked.at(-1).content,
      [new DataView(new Float32Array(64).buffer)])""")
    expect(alert(page)).not_to_be_visible()


def test_a_model_that_raises_in_python_is_said(page):
    explorer = LatentExplorer(unknown_layer(), torch.rand(6, 8, 8))
    mount(page, explorer, mode="none")
    page.wait_for_function("model.asked.length === 1")
    page.evaluate("""() => model.trigger("msg:custom",
      { ...model.asked.at(-1).content, error: "RuntimeError: out of memory" }, [])""")
    expect(alert(page)).to_contain_text("Python could not decode: RuntimeError: out of memory")
    page.evaluate("move(1)")
    page.wait_for_function("model.asked.length === 2")


@pytest.mark.parametrize("weights", [b"", bytes(40), bytes(41)])
def test_bad_weights_are_said_and_python_decodes(page, weights):
    explorer = LatentExplorer(models.dense((8, 8), 2, hidden=(5,)), torch.rand(4, 8, 8))
    mount(page, explorer, answers=True, weights={"bytes": [*weights]})
    expect(page.locator(".vaelib-notice")).to_contain_text("the weights are")
    shows(page, explorer, [0.0, 0.0])


def test_bad_weights_in_a_saved_page_are_said(page, tmp_path):
    explorer = LatentExplorer(models.dense((8, 8), 2, hidden=(5,)))
    path = tmp_path / "page.html"
    html = explorer.to_html()
    start = html.index('"weights":"') + 11
    path.write_text(html[:start] + "AAAAAA==" + html[html.index('"', start) :], encoding="utf-8")
    page.goto(path.as_uri())
    expect(alert(page)).to_contain_text("the weights are incomplete: 2 numbers where")
    page.locator(".vaelib-row input").first.press("End")
    expect(page.get_by_role("spinbutton").first).to_have_value("3.00")


def test_nan_at_some_z_is_said_there_only(page, tmp_path):
    vae = models.dense((8, 8), 2, hidden=())
    with torch.no_grad():
        vae.decoder.body[0].weight.fill_(1e38)  # float32 ends a little above 3e38
    shown = show(page, *save(tmp_path, vae, precision="float32"))
    assert not alert(page).is_visible()
    page.get_by_role("spinbutton").first.fill("9")
    expect(alert(page)).to_contain_text("gives NaN or infinity at this z: 64 of 64 pixels")
    assert len(set(shown.pixels())) == 2  # stripes
    page.get_by_role("button", name="Reset (z = 0)").click()
    expect(alert(page)).not_to_be_visible()


def test_an_encoder_that_gives_nan_is_said_and_the_image_can_be_asked_for_again(page, tmp_path):
    vae = models.dense((8, 8), 2, hidden=())
    x = torch.zeros(4, 8, 8)
    x[2] = 1
    with torch.no_grad():
        vae.encoder.mu.weight.fill_(1e38)
        vae.encoder.mu.bias.fill_(0.5)
    explorer = LatentExplorer(vae, x)
    with pytest.raises(Exception, match="the encoder gives NaN or infinity for image 2"):
        explorer.image_index = 2
    assert explorer.image_index is None and explorer.z == [0.0, 0.0]
    show(page, *save(tmp_path, vae, x))
    page.get_by_label("Start from image").fill("2")
    for _ in range(2):
        page.get_by_role("button", name="Encode").click()
        expect(alert(page)).to_contain_text("the encoder gives NaN or infinity for image 2")
    page.get_by_role("button", name="Previous image").click()
    page.get_by_label("Start from image").fill("1")
    page.get_by_role("button", name="Encode").click()
    expect(page.locator(".vaelib-source")).to_contain_text("x, image 1")
    expect(alert(page)).not_to_be_visible()


def test_a_lost_kernel_is_said_and_the_page_goes_on(page):
    explorer = LatentExplorer(models.dense((8, 8), 2, hidden=(5,)), torch.rand(4, 8, 8))
    mount(page, explorer)
    page.evaluate("""() => {
      elements[0].classList.add("jupyter-widgets-disconnected");
      model.trigger("comm_live_update");
      model.save_changes = () => { throw new Error("comm is disposed"); };
    }""")
    expect(alert(page)).to_contain_text("The connection to Python is gone")
    page.locator(".vaelib-row input").first.fill("2")
    z = [0.0, 0.0]
    z[explorer.spec["rows"][0]["dim"]] = 2.0
    shows(page, explorer, z)
    expect(alert(page)).to_contain_text("The connection to Python is gone")


def test_what_cannot_be_sent_is_said_at_once_and_no_longer_when_python_answers(page):
    explorer = LatentExplorer(models.dense((8, 8), 2, hidden=(5,)), torch.rand(4, 8, 8))
    mount(page, explorer)
    page.clock.install()
    page.evaluate("""() => {
      window.send = model.send;
      model.send = () => { throw new Error("Cannot send"); };
      move(1);
    }""")
    page.clock.run_for(300)
    expect(alert(page)).to_have_text(re.compile("^The connection to Python is gone.* goes on;"))
    page.evaluate("() => { model.send = window.send; move(2); }")
    page.clock.run_for(3000)
    expect(alert(page)).not_to_be_visible()


@pytest.mark.parametrize("signal", ["statusChanged", "disposed"])
def test_a_kernel_that_ends_is_said_without_a_move(page, signal):
    """JupyterLab's kernel says so; what ipywidgets says of the next one does not take it back."""
    explorer = LatentExplorer(models.dense((8, 8), 2, hidden=(5,)), torch.rand(4, 8, 8))
    mount(page, explorer)
    page.evaluate(WITH_KERNEL)
    page.evaluate("() => kernel.statusChanged.emit('busy')")
    assert not alert(page).is_visible()
    page.evaluate("(signal) => kernel[signal].emit('autorestarting')", signal)
    expect(alert(page)).to_contain_text("its kernel stopped or was started again")
    page.evaluate("() => model.trigger('comm_live_update')")
    expect(alert(page)).to_be_visible()
    page.evaluate("() => cleanups[0]()")
    assert page.evaluate("(signal) => kernel[signal].slots.size", signal) == 0


def test_a_closed_comm_is_said(page):
    explorer = LatentExplorer(models.dense((8, 8), 2, hidden=(5,)), torch.rand(4, 8, 8))
    mount(page, explorer)
    page.evaluate("() => model.trigger('comm:close')")
    expect(alert(page)).to_contain_text("the explorer was closed")


def test_a_silent_kernel_is_said_until_it_answers(page):
    """JupyterLab says nothing when a kernel has died and was started again."""
    explorer = LatentExplorer(models.dense((8, 8), 2, hidden=(5,)), torch.rand(4, 8, 8))
    mount(page, explorer)
    page.clock.install()
    page.evaluate("move(1)")
    page.clock.run_for(9000)
    assert not alert(page).is_visible()
    page.evaluate("() => { model.gone = true; }")
    page.get_by_role("button", name="Next image").click()
    page.clock.run_for(5500)
    expect(alert(page)).to_contain_text("No answer from Python")
    page.evaluate("() => { model.gone = false; move(2); }")
    page.clock.run_for(300)
    expect(alert(page)).not_to_be_visible()


def test_a_kernel_lost_right_after_its_answer_is_said_after_one_move(page):
    mount(page, LatentExplorer(models.dense((8, 8), 2, hidden=(5,))))
    page.evaluate("move(1)")
    page.wait_for_timeout(300)  # asked and answered
    page.evaluate("() => { model.gone = true; move(2); }")
    expect(alert(page)).to_contain_text("No answer from Python", timeout=10_000)
