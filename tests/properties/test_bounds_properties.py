"""Bounds at every scale; the models are linear, with weights set by hand."""

import math

import exactly
import mpmath
import torch
from covered import about
from drawn import DTYPES, WIDE, locations, log_sigmas, magnitudes, ordinary, refused, tensors, wrong
from hypothesis import assume, given
from hypothesis import strategies as st

from vaelib import bounds, models

log_weights = ordinary | st.floats(-1e4, 1e4) | st.sampled_from([-math.inf, -1e30, 1e30])


def log_mean(column: list) -> tuple:
    """log (1/K) Σ exp(log w), and the size of its terms."""
    most = max(column)
    if abs(most) == math.inf:
        return most, mpmath.mpf(1)
    value = most + mpmath.log(sum(mpmath.exp(v - most) for v in column) / len(column))
    return value, abs(most) + mpmath.log(len(column)) + 1


@about("bounds.log_mean_exp", "bounds.importance_weighted_bound")
@given(st.data(), st.integers(1, 5), st.integers(0, 3), st.sampled_from(DTYPES))
def test_mean_of_weights_far_apart(data, k, b, dtype):
    log_w = data.draw(tensors(log_weights, (k, b), dtype))
    with torch.no_grad():
        log_w[log_w <= torch.finfo(dtype).min] = -math.inf
    exact = [log_mean(column) for column in exactly.rows(log_w.T)] if b else []
    for got in (
        bounds.importance_weighted_bound(log_w),
        bounds.log_mean_exp(log_w),
        bounds.log_mean_exp(log_w.T, -1),
    ):
        zero = [value == -math.inf for value, _ in exact]
        assert (got == -math.inf).tolist() == zero
        exactly.check(
            got[[not z for z in zero]], [e for e, z in zip(exact, zero, strict=True) if not z]
        )


def test_many_equal_weights():
    for dtype in DTYPES:  # a sum of 5,000 ones does not fit into float16's eleven bits
        got = bounds.log_mean_exp(torch.full((5000, 1), -3.0, dtype=dtype)).item()
        assert abs(got + 3) <= 16 * torch.finfo(dtype).eps


@given(tensors(ordinary, (2, 3)), st.data())
def test_wrong_weights_are_refused(log_w, data):
    bad = {n: b for n, b in wrong(log_w).items() if "inf" not in n}  # −∞ is a weight of zero
    bad = data.draw(st.sampled_from(list(bad.values())))
    refused(lambda: bounds.log_mean_exp(bad), "log_w")
    refused(lambda: bounds.importance_weighted_bound(bad), "log_w")
    refused(lambda: bounds.importance_weighted_bound(log_w[0]), "log_w")
    refused(lambda: bounds.log_mean_exp(log_w[:0]), "log_w")
    for dim in (2, -3):
        refused(lambda d=dim: bounds.log_mean_exp(log_w, d), "dim")


def minus(term: tuple) -> tuple:
    value, size = term
    return -value, size


@st.composite
def linear(draw):
    """A VAE that ignores x and z: q = N(μ, σ²) and p(x|z) = N(b, σ_x²); x, ε."""
    pixels, d, k, b = (draw(st.integers(low, 3)) for low in (1, 1, 1, 0))
    dtype = draw(st.sampled_from(WIDE))
    vae = models.dense((pixels,), d, hidden=(), sigma_x=draw(magnitudes)).to(dtype)
    with torch.no_grad():
        for p in vae.parameters():
            p.zero_()
        vae.encoder.mu.bias.copy_(draw(tensors(locations, (d,), dtype)))
        vae.encoder.log_sigma.bias.copy_(draw(tensors(log_sigmas, (d,), dtype)))
        vae.decoder.body[-1].bias.copy_(draw(tensors(locations, (pixels,), dtype)))
    x = draw(tensors(ordinary, (b, pixels), dtype)).detach()
    return vae, x, draw(tensors(ordinary, (k, b, d), dtype)).detach()


@about("bounds.elbo", "bounds.elbo_terms", "bounds.Elbo")
@given(linear())
def test_elbo_and_its_terms(given):
    vae, x, eps = given
    k = len(eps)
    mu, log_sigma = (head.bias.detach() for head in (vae.encoder.mu, vae.encoder.log_sigma))
    z = mu + log_sigma.exp() * eps
    if not z.isfinite().all():
        refused(lambda: bounds.elbo(vae, x, eps=eps), "z holds")
        return
    with torch.no_grad():
        got = bounds.elbo(vae, x, eps=eps)
        drawn = bounds.elbo(vae, x, eps=eps, kl="monte_carlo")
    b = exactly.numbers(vae.decoder.body[-1].bias)
    log_sigma_x = mpmath.mpf(vae.decoder.log_sigma_x.to(x.dtype).item())
    exact = [
        exactly.total(exactly.log_normal(v, m, log_sigma_x) for v, m in zip(row, b, strict=True))
        for row in exactly.rows(x)
    ]
    exactly.check(got.reconstruction, exact, ulps=8 * k)
    terms = list(map(exactly.kl_to_standard_normal, *map(exactly.numbers, (mu, log_sigma))))
    exactly.check(got.kl, [exactly.total(terms)] * len(x))
    difference = [
        (v / k, s / k)
        for v, s in (
            exactly.total(
                term
                for zk in z[:, i]
                for zd, m, s in zip(*map(exactly.numbers, (zk, mu, log_sigma)), strict=True)
                for term in (
                    exactly.log_normal(zd, m, s),
                    minus(exactly.log_normal(zd, 0, 0)),
                )
            )
            for i in range(len(x))
        )
    ]
    exactly.check(drawn.kl, difference, ulps=16)
    assert torch.equal(got.total.nan_to_num(7), (got.reconstruction - got.kl).nan_to_num(7))
    if log_sigma_x > -80 and (log_sigma > -80).all() and got.reconstruction.isfinite().all():
        with torch.no_grad():
            log_px_z, kl = bounds.elbo_terms(vae, x, eps)
        assert torch.equal(log_px_z.mean(0), got.reconstruction) and torch.equal(kl, got.kl)


@given(linear(), st.data())
def test_wrong_data_of_a_bound_are_refused(given, data):
    vae, x, eps = given
    assume(len(x))
    bad = data.draw(st.sampled_from(list(wrong(x).values())))
    refused(lambda: bounds.elbo(vae, bad, eps=eps), "x")
    bad = data.draw(st.sampled_from([v for v in wrong(eps).values() if v is not None]))
    refused(lambda: bounds.elbo(vae, x, eps=bad), "eps")
    n = data.draw(st.sampled_from([0, -1, 1.5, True, None, "2", math.nan]))
    refused(lambda: bounds.elbo(vae, x, n), "n_samples")
