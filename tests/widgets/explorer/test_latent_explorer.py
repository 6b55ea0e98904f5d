"""The explorer's traits, its text and picture, and what it answers to the page."""

import base64

import numpy as np
import pytest
import torch
from small_models import Sine, X, with_body
from torch import nn
from traitlets import TraitError

from vaelib import models
from vaelib.data import Data
from vaelib.evaluation import kl_per_dim
from vaelib.widgets import LatentExplorer

WIDGET = "application/vnd.jupyter.widget-view+json"


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
    single = LatentExplorer(vae, X)
    double = LatentExplorer(vae.double(), X)
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


@pytest.mark.parametrize(
    "name, good, bad, message",
    [
        ("mode", "manifold", "grid", r"expected one of \['traversal', 'manifold', 'interp"),
        ("mode", "none", None, "mode is None"),
        ("picture", "sample", "noise", r"expected one of \['mean', 'sample'\]"),
        ("axes", [2, 0], [1, 1], "expected a list of 2 different dimensions, 0 to 2"),
        ("axes", [0, 1], [0, 3], "expected a list of 2 different"),
        ("axes", [0, 1], [0], "expected a list of 2 different"),
        ("axes", [0, 1], [0, True], "expected a list of 2 different"),
        ("locked", [1], [5], "locked is .5.; expected a list of different dimensions"),
        ("locked", [], "0", "expected a list"),
        ("between", [3, 3], [0, 40], "between is 40; expected 0 to 39"),
        ("between", [3, 4], [1], "expected the numbers of two images"),
        ("between", None, 3, "expected the numbers of two images"),
    ],
)
def test_traits_take_what_they_should(explorer, name, good, bad, message):
    setattr(explorer, name, good)
    assert getattr(explorer, name) == good
    with pytest.raises(TraitError, match=message):
        setattr(explorer, name, bad)
    assert getattr(explorer, name) == good
    explorer.set_state({name: good})  # as the page sends it


def test_arrays_and_sets_of_dimensions(explorer):
    explorer.locked = {2, 0}
    assert explorer.locked == [0, 2]
    explorer.axes = np.array([2, 1])
    assert explorer.axes == [2, 1] and all(type(d) is int for d in explorer.axes)


def test_what_cannot_be_is_not_offered():
    flat = LatentExplorer(models.dense((8, 8), 1))
    assert flat.spec["modes"] == ["traversal", "none"] and flat.axes == [0]
    assert LatentExplorer(models.dense((8, 8), 2)).spec["modes"] == [
        "traversal",
        "manifold",
        "none",
    ]
    with pytest.raises(TraitError, match="made without data"):
        flat.between = [0, 0]


def test_one_image_is_enough_and_none_is_refused(vae):
    explorer = LatentExplorer(vae, X[:1])
    explorer.image_index = 0
    assert explorer.between == [0, 0] and any(explorer.z)
    with pytest.raises(ValueError, match="data holds no images"):
        LatentExplorer(vae, X[:0])


def test_encoding_sends_sigma_and_leaves_what_is_locked(explorer, vae):
    explorer.z = [1, 2, 3]
    explorer.locked = [1]
    explorer.image_index = 7
    q = vae.posterior(X[7:8])
    assert explorer.encoding["sigma"] == pytest.approx(q.sigma[0].tolist())
    mu = q.mu[0].tolist()
    assert explorer.z == pytest.approx([mu[0], 2.0, mu[2]])


def test_the_two_to_go_between_are_encoded(explorer, vae):
    explorer.between = [5, 2]
    found = explorer.between_encoding
    assert found["indices"] == [5, 2]
    np.testing.assert_allclose(found["mu"], vae.posterior(X[[5, 2]]).mu.detach(), atol=1e-6)
    assert [*found["source"]] == (X[[5, 2]] * 255).round().int().flatten().tolist()


def test_rows_know_active_units_and_their_order(explorer, vae):
    kl = kl_per_dim(vae, X).mean(0)
    assert [row["dim"] for row in explorer.spec["rows"]] == kl.argsort(descending=True).tolist()
    first = [row["dim"] for row in explorer.spec["rows"] if row["active"]]
    assert explorer.axes[: len(first)] == first[:2]


def ask(explorer, z, **more):
    """What the explorer sends when the page asks for the pictures of z."""
    sent = []
    explorer.send = lambda content, buffers=None: sent.append((content, buffers))
    content = {"ask": "decode", "view": "a", "id": 3, **more}
    explorer._asked(explorer, content, [memoryview(np.asarray(z, "<f4").tobytes())])
    return sent


def test_python_decodes_for_the_page():
    vae = with_body(nn.Linear(2, 64), Sine())
    explorer = LatentExplorer(vae, X)
    assert explorer.spec["runs"] == "kernel" and "is a Sine" in explorer.spec["why"]
    z = torch.randn(5, 2)
    ((answer, buffers),) = ask(explorer, z.numpy())
    assert answer == {"view": "a", "id": 3}
    found = np.frombuffer(buffers[0], "<f4").reshape(5, 8, 8)
    np.testing.assert_array_equal(found, vae.decoder.mean(z).detach().numpy())
    explorer.image_index = 3
    assert explorer._repr_mimebundle_()[0]["image/png"]
    with pytest.raises(ValueError, match="is a Sine, which the page cannot run"):
        explorer.to_html()


def test_whatever_goes_wrong_in_python_is_answered():
    explorer = LatentExplorer(with_body(nn.Linear(2, 64), Sine()))
    ((answer, buffers),) = ask(explorer, [1.0, 2.0, 3.0])
    assert answer["error"].startswith("ValueError") and answer["id"] == 3 and buffers == []
    assert ask(explorer, [1.0, 2.0], ask="something else") == []
    assert ask(explorer, [], ask="here") == [({"here": "a"}, None)]


@pytest.mark.parametrize("images", [X, None])
def test_nan_weights_are_refused(vae, images):
    with torch.no_grad():
        vae.decoder.body[0].weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"decoder\.body\.0\.weight holds 1 weights that are NaN"):
        LatentExplorer(vae, images)


def test_an_encoder_of_nan_leaves_a_widget(vae):
    with torch.no_grad():
        vae.encoder.body[1].weight.fill_(1e30)  # finite, but the products are not
        vae.encoder.mu.weight.fill_(1e30)
    explorer = LatentExplorer(vae, Data("faces", X, X, X[:, 0, :2], X[:, 0, :2], ("a", "b")))
    assert [row["kl"] for row in explorer.spec["rows"]] == [None] * 3
    assert explorer.dots == {} and explorer.spec["factors"] == {} and explorer.between is None
    with pytest.raises(TraitError, match="the encoder gives NaN or infinity for test face 2"):
        explorer.image_index = 2
    assert explorer.image_index is None and explorer.z == [0.0] * 3


def test_closed_explorers_leave_nothing_behind(vae):
    from ipywidgets.widgets.widget import _instances

    before = len(_instances)
    for _ in range(20):
        explorer = LatentExplorer(vae, X)
        explorer.close()
        explorer.layout.close()
    assert len(_instances) == before


def test_a_closed_explorer_keeps_no_weights(explorer):
    """IPython's `Out` keeps the explorer itself for as long as the kernel lives."""
    assert explorer.weights and explorer.encoder_weights
    explorer.close()
    assert not (explorer.weights or explorer.encoder_weights)
    explorer.close()  # and once more does no harm
