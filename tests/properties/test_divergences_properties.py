"""Divergences at every scale against 120 digits; quadrature and samples against closed forms."""

import math

import exactly
import pytest
import torch
from covered import about
from drawn import (
    DTYPES,
    few,
    full_shapes,
    locations,
    log_sigmas,
    magnitudes,
    ordinary,
    refused,
    tensors,
    wrong,
)
from hypothesis import assume, example, given
from hypothesis import strategies as st
from torch.distributions import Normal

from vaelib.divergences import (
    Estimate,
    kl_gaussian,
    kl_monte_carlo,
    kl_quadrature,
    kl_to_standard_normal,
    kl_to_standard_normal_per_dim,
)

counts = st.integers(0, 3)


@st.composite
def codes(draw, rows=counts):
    """μ and log σ, (B, D), of one dtype."""
    shape = (draw(rows), draw(st.integers(1, 3)))
    dtype = draw(st.sampled_from(DTYPES))
    return draw(tensors(locations, shape, dtype)), draw(tensors(log_sigmas, shape, dtype))


@about(
    "divergences.kl_to_standard_normal",
    "divergences.kl_to_standard_normal_per_dim",
)
@given(codes())
@example((torch.zeros(1, 1), torch.full((1, 1), -700.0)))
@example((torch.zeros(1, 1).double(), torch.full((1, 1), 300.0).double()))
@example((torch.zeros(1, 1).double(), torch.full((1, 1), 1e-9).double()))
def test_kl_to_the_prior(given):
    mu, log_sigma = given
    exact = [
        list(map(exactly.kl_to_standard_normal, *row))
        for row in zip(exactly.rows(mu), exactly.rows(log_sigma), strict=True)
    ]
    exactly.check(kl_to_standard_normal_per_dim(mu, log_sigma), sum(exact, []))
    exactly.check(kl_to_standard_normal(mu, log_sigma), map(exactly.total, exact))


@given(codes(st.integers(1, 3)), st.data())
def test_wrong_inputs_of_the_kl_to_the_prior_are_refused(given, data):
    mu, log_sigma = given
    bad = data.draw(st.sampled_from(list(wrong(mu).values())))
    refused(lambda: kl_to_standard_normal(bad, log_sigma), "mu")
    refused(lambda: kl_to_standard_normal(mu, bad), "log_sigma")
    refused(lambda: kl_to_standard_normal(mu, log_sigma[:, :-1]), "log_sigma")


@st.composite
def four(draw):
    """μ_q, σ_q, μ_p, σ_p: tensors of one dtype, of one shape or a number each; or plain numbers."""
    kinds = (locations, magnitudes, locations, magnitudes)
    if draw(st.booleans()):
        return [torch.tensor(draw(kind), dtype=torch.float64) for kind in kinds]
    shape = draw(full_shapes)
    dtype = draw(st.sampled_from(DTYPES))
    drawn = [draw(tensors(kind, draw(st.sampled_from([shape, ()])), dtype)) for kind in kinds]
    assume((drawn[1] > 0).all() and (drawn[3] > 0).all())  # 1e-30 is 0 in float16
    return drawn


def numbers(*values, dtype=torch.float32):
    return [torch.tensor(v, dtype=dtype) for v in values]


@about("divergences.kl_gaussian")
@given(four())
@example(numbers(0.0, 1e-30, 0.0, 1e30))  # σ_q/σ_p is 0 in float32
@example(numbers(0.0, 1e-30, 0.0, 1e30, dtype=torch.float64))
@example(numbers(1e30, 1e30, 1e30, 1e30))
def test_kl_between_gaussians(given):
    got = kl_gaussian(*given)
    exact = list(map(exactly.kl_gaussian, *map(exactly.numbers, torch.broadcast_tensors(*given))))
    exactly.check(got, exact)
    assert got.dtype == given[0].dtype


@given(four(), st.data())
def test_wrong_inputs_of_the_kl_between_gaussians_are_refused(given, data):
    bad = data.draw(st.sampled_from(list(wrong(given[0]).items())))[1]
    for i, name in enumerate(("mu_q", "sigma_q", "mu_p", "sigma_p")):
        refused(lambda i=i: kl_gaussian(*given[:i], bad, *given[i + 1 :]), name)
    for sigma in (0.0, -1.0, torch.zeros(2, dtype=given[0].dtype)):
        refused(lambda s=sigma: kl_gaussian(given[0], s, given[2], given[3]), "sigma_q")
        refused(lambda s=sigma: kl_gaussian(given[0], given[1], given[2], s), "sigma_p")


@about("divergences.kl_quadrature")
@few(2)
@given(ordinary, st.floats(-3, 3), ordinary, st.floats(-3, 3), st.sampled_from([1e-6, 1.0, 1e6]))
def test_quadrature_of_gaussians(mu_q, log_q, mu_p, log_p, unit):
    q = Normal(torch.tensor(mu_q * unit).double(), math.exp(log_q) * unit)
    p = Normal(torch.tensor(mu_p * unit).double(), math.exp(log_p) * unit)
    lo, hi = (mu_q * unit + side * 12 * math.exp(log_q) * unit for side in (-1, 1))
    got = kl_quadrature(q.log_prob, p.log_prob, lo, hi)
    exact = torch.distributions.kl_divergence(q, p)
    assert got.item() == pytest.approx(exact.item(), rel=1e-6, abs=1e-9)


NORMAL = Normal(torch.zeros(()).double(), 1.0)
DENSITIES = {
    "NaN": lambda z: z * math.nan,
    "+∞": lambda z: z.abs() + math.inf,
    "of mass e^1000": lambda z: 0 * z + 1000,
    "of mass 0": lambda z: 0 * z - math.inf,
    "a number": lambda z: 0.0,
    "an int": lambda z: z.long(),
    "complex": lambda z: z.to(torch.complex128),
    "of another shape": lambda z: z[None],
    "nothing": lambda z: None,
}


@pytest.mark.parametrize("name", DENSITIES)
def test_densities_that_are_none_are_refused(name):
    density = DENSITIES[name]
    refused(lambda: kl_quadrature(density, NORMAL.log_prob, -9, 9), "log_q", "q integrates")
    z = torch.linspace(-1, 1, 5).double()
    if name != "of mass e^1000":  # which two samples do not show
        refused(lambda: kl_monte_carlo(density, NORMAL.log_prob, z), "log_q")
    if "mass" not in name:
        refused(lambda: kl_quadrature(NORMAL.log_prob, density, -9, 9), "log_p")
        refused(lambda: kl_monte_carlo(NORMAL.log_prob, density, z), "log_p")


@given(st.sampled_from([math.nan, math.inf, -math.inf, "0", None, True, 1j]))
def test_intervals_that_are_none_are_refused(bad):
    refused(lambda: kl_quadrature(NORMAL.log_prob, NORMAL.log_prob, bad, 9), "lo")
    refused(lambda: kl_quadrature(NORMAL.log_prob, NORMAL.log_prob, -9, bad), "hi")
    refused(lambda: kl_quadrature(NORMAL.log_prob, NORMAL.log_prob, 9, -9), "lo")
    refused(lambda: kl_quadrature(NORMAL.log_prob, NORMAL.log_prob, -1e30, 1e30), "q integrates")


@about("divergences.kl_monte_carlo", "divergences.Estimate")
@given(st.data(), st.integers(2, 6), st.sampled_from(DTYPES))
def test_monte_carlo_is_a_mean_and_its_standard_error(data, k, dtype):
    z = data.draw(tensors(ordinary, (k,), dtype))
    log_q = data.draw(tensors(st.floats(-1e4, 1e4), (k,), dtype)).detach()
    log_p = data.draw(tensors(st.floats(-1e4, 1e4) | st.just(-math.inf), (k,), dtype)).detach()
    log_p = torch.where(log_p < -1.1e4, -math.inf, log_p)
    estimate = kl_monte_carlo(lambda _: log_q, lambda _: log_p, z)
    assert isinstance(estimate, Estimate)
    if (log_p == -math.inf).any():
        assert estimate == (math.inf, math.inf)
        return
    ratios = [q - p for q, p in zip(exactly.numbers(log_q), exactly.numbers(log_p), strict=True)]
    mean = sum(ratios) / k
    size = 2 * max(map(abs, [*exactly.numbers(log_q), *exactly.numbers(log_p), 1]))
    exactly.check(estimate.value, [(mean, size)])
    error = (sum((r - mean) ** 2 for r in ratios) / (k - 1) / k) ** 0.5
    exactly.check(estimate.standard_error, [(error, size)])
