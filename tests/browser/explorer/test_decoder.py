"""The page's decoder against PyTorch, for each kind of model."""

import numpy as np
import pytest
import torch
from explorer_page import MODELS, save, show

from vaelib.widgets import bundle

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("name", MODELS)
def test_the_page_decodes_as_pytorch_does(page, tmp_path, name):
    vae = MODELS[name]()
    z = torch.randn(1000, vae.latent_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = vae.decoder.mean(z).flatten(1).numpy()
    assert expected.std() > 0.01  # pictures, not one grey
    found = show(page, *save(tmp_path, vae, precision="float32")).decode(z)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in MODELS if n != "every operation"])
def test_half_precision_is_within_one_grey_level(page, tmp_path, name):
    vae = MODELS[name]()
    z = torch.randn(128, vae.latent_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = vae.decoder.mean(z).flatten(1).numpy()
    found = show(page, *save(tmp_path, vae, precision="float16")).decode(z)
    grey = [np.rint(np.clip(picture, 0, 1) * 255) for picture in (found, expected)]
    assert np.abs(grey[0] - grey[1]).max() <= 1


def test_half_floats_are_read_exactly(page):
    halves = np.arange(2**16, dtype=np.uint16)
    script = bundle.joined("explorer/decoder") + "\nwindow.halfToFloat = halfToFloat;"
    page.add_script_tag(content=script, type="module")
    page.wait_for_function("() => Boolean(window.halfToFloat)")
    found = page.evaluate(
        "() => halfToFloat(Uint16Array.from({length: 65536}, (_, i) => i)).join(' ')"
    )
    expected = halves.view(np.float16).astype(np.float64)
    np.testing.assert_array_equal(np.array(found.split(), float), expected)
