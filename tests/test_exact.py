"""The exact models against SciPy, scikit-learn, brute force, and a VAE trained on their data."""

import numpy as np
import pytest
import torch
from inputs import generator, randn
from scipy import integrate, stats
from sklearn.decomposition import PCA

from vaelib import models
from vaelib.divergences import kl_quadrature
from vaelib.exact import Arc, LinearGaussian
from vaelib.schedules import cosine_decay
from vaelib.training import fit

SIZES = [(1, 1), (2, 1), (5, 2), (3, 3), (2, 4), (1, 3), (40, 7)]  # (P, D)
ON_AND_OFF = [(0.0, 1.0), (0.7, 0.7), (0.0, -1.0), (0.0, 0.0), (3.0, -4.0), (-60.0, 80.0)]
STANDARD = torch.distributions.Normal(0.0, 1.0)


def linear(P, D, sigma_x=0.6, seed=0):
    return LinearGaussian(randn(P, D, seed=seed), randn(P, seed=seed + 1), sigma_x)


def arc_q(n, seed=0):
    """μ and log σ of n random Gaussians, from narrow to wide."""
    return 2 * randn(n, seed=seed), 1.2 * randn(n, seed=seed + 1) - 1


# ------------------------------------------------------------------------------- linear-Gaussian


@pytest.mark.parametrize(("P", "D"), SIZES)
def test_linear_log_px_is_scipys(P, D):
    model, x = linear(P, D), 3 * randn(20, P, seed=5)
    covariance = model.W @ model.W.T + model.sigma_x**2 * torch.eye(P, dtype=torch.float64)
    oracle = stats.multivariate_normal(model.b.numpy(), covariance.numpy()).logpdf(x.numpy())
    torch.testing.assert_close(model.log_px(x).numpy(), np.atleast_1d(oracle), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("P", "D"), SIZES)
def test_linear_posterior_is_the_joint_conditioned(P, D):
    """(z, x) is jointly Gaussian: the rules of conditioning need P × P blocks and no precision."""
    model, x = linear(P, D), 3 * randn(20, P, seed=5)
    W, eye = model.W, torch.eye(P, dtype=torch.float64)
    gain = torch.linalg.solve(W @ W.T + model.sigma_x**2 * eye, W).T
    mean = (x - model.b) @ gain.T
    covariance = torch.eye(D, dtype=torch.float64) - gain @ W
    posterior = model.posterior(x)
    torch.testing.assert_close(posterior.mean, mean, rtol=0, atol=1e-9)
    assert model.posterior_covariance.shape == (D, D)
    torch.testing.assert_close(model.posterior_covariance, covariance, rtol=0, atol=1e-9)
    torch.testing.assert_close(posterior.covariance_matrix[0], covariance, rtol=0, atol=1e-9)


def test_linear_posterior_is_the_normalised_joint():
    """Brute force: p(x, z) on a fine grid of two-dimensional z, and its moments."""
    model, x = linear(3, 2), randn(1, 3, seed=5)
    axis = torch.linspace(-8, 8, 801, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    noise = torch.distributions.Normal(z @ model.W.T + model.b, model.sigma_x)
    log_joint = noise.log_prob(x).sum(-1) + STANDARD.log_prob(z).sum(-1)
    log_px = log_joint.logsumexp(0) + 2 * np.log(0.02)
    weight = log_joint.softmax(0)
    mean = weight @ z
    torch.testing.assert_close(log_px, model.log_px(x)[0], rtol=0, atol=1e-9)
    torch.testing.assert_close(mean, model.posterior(x).mean[0], rtol=0, atol=1e-9)
    covariance = (weight[:, None] * (z - mean)).T @ (z - mean)
    torch.testing.assert_close(covariance, model.posterior_covariance, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("P", "D"), SIZES)
def test_linear_log_px_is_elbo_plus_kl(P, D):
    model, x = linear(P, D), randn(50, P, seed=5)
    for seed in range(5):
        mu, log_sigma = randn(50, D, seed=seed), 0.7 * randn(50, D, seed=seed + 50)
        kl = model.kl_to_posterior(x, mu, log_sigma)
        gap = model.log_px(x) - model.elbo(x, mu, log_sigma)
        assert kl.min() > 0
        torch.testing.assert_close(gap, kl, rtol=0, atol=1e-10)


def test_linear_kl_to_posterior_is_torchs():
    model, x = linear(5, 3), randn(10, 5, seed=5)
    mu, log_sigma = randn(10, 3), randn(10, 3, seed=1)
    q = torch.distributions.MultivariateNormal(mu, scale_tril=torch.diag_embed(log_sigma.exp()))
    oracle = torch.distributions.kl_divergence(q, model.posterior(x))
    torch.testing.assert_close(model.kl_to_posterior(x, mu, log_sigma), oracle)


def test_linear_elbo_is_its_monte_carlo_mean():
    model, x = linear(4, 2), randn(3, 4, seed=5)
    mu, log_sigma = randn(3, 2), 0.3 * randn(2, seed=1)
    z = mu + log_sigma.exp() * randn(200_000, 3, 2, seed=2)
    log_px_z = torch.distributions.Normal(z @ model.W.T + model.b, model.sigma_x).log_prob(x)
    log_pz = STANDARD.log_prob(z)
    log_q = torch.distributions.Normal(mu, log_sigma.exp()).log_prob(z)
    terms = log_px_z.sum(-1) + (log_pz - log_q).sum(-1)
    error = (terms.mean(0) - model.elbo(x, mu, log_sigma)).abs()
    assert (error < 5 * terms.std(0) / 200_000**0.5).all()


def test_linear_samples_have_the_models_moments():
    model = linear(3, 2)
    z, x = model.sample(200_000, generator())
    assert z.shape == (200_000, 2) and x.shape == (200_000, 3)
    covariance = model.W @ model.W.T + model.sigma_x**2 * torch.eye(3, dtype=torch.float64)
    assert (x.mean(0) - model.b).abs().max() < 5 * (covariance.max() / 200_000) ** 0.5
    torch.testing.assert_close(x.T.cov(), covariance, rtol=0, atol=0.05)
    residual = (x - model.b - z @ model.W.T).std()
    assert residual.item() == pytest.approx(model.sigma_x, rel=0.01)
    again = model.sample(200_000, generator())[1]
    assert torch.equal(x, again)


@pytest.mark.parametrize(("P", "D"), [(2, 1), (5, 1), (5, 2), (5, 4), (5, 5), (30, 6)])
def test_fit_is_scikit_learns_pca(P, D):
    """Which divides by N − 1, not N: it is given the data a little closer to their mean."""
    x = linear(P, min(D, P - 1)).sample(300, generator())[1]
    closer = x.mean(0) + (x - x.mean(0)) * (299 / 300) ** 0.5
    model, pca = LinearGaussian.fit(x, D), PCA(D, svd_solver="full").fit(closer.numpy())
    scores = pca.score_samples(x.numpy())
    torch.testing.assert_close(model.log_px(x).numpy(), scores, rtol=0, atol=1e-8)
    assert model.log_px(x).mean().item() == pytest.approx(pca.score(x.numpy()), abs=1e-8)
    assert model.W.shape == (P, D)


@pytest.mark.parametrize(("P", "D"), [(1, 1), (2, 1), (5, 2), (3, 3), (2, 4)])
def test_fit_is_the_maximum(P, D):
    """Each of 200 small random changes of W, b and σ_x lowers the average log-likelihood."""
    x = linear(P, D).sample(400, generator())[1]
    best = LinearGaussian.fit(x, D)
    top = best.log_px(x).mean()
    for seed in range(200):
        change = 10.0 ** -(1 + seed % 3) * randn(P * D + P + 1, seed=seed)
        dW, db, d_sigma = change.split([P * D, P, 1])
        sigma_x = best.sigma_x * d_sigma.exp().item()
        nearby = LinearGaussian(best.W + dW.reshape(P, D), best.b + db, sigma_x)
        assert nearby.log_px(x).mean() <= top + 1e-12


def test_fit_with_fewer_examples_than_dimensions_is_still_the_maximum():
    x = randn(6, 10)
    best = LinearGaussian.fit(x, 2)
    for factor in (0.9, 0.99, 1.01, 1.1):
        other = LinearGaussian(best.W, best.b, best.sigma_x * factor)
        assert other.log_px(x).mean() < best.log_px(x).mean()


def test_float32_stays_float32_and_close():
    model, x = linear(5, 2), randn(20, 5, seed=5)
    single = LinearGaussian(model.W.float(), model.b.float(), model.sigma_x)
    assert single.log_px(x.float()).dtype == torch.float32
    torch.testing.assert_close(
        single.log_px(x.float()).double(), model.log_px(x), rtol=1e-5, atol=0
    )


# ----------------------------------------------------------------------------------------- arc


@pytest.mark.parametrize("sigma_x", [0.05, 0.2, 1.0, 20.0])
def test_arc_halving_the_step_changes_nothing(sigma_x):
    arc = Arc(sigma_x)
    fine = Arc(sigma_x)
    fine.z = torch.linspace(-12, 12, 2 * len(arc.z) - 1, dtype=torch.float64)
    fine.step = arc.step / 2
    x = torch.cat([arc.sample(200, generator())[1], torch.tensor(ON_AND_OFF)])
    scale = arc.log_px(x).abs().clamp(min=1)  # in double precision 1e5 has 1e-11 as its last digit
    assert ((arc.log_px(x) - fine.log_px(x)).abs() / scale).max() < 1e-12
    torch.testing.assert_close(arc.log_px(x[:204]), fine.log_px(x[:204]), rtol=0, atol=1e-10)


@pytest.mark.parametrize("x", ON_AND_OFF)
def test_arc_log_px_and_moments_are_scipys(x):
    arc = Arc()
    top = arc._log_joint(torch.tensor([x]).double()).max().item()
    density = stats.norm(scale=arc.sigma_x).logpdf

    def moment(power):
        def integrand(z):
            log_px_z = density(x[0] - np.sin(z)) + density(x[1] - np.cos(z))
            return z**power * np.exp(log_px_z + stats.norm.logpdf(z) - top)

        edges = np.linspace(-12, 12, 97)
        ends = zip(edges[:-1], edges[1:], strict=True)
        return sum(integrate.quad(integrand, a, b, epsabs=1e-13)[0] for a, b in ends)

    mass, first, second = (moment(power) for power in range(3))
    at = torch.tensor([x], dtype=torch.float64)
    assert arc.log_px(at).item() == pytest.approx(np.log(mass) + top, rel=1e-12, abs=1e-10)
    mean, sigma = arc.posterior_moments(at)
    assert mean.item() == pytest.approx(first / mass, abs=1e-9)
    assert sigma.item() == pytest.approx((second / mass - (first / mass) ** 2) ** 0.5, abs=1e-7)


def test_arc_density_integrates_to_one():
    arc = Arc(0.3)
    axis = torch.linspace(-4, 4, 81, dtype=torch.float64)
    x = torch.cartesian_prod(axis, axis)
    total = sum(arc.log_px(part).exp().sum() for part in x.split(2000)) * 0.1**2
    assert total.item() == pytest.approx(1.0, abs=1e-9)


def test_arc_grid_is_the_posterior():
    arc = Arc()
    x = torch.tensor(ON_AND_OFF, dtype=torch.float64)
    z, density = arc.grid(x)
    assert z[0] == -12 and z[-1] == 12 and density.shape == (len(x), len(z))
    torch.testing.assert_close(density.sum(-1) * arc.step, torch.ones(len(x)).double())
    bayes = arc.log_px_z(x[:, None], z) + STANDARD.log_prob(z) - arc.log_px(x)[:, None]
    torch.testing.assert_close(density, bayes.exp())


def test_arc_log_px_is_elbo_plus_kl():
    """Three ways of computing meet: log p(x) on a fixed grid, the KL on q's, the ELBO on none."""
    arc = Arc()
    x = torch.cat([arc.sample(300, generator())[1], torch.tensor(ON_AND_OFF[:5])])
    for seed in range(5):
        mu, log_sigma = arc_q(len(x), seed)
        gap, kl = arc.log_px(x) - arc.elbo(x, mu, log_sigma), arc.kl_to_posterior(x, mu, log_sigma)
        assert kl.min() > 0
        torch.testing.assert_close(gap, kl, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("mu", "log_sigma"), [(0.3, -2.0), (-1.0, 0.2), (2.5, -5.0), (0.0, 0.7)])
def test_arc_elbo_and_kl_are_adaptive_quadratures(mu, log_sigma):
    arc = Arc()
    x = torch.tensor([[0.4, 0.7]], dtype=torch.float64)
    q, prior = torch.distributions.Normal(mu, np.exp(log_sigma)), STANDARD
    ends = mu - 10 * np.exp(log_sigma), mu + 10 * np.exp(log_sigma)

    def log_joint(z):
        return arc.log_px_z(x, z) + prior.log_prob(z)

    at = x, torch.tensor([mu], dtype=torch.float64), torch.tensor([log_sigma], dtype=torch.float64)
    minus_elbo = kl_quadrature(q.log_prob, log_joint, *ends)
    assert arc.elbo(*at).item() == pytest.approx(-minus_elbo.item(), abs=1e-6)
    kl = kl_quadrature(q.log_prob, lambda z: log_joint(z) - arc.log_px(x), *ends)
    assert arc.kl_to_posterior(*at).item() == pytest.approx(kl.item(), abs=1e-6)


def test_arc_samples_lie_on_the_arc_plus_noise():
    arc = Arc()
    z, x = arc.sample(100_000, generator())
    assert z.shape == (100_000,) and x.shape == (100_000, 2)
    assert abs(z.mean()) < 0.02 and abs(z.std() - 1) < 0.02
    residual = x - torch.stack([z.sin(), z.cos()], -1)
    assert residual.std(0).numpy() == pytest.approx(arc.sigma_x, rel=0.02)
    assert torch.equal(x, arc.sample(100_000, generator())[1])


def test_arc_takes_single_precision_and_answers_in_double():
    x = Arc().sample(5, generator())[1].float()
    assert Arc().log_px(x).dtype == torch.float64
    torch.testing.assert_close(Arc().log_px(x), Arc().log_px(x.double()))


# --------------------------------------------------------------------------------- a linear VAE


def test_a_linear_vae_reaches_the_exact_maximum():
    """The decoder's exact log p(x), and the exact ELBO of its own encoder, within 0.02 nats."""
    own = generator(100)
    W = torch.randn(5, 2, generator=own)
    b = torch.randn(5, generator=own)
    _, x = LinearGaussian(W, b, 0.5).sample(1000, own)
    vae = models.dense((5,), 2, hidden=(), sigma_x=1.0, learn_sigma_x=True, seed=0)
    fit(vae, x, 1500, 1000, lr=lambda step: cosine_decay(step, 1500, 0.02, 0.5), progress=False)
    best = LinearGaussian.fit(x.double(), 2).log_px(x.double()).mean().item()
    with torch.no_grad():
        top, q, sigma_x = vae.decoder.body[0], vae.posterior(x), vae.decoder.sigma_x.item()
        learnt = LinearGaussian(top.weight.double(), top.bias.double(), sigma_x)
        elbo = learnt.elbo(x.double(), q.mu.double(), q.log_sigma.double()).mean().item()
        log_px = learnt.log_px(x.double()).mean().item()
    assert elbo <= log_px <= best + 1e-9
    assert best - elbo < 0.02


# ----------------------------------------------------------------------------------- refusals


@pytest.mark.refuses
@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (ValueError, "sigma_x is 0", lambda m, x: LinearGaussian(m.W, m.b, 0.0)),
        (ValueError, r"b has shape \(2,\); expected \(3,\)", lambda m, x: type(m)(m.W, m.b[1:], 1)),
        (TypeError, "b has dtype", lambda m, x: LinearGaussian(m.W.float(), m.b, 1.0)),
        (ValueError, "W holds 6 values", lambda m, x: LinearGaussian(m.W * np.nan, m.b, 1.0)),
        (ValueError, r"x has shape \(4, 2\); expected \(B, 3\)", lambda m, x: m.log_px(x[:, 1:])),
        (TypeError, "x has dtype torch.float32", lambda m, x: m.log_px(x.float())),
        (ValueError, r"mu has shape \(4, 3\); expected \(4, 2\)", lambda m, x: m.elbo(x, x, x)),
        (ValueError, "no variance outside 2 directions", lambda m, x: m.fit(x @ (m.W @ m.W.T), 2)),
        (ValueError, r"x \(1 examples .* no variance", lambda m, x: m.fit(x[:1], 1)),
        (ValueError, "latent_dim is 0", lambda m, x: m.fit(x, 0)),
        (ValueError, "n is 0", lambda m, x: m.sample(0)),
        (ValueError, "sigma_x is -1", lambda m, x: Arc(-1.0)),
        (ValueError, "expected at most 711", lambda m, x: Arc().log_px(1e4 * x[:, :2])),
        (ValueError, r"x has shape \(2,\)", lambda m, x: Arc().log_px(x[0, :2])),
        (TypeError, "dtype torch.int64", lambda m, x: Arc().log_px(x[:, :2].long())),
        (ValueError, "x holds 8 values", lambda m, x: Arc().log_px(x[:, :2] * np.nan)),
        (
            ValueError,
            r"log_sigma has shape \(3,\)",
            lambda m, x: Arc().elbo(x[:, 1:], x[:, 0], x[0]),
        ),
        (ValueError, "n is 0", lambda m, x: Arc().sample(0)),
    ],
)
def test_a_wrong_argument_is_named(error, words, call):
    with pytest.raises(error, match=words):
        call(linear(3, 2), randn(4, 3))
