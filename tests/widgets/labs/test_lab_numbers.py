"""The labs' numbers, each against an oracle of its own: closed forms, SciPy, brute force."""

import itertools
import math

import numpy as np
import pytest
import torch
from lab_states import corners
from scipy import integrate, stats
from torch.distributions import Normal, kl_divergence

from vaelib import divergences, exact
from vaelib.widgets import ElboLab, JensenLab, KLLab, LikelihoodLab, ReparameterisationLab
from vaelib.widgets.labs import elbo, jensen, likelihood, reparameterisation
from vaelib.widgets.labs.lab import say
from vaelib.widgets.labs.scene import histogram, noise, reach

# What the computations share.


def test_the_noise_is_normal_and_independent():
    draws = noise(3, 100_000)
    assert stats.kstest(draws, "norm").pvalue > 0.01
    for lag in (1, 2, 3, 10):
        assert abs(np.corrcoef(draws[:-lag], draws[lag:])[0, 1]) < 4 / math.sqrt(len(draws))
    others = np.stack([noise(seed, 2000) for seed in range(20)])
    assert np.abs(np.corrcoef(others) - np.eye(20)).max() < 4.5 / math.sqrt(2000)
    np.testing.assert_array_equal(noise(3, 7), draws[:7])


def test_the_histogram_counts_as_numpy_does():
    values = np.random.default_rng(0).normal(size=500)
    x, y = histogram(values, -1.5, 1.5, 12)
    counts, edges = np.histogram(np.clip(values, -1.5, 1.4999), bins=12, range=(-1.5, 1.5))
    np.testing.assert_allclose(y[::2], counts / 500)
    np.testing.assert_allclose(y[1::2], y[::2])
    np.testing.assert_allclose(x[::2], edges[:-1])
    np.testing.assert_allclose(x[1::2], edges[1:])


@pytest.mark.parametrize("value, axis", [(0.02, 0.1), (0.1, 0.1), (0.11, 0.2), (3, 5), (5.1, 10)])
def test_axes_reach_round_numbers(value, axis):
    assert reach(value) == pytest.approx(axis)


def test_text_is_rounded_half_up_with_a_real_minus():
    numbers = {"a": 0.28125, "b": -0.004, "c": -1.5, "k": 7}
    assert say("{a:4}, {b:2}, {c:0}, {k}", numbers) == "0.2813, 0.00, −2, 7"


# Each lab's numbers, against what others say they are.


@pytest.mark.parametrize("mu, sigma", [(1.0, 0.6), (-4.0, 0.2), (4.0, 3.0), (0.0, 1.0)])
def test_kl_lab_on_the_standard_normal(mu, sigma):
    numbers = KLLab(mu=mu, sigma=sigma).numbers
    p, q = (Normal(torch.tensor(m).double(), s) for m, s in ((0.0, 1.0), (mu, sigma)))
    assert numbers["kl_qp"] == pytest.approx(kl_divergence(q, p).item(), abs=1e-10)
    assert numbers["kl_pq"] == pytest.approx(kl_divergence(p, q).item(), abs=1e-10)


@pytest.mark.parametrize("mu, sigma", [(-2.0, 0.6), (0.0, 2.0), (3.0, 0.2), (4.0, 3.0)])
def test_kl_lab_on_two_bumps(mu, sigma):
    def log_p(z):
        bumps = Normal(torch.tensor([-2.0, 2.0]).double(), 0.6).log_prob(z[:, None])
        return (bumps + torch.tensor([0.6, 0.4], dtype=torch.float64).log()).logsumexp(-1)

    log_q = Normal(torch.tensor(mu).double(), sigma).log_prob
    numbers = KLLab(mu=mu, sigma=sigma, p="bumps").numbers
    for key, a, b in (("kl_qp", log_q, log_p), ("kl_pq", log_p, log_q)):
        truth = divergences.kl_quadrature(a, b, -30.0, 30.0).item()
        assert numbers[key] == pytest.approx(truth, abs=1e-8)


def test_kl_lab_shows_the_integrand_and_its_two_areas():
    scene = KLLab(mu=0.5, sigma=0.8).scene
    for key in ("qp", "pq"):
        (z, above) = scene.series[f"above_{key}"]
        (_, below) = scene.series[f"below_{key}"]
        assert above.min() == 0 and below.max() == 0
        total = integrate.trapezoid(above + below, z)
        assert scene.numbers[f"kl_{key}"] == pytest.approx(total, abs=1e-6)
        areas = scene.numbers[f"above_{key}"] - scene.numbers[f"below_{key}"]
        assert scene.numbers[f"kl_{key}"] == pytest.approx(areas, abs=1e-12)


@pytest.mark.parametrize("theta, n_data, seed", [(0.1, 1, 1), (1.5, 20, 1), (3.0, 1000, 20)])
def test_likelihood_lab_averages_over_its_data(theta, n_data, seed):
    lab = LikelihoodLab(theta=theta, n_data=n_data, seed=seed)
    data = torch.from_numpy(likelihood.sample_data(seed)[:n_data])
    model, truth = (Normal(0.0, math.sqrt(t**2 + 0.25)) for t in (theta, 1.0))
    numbers = lab.numbers
    series = lab.scene.series
    assert numbers["average"] == pytest.approx(model.log_prob(data).mean().item(), abs=1e-6)
    assert numbers["kl"] == pytest.approx(kl_divergence(truth, model).item(), abs=1e-6)
    assert numbers["entropy"] == pytest.approx(truth.entropy().item(), abs=1e-6)
    assert numbers["expected"] == pytest.approx(-numbers["kl"] - numbers["entropy"], abs=1e-12)
    grid, average = series["average"]
    best = np.clip(numbers["theta_hat"], grid[0], grid[-1])
    assert abs(grid[average.argmax()] - best) <= 0.0101  # half a step of the grid
    apart = series["minus_kl"][1] - series["expected"][1]
    np.testing.assert_allclose(apart, numbers["entropy"], atol=1e-12)


def test_likelihood_labs_data_come_from_its_model():
    draws = np.concatenate([likelihood.sample_data(seed) for seed in range(1, 21)])
    assert stats.kstest(draws / math.sqrt(1.25), "norm").pvalue > 0.01


@pytest.mark.parametrize("theta, dim", [(1.0, 1), (1.5, 2), (0.3, 20)])
def test_likelihood_lab_estimates_log_px(theta, dim):
    eye = torch.eye(dim, dtype=torch.float64)
    x = torch.ones(1, dim, dtype=torch.float64)
    model, narrow = (
        exact.LinearGaussian(theta * eye, torch.zeros_like(x[0]), s)
        for s in (0.5, 0.5 / math.sqrt(2))
    )
    scene = LikelihoodLab(theta=theta, dim=dim, n_samples=500).scene
    log_px = model.log_px(x).item()
    assert scene.numbers["log_px"] == pytest.approx(log_px, abs=1e-10)
    # E p(x|z)² from the model with σ_x/√2: N(x; x̂, σ²)² = N(x; x̂, σ²/2)/(2σ√π) a dimension.
    ratio = narrow.log_px(x).item() - dim * math.log(2 * 0.5 * math.sqrt(math.pi)) - 2 * log_px
    error = math.sqrt(math.expm1(ratio) / 500)
    assert scene.numbers["error"] == pytest.approx(error, rel=1e-9)
    assert scene.series["error"][1][dim - 1] == pytest.approx(error, rel=1e-9)
    assert 10 ** scene.numbers["needed"] == pytest.approx(math.expm1(ratio) / 0.01, rel=1e-9)

    z = noise(2, 20 * 5 * 5000).reshape(20, 5, 5000)[:dim, :, :500]
    p_x_z = stats.norm(theta * z, 0.5).logpdf(1.0).sum(0)  # (5, 500)
    k, running = (part.reshape(5, -1)[:, :-1] for part in scene.series["runs"])
    for run in range(5):
        for at in (0, 5, -1):
            wanted = np.logaddexp.reduce(p_x_z[run, : int(k[run, at])]) - math.log(k[run, at])
            assert running[run, at] == pytest.approx(wanted, abs=1e-9)
    np.testing.assert_allclose(scene.series["estimates"][1], running[:, -1])


def test_likelihood_lab_converges_where_it_should():
    numbers = LikelihoodLab(theta=1.0, dim=1, n_samples=5000).numbers
    for value in (numbers["lowest"], numbers["highest"]):
        assert abs(math.exp(value - numbers["log_px"]) - 1) < 4 * numbers["error"]


@pytest.mark.parametrize(
    "f, function", [("-log", lambda x: -math.log(x)), ("square", lambda x: x * x)]
)
def test_jensen_lab_against_every_sequence_of_draws(f, function):
    x1 = 0.4
    x2 = 3.1
    weight = 0.3
    for k in (1, 2, 5):
        lab = JensenLab(f=f, x1=x1, x2=x2, weight=weight, n_samples=k)
        expected = 0.0
        for draws in itertools.product((0, 1), repeat=k):
            probability = math.prod(weight if draw else 1 - weight for draw in draws)
            expected += probability * function(sum(x2 if draw else x1 for draw in draws) / k)
        bias = expected - function(0.7 * x1 + 0.3 * x2)
        assert lab.numbers["bias"] == pytest.approx(bias, abs=1e-12)
        assert lab.scene.series["bias"][1][k - 1] == pytest.approx(bias, abs=1e-12)
        values, shares = lab.scene.series["tips"]
        assert shares @ values == pytest.approx(expected, abs=0.01)


def test_jensen_labs_prediction_holds_for_many_draws():
    numbers = JensenLab(x1=1.0, x2=2.0, n_samples=100).numbers
    assert numbers["bias"] == pytest.approx(numbers["predicted"], rel=0.01)
    square = JensenLab(f="square", n_samples=7).numbers  # exact for a parabola
    assert square["bias"] == pytest.approx(square["predicted"], rel=1e-12)
    at, probability = jensen.means(1.0, 2.0, 0.25, 9)
    np.testing.assert_allclose(probability, stats.binom(9, 0.25).pmf(np.arange(10)), atol=1e-14)
    np.testing.assert_allclose(at, 1 + np.arange(10) / 9)


@pytest.mark.parametrize("state", corners(JensenLab)[::7])
def test_jensens_gap_is_never_negative(state):
    numbers = JensenLab(**state).numbers
    assert numbers["gap"] >= -1e-12 and numbers["gap"] >= numbers["bias"] - 1e-12
    if state["f"] == "line" or state["x1"] == state["x2"] or state["weight"] in (0, 1):
        assert abs(numbers["gap"]) < 1e-12


@pytest.mark.parametrize("state", corners(ElboLab)[::8])
def test_elbo_lab_splits_log_px(state):
    lab = ElboLab(**state)
    numbers = lab.numbers
    assert numbers["log_px"] == pytest.approx(numbers["elbo"] + numbers["gap"], abs=1e-10)
    assert numbers["elbo"] == pytest.approx(numbers["reconstruction"] - numbers["kl"], abs=1e-12)
    # The three parts hang together, end at log p(x), and never reach the end of the axis.
    parts = [lab.scene.series[key][0] for key in ("reconstruction", "kl", "gap")]
    (start, high), (low, top), (bottom, end) = parts
    assert (high, low, end) == (top, bottom, 0)
    left, right = next(panel.limits for panel in lab.panels if panel.key == "bar")[:2]
    assert left == start < min(high, low) and max(high, low) < right
    for at, nats in ((high, numbers["reconstruction"]), (low, numbers["elbo"])):
        below = nats - numbers["log_px"]
        assert math.copysign(math.expm1(abs(at)) / 2, at) == pytest.approx(below, abs=1e-9)


@pytest.mark.parametrize("state", corners(ElboLab)[::11])
def test_elbo_labs_gradient_is_that_of_its_elbo(state):
    mu, log_sigma = (
        torch.tensor([state[k]], dtype=torch.float64, requires_grad=True)
        for k in ("mu", "log_sigma")
    )
    x = torch.tensor([[state["x1"], state["x2"]]], dtype=torch.float64)
    exact.Arc(sigma_x=0.2).elbo(x, mu, log_sigma).sum().backward()
    wanted = (mu.grad.item(), log_sigma.grad.item())
    assert elbo.gradient(**state) == pytest.approx(wanted, abs=1e-9)


def test_elbo_lab_against_scipys_quadrature():
    x = np.array([0.8, 0.6])
    mu = 0.5
    sigma = math.exp(-1)

    def log_joint(z):
        error = (x - [math.sin(z), math.cos(z)]) / 0.2
        return stats.norm.logpdf(z) + stats.norm.logpdf(error).sum() - 2 * math.log(0.2)

    p_x = integrate.quad(lambda z: math.exp(log_joint(z)), -10, 10, points=[0.9])[0]
    q = stats.norm(mu, sigma)
    bound = integrate.quad(lambda z: q.pdf(z) * (log_joint(z) - q.logpdf(z)), -4, 5)[0]
    numbers = ElboLab().numbers
    assert numbers["log_px"] == pytest.approx(math.log(p_x), abs=1e-8)
    assert numbers["elbo"] == pytest.approx(bound, abs=1e-8)
    z, posterior = ElboLab().scene.series["posterior"]
    np.testing.assert_allclose(posterior, [math.exp(log_joint(at)) / p_x for at in z], atol=1e-8)


@pytest.mark.parametrize("gradient", ["mu", "log_sigma"])
@pytest.mark.parametrize("mu, log_sigma", [(1.0, -0.5), (-2.0, 0.7), (0.0, 0.0)])
def test_reparameterisation_labs_closed_forms(mu, log_sigma, gradient):
    sigma = math.exp(log_sigma)
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)  # exact for these polynomials
    weights = weights / weights.sum()
    truth, *variances = reparameterisation.exact(mu, sigma, gradient)
    m, s = (torch.tensor(value, requires_grad=True) for value in (mu, log_sigma))
    (m**2 + (2 * s).exp()).backward()  # E z² = μ² + σ²
    assert truth == pytest.approx((m if gradient == "mu" else s).grad.item(), abs=1e-6)
    for values, variance in zip(
        reparameterisation.estimators(mu, sigma, gradient, nodes), variances, strict=True
    ):
        assert weights @ values == pytest.approx(truth, abs=1e-9)
        assert weights @ (values - truth) ** 2 == pytest.approx(variance, rel=1e-9)


@pytest.mark.parametrize("n_samples", [1, 10, 50])
def test_reparameterisation_lab_measures_what_it_predicts(n_samples):
    lab = ReparameterisationLab(n_samples=n_samples)
    numbers = lab.numbers
    series = lab.scene.series
    for name in ("score", "pathwise"):
        std = numbers[f"{name}_predicted"]
        assert abs(numbers[f"{name}_mean"] - numbers["truth"]) < 4 * std / math.sqrt(1000)
        assert numbers[f"{name}_std"] == pytest.approx(std, rel=0.3 if name == "score" else 0.1)
        assert series[name][1][::2].sum() == pytest.approx(1)
    np.testing.assert_allclose(series["z"][0], lab.mu + math.exp(lab.log_sigma) * series["eps"][0])


def test_the_same_noise_glides():
    here, there = (ReparameterisationLab(mu=mu).scene.series for mu in (0.0, 1.0))
    np.testing.assert_array_equal(here["eps"][0], there["eps"][0])
    np.testing.assert_allclose(there["z"][0] - here["z"][0], 1.0)
