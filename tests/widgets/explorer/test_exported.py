"""What a page without a kernel holds of the explorer."""

import base64
import json
import re

import numpy as np
import torch
from small_models import X

from vaelib.widgets.explorer import compute


def saved_state(html):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.S)[1])


def test_the_saved_page_holds_the_model_and_some_images(explorer, vae, tmp_path):
    explorer.image_index = 3
    path = explorer.save(tmp_path / "explorer.html")
    state = saved_state(path.read_text(encoding="utf-8"))
    numbers = sum(p.numel() for p in vae.decoder.body.parameters())
    assert len(base64.b64decode(state["weights"])) == 2 * numbers
    numbers = sum(p.numel() for p in vae.encoder.parameters())
    assert len(base64.b64decode(state["encoder_weights"])) == 2 * numbers
    assert state["z"] == explorer.z and state["image_index"] == 3
    assert state["spec"]["images"] == len(state["means"]) == 32
    assert len(base64.b64decode(state["sources"])) == 32 * 64
    np.testing.assert_allclose(state["means"][3], explorer.encoding["mu"], atol=1e-4)
    explorer.image_index = 39  # not among those saved
    assert saved_state(explorer.to_html())["image_index"] is None


def test_the_saved_page_names_no_address(explorer):
    html = explorer.to_html()
    addresses = set(re.findall(r"https?://[^\s\"'<>)]*", html))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # the name of SVG, never asked for
    assert "default-src 'none'" in html and " src=" not in html and "import " not in html


def test_the_saved_page_starts_where_the_explorer_is(explorer):
    explorer.mode = "interpolation"
    explorer.picture = "sample"
    explorer.axes = [2, 0]
    explorer.locked = [1]
    explorer.between = [7, 9]
    state = saved_state(explorer.to_html())
    for name in ("mode", "picture", "axes", "locked", "between"):
        assert state[name] == getattr(explorer, name)
    np.testing.assert_allclose(
        state["sigmas"], compute.posterior(explorer.vae, X[:32])[1], atol=6e-5
    )
    explorer.between = [7, 39]  # not among those saved
    assert saved_state(explorer.to_html())["between"] == [0, 1]


def test_an_encoder_too_large_for_float16_is_left_out(explorer, vae):
    with torch.no_grad():
        vae.encoder.mu.weight[0, 0] = 1e6
    state = explorer.export("float16").state
    assert state["spec"]["encoder"] == {} and state["encoder_weights"] == ""
    assert explorer.export("float32").state["spec"]["encoder"]["mu"]
