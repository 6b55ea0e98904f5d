"""Labs in any state, explorers of any model, controls that refuse what they cannot show."""

import json
import math

import numpy as np
import pytest
import torch
from covered import about
from drawn import few, ordinary, tensors
from hypothesis import given
from hypothesis import strategies as st
from lab_states import LABS
from traitlets import TraitError

from vaelib import models
from vaelib.run import History
from vaelib.widgets import LatentExplorer, TrainingCurves
from vaelib.widgets.explorer import checks, compute
from vaelib.widgets.labs import jensen, likelihood, reparameterisation, scene
from vaelib.widgets.training_curves import series

junk = st.sampled_from([None, True, "a", math.nan, math.inf, -math.inf, 1e30, -1e30, 1j, [], {}])


@st.composite
def lab_states(draw):
    kind = draw(st.sampled_from(LABS))
    state = {}
    for name, control in kind.controls().items():
        at = control.positions()
        number = st.floats(at[0], at[-1]) if hasattr(control, "low") else st.nothing()
        state[name] = draw(st.sampled_from(at) | number)
    return kind, state


@about("widgets.labs.lab", "widgets.labs.elbo", "widgets.labs.jensen.JensenLab")
@about("widgets.labs.kl", "widgets.labs.likelihood.LikelihoodLab")
@about("widgets.labs.reparameterisation.ReparameterisationLab")
@about("widgets.labs.reparameterisation.ReparameterisationLab.compute")
@about("widgets.labs.jensen.compute", "widgets.labs.jensen.JensenLab.compute")
@about("widgets.labs.likelihood.compute", "widgets.labs.reparameterisation.compute")
@given(lab_states())
def test_a_lab_shows_numbers_in_every_state(given):
    kind, state = given
    shown = kind.compute(**state)
    for name, number in shown.numbers.items():
        assert isinstance(number, str) or math.isfinite(number), name
    for name, arrays in shown.series.items():
        assert not any(np.isinf(np.asarray(a, dtype=float)).any() for a in arrays), name
        assert all(np.isfinite(np.asarray(a, dtype=float)).any() for a in arrays), name
    for limits in shown.limits.values():
        left, right, bottom, top = limits
        assert left < right and bottom < top and all(map(math.isfinite, limits))


@about("widgets.labs.controls")
@few(12)
@given(lab_states(), junk)
def test_a_control_refuses_what_it_cannot_show(given, bad):
    kind, state = given
    lab = kind(**state)
    for name in state:
        with pytest.raises(TraitError, match=name):
            setattr(lab, name, bad)
        assert getattr(lab, name) == state[name]
    with pytest.raises(TypeError, match="has no other"):
        kind(other=1)


@about("widgets.labs.scene.reach", "widgets.labs.scene.noise", "widgets.labs.scene.histogram")
@about("widgets.labs.scene.log_normal")
@given(st.floats(0, 1e300), st.integers(0, 2**32 - 1), st.integers(1, 50), st.floats(1e-3, 1e3))
def test_parts_of_a_scene(value, seed, count, sigma):
    assert value * (1 - 1e-8) <= scene.reach(value) <= max(0.1, value) * 2.6
    noise = scene.noise(seed, count)
    assert noise.shape == (count,) and np.isfinite(noise).all() and abs(noise).max() < 7
    at, heights = scene.histogram(noise, -2.0, 2.0, 8)
    assert heights.sum() == pytest.approx(2) and at[0] == -2 and at[-1] == 2
    log_p = torch.distributions.Normal(0.5, sigma).log_prob(torch.tensor(noise)).numpy()
    np.testing.assert_allclose(scene.log_normal(noise, 0.5, sigma), log_p, rtol=1e-6, atol=1e-6)


@about("widgets.labs.jensen.means", "widgets.labs.likelihood")
@about("widgets.labs.reparameterisation.estimators", "widgets.labs.reparameterisation.exact")
@given(st.floats(-2, 2), st.floats(0.1, 2), st.sampled_from(["mu", "sigma"]), st.integers(0, 99))
def test_estimators_are_right_on_average(mu, sigma, gradient, seed):
    options = reparameterisation.ReparameterisationLab.controls()["gradient"].positions()
    gradient = options[seed % len(options)]
    eps = scene.noise(seed, 4000)
    truth = reparameterisation.exact(mu, sigma, gradient)[0]
    for estimate in reparameterisation.estimators(mu, sigma, gradient, eps):
        assert abs(estimate.mean() - truth) < 6 * estimate.std() / 4000**0.5 + 1e-9
    weights, chances = jensen.means(0.3, 1.4, 0.5, 3)
    assert np.isfinite(weights).all() and chances.sum() == pytest.approx(1)
    assert np.isfinite(likelihood.sample_data(seed)).all()


@st.composite
def pictures(draw):
    shape = draw(st.sampled_from([(4, 4), (1, 4, 4), (3, 4, 4)]))
    kind = draw(st.sampled_from(["gaussian", "bernoulli"]))
    vae = models.dense(shape, draw(st.integers(1, 3)), hidden=(5,), likelihood=kind)
    if draw(st.booleans()):
        vae.double()
    return vae, draw(tensors(st.floats(0, 1), (draw(st.integers(1, 3)), *shape), vae.dtype))


@about("widgets.explorer.explorer", "widgets.explorer.cloud", "widgets.bundle")
@about("widgets.explorer.exported", "widgets.explorer.snapshot", "widgets.base")
@few(4)
@given(pictures(), st.booleans())
def test_an_explorer(given, with_images):
    vae, images = given
    explorer = LatentExplorer(vae, images.detach() if with_images else None)
    page = explorer.to_html()
    assert page.startswith("<!DOCTYPE html>") and "NaN" not in explorer.export().state_json()
    assert torch.isfinite(torch.as_tensor(explorer.x_hat)).all()


@about("widgets.explorer.compute")
@given(pictures())
def test_what_an_explorer_computes(given):
    vae, images = given
    rows = compute.slider_rows(vae, images)
    assert sorted(row["dim"] for row in rows) == list(range(vae.latent_dim))
    assert all(a["kl"] >= b["kl"] for a, b in zip(rows, rows[1:], strict=False))
    mu, sigma = compute.posterior(vae, images)
    assert torch.equal(mu, compute.encode(vae, images)) and (sigma > 0).all()
    decoded = compute.decode(vae, mu)
    assert decoded.shape == tuple(images.shape) and ((0 <= decoded) & (decoded <= 1)).all()
    np.testing.assert_allclose(decoded, compute.means(vae, mu).clip(0, 1))
    assert len(compute.grey_levels(images)) == images.numel()
    json.dumps(compute.likelihood(vae), allow_nan=False)
    described = compute.export_decoder(vae)
    used = sum(p.numel() for p in vae.decoder.body.parameters())
    assert len(described.weights if hasattr(described, "weights") else described[1]) == 4 * used
    places = compute.quantiles(len(images))
    assert places == sorted(places) and all(map(math.isfinite, places))


@about("widgets.explorer.checks")
@given(junk, st.integers(1, 3))
def test_what_a_page_may_send(bad, n):
    for call in (
        lambda: checks.code(bad, n),
        lambda: checks.code([bad] * n, n),
        lambda: checks.image("image", bad, n),
        lambda: checks.dimensions("dims", [bad], n),
        lambda: checks.one_of("word", bad, ["one"]),
    ):
        if bad in (True, 1e30, -1e30):  # numbers, of which a code may consist
            continue
        with pytest.raises((TraitError, TypeError)):
            call()


@about("widgets.training_curves")
@given(st.lists(ordinary, max_size=5))
def test_curves_of_a_training(values):
    history = History(elbo=values, reconstruction=values, kl=values, beta=values)
    curves = TrainingCurves()
    curves(history)
    assert curves.values == series(history) and curves.values["elbo"] == values
