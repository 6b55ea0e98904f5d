"""The exact models against linear algebra with 120 digits, and against sums over a fine grid."""

import math

import exactly
import mpmath
import pytest
import torch
from covered import about
from drawn import WIDE, few, magnitudes, ordinary, refused, seeds, tensors, wrong
from hypothesis import assume, given
from hypothesis import strategies as st
from mpmath import mpf

from vaelib.exact import Arc, LinearGaussian

LOG_2PI = mpmath.log(2 * mpmath.pi)
log_sigmas = st.floats(-3, 3) | st.floats(-700, 350)


def matrix(t):
    return mpmath.matrix([exactly.numbers(row) for row in t.detach()])


def diagonal(m):
    return [m[i, i] for i in range(m.rows)]


@st.composite
def linear(draw):
    """A model, x (B, P), μ and log σ (B, D)."""
    p, d, b = (draw(st.integers(low, 3)) for low in (1, 1, 0))
    dtype = draw(st.sampled_from(WIDE))
    W, bias, x = (draw(tensors(ordinary, shape, dtype)) for shape in ((p, d), (p,), (b, p)))
    sigma = 10.0 ** draw(st.floats(-3, 3))
    mu, log_sigma = draw(tensors(ordinary, (b, d), dtype)), draw(tensors(log_sigmas, (b, d), dtype))
    return LinearGaussian(W, bias, sigma), x, mu, log_sigma


def conditioning(model, dtype):
    """How much a rounding in float64 may grow, in units of a rounding in that dtype."""
    condition = mpmath.fsum(v**2 for v in matrix(model.W)) / mpf(model.sigma_x) ** 2
    return 1 + condition * mpf(2) ** -52 / torch.finfo(dtype).eps


@about("exact.LinearGaussian", "exact.LinearGaussian.log_px", "exact.LinearGaussian.posterior")
@given(linear())
def test_linear_evidence_and_posterior(given):
    model, x, _, _ = given
    W, sigma = matrix(model.W), mpf(model.sigma_x)
    covariance = W * W.T + sigma**2 * mpmath.eye(model.P)
    precision = mpmath.eye(model.D) + W.T * W / sigma**2
    log_px, means = [], []
    posterior = mpmath.inverse(precision)
    loss = conditioning(model, x.dtype)
    for row in exactly.rows(x):
        shift = mpmath.matrix([v - b for v, b in zip(row, exactly.numbers(model.b), strict=True)])
        quadratic = (shift.T * mpmath.inverse(covariance) * shift)[0]
        log_det = mpmath.log(mpmath.det(covariance))
        value = -(quadratic + log_det + model.P * LOG_2PI) / 2
        size = mpmath.fsum(v**2 for v in shift) / sigma**2 + abs(log_det) + model.P * 2
        log_px.append((value, size * loss))
        size = mpmath.norm(posterior * W.T / sigma**2, 1) * (mpmath.norm(shift, 1) + 1)
        means += [(v, size * loss) for v in posterior * W.T * shift / sigma**2]
    exactly.check(model.log_px(x), log_px, ulps=32)
    q = model.posterior(x)
    exactly.check(q.mean, means, ulps=32)
    assert q.mean.dtype == x.dtype
    loss = conditioning(model, torch.float64)
    exactly.check(model.posterior_covariance, [(v, loss) for v in posterior], ulps=32)


@about("exact.LinearGaussian.elbo", "exact.LinearGaussian.kl_to_posterior")
@given(linear())
def test_linear_bound_and_gap(given):
    model, x, mu, log_sigma = given
    W, sigma = matrix(model.W), mpf(model.sigma_x)
    precision = mpmath.eye(model.D) + W.T * W / sigma**2
    inverse = mpmath.inverse(precision)
    log_det = mpmath.log(mpmath.det(precision))
    bounds, gaps = [], []
    loss = conditioning(model, x.dtype)
    for row, m, s in zip(*map(exactly.rows, (x, mu, log_sigma)), strict=True):
        shift = mpmath.matrix([v - b for v, b in zip(row, exactly.numbers(model.b), strict=True)])
        residual = shift - W * mpmath.matrix(m)
        error = mpmath.fsum(v**2 for v in residual)
        rounded = mpmath.fsum(v**2 for v in shift) + mpmath.fsum(abs(v) for v in W) ** 2 * 99
        spread = sum(mpmath.exp(2 * s[d]) * sum(w**2 for w in W[:, d]) for d in range(model.D))
        kl, size = exactly.total(map(exactly.kl_to_standard_normal, m, s))
        constant = model.P * (mpmath.log(sigma) + LOG_2PI / 2)
        bounds.append(
            (
                -(error + spread) / (2 * sigma**2) - constant - kl,
                (rounded + spread) / sigma**2 + abs(constant) + size,
            )
        )
        away = mpmath.matrix(m) - inverse * W.T * shift / sigma**2
        distance = (away.T * precision * away)[0]
        trace = sum(mpmath.exp(2 * v) * w for v, w in zip(s, diagonal(precision), strict=True))
        value = (trace + distance - model.D - log_det) / 2 - sum(s)
        size = trace + (mpmath.fsum(v**2 for v in m) + rounded / sigma**2) * loss * 9
        gaps.append((value, size + abs(log_det) + sum(map(abs, s)) + 9))
    exactly.check(model.elbo(x, mu, log_sigma), bounds, ulps=32)
    exactly.check(model.kl_to_posterior(x, mu, log_sigma), gaps, ulps=32)


@given(st.data(), magnitudes | st.sampled_from([1e-200, 1e100, 5e-324]))
def test_noise_of_any_size_gives_numbers_or_is_refused(data, sigma_x):
    dtype = data.draw(st.sampled_from(WIDE))
    W = data.draw(tensors(magnitudes | st.just(0.0), (2, 2), dtype))
    x = data.draw(tensors(ordinary, (1, 2), dtype))
    try:
        model = LinearGaussian(W, torch.zeros(2, dtype=dtype), sigma_x)
    except ValueError as error:
        assert "sigma_x" in str(error)
        return
    q = model.posterior(x)
    assert not model.log_px(x).isnan().any() and q.mean.isfinite().all()
    best = q.mean, -0.5 * model.precision.diagonal().log().to(dtype)
    assert not model.elbo(x, *best).isnan().any()
    assert not model.kl_to_posterior(x, *best).isnan().any()


@given(linear(), st.data())
def test_wrong_inputs_of_a_linear_model_are_refused(given, data):
    model, x, mu, log_sigma = given
    assume(len(x))
    bad = data.draw(st.sampled_from(list(wrong(x).values())))
    refused(lambda: LinearGaussian(bad, model.b, 1.0), "W")
    refused(lambda: LinearGaussian(model.W, bad, 1.0), "b")
    for call in (model.log_px, model.posterior):
        refused(lambda c=call: c(bad), "x")
    refused(lambda: LinearGaussian.fit(bad, 1), "x")
    for call in (model.elbo, model.kl_to_posterior):
        refused(lambda c=call: c(bad, mu, log_sigma), "x")
        worse = data.draw(st.sampled_from(list(wrong(mu).values())))
        refused(lambda c=call, w=worse: c(x, w, log_sigma), "mu")
        refused(lambda c=call, w=worse: c(x, mu, w), "log_sigma")
        refused(lambda c=call: c(x, mu, torch.full_like(mu, 701.0)), "log_sigma")
    for sigma in (0.0, -1.0, math.nan, math.inf, "1", None, True):
        refused(lambda s=sigma: LinearGaussian(model.W, model.b, s), "sigma_x")
        refused(lambda s=sigma: Arc(s), "sigma_x")


@about("exact.LinearGaussian.sample", "exact.Arc.sample")
@given(linear(), st.integers(1, 5), seeds)
def test_samples(given, n, seed):
    model = given[0]
    for kind in (model, Arc()):
        one, two = (kind.sample(n, torch.Generator().manual_seed(seed)) for _ in range(2))
        for a, b in zip(one, two, strict=True):
            assert torch.equal(a, b) and len(a) == n and a.isfinite().all()
        refused(lambda k=kind: k.sample(0), "n")
        refused(lambda k=kind: k.sample(1.5), "n")


@about("exact.LinearGaussian.fit")
@given(st.data(), st.integers(2, 4), st.integers(5, 8), st.integers(1, 5), magnitudes)
def test_the_fitted_model_is_the_best_of_those_near_it(data, p, n, d, unit):
    dtype = data.draw(st.sampled_from(WIDE))
    x = data.draw(tensors(ordinary.map(lambda v: v * unit), (n, p), dtype)).detach()
    try:
        model = LinearGaussian.fit(x, d)
    except ValueError as error:
        assert "sigma_x" in str(error)
        return
    best = model.log_px(x).double().mean()
    for scale in (0.9, 1.1):
        for W, sigma in ((model.W * scale, model.sigma_x), (model.W, model.sigma_x * scale)):
            other = LinearGaussian(W, model.b, sigma).log_px(x).double().mean()
            assert other <= best + 1e-3 * p


@st.composite
def arcs(draw):
    """An arc, x (B, 2), μ and log σ (B,)."""
    b = draw(st.integers(0, 2))
    dtype = draw(st.sampled_from(WIDE))
    arc = Arc(draw(st.floats(0.05, 30)))
    x, mu = draw(tensors(ordinary, (b, 2), dtype)), draw(tensors(ordinary, (b,), dtype))
    return arc, x, mu, draw(tensors(st.floats(-700, 4), (b,), dtype))


def log_px_z(x1, x2, z, sigma):
    error = (x1 - mpmath.sin(z)) ** 2 + (x2 - mpmath.cos(z)) ** 2
    return -error / (2 * sigma**2) - 2 * mpmath.log(sigma) - LOG_2PI


@about("exact.Arc", "exact.Arc.elbo", "exact.Arc.log_px_z", "exact.Arc.G")
@given(arcs())
def test_bound_of_the_arc(given):
    arc, x, mu, log_sigma = given
    sigma = mpf(arc.sigma_x)
    exact, given_z = [], []
    for (x1, x2), m, s in zip(exactly.rows(x), *map(exactly.numbers, (mu, log_sigma)), strict=True):
        shrink = mpmath.exp(-mpmath.exp(2 * s) / 2)
        error = x1**2 + x2**2 + 1 - 2 * shrink * (x1 * mpmath.sin(m) + x2 * mpmath.cos(m))
        kl, size = exactly.kl_to_standard_normal(m, s)
        constant = 2 * mpmath.log(sigma) + LOG_2PI
        size += (x1**2 + x2**2 + 9) / sigma**2 + abs(constant)
        exact.append((-error / (2 * sigma**2) - constant - kl, size))
        given_z.append((log_px_z(x1, x2, m, sigma), size))
    exactly.check(arc.elbo(x, mu, log_sigma), exact, ulps=16)
    exactly.check(arc.log_px_z(x, mu), given_z, ulps=16)


@about("exact.Arc.log_px", "exact.Arc.grid", "exact.Arc.posterior_moments")
@about("exact.Arc.kl_to_posterior")
@few(12)
@given(arcs())
def test_evidence_and_posterior_of_the_arc(given):
    """Gauss-Legendre's rule on short intervals, which shares nothing with the trapezoid rule."""
    import numpy as np

    arc, x, mu, log_sigma = given
    nodes, weights = np.polynomial.legendre.leggauss(20)
    edges = np.linspace(-12, 12, 401)
    z = (edges[:-1, None] + (nodes + 1) / 2 * (edges[1] - edges[0])).ravel()
    w = np.tile(weights * (edges[1] - edges[0]) / 2, 400)
    for i, (x1, x2) in enumerate(x.detach().double().tolist()):
        error = (x1 - np.sin(z)) ** 2 + (x2 - np.cos(z)) ** 2
        log_joint = -error / (2 * arc.sigma_x**2) - z**2 / 2
        log_joint -= 2 * math.log(arc.sigma_x) + 1.5 * math.log(2 * math.pi)
        most = log_joint.max()
        joint = w * np.exp(log_joint - most)
        log_px = most + math.log(joint.sum())
        assert arc.log_px(x)[i].item() == pytest.approx(log_px, rel=1e-9, abs=1e-9)
        mean = (joint @ z) / joint.sum()
        deviation = math.sqrt(joint @ (z - mean) ** 2 / joint.sum())
        got = [moment[i].item() for moment in arc.posterior_moments(x)]
        assert got == pytest.approx([mean, deviation], rel=1e-7, abs=1e-7)
        at, density = arc.grid(x)
        assert (density[i].sum() * (at[1] - at[0])).item() == pytest.approx(1)
    gap = arc.log_px(x) - arc.elbo(x, mu, log_sigma)
    torch.testing.assert_close(
        arc.kl_to_posterior(x, mu, log_sigma).double(), gap.double(), rtol=1e-5, atol=1e-4
    )


@given(arcs(), st.data())
def test_wrong_inputs_of_the_arc_are_refused(given, data):
    arc, x, mu, log_sigma = given
    assume(len(x))
    bad = data.draw(st.sampled_from(list(wrong(x).values())))
    for call in (arc.log_px, arc.grid, arc.posterior_moments):
        refused(lambda c=call: c(bad), "x")
    worse = data.draw(st.sampled_from(list(wrong(mu).values())))
    for call in (arc.elbo, arc.kl_to_posterior):
        refused(lambda c=call: c(bad, mu, log_sigma), "x")
        refused(lambda c=call: c(x, worse, log_sigma), "mu")
        refused(lambda c=call: c(x, mu, worse), "log_sigma")
    refused(lambda: arc.kl_to_posterior(x, mu, torch.full_like(mu, 4.9)), "log_sigma")
    refused(lambda: arc.log_px(torch.full((1, 2), 1e9)), "x is")
    for sigma in (1e-30, 1e-5):  # 1e33 places would not fit into any memory
        refused(lambda s=sigma: Arc(s), "sigma_x")
