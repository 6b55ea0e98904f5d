"""The page's encoder against PyTorch, for each kind of model, and an x drawn by hand."""

from base64 import b64decode, b64encode

import numpy as np
import pytest
import torch
from explorer_page import MODELS, mount, save, show
from pages import eventually
from torch import nn

from vaelib import models
from vaelib.models import VAE, GaussianEncoder
from vaelib.widgets import LatentExplorer

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("name", MODELS)
def test_the_page_encodes_as_pytorch_does(page, tmp_path, name):
    vae = MODELS[name]()
    x = torch.rand(40, *vae.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        q = vae.posterior(x)
    mu, sigma = show(page, *save(tmp_path, vae, precision="float32")).encode(x)
    np.testing.assert_allclose(mu, q.mu, rtol=0, atol=1e-5)
    np.testing.assert_allclose(sigma, q.sigma, rtol=1e-5, atol=1e-5)


def test_an_x_drawn_by_hand_is_encoded_as_it_is_drawn(page, tmp_path):
    vae = models.dense((28, 28), 2, hidden=(16,), likelihood="bernoulli")
    shown = show(page, *save(tmp_path, vae, torch.rand(30, 28, 28), precision="float32"))
    page.get_by_role("button", name="Draw it yourself").click()
    box = page.locator(".vaelib-drawing").bounding_box()
    at = lambda x, y: (box["x"] + x * box["width"], box["y"] + y * box["height"])  # noqa: E731
    page.mouse.move(*at(0.1, 0.1))
    page.mouse.down()
    page.mouse.move(*at(0.1, 0.4), steps=5)
    page.mouse.up()
    x = shown.pixels(".vaelib-source > canvas:not(.vaelib-drawing)").reshape(28, 28) / 255
    rows, columns = np.nonzero(x > 0.3)
    assert 18 <= np.ptp(rows) + 1 <= 21  # as high as MNIST's digits are
    assert abs(rows.mean() - 13.5) < 1 and abs(columns.mean() - 13.5) < 1  # and in the middle
    q = vae.posterior(torch.tensor(x[None], dtype=torch.float32))
    dims = [row["dim"] for row in shown.explorer.spec["rows"]]
    np.testing.assert_allclose(shown.values(), q.mu[0, dims].detach(), atol=0.006)
    page.get_by_role("button", name="Clear").click()
    assert shown.text(".vaelib-formula + .vaelib-bar + .vaelib-axis").startswith("The ELBO is")
    for key in (" ", "ArrowDown", "ArrowDown", "ArrowRight"):
        page.locator(".vaelib-drawing").press(key)
    assert shown.text(".vaelib-source figcaption") == "x, drawn by you"
    page.get_by_role("button", name="Next image").click()
    assert page.locator(".vaelib-drawing").count() == 0


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28), (32, 32)])
def test_only_mnists_size_is_drawn(shape):
    assert not LatentExplorer(models.dense(shape, 2)).spec["draw"]


def test_the_encoder_may_come_later(page, tmp_path):
    vae = models.dense((28, 28), 2, hidden=(9,))
    explorer = LatentExplorer(vae, torch.rand(5, 28, 28))
    path = tmp_path / "later.html"
    weights = explorer.export("float32").state["encoder_weights"]
    path.write_text(explorer.to_html("float32").replace(weights, ""), encoding="utf-8")
    shown = show(page, explorer, path)
    page.get_by_role("button", name="Draw it yourself").click()
    assert shown.text(".vaelib-tell").startswith("The encoder is still on its way")
    page.locator(".vaelib-page").evaluate(
        "(el, detail) => el.dispatchEvent(new CustomEvent('vaelib-encoder', { detail }))", weights
    )
    x = torch.rand(3, 28, 28)
    np.testing.assert_allclose(shown.encode(x)[0], vae.posterior(x).mu.detach(), atol=1e-5)
    page.get_by_role("button", name="Pixels against latent space").click()
    assert "pixels of two images are mixed" in shown.text(".vaelib-tell")


def test_images_may_come_later(page, tmp_path):
    images = torch.rand(5, 8, 8)
    explorer = LatentExplorer(models.dense((8, 8), 2, hidden=(9,)), images)
    path = tmp_path / "later.html"
    sources = explorer.export().state["sources"]
    first = b64encode(b64decode(sources)[: 2 * 64]).decode()
    path.write_text(explorer.to_html().replace(sources, first), encoding="utf-8")
    shown = show(page, explorer, path)
    page.get_by_label("Start from image").fill("4")
    page.get_by_role("button", name="Encode").click()
    assert shown.text(".vaelib-source figcaption") == "x: none yet"
    page.locator(".vaelib-page").evaluate(
        "(el, detail) => el.dispatchEvent(new CustomEvent('vaelib-sources', { detail }))", sources
    )
    assert shown.text(".vaelib-source figcaption") == "x, image 4"
    grey = np.rint(images[4].numpy() * 255).ravel()
    assert np.abs(shown.pixels(".vaelib-source canvas") - grey).max() <= 1


class Twice(GaussianEncoder):
    """An encoder that does more than its modules."""

    def forward(self, x):
        return super().forward((2 * x).clamp(0, 1))


def test_an_encoder_that_only_python_can_run_is_said(page):
    body = nn.Sequential(nn.Flatten(), nn.Linear(784, 8))
    made = models.dense((28, 28), 2, hidden=(9,))
    vae = VAE(Twice(body, 8, 2), made.decoder, 2)
    explorer = LatentExplorer(vae, torch.rand(5, 28, 28))
    assert explorer.spec["encoder"] == {} and not explorer.spec["draw"]
    mount(page, explorer)
    note = page.get_by_text("This page cannot encode: the Twice's result is not what")
    eventually(page, note.is_visible, "the reason")
    assert page.get_by_role("button", name="Draw it yourself").count() == 0
