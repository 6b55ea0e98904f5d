"""KL against torch.distributions, SciPy's quadrature, Monte Carlo, and the limits known by hand."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch.distributions import (
    Independent,
    Laplace,
    MixtureSameFamily,
    Normal,
    Uniform,
    kl_divergence,
)

from vaelib.divergences import (
    kl_gaussian,
    kl_monte_carlo,
    kl_quadrature,
    kl_to_standard_normal,
    kl_to_standard_normal_per_dim,
)

F64 = torch.float64


def randn(*shape: int, seed: int = 0, dtype: torch.dtype = F64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def scipy_kl(mu_q: float, sigma_q: float, mu_p: float, sigma_p: float) -> float:
    q, p = stats.norm(mu_q, sigma_q), stats.norm(mu_p, sigma_p)
    lo, hi = mu_q - 12 * sigma_q, mu_q + 12 * sigma_q
    value, _ = integrate.quad(
        lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), lo, hi, epsabs=1e-13, limit=200
    )
    return value


@pytest.mark.parametrize("lead", [(), (4,), (3, 4)], ids=str)
@pytest.mark.parametrize("dim", [1, 3])
def test_standard_normal_equals_torch(lead, dim):
    mu, log_sigma = randn(*lead, dim), 0.7 * randn(*lead, dim, seed=1)
    q = Independent(Normal(mu, log_sigma.exp()), 1)
    p = Independent(Normal(torch.zeros_like(mu), torch.ones_like(mu)), 1)
    kl = kl_to_standard_normal(mu, log_sigma)
    assert kl.shape == lead and kl.dtype == F64
    torch.testing.assert_close(kl, kl_divergence(q, p), rtol=1e-13, atol=1e-14)
    terms = kl_to_standard_normal_per_dim(mu, log_sigma)
    torch.testing.assert_close(terms.sum(-1), kl)
    torch.testing.assert_close(
        terms[..., 0], kl_to_standard_normal(mu[..., :1], log_sigma[..., :1])
    )


@pytest.mark.parametrize(("mu", "sigma"), [(0.0, 1.0), (1.5, 0.3), (-2.0, 2.5), (0.1, 1e-3)])
def test_standard_normal_equals_quadrature(mu, sigma):
    given = torch.tensor([mu], dtype=F64), torch.tensor([sigma], dtype=F64).log()
    assert kl_to_standard_normal(*given).item() == pytest.approx(
        scipy_kl(mu, sigma, 0, 1), rel=1e-9, abs=1e-12
    )


def test_standard_normal_equals_monte_carlo():
    mu, log_sigma = randn(3), 0.5 * randn(3, seed=1)
    q = Independent(Normal(mu, log_sigma.exp()), 1)
    p = Independent(Normal(torch.zeros(3, dtype=F64), torch.ones(3, dtype=F64)), 1)
    z = mu + log_sigma.exp() * randn(200_000, 3, seed=2)
    value, error = kl_monte_carlo(q.log_prob, p.log_prob, z)
    assert abs(value - kl_to_standard_normal(mu, log_sigma)) < 4.5 * error
    assert error < 0.01  # so that the line above says something


def test_standard_normal_limits():
    zero = torch.zeros(1, dtype=F64)
    # q = p; a shift alone costs ½ μ²; a narrow q costs −log σ − ½, a wide one ½ σ² − log σ − ½
    assert kl_to_standard_normal(zero, zero).item() == 0
    assert kl_to_standard_normal(zero + 3, zero).item() == 4.5
    assert kl_to_standard_normal(zero, zero - 40).item() == pytest.approx(39.5, rel=1e-15)
    wide = 0.5 * math.exp(20) - 10 - 0.5
    assert kl_to_standard_normal(zero, zero + 10).item() == pytest.approx(wide, rel=1e-12)
    # near p it is (log σ)² to leading order, where σ² − 1 − 2 log σ cancels
    small = kl_to_standard_normal(zero, zero + 1e-6).item()
    assert small == pytest.approx(1e-12, rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, F64], ids=str)
@pytest.mark.parametrize("scale", [1e-8, 1e-5, 1e-3, 1.0])
def test_never_negative(dtype, scale):
    mu, log_sigma = (
        scale * randn(20_000, 1, dtype=dtype),
        scale * randn(20_000, 1, seed=1).to(dtype),
    )
    assert (kl_to_standard_normal(0 * mu, log_sigma) >= 0).all()
    assert (kl_to_standard_normal(mu, log_sigma) >= 0).all()
    sigma = log_sigma.exp()
    assert (kl_gaussian(0 * mu, sigma, 0 * mu, torch.ones_like(mu)) >= 0).all()
    assert (kl_gaussian(mu, sigma, 0 * mu, torch.ones_like(mu)) >= 0).all()


def test_standard_normal_gradient():
    mu, log_sigma = randn(4, 2).requires_grad_(), randn(4, 2, seed=1).requires_grad_()
    kl_to_standard_normal(mu, log_sigma).sum().backward()
    torch.testing.assert_close(mu.grad, mu.detach())
    torch.testing.assert_close(log_sigma.grad, (2 * log_sigma.detach()).exp() - 1)


def test_float32_agrees_with_float64():
    mu, log_sigma = randn(50, 8), randn(50, 8, seed=1)
    single = kl_to_standard_normal(mu.float(), log_sigma.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(
        single.double(), kl_to_standard_normal(mu, log_sigma), rtol=1e-5, atol=0
    )
    args = (mu, log_sigma.exp(), mu.flip(0), log_sigma.flip(0).exp())
    single = kl_gaussian(*(a.float() for a in args))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), kl_gaussian(*args), rtol=1e-4, atol=1e-5)


def test_gaussian_equals_torch():
    mu_q, mu_p = randn(5, 3), randn(5, 3, seed=1)
    sigma_q, sigma_p = randn(5, 3, seed=2).exp(), randn(5, 3, seed=3).exp()
    kl = kl_gaussian(mu_q, sigma_q, mu_p, sigma_p)
    exact = kl_divergence(Normal(mu_q, sigma_q), Normal(mu_p, sigma_p))
    torch.testing.assert_close(kl, exact, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("numbers", [(0, 1, 1, 2), (1, 0.2, -0.5, 0.7), (3, 2, 3, 2)], ids=str)
def test_gaussian_equals_quadrature(numbers):
    numbers = tuple(float(n) for n in numbers)
    kl = kl_gaussian(*numbers)
    assert kl.dtype == F64 and kl.shape == ()
    assert kl.item() == pytest.approx(scipy_kl(*numbers), rel=1e-9, abs=1e-12)


def test_gaussian_is_from_q_to_p():
    # KL(N(0,1) ‖ N(0,2)) and its reverse, by hand
    assert kl_gaussian(0.0, 1.0, 0.0, 2.0).item() == pytest.approx(math.log(2) + 1 / 8 - 0.5)
    assert kl_gaussian(0.0, 2.0, 0.0, 1.0).item() == pytest.approx(-math.log(2) + 2 - 0.5)


def test_gaussian_limits_and_invariance():
    mu_q, mu_p, sigma_q, sigma_p = (
        randn(9),
        randn(9, seed=1),
        randn(9).exp(),
        randn(9, seed=3).exp(),
    )
    kl = kl_gaussian(mu_q, sigma_q, mu_p, sigma_p)
    # the same shift and scale of both leaves it alone; with p = N(0, 1) it is the other function
    torch.testing.assert_close(
        kl_gaussian(3 * mu_q + 2, 3 * sigma_q, 3 * mu_p + 2, 3 * sigma_p), kl
    )
    torch.testing.assert_close(
        kl_gaussian(mu_q, sigma_q, 0.0, 1.0), kl_to_standard_normal_per_dim(mu_q, sigma_q.log())
    )
    assert (kl_gaussian(mu_q, sigma_q, mu_q, sigma_q) == 0).all()


def test_gaussian_broadcasts():
    mu = randn(4, 1)
    kl = kl_gaussian(mu, torch.ones(3, dtype=F64), 0.0, torch.tensor(1.0, dtype=F64))
    torch.testing.assert_close(kl, (0.5 * mu**2).expand(4, 3))


@pytest.mark.parametrize("numbers", [(0.5, 0.8, -1.0, 1.7), (2.0, 0.05, 0.0, 1.0)], ids=str)
def test_quadrature_equals_closed_form(numbers):
    mu_q, sigma_q, mu_p, sigma_p = numbers
    value = kl_quadrature(Normal(mu_q, sigma_q).log_prob, Normal(mu_p, sigma_p).log_prob, -9.0, 9.0)
    assert value.dtype == F64 and value.shape == ()
    assert value.item() == pytest.approx(kl_gaussian(*numbers).item(), rel=1e-6)


def test_quadrature_of_other_families():
    zero, one = torch.zeros((), dtype=F64), torch.ones((), dtype=F64)
    q, p = Laplace(zero + 0.3, one), Laplace(zero, 2 * one)
    value = kl_quadrature(q.log_prob, p.log_prob, -40.0, 40.0)
    assert value.item() == pytest.approx(kl_divergence(q, p).item(), rel=1e-8)

    weights = torch.distributions.Categorical(torch.tensor([0.3, 0.7], dtype=F64))
    parts = Normal(torch.tensor([-2.0, 2.0], dtype=F64), torch.tensor([0.5, 0.5], dtype=F64))
    mixture, normal = MixtureSameFamily(weights, parts), Normal(zero, 2 * one)
    at = np.linspace(-9, 9, 200_001)
    density = 0.3 * stats.norm.pdf(at, -2, 0.5) + 0.7 * stats.norm.pdf(at, 2, 0.5)
    integrand = density * (np.log(density) - stats.norm.logpdf(at, 0, 2))
    exact = integrate.trapezoid(integrand, at)
    value = kl_quadrature(mixture.log_prob, normal.log_prob, -9.0, 9.0)
    assert value.item() == pytest.approx(exact, rel=1e-8)
    # and it is not the reverse
    assert kl_quadrature(normal.log_prob, mixture.log_prob, -20.0, 20.0).item() > exact + 0.1


def test_quadrature_where_a_density_is_zero():
    zero, one = torch.zeros((), dtype=F64), torch.ones((), dtype=F64)
    inner = Uniform(zero, one, validate_args=False).log_prob
    outer = Uniform(zero - 1, 3 * one, validate_args=False).log_prob
    assert kl_quadrature(inner, outer, -1.0, 3.0).item() == pytest.approx(math.log(4), rel=1e-6)
    assert kl_quadrature(outer, inner, -1.0, 3.0).item() == float("inf")


@pytest.mark.refuses
@pytest.mark.parametrize("sigma_q", [1e-2, 1e-3, 1e-5])
def test_quadrature_finds_a_narrow_bump_or_says_so(sigma_q):
    q, p = Normal(0.123, sigma_q), Normal(0.0, 1.0)
    try:
        value = kl_quadrature(q.log_prob, p.log_prob, -10.0, 10.0)
    except ValueError:
        return
    assert value.item() == pytest.approx(kl_divergence(q, p).item(), rel=1e-5)


@pytest.mark.refuses
def test_quadrature_refuses_an_interval_that_misses_q():
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        kl_quadrature(Normal(0.0, 1.0).log_prob, Normal(0.0, 2.0).log_prob, 0, 1)


def test_monte_carlo_is_mean_and_standard_error():
    q, p = Normal(0.0, 1.0), Normal(1.0, 2.0)
    z = randn(50)
    ratio = stats.norm.logpdf(z, 0, 1) - stats.norm.logpdf(z, 1, 2)
    value, error = kl_monte_carlo(q.log_prob, p.log_prob, z)
    assert value.item() == pytest.approx(ratio.mean(), rel=1e-6)
    assert error.item() == pytest.approx(ratio.std(ddof=1) / math.sqrt(50), rel=1e-6)


def test_monte_carlo_error_is_what_it_says():
    """Of 400 estimates the deviations from the truth, in standard errors, have spread one."""
    q, p = Normal(0.5, 0.8), Normal(0.0, 1.0)
    exact = kl_divergence(q, p).item()
    scores = []
    for seed in range(400):
        estimate = kl_monte_carlo(q.log_prob, p.log_prob, 0.5 + 0.8 * randn(300, seed=seed))
        scores.append(((estimate.value - exact) / estimate.standard_error).item())
    assert abs(np.mean(scores)) < 4.5 / math.sqrt(400)
    assert 0.85 < np.std(scores) < 1.15


def test_monte_carlo_of_vectors():
    mu, sigma = randn(3), randn(3, seed=1).exp()
    q = Independent(Normal(mu, sigma), 1)
    p = Independent(Normal(torch.zeros(3, dtype=F64), torch.ones(3, dtype=F64)), 1)
    estimate = kl_monte_carlo(q.log_prob, p.log_prob, mu + sigma * randn(20_000, 3, seed=2))
    assert estimate.value.dtype == F64
    assert abs(estimate.value - kl_divergence(q, p)) < 4.5 * estimate.standard_error
