"""The references of lessons 2, 4, 5 and 7 against SciPy, quadrature, optimisers and sampling.

The right answers are independent oracles of the other references.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, stats

from vaelib import bounds, check, exact
from vaelib.check.catalogue.functions import Optimiser


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


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_the_optimiser_of_the_check_is_pytorchs(momentum):
    weights = [torch.tensor([1.0, -2.0], requires_grad=True) for _ in range(2)]
    own = Optimiser(0.1, momentum).make([SimpleNamespace(parameters=lambda: weights[:1])])
    theirs = torch.optim.SGD(weights[1:], lr=0.1, momentum=momentum)
    for _ in range(3):
        for weight, optimiser in zip(weights, (own, theirs), strict=True):
            optimiser.zero_grad()
            (weight**2).sum().backward()
            optimiser.step()
    torch.testing.assert_close(*weights)


def test_a_step_raises_the_bound_along_its_gradient():
    """By finite differences of the ELBO in each weight, without autograd."""
    probe = check.EXERCISES["train_step"].inputs(np.random.default_rng(0))[0]
    recipe, optimiser, x, eps, beta = probe.args
    vae = recipe.make([])

    def objective():
        terms = bounds.elbo(vae, x, eps=eps[None])
        return (terms.reconstruction - beta * terms.kl).mean().item()

    wanted = []
    with torch.no_grad():
        for weight in (w.view(-1) for w in vae.parameters()):
            for i in range(len(weight)):
                weight[i] += 1e-5
                above = objective()
                weight[i] -= 2e-5
                below = objective()
                weight[i] += 1e-5
                wanted.append(weight[i].item() + optimiser.lr * (above - below) / 2e-5)
    loss, weights = check.call(reference("train_step"), probe).value
    assert loss == pytest.approx(-objective())
    learned = [not w.requires_grad for w in vae.parameters() for _ in range(w.numel())]
    assert np.allclose(weights, np.where(learned, weights, wanted), atol=1e-7)


def test_a_linear_vae_collapses_above_the_threshold(rng):
    """On either side of it: the best bound of a linear VAE with one dimension."""
    x = normal(rng, 40, 3) * torch.tensor([2.0, 1.0, 0.5]).double()
    at = reference("collapse_threshold")(x, 2.0).item()
    lam = np.linalg.svd(x - x.mean(0), compute_uv=False)[0] ** 2 / len(x)

    def kept(sigma_x):
        """The weight of the decoder at the maximum of L(w, v, σ), from three starts."""

        def loss(point):
            w, v, log_s = point
            s2 = np.exp(2 * log_s)
            fit = (lam * (1 - w * v) ** 2 + w**2 * s2) / (2 * sigma_x**2)
            return fit + 2.0 / 2 * (lam * v**2 + s2 - 1 - 2 * log_s)

        found = [optimize.minimize(loss, [a, a, 0.0], tol=1e-12) for a in (0.1, 0.5, 1.0)]
        return abs(min(found, key=lambda f: f.fun).x[0])

    assert kept(0.97 * at) > 0.1 and kept(1.03 * at) < 1e-3


def test_the_moments_are_those_of_draws_from_the_mixture(rng):
    mu, sigma = 1 + normal(rng, 5, 2), normal(rng, 5, 2).exp()
    n = torch.from_numpy(rng.integers(5, size=400_000))
    z = mu[n] + sigma[n] * normal(rng, 400_000, 2)
    mean, covariance = reference("aggregate_moments")(mu, sigma)
    assert torch.allclose(z.mean(0), mean, atol=0.03)
    assert torch.allclose(torch.cov(z.T), covariance, rtol=0.03, atol=0.05)


def test_a_waiting_time_has_its_distribution(rng):
    u = torch.from_numpy(rng.uniform(size=50_000))
    z = reference("reparameterise_exponential")(torch.full_like(u, 2.5), u)
    assert stats.kstest(z, stats.expon(scale=1 / 2.5).cdf).pvalue > 1e-3


def test_after_the_rolls_the_odds_are_reached(rng):
    p, q = (torch.from_numpy(rng.dirichlet([2.0] * 4)) for _ in range(2))
    n = int(reference("rolls_to_convict")(p, q, 50.0))
    evidence = stats.entropy(p, q)
    assert (n - 1) * evidence < np.log(50) <= n * evidence


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
