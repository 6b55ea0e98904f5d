"""The objectives of the benchmarks and their gradients, against formulas and exact models."""

import pytest
import torch
from oracles import LinearGaussian
from torch import distributions as td

from benchmarks import objectives
from vaelib import models

K = 6
BATCH = 5


@pytest.fixture(params=["linear", "bernoulli"])
def case(request):
    """A VAE in float64, data for it, and noise (K, B, D)."""
    generator = torch.Generator().manual_seed(3)
    if request.param == "linear":
        exact = LinearGaussian(wrong=0.6)
        vae = exact.vae
        x = exact.draw(BATCH)
    else:
        vae = models.dense((7,), 2, hidden=(9,), likelihood="bernoulli", seed=1).double()
        x = torch.rand(BATCH, 7, generator=generator, dtype=torch.float64).round()
    return vae, x, torch.randn(K, BATCH, 2, generator=generator, dtype=torch.float64)


def log_weights(vae, x, z, q, beta=1.0) -> torch.Tensor:
    """log p(x|z) − β [log q(z|x) − log p(z)] by torch.distributions, (K, B)."""
    q = td.Independent(td.Normal(q.mean, q.stddev), 1)
    prior = td.Independent(td.Normal(torch.zeros_like(z), torch.ones_like(z)), 1)
    log_px_z = torch.stack([vae.likelihood(z_k).log_prob(x) for z_k in z])
    return log_px_z - beta * (q.log_prob(z) - prior.log_prob(z))


def gradients(vae, value) -> list[torch.Tensor]:
    found = torch.autograd.grad(value, list(vae.parameters()), allow_unused=True)
    return [
        torch.zeros_like(p) if g is None else g
        for g, p in zip(found, vae.parameters(), strict=True)
    ]


def bound_and_gradients(objective, vae, x, eps, beta=1.0):
    bound = objective(vae, x, eps, beta)
    return bound, gradients(vae, bound.sum())


@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_iwae_is_the_log_of_the_mean_weight(case, beta):
    vae, x, eps = case
    bound, found = bound_and_gradients(objectives.iwae, vae, x, eps, beta)
    q = vae.posterior(x)
    log_w = log_weights(vae, x, q.mean + q.stddev * eps, q, beta)
    wanted = log_w.exp().mean(0).log()
    torch.testing.assert_close(bound, wanted, rtol=1e-10, atol=1e-10)
    for a, b in zip(found, gradients(vae, wanted.sum()), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_the_elbo_of_k_samples_is_the_mean_of_k_elbos(case):
    vae, x, eps = case
    bound, found = bound_and_gradients(objectives.elbo, vae, x, eps)
    q = vae.posterior(x)
    ones = torch.ones_like(q.mu)
    kl = td.kl_divergence(td.Normal(q.mean, q.stddev), td.Normal(0 * ones, ones)).sum(-1)
    z = q.mean + q.stddev * eps
    wanted = torch.stack([vae.likelihood(z_k).log_prob(x) for z_k in z]).mean(0) - kl
    torch.testing.assert_close(bound, wanted, rtol=1e-10, atol=1e-10)
    for a, b in zip(found, gradients(vae, wanted.sum()), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_dreg_is_its_equation(case):
    """Encoder: Σ_k w̃_k² ∂log w_k/∂z_k ∂z_k/∂φ; decoder: Σ_k w̃_k ∂log w_k/∂θ; sample by sample."""
    vae, x, eps = case
    bound, found = bound_and_gradients(objectives.dreg, vae, x, eps)
    with torch.no_grad():
        fixed = vae.posterior(x)
        z = fixed.mean + fixed.stddev * eps
        normalised = log_weights(vae, x, z, fixed).exp()
        normalised /= normalised.sum(0)
    torch.testing.assert_close(bound, objectives.iwae(vae, x, eps))
    encoder = list(vae.encoder.parameters())
    decoder = list(vae.decoder.parameters())
    wanted_phi = [torch.zeros_like(p) for p in encoder]
    wanted_theta = [torch.zeros_like(p) for p in decoder]
    for k in range(K):
        for i in range(BATCH):
            x_i = x[i : i + 1]
            q = vae.posterior(x_i)
            z_i = (q.mean + q.stddev * eps[k, i])[None]
            frozen = td.Normal(q.mean.detach(), q.stddev.detach())
            log_w = log_weights(vae, x_i, z_i, frozen).squeeze()
            to_theta = torch.autograd.grad(log_w, decoder, retain_graph=True, allow_unused=True)
            to_z = torch.autograd.grad(log_w, z_i, retain_graph=True)[0]
            to_phi = torch.autograd.grad(z_i, encoder, to_z)
            for total, g in zip(wanted_phi, to_phi, strict=True):
                total += normalised[k, i] ** 2 * g
            for total, g in zip(wanted_theta, to_theta, strict=True):
                total += normalised[k, i] * g
    for a, b in zip(found, wanted_phi + wanted_theta, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_both_gradients_have_one_mean_and_dreg_less_noise():
    exact = LinearGaussian(wrong=0.3)
    vae = exact.vae
    x = exact.draw(1)
    generator = torch.Generator().manual_seed(5)
    found = {"iwae": [], "dreg": []}
    for _ in range(400):
        eps = torch.randn(4, 1, 2, generator=generator, dtype=torch.float64)
        for name, rows in found.items():
            _, gradient = bound_and_gradients(getattr(objectives, name), vae, x, eps)
            rows.append(torch.cat([g.flatten() for g in gradient]))
    means = {name: torch.stack(rows).mean(0) for name, rows in found.items()}
    difference = torch.stack(found["iwae"]) - torch.stack(found["dreg"])
    error = difference.std(0) / 400**0.5
    assert ((means["iwae"] - means["dreg"]).abs() <= 5 * error + 1e-10).all()
    size = len(torch.cat([p.flatten() for p in vae.encoder.parameters()]))
    spread = {name: torch.stack(rows)[:, :size].var(0).sum() for name, rows in found.items()}
    assert spread["dreg"] < spread["iwae"] / 2


def test_at_the_posterior_the_bound_is_exact_and_dreg_has_nothing_to_learn():
    exact = LinearGaussian(wrong=0.0)
    x = exact.draw(BATCH)
    eps = torch.randn(3, BATCH, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for objective in (objectives.iwae, objectives.dreg):
        bound, found = bound_and_gradients(objective, exact.vae, x, eps)
        torch.testing.assert_close(bound, exact.log_px(x), rtol=1e-10, atol=1e-10)
    for gradient, _ in zip(found, exact.vae.encoder.parameters(), strict=False):
        assert gradient.abs().max() < 1e-10


def test_the_bound_rises_to_the_exact_log_likelihood():
    exact = LinearGaussian(wrong=0.7)
    x = exact.draw(4000)
    generator = torch.Generator().manual_seed(2)
    gaps = []
    errors = []
    with torch.no_grad():
        for k in (1, 5, 50, 500):
            eps = torch.randn(k, 4000, 2, generator=generator, dtype=torch.float64)
            gap = exact.log_px(x) - objectives.iwae(exact.vae, x, eps)
            gaps.append(gap.mean().item())
            errors.append(gap.std().item() / 4000**0.5)
    assert gaps[0] > gaps[1] + 3 * errors[0] and gaps[1] > gaps[2] + 3 * errors[1]
    assert abs(gaps[3]) < 5 * errors[3] + 0.01
