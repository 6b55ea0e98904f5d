"""Lesson 4's numbers, computed another way: NumPy and SciPy, no code of vaelib's mathematics.

Taken from vaelib are the picture of the face and the shipped weights, which are the lesson's data.
"""

import json
import math
from functools import cache

import numpy as np
import pytest
import torch
from inputs import HOME
from safetensors.numpy import load_file
from scipy.integrate import fixed_quad
from scipy.optimize import minimize
from scipy.stats import norm

from vaelib.faces import render

EVIDENCE = HOME / "data" / "evidence" / "amortisation.json"
X = (0.5, 0.6)
TWO_X = (0.05, -0.6)


def joint(z, x, sigma_x=0.2):
    """p(x, z) of the arc."""
    pixels = norm.pdf(x[0], np.sin(z), sigma_x) * norm.pdf(x[1], np.cos(z), sigma_x)
    return pixels * norm.pdf(z)


def integral(f, low=-7.0, high=7.0):
    edges = np.linspace(low, high, 57)
    return sum(fixed_quad(f, a, b, n=12)[0] for a, b in zip(edges, edges[1:], strict=False))


@cache
def evidence(x, sigma_x=0.2):
    return math.log(integral(lambda z: joint(z, x, sigma_x)))


def bound(x, mu, sigma):
    """E_q[log p(x, z) − log q(z)] of the bell N(μ, σ²), by SciPy."""
    q = norm(mu, sigma)

    def inside(z):
        pixels = norm.logpdf(x[0], np.sin(z), 0.2) + norm.logpdf(x[1], np.cos(z), 0.2)
        return q.pdf(z) * (pixels + norm.logpdf(z) - q.logpdf(z))

    return integral(inside, mu - 8 * sigma, mu + 8 * sigma)


BELLS = [(0.0, 1.0), (0.0, 0.5), (0.7, 0.3)]


def test_the_lines_of_the_first_derivation(printed):
    rows = printed.text("'(1)':>8").splitlines()[1:]
    found = np.array([[float(v) for v in row.split()[-4:]] for row in rows])
    log_px = evidence(X)
    bounds = [bound(X, *bell) for bell in BELLS] + [log_px]
    np.testing.assert_allclose(found[:, :2], log_px, atol=6e-5)
    np.testing.assert_allclose(found[:, 2], bounds, atol=6e-5)
    np.testing.assert_allclose(found[:, 3], bounds, atol=6e-5)


def test_the_gap_is_the_distance_to_the_posterior(printed):
    log_px = evidence(X)
    lines = printed.text("bound + kl").splitlines()
    assert float(lines[0].split()[-1]) == pytest.approx(log_px, abs=6e-5)
    for line, (mu, sigma) in zip(lines[1:], BELLS, strict=True):
        words = line.replace("L =", "").split()[-5:]
        L, gap, total = float(words[0]), float(words[2]), float(words[4])
        q = norm(mu, sigma)

        # From the normalised posterior, not from the difference.
        def inside(z, q=q):
            return q.pdf(z) * (q.logpdf(z) - np.log(joint(z, X) / math.exp(log_px)))

        kl = integral(inside, -5.5, 5.5)
        assert L == pytest.approx(bound(X, mu, sigma), abs=6e-5)
        assert gap == pytest.approx(kl, abs=2e-4)
        assert total == pytest.approx(log_px, abs=1.1e-4)


def test_the_checks_say_that_they_passed(printed):
    checks = [text for source, text in printed if source.startswith("# ") and "✓" in source]
    assert len(checks) >= 2
    assert all(text.startswith("✓ ") for text in checks)


def test_the_best_bell_for_two_bumps(printed):
    found = printed.numbers("right_bump = density")
    n, mu, sigma, gap, share, surprise = found
    log_px = evidence(TWO_X)
    starts = [(2.8, -1.3), (-2.8, -1.3), (0.0, 0.5)]
    fits = [minimize(lambda p: -bound(TWO_X, p[0], math.exp(p[1])), s, tol=1e-4) for s in starts]
    best = min(fits, key=lambda fit: fit.fun)
    right = integral(lambda z: joint(z, TWO_X), 0, 7) / math.exp(log_px)
    assert n == 161 * 91
    assert mu == pytest.approx(best.x[0], abs=0.04)
    assert sigma == pytest.approx(math.exp(best.x[1]), abs=0.02)
    assert gap == pytest.approx(log_px + best.fun, abs=0.0051)
    assert share == pytest.approx(100 * right, abs=0.51)
    assert surprise == pytest.approx(-math.log(right), abs=0.0051)


def test_three_readings_after_the_ascent(printed):
    phi = np.array([-0.5, 0.0])
    for _ in range(299):  # the path begins with the start
        mu, sigma = phi[0], math.exp(phi[1])
        shrink = math.exp(-(sigma**2) / 2)
        d_mu = shrink * (X[0] * math.cos(mu) - X[1] * math.sin(mu)) / 0.04 - mu
        along = X[0] * math.sin(mu) + X[1] * math.cos(mu)
        d_log_sigma = -shrink * along * sigma**2 / 0.04 - sigma**2 + 1
        phi = phi + 0.005 * np.array([d_mu, d_log_sigma])
    L = bound(X, phi[0], math.exp(phi[1]))
    assert printed.numbers("energy_reading = ") == pytest.approx([L] * 3, abs=6e-5)


def test_raising_the_bound_in_theta(printed):
    found = printed.numbers("of L with q = prior:")
    g = np.random.default_rng(0)
    z = g.normal(size=4000)
    x = np.stack([np.sin(z), np.cos(z)]) + 0.2 * g.normal(size=(2, 4000))
    nodes = np.linspace(-6, 6, 400)
    G = np.stack([np.sin(nodes), np.cos(nodes)])
    error = ((x[:, :, None] - G[:, None]) ** 2).sum(0)
    q_prior = norm.pdf(nodes)
    q_old = np.exp(-error / (2 * 0.16)) * q_prior
    # With q fixed, the best σ_x² is half the expected squared error.
    at_posterior = ((q_old * error).sum(1) / q_old.sum(1)).mean()
    at_prior = ((q_prior * error).sum(1) / q_prior.sum()).mean()
    tops = [0.2, math.sqrt(at_posterior / 2), math.sqrt(at_prior / 2)]
    assert found == pytest.approx(tops, abs=0.035)


@cache
def weights():
    return load_file(HOME / "data" / "faces_vae.safetensors")


def silu(h):
    return h / (1 + np.exp(-h))


def layers(prefix):
    """The linear layers under a prefix, in order: (W, b)."""
    names = sorted(
        (n for n in weights() if n.startswith(prefix) and n.endswith("weight")),
        key=lambda n: [int(part) for part in n.split(".") if part.isdigit()],
    )
    return [
        (weights()[n].astype(float), weights()[n.removesuffix("weight") + "bias"].astype(float))
        for n in names
    ]


@cache
def face():
    return render(0.5, 0.7).double().numpy().ravel()


@cache
def encoder():
    """μ and σ of the face."""
    h = face()
    for W, b in layers("model.encoder.body"):
        h = silu(W @ h + b)
    ((W_mu, b_mu),), ((W_s, b_s),) = layers("model.encoder.mu"), layers("model.encoder.log_sigma")
    return W_mu @ h + b_mu, np.exp(W_s @ h + b_s)


def squared_error(z):
    """‖x − G(z)‖² of the face, z (K, 4) -> (K,)."""
    *hidden, (W, b) = layers("model.decoder.body")
    h = z
    for V, c in hidden:
        h = silu(h @ V.T + c)
    return ((face() - h @ W.T - b) ** 2).sum(1)


C = -512 * math.log(2 * math.pi * 0.12**2)


@cache
def weighted_draws():
    """Draws from q and log w of the face."""
    mu, sigma = encoder()
    z = mu + sigma * np.random.default_rng(3).normal(size=(20_000, 4))
    log_px_z = C - squared_error(z) / (2 * 0.12**2)
    log_w = log_px_z + norm.logpdf(z).sum(1) - norm.logpdf(z, mu, sigma).sum(1)
    return z, log_px_z, log_w


def test_the_terms_of_the_face(printed):
    mu, sigma = encoder()
    kl = sum(math.log(1 / s) + (s * s + m * m) / 2 - 0.5 for m, s in zip(mu, sigma, strict=True))
    reconstruction = weighted_draws()[1].mean()
    found = printed.numbers("reconstruction {terms")
    assert found[0] == pytest.approx(reconstruction, abs=0.2)
    assert found[1] == pytest.approx(kl, abs=0.051)
    assert found[2] == pytest.approx(reconstruction - kl, abs=0.2)
    parts = printed.numbers("error_term = ")
    assert parts == pytest.approx([C, reconstruction - C, -kl], abs=0.2)
    assert sum(parts) == pytest.approx(found[2], abs=0.16)


def test_the_best_noise_of_the_face(printed):
    noise, L, root = printed.numbers("squared_error = ")
    error = 2 * 0.12**2 * (C - weighted_draws()[1].mean())
    best = math.sqrt(error / 1024)
    kl = weighted_draws()[1].mean() - weighted_draws()[2].mean()
    assert root == pytest.approx(best, abs=6e-4)
    assert noise == pytest.approx(best, rel=0.06)
    highest = -512 * (math.log(2 * math.pi * best**2) + 1) - kl
    assert pytest.approx(highest, abs=8) == L


def test_the_gap_of_the_face(printed):
    z, _, log_w = weighted_draws()
    mu, sigma = encoder()
    highest = log_w.max()
    w = np.exp(log_w - highest)
    log_px = highest + math.log(w.mean())
    L, log_px_said, gap, error = printed.numbers('"the encoder\'s q"')
    assert log_px_said == pytest.approx(log_px, abs=0.03)
    assert L == pytest.approx(log_w.mean(), abs=0.03)
    assert gap == pytest.approx(log_px - log_w.mean(), abs=0.03)
    assert error == pytest.approx(log_w.std() / 20_000**0.5, rel=0.3)
    own_L, own_px, own_gap, _, *moved = printed.numbers("this face's own q")
    assert own_px == pytest.approx(log_px, abs=0.02)
    assert 0 < own_gap < 0.02
    assert own_L == pytest.approx(own_px - own_gap, abs=0.011)
    # The best diagonal bell is close to the posterior's mean, from the weighted draws.
    mean = (w[:, None] * z).sum(0) / w.sum()
    assert moved == pytest.approx((mean - mu) / sigma, abs=0.15)


@pytest.fixture
def double():
    """The lesson's dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def arc_points(n, seed):
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(n, generator=g)
    return torch.stack([z.sin(), z.cos()], -1) + 0.2 * torch.randn(n, 2, generator=g)


def arc_elbo(x, mu, log_sigma):
    """E_q[log p(x|z)] − KL(q ‖ p(z)) by Gauss-Hermite quadrature, (B,)."""
    nodes, node_weights = np.polynomial.hermite_e.hermegauss(40)
    z = mu[:, None] + log_sigma.exp()[:, None] * torch.tensor(nodes)
    error = (x[:, :1] - z.sin()) ** 2 + (x[:, 1:] - z.cos()) ** 2
    mean_error = error @ torch.tensor(node_weights / node_weights.sum())
    kl = ((2 * log_sigma).exp() + mu**2 - 1) / 2 - log_sigma
    return -mean_error / 0.08 - math.log(2 * math.pi * 0.04) - kl


def arc_log_px(x):
    z = torch.linspace(-7, 7, 2001)
    error = (x[:, :1] - z.sin()) ** 2 + (x[:, 1:] - z.cos()) ** 2
    log_joint = (
        -error / 0.08 - math.log(2 * math.pi * 0.04) - z**2 / 2 - 0.5 * math.log(2 * math.pi)
    )
    return log_joint.logsumexp(1) + math.log(14 / 2000)


@cache
def one_encoder():
    """The gaps on training points and on new ones: seed 0 of the study, by a loop of its own."""
    x = arc_points(400, 1000)
    torch.manual_seed(0)
    first, second, mean, log_deviation = (
        torch.nn.Linear(*shape) for shape in ((2, 64), (64, 64), (64, 1), (64, 1))
    )

    def q(x):
        h = second(first(x).tanh()).tanh()
        return mean(h)[:, 0], log_deviation(h)[:, 0]

    layers = torch.nn.ModuleList([first, second, mean, log_deviation])
    optimiser = torch.optim.Adam(layers.parameters())
    for step in range(2000):
        falling = max(0.0, step / 2000 - 0.3) / 0.7
        optimiser.param_groups[0]["lr"] = 0.005 * (1 + math.cos(math.pi * falling)) / 2
        mu, log_sigma = q(x)
        along = x[:, 0] * mu.sin() + x[:, 1] * mu.cos()
        error = x.square().sum(1) + 1 - 2 * along * (-(2 * log_sigma).exp() / 2).exp()
        loss = (error / 0.08 + ((2 * log_sigma).exp() + mu**2) / 2 - log_sigma).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        new = arc_points(5000, 7)
        return [arc_log_px(x) - arc_elbo(x, *q(x)) for x in (x, new)]


@pytest.mark.long
@pytest.mark.usefixtures("double")
def test_the_gaps_of_one_encoder(printed):
    (training,) = printed.numbers("gap_train = ")[1:]
    n, new, median, worst, share, bottom, again = printed.numbers("gap_new = ")
    on_training, on_new = one_encoder()
    assert (n, worst, again) == (5000, 50, 50)
    assert bottom >= 40
    assert training == pytest.approx(on_training.mean().item(), rel=0.1)
    assert new == pytest.approx(on_new.mean().item(), rel=0.1)
    assert median == pytest.approx(on_new.median().item(), rel=0.6)
    assert share == pytest.approx(100 * on_new.sort().values[-50:].sum() / on_new.sum(), abs=3)


@pytest.mark.long
@pytest.mark.usefixtures("double")
def test_the_evidence_on_amortisation():
    """One seed of the stored study, again."""
    on_training, on_new = one_encoder()
    study = json.loads(EVIDENCE.read_text(encoding="utf-8"))
    first = study["two layers"]["400"][0]
    assert first["new"] == pytest.approx(on_new.mean().item(), rel=0.1)
    assert first["training"] == pytest.approx(on_training.mean().item(), rel=0.1)


def means(runs, name):
    return [run[name] for run in runs]


def test_what_the_lesson_says_of_the_study(printed):
    study = json.loads(EVIDENCE.read_text(encoding="utf-8"))
    sizes = study["two layers"]
    fresh = means(study["two layers, new points at each step"], "new")
    small = means(study["one layer, new points at each step"], "new")
    averages = [np.mean(means(sizes[n], "new")) for n in ("100", "400", "2000")]
    assert averages == sorted(averages, reverse=True)
    assert np.mean(fresh) < averages[-1]
    assert max(fresh) < min(small)
    for runs in sizes.values():
        assert all(run["median"] < 0.01 < run["new"] for run in runs)
        assert all(run["training"] < run["new"] for run in runs)
    assert study["shape"] < min(fresh)
    said = printed.numbers("a million points, mean gap")
    spreads = [np.std(runs, ddof=1) for runs in (fresh, small)]
    wanted = [np.mean(fresh), spreads[0], np.mean(small), spreads[1]]
    assert said == pytest.approx(wanted, abs=6e-4)
    assert 5 < np.mean(small) / np.mean(fresh) < 7


@pytest.mark.usefixtures("double")
def test_the_linear_vae_reaches_the_best_likelihood(printed):
    g = torch.Generator().manual_seed(100)
    W, b = torch.randn(5, 2, generator=g), torch.randn(5, generator=g)
    z = torch.randn(1000, 2, generator=g)
    x = z @ W.T + b + 0.5 * torch.randn(1000, 5, generator=g)
    values = np.linalg.eigvalsh(np.cov(x.numpy().T, ddof=0))[::-1]
    # Tipping and Bishop (1999), eq. 8: at the maximum, x has these variances.
    variances = np.append(values[:2], [values[2:].mean()] * 3)
    best = -0.5 * (np.log(2 * math.pi * variances).sum() + 5)
    said, log_px, L, angle = printed.numbers("best possible log p(x)")
    assert said == pytest.approx(best, abs=0.0051)
    assert L - 0.0101 <= log_px <= said + 0.0101
    assert pytest.approx(best, abs=0.011) == L
    assert angle == pytest.approx(90, abs=0.11)


def test_the_five_linear_vaes(printed):
    study = json.loads((HOME / "data" / "evidence" / "linear_vae.json").read_text(encoding="utf-8"))
    below = means(study["seeds"], "below_best")
    assert printed.numbers("linear_study = ") == pytest.approx(below, abs=6e-5)
    assert all(0 <= value < 0.002 for value in below)
