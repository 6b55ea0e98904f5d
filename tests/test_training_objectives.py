"""The objectives of `fit` and their gradients, against formulas written out and exact models."""

import pytest
import torch
from oracles import LinearGaussian, equal_weights
from torch import distributions as td

from vaelib import models
from vaelib._objective import Terms
from vaelib.checkpoint import CheckpointError, load_vae
from vaelib.training import fit

K, BATCH = 6, 5


def images(count: int = 37) -> torch.Tensor:
    return torch.rand(count, 6, 6, generator=torch.Generator().manual_seed(0))


def small(seed: int = 0, **options) -> models.VAE:
    return models.dense((6, 6), 2, hidden=(12,), sigma_x=0.5, seed=seed, **options)


@pytest.fixture(params=["linear", "bernoulli"])
def case(request):
    """A VAE in float64, data for it, and noise (K, B, D)."""
    generator = torch.Generator().manual_seed(3)
    if request.param == "linear":
        exact = LinearGaussian(wrong=0.6)
        vae, x = exact.vae, exact.draw(BATCH)
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


def by_terms(vae, x, eps, objective, beta=1.0):
    terms = Terms(vae, objective, len(eps))
    log_px_z, kl = terms(x, eps)
    bound = terms.bound(log_px_z - beta * kl)
    return bound, gradients(vae, bound.sum())


@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_iwae_is_the_log_of_the_mean_weight(case, beta):
    vae, x, eps = case
    bound, found = by_terms(vae, x, eps, "iwae", beta)
    q = vae.posterior(x)
    log_w = log_weights(vae, x, q.mean + q.stddev * eps, q, beta)
    wanted = log_w.exp().mean(0).log()
    torch.testing.assert_close(bound, wanted, rtol=1e-10, atol=1e-10)
    for a, b in zip(found, gradients(vae, wanted.sum()), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_elbo_of_k_draws_is_the_mean_of_k_elbos(case):
    vae, x, eps = case
    bound, found = by_terms(vae, x, eps, "elbo")
    q = vae.posterior(x)
    ones = torch.ones_like(q.mu)
    kl = td.kl_divergence(td.Normal(q.mean, q.stddev), td.Normal(0 * ones, ones)).sum(-1)
    z = q.mean + q.stddev * eps
    wanted = torch.stack([vae.likelihood(z_k).log_prob(x) for z_k in z]).mean(0) - kl
    torch.testing.assert_close(bound, wanted, rtol=1e-10, atol=1e-10)
    for a, b in zip(found, gradients(vae, wanted.sum()), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_dreg_is_its_equation(case):
    """Encoder: Σ_k w̃_k² ∂log w_k/∂z_k ∂z_k/∂φ; decoder: Σ_k w̃_k ∂log w_k/∂θ; one draw at a time."""
    vae, x, eps = case
    bound, found = by_terms(vae, x, eps, "dreg")
    with torch.no_grad():
        fixed = vae.posterior(x)
        z = fixed.mean + fixed.stddev * eps
        share = log_weights(vae, x, z, fixed).exp()
        share /= share.sum(0)
    torch.testing.assert_close(bound, by_terms(vae, x, eps, "iwae")[0])
    encoder, decoder = (list(part.parameters()) for part in (vae.encoder, vae.decoder))
    wanted_phi, wanted_theta = ([torch.zeros_like(p) for p in part] for part in (encoder, decoder))
    for k in range(K):
        for i in range(BATCH):
            x_i, q = x[i : i + 1], vae.posterior(x[i : i + 1])
            z_i = (q.mean + q.stddev * eps[k, i])[None]
            frozen = td.Normal(q.mean.detach(), q.stddev.detach())
            log_w = log_weights(vae, x_i, z_i, frozen).squeeze()
            to_theta = torch.autograd.grad(log_w, decoder, retain_graph=True, allow_unused=True)
            to_z = torch.autograd.grad(log_w, z_i, retain_graph=True)[0]
            to_phi = torch.autograd.grad(z_i, encoder, to_z)
            for sum_, g in zip(wanted_phi, to_phi, strict=True):
                sum_ += share[k, i] ** 2 * g
            for sum_, g in zip(wanted_theta, to_theta, strict=True):
                sum_ += share[k, i] * g
    for a, b in zip(found, wanted_phi + wanted_theta, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_both_gradients_have_one_mean_and_dreg_less_noise():
    exact = LinearGaussian(wrong=0.3)
    vae, x = exact.vae, exact.draw(1)
    generator, found = torch.Generator().manual_seed(5), {"iwae": [], "dreg": []}
    for _ in range(400):
        eps = torch.randn(4, 1, 2, generator=generator, dtype=torch.float64)
        for name, rows in found.items():
            rows.append(torch.cat([g.flatten() for g in by_terms(vae, x, eps, name)[1]]))
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
    for objective in ("iwae", "dreg"):
        bound, found = by_terms(exact.vae, x, eps, objective)
        torch.testing.assert_close(bound, exact.log_px(x), rtol=1e-10, atol=1e-10)
    for gradient, _ in zip(found, exact.vae.encoder.parameters(), strict=False):
        assert gradient.abs().max() < 1e-10


def test_the_bound_rises_to_the_exact_log_likelihood():
    exact = LinearGaussian(wrong=0.7)
    x, generator = exact.draw(4000), torch.Generator().manual_seed(2)
    gaps, errors = [], []
    with torch.no_grad():
        for k in (1, 5, 50, 500):
            eps = torch.randn(k, 4000, 2, generator=generator, dtype=torch.float64)
            terms = Terms(exact.vae, "iwae", k)
            log_px_z, kl = terms(x, eps)
            gap = exact.log_px(x) - terms.bound(log_px_z - kl)
            gaps.append(gap.mean().item())
            errors.append(gap.std().item() / 4000**0.5)
    assert gaps[0] > gaps[1] + 3 * errors[0] and gaps[1] > gaps[2] + 3 * errors[1]
    assert abs(gaps[3]) < 5 * errors[3] + 0.01


@pytest.mark.parametrize("objective", ["iwae", "elbo"])
def test_fit_maximises_it(objective):
    """Against the loop written out, in float64, with β below 1 for the first steps."""
    beta = [0.2, 0.6, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    x, vae, by_hand = images().double(), small().double(), small().double()
    options = {"objective": objective, "k": 3, "beta": lambda step: beta[step], "seed": 7}
    history = fit(vae, x, 2, 8, **options, progress=False)
    generator = torch.Generator().manual_seed(7)
    optimiser = torch.optim.Adam(by_hand.parameters(), lr=1e-3)
    step, means = 0, []
    for _ in range(2):
        seen = []
        for index in torch.randperm(37, generator=generator).split(8):
            eps = torch.randn(3, len(index), 2, generator=generator, dtype=torch.float64)
            q = by_hand.posterior(x[index])
            z = q.mean + q.stddev * eps
            if objective == "iwae":
                log_w = log_weights(by_hand, x[index], z, q, beta[step])
                bound = log_w.exp().mean(0).log()
            else:
                one = td.kl_divergence(td.Normal(q.mean, q.stddev), td.Normal(0 * q.mu, 1.0))
                log_px_z = torch.stack([by_hand.likelihood(z_k).log_prob(x[index]) for z_k in z])
                bound = log_px_z.mean(0) - beta[step] * one.sum(-1)
            optimiser.zero_grad()
            (-bound.mean()).backward()
            optimiser.step()
            seen.append(bound.detach())
            step += 1
        means.append(torch.cat(seen).mean().item())
    for a, b in zip(vae.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)
    assert history.bound == pytest.approx(means, rel=1e-9)


def test_iwae_lies_above_the_elbo_and_one_draw_is_the_elbo():
    one, many = (
        fit(small(), images(), 3, 8, objective="iwae", k=k, progress=False) for k in (1, 20)
    )
    assert one.bound == pytest.approx(one.elbo)
    assert all(b > e for b, e in zip(many.bound, many.elbo, strict=True))
    plain = fit(small(), images(), 3, 8, beta=0.5, progress=False)
    halves = [r - 0.5 * kl for r, kl in zip(plain.reconstruction, plain.kl, strict=True)]
    assert plain.bound == pytest.approx(halves)


def test_dreg_learns_through_fit():
    exact = LinearGaussian(wrong=1.0)
    x = exact.draw(300)
    fit(exact.vae, x, 30, 20, lr=1e-2, objective="dreg", k=5, progress=False)
    terms = Terms(exact.vae, "iwae", 500)
    eps = torch.randn(500, 300, 2, generator=torch.Generator().manual_seed(2)).double()
    with torch.no_grad():
        log_px_z, kl = terms(x, eps)
        found = terms.bound(log_px_z - kl).mean()
    assert found > exact.log_px(x).mean() - 0.05  # of the parameters that made the data


def interrupt_at(vae, step):
    import signal

    seen = []

    def press(*_):
        seen.append(1)
        if len(seen) == step:
            signal.raise_signal(signal.SIGINT)

    vae.decoder.register_forward_hook(press)


@pytest.mark.parametrize("stop", [3, 5, 9])
def test_stopped_and_gone_on_with_all_options(tmp_path, capsys, stop):
    options = {"objective": "iwae", "k": 3, "average": 0.8, "progress": False}
    whole, vae, resumed = small(), small(), small(9)
    fit(whole, images(), 3, 8, **options)
    interrupt_at(vae, stop)
    fit(vae, images(), 3, 8, **options, checkpoint=tmp_path / "run")
    history = fit(resumed, images(), 3, 8, **options, checkpoint=tmp_path / "run")
    assert equal_weights(whole, resumed) and history.steps == 15 == 5 * len(history.bound)
    assert equal_weights(load_vae(tmp_path / "run"), whole), "the file is of the mean weights"
    for other in ({"k": 4}, {"average": 0.0}, {"objective": "dreg"}, {"precision": "bfloat16"}):
        with pytest.raises(CheckpointError, match=f"{next(iter(other))} was"):
            fit(small(), images(), 3, 8, **options | other, checkpoint=tmp_path / "run")


@pytest.mark.parametrize("decay", [0.5, 0.95, 1.0])
def test_average_is_the_running_mean_of_the_weights(decay):
    raw, vae, path = small(), small(), []

    def note(*_):
        path.append([p.detach().clone() for p in raw.parameters()])

    handle = raw.encoder.register_forward_hook(note)  # sees the weights before each step
    fit(raw, images(), 3, 8, progress=False)
    handle.remove()
    path = [*path[1:], list(raw.parameters())]
    fit(vae, images(), 3, 8, average=decay, progress=False)
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


@pytest.mark.refuses
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "vae"}, "objective is 'vae'"),
        ({"k": 0}, "k is 0"),
        ({"average": 1.5}, "average is 1.5"),
        ({"average": -0.1}, "average is -0.1"),
        ({"average": float("nan")}, "average is nan"),
    ],
)
def test_refusals(options, message):
    vae = small()
    with pytest.raises(ValueError, match=message):
        fit(vae, images(), 1, 8, **options, progress=False)
    assert equal_weights(vae, small())
