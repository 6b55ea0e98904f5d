"""The objectives of the benchmarks and their gradients, against formulas and exact models."""

import pytest
import torch
from oracles import LinearGaussian, equal_weights
from small_runs import images, interrupt_at, small
from torch import distributions as td

from benchmarks import objectives
from benchmarks.objectives import ObjectiveStep, WeightEMA, load_average
from vaelib import models
from vaelib.checkpoint import CheckpointError
from vaelib.training import fit

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
    bound = objective(vae, x, eps, beta).value
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
    torch.testing.assert_close(bound, objectives.iwae(vae, x, eps).value)
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
            gap = exact.log_px(x) - objectives.iwae(exact.vae, x, eps).value
            gaps.append(gap.mean().item())
            errors.append(gap.std().item() / 4000**0.5)
    assert gaps[0] > gaps[1] + 3 * errors[0] and gaps[1] > gaps[2] + 3 * errors[1]
    assert abs(gaps[3]) < 5 * errors[3] + 0.01


def test_iwae_lies_above_the_elbo_and_with_one_sample_it_is_the_elbo():
    vae = small()
    x = images()
    eps = torch.randn(20, len(x), 2, generator=torch.Generator().manual_seed(4))
    one = objectives.iwae(vae, x, eps[:1])
    torch.testing.assert_close(one.value, one.log_px_z - one.kl)
    many = objectives.iwae(vae, x, eps)
    assert (many.value > many.log_px_z - many.kl).all()


@pytest.mark.parametrize("name", ["iwae", "elbo"])
def test_fit_maximises_it(name):
    """Against the loop written out, in float64, with β below 1 for the first steps."""
    beta = [0.2, 0.6, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    x = images().double()
    vae = small().double()
    by_hand = small().double()
    step = ObjectiveStep(objectives.OBJECTIVES[name], samples=3)
    history = fit(vae, x, 2, 8, beta=lambda t: beta[t], seed=7, engine=step, progress=False)
    generator = torch.Generator().manual_seed(7)
    optimiser = torch.optim.Adam(by_hand.parameters(), lr=1e-3)
    t = 0
    means = []
    for _ in range(2):
        seen = []
        for index in torch.randperm(37, generator=generator).split(8):
            eps = torch.randn(3, len(index), 2, generator=generator, dtype=torch.float64)
            q = by_hand.posterior(x[index])
            z = q.mean + q.stddev * eps
            log_w = log_weights(by_hand, x[index], z, q, beta[t])
            log_px_z = torch.stack([by_hand.likelihood(z_k).log_prob(x[index]) for z_k in z])
            if name == "iwae":
                bound = log_w.exp().mean(0).log()
                seen.append(log_weights(by_hand, x[index], z, q).mean(0).detach())
            else:
                one = td.kl_divergence(td.Normal(q.mean, q.stddev), td.Normal(0 * q.mu, 1.0))
                bound = log_px_z.mean(0) - beta[t] * one.sum(-1)
                seen.append((log_px_z.mean(0) - one.sum(-1)).detach())
            optimiser.zero_grad()
            (-bound.mean()).backward()
            optimiser.step()
            t += 1
        means.append(torch.cat(seen).mean().item())
    for a, b in zip(vae.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)
    assert history.elbo == pytest.approx(means, rel=1e-9)


def test_one_sample_of_the_elbo_is_the_plain_step():
    plain = small()
    vae = small()
    fit(plain, images(), 2, 8, progress=False)
    fit(vae, images(), 2, 8, engine=ObjectiveStep(objectives.elbo, 1), progress=False)
    for a, b in zip(plain.parameters(), vae.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_dreg_learns_through_fit():
    exact = LinearGaussian(wrong=1.0)
    x = exact.draw(300)
    step = ObjectiveStep(objectives.dreg, samples=5)
    fit(exact.vae, x, 30, 20, lr=1e-2, engine=step, progress=False)
    eps = torch.randn(500, 300, 2, generator=torch.Generator().manual_seed(2)).double()
    with torch.no_grad():
        found = objectives.iwae(exact.vae, x, eps).value.mean()
    assert found > exact.log_px(x).mean() - 0.05  # of the parameters that made the data


def both(samples: int = 3, decay: float = 0.8, objective=objectives.iwae) -> WeightEMA:
    return WeightEMA(decay, ObjectiveStep(objective, samples))


@pytest.mark.parametrize("stop", [3, 5, 9])
def test_stopped_and_resumed_with_all_options(tmp_path, capsys, stop):
    whole = small()
    vae = small()
    resumed = small(9)
    fit(whole, images(), 3, 8, engine=both(), progress=False, checkpoint=tmp_path / "whole")
    interrupt_at(vae, stop)
    options = {"progress": False, "checkpoint": tmp_path / "run"}
    fit(vae, images(), 3, 8, engine=both(), **options)
    history = fit(resumed, images(), 3, 8, engine=both(), **options)
    assert equal_weights(whole, resumed)
    assert history.steps == 15 == 5 * len(history.elbo)
    load_average(whole, tmp_path / "whole")
    assert not equal_weights(whole, resumed)
    load_average(resumed, tmp_path / "run")
    assert equal_weights(whole, resumed), "the averaged weights resume as well"
    others = (both(samples=4), both(decay=0.5), both(objective=objectives.dreg), "plain")
    for other in others:
        with pytest.raises(CheckpointError, match="engine was"):
            fit(small(), images(), 3, 8, engine=other, **options)
    with pytest.raises(CheckpointError, match="precision was"):
        fit(small(), images(), 3, 8, engine=both(), precision="bfloat16", **options)


@pytest.mark.parametrize("decay", [0.5, 0.95, 1.0])
def test_averaged_weights_are_the_running_mean(tmp_path, decay):
    raw = small()
    vae = small()
    path = []

    def note(*_):
        path.append([p.detach().clone() for p in raw.parameters()])

    handle = raw.encoder.register_forward_hook(note)  # sees the weights before each step
    fit(raw, images(), 3, 8, progress=False)
    handle.remove()
    path = [*path[1:], list(raw.parameters())]
    run = tmp_path / "run"
    fit(vae, images(), 3, 8, engine=WeightEMA(decay), progress=False, checkpoint=run)
    assert equal_weights(raw, vae), "the model itself has the last weights"
    load_average(vae, run)
    means = path[0]
    for step, weights in enumerate(path):
        rate = max(1 - decay, 1 / (step + 1))
        means = [m + rate * (w - m) for m, w in zip(means, weights, strict=True)]
    for a, b in zip(vae.parameters(), means, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)
    if decay == 1.0:  # the plain mean
        for i, a in enumerate(vae.parameters()):
            torch.testing.assert_close(a, torch.stack([w[i] for w in path]).mean(0).detach())
    assert not equal_weights(raw, vae)


def test_refusals():
    with pytest.raises(ValueError, match="samples is 0"):
        ObjectiveStep(objectives.iwae, 0)
    for decay in (1.5, -0.1, float("nan")):
        with pytest.raises(ValueError, match=f"decay is {decay}"):
            WeightEMA(decay)
