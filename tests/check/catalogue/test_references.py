"""The references of lessons 2, 4, 5 and 7 against SciPy, quadrature, optimisers and sampling.

The right answers are independent oracles of the other references.
"""

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, stats

from vaelib import check, exact


def reference(name):
    return check.EXERCISES[name].variant


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def normal(rng, *shape):
    return torch.from_numpy(rng.normal(size=shape))


def within(estimate, error, truth):
    return bool((abs(np.asarray(estimate) - np.asarray(truth)) < 4 * np.asarray(error)).all())


def test_the_most_likely_gaussian_is_where_an_optimiser_finds_it(rng):
    x = 3 + 0.4 * normal(rng, 9)
    average = reference("average_log_likelihood")
    found = optimize.minimize(
        lambda at: -average(x, at[0], np.exp(at[1])).item(), [2.0, 0.0], tol=1e-12
    ).x
    mu, sigma = reference("gaussian_mle")(x)
    assert np.allclose([mu, sigma], [found[0], np.exp(found[1])], atol=1e-5)


def test_the_average_log_likelihood_is_that_of_a_density():
    average = reference("average_log_likelihood")

    def density(x):
        return average(torch.tensor([x], dtype=torch.float64), 0.7, 0.4).exp().item()

    assert abs(integrate.quad(density, -5, 6, points=[0.7])[0] - 1) < 1e-9


def test_the_log_marginal_is_near_the_exact_one(rng):
    model = exact.LinearGaussian(normal(rng, 2, 1), normal(rng, 2), 0.8)
    x = model.sample(3, torch.Generator().manual_seed(1))[1]
    z = normal(rng, 50_000, 1)
    log_px_z = stats.norm.logpdf(x.numpy(), (z @ model.W.T + model.b)[:, None].numpy(), 0.8).sum(-1)
    weights = np.exp(log_px_z - model.log_px(x).numpy())
    error = weights.std(0) / len(z) ** 0.5
    found = reference("log_marginal")(torch.from_numpy(log_px_z))
    assert within(found, error, model.log_px(x))


def test_the_log_likelihood_of_a_picture_is_scipys(rng):
    x = normal(rng, 4, 2, 3)
    x_hat = normal(rng, 4, 2, 3)
    found = reference("gaussian_log_likelihood")(x, x_hat, 0.3)
    for a, b, value in zip(x.flatten(1), x_hat.flatten(1), found, strict=True):
        oracle = stats.multivariate_normal(b, 0.09 * np.eye(6)).logpdf(a)
        assert abs(value - oracle) < 1e-9


def test_the_elbo_is_on_average_the_exact_one(rng):
    model = exact.LinearGaussian(normal(rng, 3, 2), normal(rng, 3), 0.6)
    x = normal(rng, 1, 3)
    mu = normal(rng, 1, 2)
    log_sigma = 0.3 * normal(rng, 1, 2)
    z = mu + log_sigma.exp() * normal(rng, 100_000, 2)
    many = (len(z), -1)
    each = reference("elbo")(
        x.expand(many), z @ model.W.T + model.b, mu.expand(many), log_sigma.expand(many), 0.6
    )
    assert within(each.mean(), each.std() / len(z) ** 0.5, model.elbo(x, mu, log_sigma))


def test_the_posterior_is_that_of_a_sum_over_a_grid(rng):
    x = normal(rng, 2, 3)
    W = normal(rng, 3, 2)
    b = normal(rng, 3)
    mean, covariance = reference("linear_gaussian_posterior")(x, W, b, 0.7)
    axis = torch.linspace(-7, 7, 701, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    for n in range(2):
        log_p = -0.5 * (z**2).sum(1) - 0.5 * ((x[n] - z @ W.T - b) ** 2).sum(1) / 0.49
        p = torch.softmax(log_p, 0)
        assert torch.allclose(p @ z, mean[n], atol=1e-8)
        assert torch.allclose((z.T * p) @ z - torch.outer(mean[n], mean[n]), covariance, atol=1e-8)


def test_the_score_function_finds_the_derivative_of_a_mean_square(rng):
    """E z² = μ² + σ²."""
    mu = 0.8
    sigma = 0.5
    K = 400_000
    eps = normal(rng, K)
    z = mu + sigma * eps
    by_score = reference("score_function_gradient")(z**2, z, mu, sigma)
    error = (z**2 * eps / sigma).std() / K**0.5
    assert within(by_score, error, 2 * mu)
    z_again = reference("reparameterise")(torch.full_like(eps, mu), 0 * eps + np.log(sigma), eps)
    assert torch.allclose(z_again, z)


def test_the_baseline_makes_the_variance_smallest(rng):
    f = 1 + normal(rng, 12) ** 2
    s = normal(rng, 12)
    left = optimize.minimize_scalar(lambda b: (((f - b) * s) ** 2).mean().item(), tol=1e-12)
    assert abs(reference("optimal_baseline")(f, s) - left.x) < 1e-6


def test_the_grid_cuts_the_normal_into_equal_shares():
    grid = reference("manifold_grid")(6)
    assert torch.equal(grid[:, 0], grid[:, 0].sort().values) and len(grid.unique(dim=0)) == 36
    shares = stats.norm.cdf(grid[:6, 1])
    assert np.allclose(np.diff(shares), 1 / 6) and np.isclose(shares[0], 1 / 12)


def test_the_table_has_the_sign_and_the_ties_of_scipy(rng):
    mu = normal(rng, 20, 3).round()
    factors = normal(rng, 20, 2).round()
    table = reference("spearman_table")(mu, factors)
    oracle = stats.spearmanr(mu, factors).statistic[:3, 3:]
    assert np.allclose(table, oracle) and (table < 0).any()
