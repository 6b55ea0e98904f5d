"""The explorer's other traits, its dots and table, and what it answers to the page."""

import numpy as np
import pytest
import torch
from torch import nn
from traitlets import TraitError

from vaelib import models
from vaelib.data import Data
from vaelib.evaluation import factor_alignment, kl_per_dim
from vaelib.models import VAE, GaussianDecoder
from vaelib.widgets import LatentExplorer, cloud, compute

X = torch.rand(40, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def vae():
    return models.dense((8, 8), 3, hidden=(9,))


@pytest.fixture
def explorer(vae):
    return LatentExplorer(vae, X)


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


class Mine(nn.Module):
    """A layer that the page does not know."""

    def forward(self, x):
        return x.sin()


def with_body(body, shape=(8, 8)):
    encoder = models.dense(shape, 2, hidden=()).encoder
    return VAE(encoder, GaussianDecoder(body, shape), 2)


def ask(explorer, z, **more):
    """What the explorer sends when the page asks for the pictures of z."""
    sent = []
    explorer.send = lambda content, buffers=None: sent.append((content, buffers))
    content = {"ask": "decode", "view": "a", "id": 3, **more}
    explorer._asked(explorer, content, [memoryview(np.asarray(z, "<f4").tobytes())])
    return sent


def test_python_decodes_for_the_page():
    vae = with_body(nn.Sequential(nn.Linear(2, 64), Mine()))
    explorer = LatentExplorer(vae, X)
    assert explorer.spec["runs"] == "kernel" and "is a Mine" in explorer.spec["why"]
    z = torch.randn(5, 2)
    ((answer, buffers),) = ask(explorer, z.numpy())
    assert answer == {"view": "a", "id": 3}
    found = np.frombuffer(buffers[0], "<f4").reshape(5, 8, 8)
    np.testing.assert_array_equal(found, vae.decoder.mean(z).detach().numpy())
    explorer.image_index = 3
    assert explorer._repr_mimebundle_()[0]["image/png"]
    with pytest.raises(ValueError, match="is a Mine, which the page cannot run"):
        explorer.to_html()


def test_whatever_goes_wrong_in_python_is_answered():
    explorer = LatentExplorer(with_body(nn.Sequential(nn.Linear(2, 64), Mine())))
    ((answer, buffers),) = ask(explorer, [1.0, 2.0, 3.0])
    assert answer["error"].startswith("ValueError") and answer["id"] == 3 and buffers == []
    assert ask(explorer, [1.0, 2.0], ask="something else") == []
    assert ask(explorer, [], ask="here") == [({"here": "a"}, None)]


def test_nan_weights_make_a_widget_that_says_so(vae):
    with torch.no_grad():
        vae.decoder.body[0].weight[0, 0] = float("nan")
    explorer = LatentExplorer(vae, X)
    assert explorer.spec["runs"] == "kernel" and "NaN" in explorer.spec["why"]
    ((_, buffers),) = ask(explorer, [[0.0, 0.0, 0.0]])
    assert np.isnan(np.frombuffer(buffers[0], "<f4")).all()


def test_an_encoder_of_nan_leaves_a_widget(vae):
    with torch.no_grad():
        vae.encoder.mu.weight.fill_(float("nan"))
    explorer = LatentExplorer(vae, Data("faces", X, X, X[:, 0, :2], X[:, 0, :2], ("a", "b")))
    assert [row["kl"] for row in explorer.spec["rows"]] == [None] * 3
    assert explorer.dots == {} and explorer.spec["factors"] == {} and explorer.between is None
    with pytest.raises(TraitError, match="the encoder gives NaN or infinity for test face 2"):
        explorer.image_index = 2
    assert explorer.image_index is None and explorer.z == [0.0] * 3


class Brighter(GaussianDecoder):
    """A decoder whose mean is more than its body."""

    def mean(self, z):
        return super().mean(z) + 0.25


def test_a_decoder_that_does_more_than_its_body_is_left_to_python():
    vae = models.dense((8, 8), 2)
    vae.decoder = Brighter(vae.decoder.body, (8, 8))
    with pytest.raises(compute.CannotRunError, match="the Brighter's mean is not what its body"):
        compute.export_decoder(vae)
    assert LatentExplorer(vae).spec["runs"] == "kernel"


def test_a_module_used_twice_runs_twice():
    act = nn.Tanh()
    vae = with_body(nn.Sequential(nn.Linear(2, 9), act, nn.Linear(9, 64), act))
    assert [op["op"] for op in compute.export_decoder(vae).ops] == ["linear", "tanh"] * 2


def test_dropout_and_batch_statistics_rest_and_stay_as_they_were():
    body = nn.Sequential(nn.Linear(2, 64), nn.BatchNorm1d(64), nn.Dropout(0.5))
    vae = with_body(body).train()
    before = body[1].running_mean.clone()
    z = torch.randn(4, 2)
    first = compute.means(vae, z)
    np.testing.assert_array_equal(first, compute.means(vae, z))
    assert vae.training and body[2].training and (body[1].running_mean == before).all()


def test_dots_are_spread_over_the_set_and_grouped(vae):
    x = X.repeat(60, 1, 1)
    labels = torch.arange(len(x)) // 600  # sorted: the first thousand would be two classes only
    factor = torch.linspace(-1, 1, len(x))[:, None]
    known = Data("digits", x, x, factor, factor, ("slope",), labels, labels)
    found = cloud.cloud(vae, x, known)
    assert (found["count"], found["of"]) == (1000, 2400)
    chosen = torch.linspace(0, 2399, 1000).round().long()
    means = np.frombuffer(found["means"], "<f4").reshape(1000, 3)
    np.testing.assert_allclose(means, vae.posterior(x[chosen]).mu.detach(), atol=1e-6)
    level, kind = found["colourings"]
    assert (level["name"], kind["name"]) == ("slope", "class") and kind["groups"] == [*"0123"]
    assert [*kind["group"]] == labels[chosen].tolist()
    assert len(level["groups"]) == 5 and np.bincount([*level["group"]]).tolist() == [200] * 5
    assert level["groups"][0] == "−1 to −0.6"


def test_the_table_is_the_evaluations(vae):
    factors = torch.rand(40, 2)
    known = Data("faces", X, X, factors, factors, ("a", "b"))
    table = LatentExplorer(vae, known).spec["factors"]
    assert table["names"] == ["a", "b"] and table["count"] == 40
    np.testing.assert_allclose(table["values"], factor_alignment(vae, known), atol=6e-4)
    assert LatentExplorer(vae, X).spec["factors"] == {}


@pytest.mark.parametrize("count", [1, 2, 9])
def test_quantiles_have_equal_probability_between_them(count):
    found = torch.tensor(compute.quantiles(count), dtype=torch.float64)
    expected = (torch.arange(count) + 0.5).double() / count
    torch.testing.assert_close(torch.special.ndtr(found), expected)


def test_the_saved_page_starts_where_the_explorer_is(explorer):
    from test_explorer_state import saved_state

    explorer.mode, explorer.picture, explorer.axes = "interpolation", "sample", [2, 0]
    explorer.locked, explorer.between = [1], [7, 9]
    state = saved_state(explorer.to_html())
    for name in ("mode", "picture", "axes", "locked", "between"):
        assert state[name] == getattr(explorer, name)
    np.testing.assert_allclose(
        state["sigmas"], compute.posterior(explorer._vae, X[:32])[1], atol=6e-5
    )
    explorer.between = [7, 39]  # not among those saved
    assert saved_state(explorer.to_html())["between"] == [0, 1]
