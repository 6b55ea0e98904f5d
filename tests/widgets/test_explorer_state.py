"""The explorer's traits, what it shows where no widget can be shown, and the saved page's text."""

import base64
import json
import re

import numpy as np
import pytest
import torch
from traitlets import TraitError

from vaelib import models
from vaelib.data import Data
from vaelib.widgets import LatentExplorer

X = torch.rand(40, 8, 8, generator=torch.Generator().manual_seed(0))
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def vae():
    return models.dense((8, 8), 3, hidden=(9,))


@pytest.fixture
def explorer(vae):
    return LatentExplorer(vae, X)


def saved_state(html):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.S)[1])


def test_it_starts_at_zero(explorer):
    assert explorer.z == [0.0, 0.0, 0.0] and explorer.image_index is None
    assert explorer.spec["images"] == 40 and len(explorer.spec["rows"]) == 3


@pytest.mark.parametrize("z", [[1, 2, 3], (1, 2, 3), np.array([1.0, 2, 3]), torch.arange(1.0, 4)])
def test_z_takes_lists_arrays_and_tensors(explorer, z):
    explorer.z = z
    assert explorer.z == [1.0, 2.0, 3.0] and all(type(value) is float for value in explorer.z)


@pytest.mark.parametrize(
    "z, message",
    [
        ([1.0], "z is 1 numbers; expected 3 numbers"),
        ([1.0, float("nan"), 0.0], "nan.*expected finite"),
        ([1.0, float("inf"), 0.0], "inf.*expected finite"),
        (2.0, "z is 2.0; expected 3 numbers"),
        (None, "z is None; expected 3 numbers"),
        ("abc", "z is 'abc'; expected 3 numbers"),
        ([1.0, "a", 0.0], "'a'.*expected 3 numbers"),
        (torch.zeros(1, 3), "z is 1 numbers; expected 3"),
    ],
)
def test_a_bad_z_is_refused_and_the_old_one_kept(explorer, z, message):
    explorer.z = [1, 2, 3]
    with pytest.raises(TraitError, match=message):
        explorer.z = z
    assert explorer.z == [1.0, 2.0, 3.0]


def test_an_image_is_encoded(explorer, vae):
    explorer.image_index = 7
    mu = vae.posterior(X[7:8]).mu[0].tolist()
    assert explorer.z == mu and explorer.encoding["mu"] == mu and explorer.encoding["index"] == 7
    assert [*explorer.encoding["source"]] == (X[7] * 255).round().int().flatten().tolist()
    explorer.z = [0, 0, 0]
    assert explorer.image_index == 7  # still where it started from
    explorer.image_index = None
    assert explorer.encoding == {} and explorer.z == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("index", [-1, 40, 1.5, True, "3"])
def test_a_bad_image_index_is_refused(explorer, index):
    with pytest.raises(TraitError, match="image_index is .*expected"):
        explorer.image_index = index
    assert explorer.image_index is None


def test_without_data_there_is_no_image_to_start_from(vae):
    explorer = LatentExplorer(vae)
    with pytest.raises(TraitError, match="made without data"):
        explorer.image_index = 0


def test_data_sets_name_their_images(vae):
    data = Data("digits", X, X[:5])
    explorer = LatentExplorer(vae, data)
    explorer.image_index = 4
    assert explorer.spec["noun"] == "test digit" and explorer.spec["images"] == 5
    assert repr(explorer) == "LatentExplorer: 3 dimensions, started from test digit 4"


@pytest.mark.refuses
@pytest.mark.parametrize(
    "images, error, message",
    [
        (X[:, :4], ValueError, r"data has shape \(40, 4, 8\); expected \(N, 8, 8\)"),
        ((X * 255).byte(), TypeError, "data .*uint8"),
        (X * 2, ValueError, r"expected in \[0, 1\]"),
        (X * float("nan"), ValueError, "NaN"),
    ],
)
def test_bad_images_are_refused(vae, images, error, message):
    with pytest.raises(error, match=message):
        LatentExplorer(vae, images)


@pytest.mark.parametrize("shape", [(12,), (2, 8, 8), (1, 3, 8, 8)])
def test_what_is_no_picture_is_refused(shape):
    with pytest.raises(ValueError, match="expected \\(H, W\\), \\(1, H, W\\) or \\(3, H, W\\)"):
        LatentExplorer(models.dense(shape, 2))


@pytest.mark.parametrize("shape", [(8, 6), (1, 8, 6), (3, 8, 6)])
def test_grey_and_coloured_pictures(shape):
    explorer = LatentExplorer(models.dense(shape, 2), torch.rand(5, *shape))
    explorer.image_index = 1
    assert tuple(explorer.x_hat.shape) == shape
    assert explorer._repr_mimebundle_()[0]["image/png"]


def test_the_picture_in_python_is_the_decoders(explorer, vae):
    explorer.z = [0.5, -1.0, 2.0]
    expected = vae.decoder.mean(torch.tensor([[0.5, -1.0, 2.0]]))[0].clamp(0, 1)
    torch.testing.assert_close(explorer.x_hat, expected.detach())


def test_a_model_in_double_precision(vae):
    single, double = LatentExplorer(vae, X), LatentExplorer(vae.double(), X)
    assert double.spec == single.spec and double.weights == single.weights
    double.image_index = 1
    assert double.z == pytest.approx(vae.posterior(X[1:2].double()).mu[0].tolist())


def test_what_the_page_sends_arrives(explorer, vae):
    explorer.set_state({"z": [1, 0.5, 0]})
    assert explorer.z == [1.0, 0.5, 0.0]
    explorer.set_state({"image_index": 3})
    assert explorer.z == vae.posterior(X[3:4]).mu[0].tolist()
    explorer.set_state({"z": [0, 0, 0], "image_index": None})
    assert explorer.z == [0.0, 0.0, 0.0] and explorer.encoding == {}


def test_an_error_in_a_callback_is_said_in_the_page_and_raised(explorer):
    def listener(change):
        raise RuntimeError("the exercise's own mistake")

    explorer.observe(listener, "z")
    with pytest.raises(RuntimeError, match="own mistake"):
        explorer.set_state({"z": [1, 1, 1]})
    assert explorer.error == "RuntimeError: the exercise's own mistake"
    explorer.unobserve(listener, "z")
    explorer.set_state({"z": [1, 1, 0]})
    assert explorer.error == ""
    with pytest.raises(TraitError):
        explorer.set_state({"z": [1, 1]})
    assert "expected 3 numbers" in explorer.error


def test_the_text_depends_on_no_trained_number(explorer):
    other = LatentExplorer(models.dense((8, 8), 3, hidden=(9,), seed=1), X)
    assert repr(explorer) == repr(other) == "LatentExplorer: 3 dimensions, z = 0"
    for each in (explorer, other):
        each.image_index = 2
    assert repr(explorer) == repr(other) == "LatentExplorer: 3 dimensions, started from image 2"


def test_it_shows_a_picture_where_there_is_no_widget(explorer):
    explorer.z = [0.5, 0, 0]
    data, metadata = explorer._repr_mimebundle_()
    assert set(data) == {"text/plain", "image/png", WIDGET}
    assert data["text/plain"] == repr(explorer)
    assert data[WIDGET]["model_id"] == explorer.model_id
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert "decoded at z = (0.5, 0.0, 0.0)" in metadata["image/png"]["alt"]


def test_the_saved_page_holds_the_model_and_some_images(explorer, vae, tmp_path):
    explorer.image_index = 3
    path = explorer.save(tmp_path / "explorer.html")
    state = saved_state(path.read_text(encoding="utf-8"))
    numbers = sum(p.numel() for p in vae.decoder.body.parameters())
    assert len(base64.b64decode(state["weights"])) == 2 * numbers
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


def test_text_of_the_page_cannot_end_the_script():
    vae = models.dense((8, 8), 2)
    explorer = LatentExplorer(vae, X)
    explorer.spec = {**explorer.spec, "noun": "</script><b>"}
    assert "</script><b>" not in explorer.to_html()


def test_the_view_and_the_page_are_one_script():
    from vaelib.widgets import bundle

    assert LatentExplorer._esm.count("export default") == 1
    page = bundle.script(*bundle.EXPLORER, "page", default=False)
    for text in (LatentExplorer._esm, page):
        assert not re.search(r"^import ", text, re.M)
    assert "export" not in re.findall(r"^\w+", page, re.M)


def test_closed_explorers_leave_nothing_behind(vae):
    from ipywidgets.widgets.widget import _instances

    before = len(_instances)
    for _ in range(20):
        explorer = LatentExplorer(vae, X)
        explorer.close()
        explorer.layout.close()
    assert len(_instances) == before
