"""The ELBO and the importance-weighted bound against models whose log p(x) is known."""

import math

import numpy as np
import pytest
import torch
from oracles import LinearGaussian, sigma_points
from scipy import special, stats

from vaelib import models
from vaelib.bounds import elbo, importance_weighted_bound, log_mean_exp

F64 = torch.float64


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=F64)


def log_weights(vae, x, count: int, seed: int = 0) -> torch.Tensor:
    """log w = log p(x|z) + log p(z) − log q(z|x) by SciPy alone, (count, B)."""
    with torch.no_grad():
        q = vae.posterior(x)
        mu, sigma = q.mu.numpy(), q.sigma.numpy()
        z = mu + sigma * randn(count, *mu.shape, seed=seed).numpy()
        x_hat = vae.decoder.mean(torch.as_tensor(z)).numpy()
    log_px_z = stats.norm.logpdf(x.numpy(), x_hat, vae.decoder.sigma_x.item()).sum(-1)
    log_pz, log_qz_x = stats.norm.logpdf(z).sum(-1), stats.norm.logpdf(z, mu, sigma).sum(-1)
    return torch.as_tensor(log_px_z + log_pz - log_qz_x)


@pytest.mark.parametrize("latent_dim", [1, 2, 4])
def test_at_the_exact_posterior_the_elbo_is_log_px(latent_dim):
    model = LinearGaussian(latent_dim=latent_dim)
    x = model.draw(20)
    exact = model.log_px(x)
    # Monte Carlo KL: log p(x|z) + log p(z) − log p(z|x) is log p(x) whatever z is
    for count in (1, 3):
        terms = elbo(model.vae, x, count, kl="monte_carlo", generator=generator())
        torch.testing.assert_close(terms.total, exact, rtol=0, atol=1e-9)
    # analytic KL: log p(x|z) is quadratic in ε, of which the sigma points give the exact mean
    terms = elbo(model.vae, x, eps=sigma_points(20, latent_dim))
    torch.testing.assert_close(terms.total, exact, rtol=0, atol=1e-9)


def test_with_analytic_kl_random_noise_gives_log_px_on_average():
    model = LinearGaussian()
    x = model.draw(8)
    draws = torch.stack(
        [elbo(model.vae, x, generator=generator(seed)).total.detach() for seed in range(400)]
    )
    error = draws.std(0) / math.sqrt(400)
    assert ((draws.mean(0) - model.log_px(x)).abs() < 4.5 * error).all()
    assert (error < 0.2).all()


@pytest.mark.parametrize("wrong", [0.5, -0.5, 1.0])
def test_what_the_elbo_lacks_is_the_divergence_from_the_posterior(wrong):
    model = LinearGaussian(wrong=wrong)
    x = model.draw(20)
    terms = elbo(model.vae, x, eps=sigma_points(20, 2))
    q = model.vae.posterior(x)
    q = torch.distributions.MultivariateNormal(q.mu, torch.diag_embed(q.sigma**2))
    gap = torch.distributions.kl_divergence(q, model.posterior(x))
    assert (gap > 0.01).all()
    torch.testing.assert_close(terms.total + gap, model.log_px(x), rtol=0, atol=1e-9)


def test_terms_by_hand():
    """Each term for one sample of one example, with NumPy and the weights."""
    vae = models.dense((2, 2), 3, hidden=(5,), sigma_x=0.3, activation="tanh").double()
    x, eps = torch.rand(4, 2, 2, generator=generator(), dtype=F64), randn(6, 4, 3)
    w = {name: t.detach().numpy() for name, t in vae.state_dict().items()}

    def linear(h, name):
        return h @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    h = np.tanh(linear(x.reshape(4, 4).numpy(), "encoder.body.1"))
    mu, log_sigma = linear(h, "encoder.mu"), linear(h, "encoder.log_sigma")
    z = mu + np.exp(log_sigma) * eps.numpy()
    x_hat = linear(np.tanh(linear(z, "decoder.body.0")), "decoder.body.2")
    log_px_z = stats.norm.logpdf(x.reshape(4, 4).numpy(), x_hat, 0.3).sum(-1)
    kl = 0.5 * (mu**2 + np.exp(2 * log_sigma) - 1 - 2 * log_sigma).sum(-1)
    sampled = (stats.norm.logpdf(z, mu, np.exp(log_sigma)) - stats.norm.logpdf(z)).sum(-1).mean(0)

    analytic, monte_carlo = (elbo(vae, x, eps=eps, kl=how) for how in ("analytic", "monte_carlo"))
    for terms, divergence in ((analytic, kl), (monte_carlo, sampled)):
        assert [t.shape for t in terms] == [(4,)] * 3
        np.testing.assert_allclose(terms.reconstruction.detach(), log_px_z.mean(0), rtol=1e-10)
        np.testing.assert_allclose(terms.kl.detach(), divergence, rtol=1e-10)
        np.testing.assert_allclose(terms.total.detach(), log_px_z.mean(0) - divergence, rtol=1e-10)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
@pytest.mark.parametrize("make", [models.dense, models.conv])
def test_analytic_and_monte_carlo_kl_agree_on_average(make, likelihood):
    vae = make((8, 8), 3, likelihood=likelihood, sigma_x=0.5).double()
    x = torch.rand(3, 8, 8, generator=generator(), dtype=F64).round()
    with torch.no_grad():
        analytic = elbo(vae, x, 2, generator=generator(1))
        runs = torch.stack(
            [elbo(vae, x, 25, "monte_carlo", generator(seed)).kl for seed in range(60)]
        )
    error = runs.std(0) / math.sqrt(60)
    assert ((runs.mean(0) - analytic.kl).abs() < 4.5 * error).all()
    assert torch.equal(analytic.total, analytic.reconstruction - analytic.kl)
    assert (analytic.kl >= 0).all()


def test_bernoulli_reconstruction_by_hand():
    vae = models.dense((3, 3), 2, likelihood="bernoulli").double()
    x, eps = torch.rand(4, 3, 3, generator=generator(), dtype=F64).round(), randn(5, 4, 2)
    q = vae.posterior(x)
    pi = vae.decoder.mean(q.mu + q.sigma * eps).detach().numpy()
    by_hand = stats.bernoulli.logpmf(x.numpy(), pi).sum((-1, -2)).mean(0)
    np.testing.assert_allclose(elbo(vae, x, eps=eps).reconstruction.detach(), by_hand, rtol=1e-10)


def test_noise_is_the_generators_or_the_callers():
    vae = models.dense((4, 4), 3)
    x = torch.rand(5, 4, 4, generator=generator())
    before = torch.get_rng_state()
    one, same, other = (elbo(vae, x, 2, generator=generator(s)).total for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before), "the global generator was used"
    assert torch.equal(one, same) and not torch.equal(one, other)
    eps = torch.randn(2, 5, 3, generator=generator(1))
    assert torch.equal(elbo(vae, x, eps=eps).total, one)


def test_examples_do_not_mix():
    vae = models.conv((8, 8), 2).double()
    x, eps = torch.rand(4, 8, 8, generator=generator(), dtype=F64), randn(3, 4, 2)
    together = elbo(vae, x, eps=eps)
    for i in range(4):
        alone = elbo(vae, x[i : i + 1], eps=eps[:, i : i + 1])
        for one, all_ in zip(alone, together, strict=True):
            torch.testing.assert_close(one[0], all_[i], rtol=1e-10, atol=1e-10)


def test_float32_agrees_with_float64():
    vae = models.dense((6, 6), 3)
    x, eps = torch.rand(4, 6, 6, generator=generator()), randn(2, 4, 3).float()
    single = elbo(vae, x, eps=eps)
    double = elbo(vae.double(), x.double(), eps=eps.double())
    for s, d in zip(single, double, strict=True):
        assert s.dtype == torch.float32 and d.dtype == F64
        torch.testing.assert_close(s.double(), d, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kl", ["analytic", "monte_carlo"])
def test_gradient_equals_finite_differences(kl):
    vae = models.dense((3,), 2, hidden=(4,), activation="tanh", sigma_x=0.7).double()
    x, eps = randn(5, 3), randn(3, 5, 2, seed=1)

    def objective():
        return elbo(vae, x, eps=eps, kl=kl).total.mean()

    objective().backward()
    for p in vae.parameters():
        with torch.no_grad():
            p.view(-1)[0] += 1e-5
            up = objective()
            p.view(-1)[0] -= 2e-5
            down = objective()
            p.view(-1)[0] += 1e-5
        assert p.grad.view(-1)[0].item() == pytest.approx((up - down).item() / 2e-5, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, F64], ids=str)
def test_log_mean_exp_equals_scipy(dtype):
    log_w = 5 * randn(7, 4, 3).to(dtype)
    for dim, count in ((0, 7), (1, 4), (-1, 3)):
        exact = special.logsumexp(log_w.double().numpy(), axis=dim) - math.log(count)
        value = log_mean_exp(log_w, dim)
        assert value.dtype == dtype
        torch.testing.assert_close(value.double(), torch.as_tensor(exact), rtol=1e-6, atol=1e-6)


def test_log_mean_exp_does_not_overflow():
    for level in (1e4, -1e4, 1e30):
        log_w = torch.full((5,), level, dtype=F64)
        assert log_mean_exp(log_w).item() == pytest.approx(level)
    assert log_mean_exp(torch.tensor([0.0, 1e4])).item() == pytest.approx(1e4 - math.log(2))
    minus = torch.full((3,), -math.inf)
    assert log_mean_exp(minus).item() == -math.inf  # all weights zero
    half = torch.tensor([0.0, -math.inf], dtype=F64)
    assert log_mean_exp(half).item() == pytest.approx(-math.log(2), abs=1e-15)
    assert log_mean_exp(torch.tensor([3.25])).item() == 3.25  # K = 1


def test_importance_weighted_bound_of_one_sample_is_the_elbo():
    model = LinearGaussian(wrong=0.8)
    x, eps = model.draw(6), randn(1, 6, 2)
    log_w = log_weights(model.vae, x, 1)
    bound = importance_weighted_bound(log_w)
    torch.testing.assert_close(bound, elbo(model.vae, x, eps=eps, kl="monte_carlo").total.detach())
    assert bound.shape == (6,)


def test_importance_weighted_bound_rises_with_samples_to_log_px():
    model = LinearGaussian(wrong=0.8)
    x = model.draw(4)
    exact = model.log_px(x)
    log_w = log_weights(model.vae, x, 64_000)
    means, errors = [], []
    for k in (1, 2, 8, 64):
        columns = log_w.reshape(-1, k, 4).transpose(0, 1).reshape(k, -1)
        bounds = importance_weighted_bound(columns).reshape(-1, 4)
        means.append(bounds.mean(0))
        errors.append(bounds.std(0) / math.sqrt(len(bounds)))
    for lower, higher, error in zip(means, means[1:], errors, strict=False):
        assert (higher - lower > 4 * error).all(), "it does not rise with K"
    assert (means[-1] - exact < 4 * errors[-1]).all(), "it is above log p(x)"
    torch.testing.assert_close(importance_weighted_bound(log_w), exact, rtol=0, atol=0.05)


def test_importance_weighted_bound_at_the_posterior_is_log_px_for_every_count():
    model = LinearGaussian()
    x = model.draw(5)
    for count in (1, 2, 50):
        bound = importance_weighted_bound(log_weights(model.vae, x, count))
        torch.testing.assert_close(bound, model.log_px(x), rtol=0, atol=1e-9)
