"""Bounds against log p(x) that is known; ranks against SciPy; memory that does not grow."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from inputs import F64, HOME, generator, randn
from oracles import LinearGaussian
from scipy import special, stats
from small_runs import images, small, with_layer

from vaelib import evaluation, models
from vaelib.bounds import elbo
from vaelib.data import Data
from vaelib.evaluation import (
    active_units,
    encode,
    factor_alignment,
    kl_per_dim,
    ladder,
    log_marginal,
    spearman_table,
)

# ---------------------------------------------------------------- log p(x)


@pytest.mark.parametrize("wrong", [0.5, -0.4, 1.0])
def test_log_marginal_of_a_wrong_encoder_is_log_px_within_three_standard_errors(wrong):
    model = LinearGaussian(wrong=wrong)
    x = model.draw(10)
    runs = torch.stack([log_marginal(model.vae, x, 2000, seed=seed) for seed in range(16)])
    error = runs.std(0) / 4
    # Jensen: the estimate lies below by half its variance, to leading order
    deviation = runs.mean(0) + 0.5 * runs.var(0) - model.log_px(x)
    assert (deviation.abs() < 3 * error).all()
    assert (error < 0.02).all(), "too wide to say anything"


@pytest.mark.parametrize("n_samples", [1, 7])
def test_log_marginal_at_the_posterior_is_exact_with_any_number_of_samples(n_samples):
    model = LinearGaussian()
    x = model.draw(10)
    estimate = log_marginal(model.vae, x, n_samples)
    torch.testing.assert_close(estimate, model.log_px(x), rtol=0, atol=1e-9)


def test_log_marginal_of_images():
    """Pictures of two dimensions: p(x) with SciPy on the flattened ones."""
    model = LinearGaussian(shape=(2, 3), wrong=0.1)
    x = model.draw(200).reshape(-1, 2, 3)
    x = x[((x >= 0) & (x <= 1)).flatten(1).all(1)]  # images are refused outside [0, 1]
    x = torch.cat([x, torch.rand(12, 2, 3, generator=generator(), dtype=F64)])
    estimate = log_marginal(model.vae, x, 20_000)
    torch.testing.assert_close(estimate, model.log_px(x.flatten(1)), rtol=0, atol=0.05)


@pytest.mark.parametrize("chunk", [1, 40, 2**21])
def test_log_marginal_does_not_depend_on_how_it_is_cut(monkeypatch, chunk):
    """Every example gets all its K samples, whatever fits into memory at once."""
    monkeypatch.setattr(evaluation, "CHUNK", chunk)
    model = LinearGaussian(wrong=0.5)
    x, calls = model.draw(7), []
    model.vae.decoder.register_forward_hook(lambda _, z, __: calls.append(z[0].shape))
    estimate = log_marginal(model.vae, x, 90)
    assert sum(math.prod(shape[:-1]) for shape in calls) == 7 * 90
    assert max(math.prod(shape) for shape in calls) <= max(2, chunk)
    torch.testing.assert_close(estimate, model.log_px(x), rtol=0, atol=0.25)
    exact = LinearGaussian()
    torch.testing.assert_close(log_marginal(exact.vae, x, 13), exact.log_px(x), rtol=0, atol=1e-9)


def test_log_marginal_with_bernoulli_by_quadrature():
    """One latent dimension: p(x) = ∫ p(x|z) N(z; 0, 1) dz on a fine grid."""
    vae = models.dense((3, 3), 1, hidden=(8,), likelihood="bernoulli", activation="tanh").double()
    with torch.no_grad():
        for p in vae.decoder.parameters():
            p.mul_(3)
    x = torch.rand(6, 3, 3, generator=generator(), dtype=F64).round()
    z = np.linspace(-9, 9, 4001)
    with torch.no_grad():
        pi = vae.decoder.mean(torch.as_tensor(z)[:, None]).numpy()
    log_px_z = stats.bernoulli.logpmf(x.numpy()[:, None], pi).sum((-1, -2))
    exact = special.logsumexp(log_px_z + stats.norm.logpdf(z), axis=1) + math.log(z[1] - z[0])
    estimate = log_marginal(vae, x, 40_000)
    torch.testing.assert_close(estimate, torch.as_tensor(exact), rtol=0, atol=0.02)


def test_log_marginal_belongs_to_its_seed():
    vae = models.dense((4, 4), 2)
    x, before = torch.rand(5, 4, 4, generator=generator()), torch.get_rng_state()
    one, same, other = (log_marginal(vae, x, 10, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert one.dtype == torch.float32 and one.shape == (5,) and not one.requires_grad
    assert log_marginal(vae, x[:0], 10).shape == (0,)


def test_log_marginal_float32_agrees_with_float64():
    """Its own noise aside: at the posterior there is none."""
    double, single = LinearGaussian(), LinearGaussian(dtype=torch.float32)
    x = double.draw(20)
    estimate = log_marginal(single.vae, x.float(), 100)
    torch.testing.assert_close(estimate.double(), double.log_px(x), rtol=1e-4, atol=1e-4)


def test_log_marginal_shows_a_bar_only_when_it_takes_long(capsys):
    log_marginal(models.dense((4,), 2), torch.zeros(3, 4), 5)
    assert capsys.readouterr() == ("", "")


MEMORY = """
import sys
import torch
from vaelib import models
from vaelib.evaluation import log_marginal

torch.set_num_threads(1)

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

mnist, x = models.dense((28, 28), 20, likelihood="bernoulli"), torch.rand(32, 28, 28).round()
log_marginal(mnist, x[:2], 2)
peaks = [peak()]
for part in (x[:8], x[8:]):
    log_marginal(mnist, part, 2000, progress=False)
    peaks.append(peak())
log_marginal(models.dense((2,), 2, hidden=(1000,)), torch.randn(64, 2), 1500, progress=False)
print(*peaks, peak())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
def test_log_marginal_stays_small():
    """2,000 samples of 24 images at once are 150 MB an array; the peak stays far below that.

    The work is cut by rows and samples, so 10,000 images take what 64 do: three times the images
    do not raise the peak. Nor do small data in wide layers, 384 MB an array. The threshold makes
    the allocator give every array back, so that the peak is what lives at once.
    """
    done = subprocess.run(
        [sys.executable, "-c", MEMORY],
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"},
        **{"cwd": HOME, "capture_output": True, "text": True, "timeout": 300},
    )
    assert done.returncode == 0, done.stderr
    start, eight, more, narrow = map(float, done.stdout.split())
    assert narrow < 1024, "more than 1 GiB, torch included"
    assert eight - start < 50 and more - eight < 50 and narrow - more < 50, done.stdout


# ---------------------------------------------------------------- the ladder


def test_ladder_climbs_to_log_px():
    model = LinearGaussian(wrong=0.8)
    x = model.draw(400)
    rungs = ladder(model.vae, x, samples=(2, 10, 500), progress=False)
    assert list(rungs) == ["ELBO", "IW-2", "IW-10", "IW-500"]
    values = [rung.value for rung in rungs.values()]
    assert values == sorted(values) and values[3] > values[0] + 0.1
    exact = model.log_px(x)
    assert values[3] == pytest.approx(exact.mean().item(), abs=0.03)
    # the error is that of a mean over the examples
    spread = exact.std().item() / 20
    assert rungs["IW-500"].standard_error == pytest.approx(spread, rel=0.05)


def test_large_data_is_measured_batch_by_batch(monkeypatch):
    """With the same noise as all at once, so that only the memory is another."""
    vae, x = models.dense((4,), 2), torch.rand(50, 4, generator=generator())

    def measured():
        return (
            ladder(vae, x, (3,), progress=False)["ELBO"].value,
            kl_per_dim(vae, x),
            active_units(vae, x, threshold=1e-6),
        )

    whole = measured()
    monkeypatch.setattr(evaluation, "BATCH", 7)
    sizes, posterior = [], vae.posterior
    monkeypatch.setattr(vae, "posterior", lambda x: sizes.append(len(x)) or posterior(x))
    for one, other in zip(whole, measured(), strict=True):
        torch.testing.assert_close(one, other)
    assert max(sizes) <= 50 and sizes.count(7) == 3 * 7


def test_ladder_is_the_means_of_its_parts():
    vae = models.dense((4, 4), 2, sigma_x=0.5)
    x = torch.rand(30, 4, 4, generator=generator())
    rungs = ladder(vae, x, samples=(5,), seed=3, progress=False)
    bounds = log_marginal(vae, x, 5, seed=3)
    assert rungs["IW-5"].value == pytest.approx(bounds.mean().item(), rel=1e-6)
    error = bounds.std().item() / math.sqrt(30)
    assert rungs["IW-5"].standard_error == pytest.approx(error, rel=1e-5)
    assert ladder(vae, x, (5,), seed=3, progress=False) == rungs
    assert ladder(vae, x, (5,), seed=4, progress=False) != rungs


# ---------------------------------------------------------------- dimensions


def test_kl_per_dim_is_torchs_and_sums_to_the_kl():
    vae = models.dense((4, 4), 3).double()
    x = torch.rand(6, 4, 4, generator=generator(), dtype=F64)
    kl = kl_per_dim(vae, x)
    q = vae.posterior(x)
    normal = torch.distributions.Normal
    exact = torch.distributions.kl_divergence(
        normal(q.mu, q.sigma), normal(torch.zeros_like(q.mu), torch.ones_like(q.mu))
    )
    assert kl.shape == (6, 3) and not kl.requires_grad and (kl >= 0).all()
    torch.testing.assert_close(kl, exact.detach())
    torch.testing.assert_close(kl.sum(1), elbo(vae, x, generator=generator()).kl.detach())


def encoder_with(mu_weight: list[float], inputs: int = 1) -> models.VAE:
    """A linear VAE whose latent mean d is weight d times the first pixel."""
    vae = models.dense((inputs,), len(mu_weight), hidden=()).double()
    with torch.no_grad():
        vae.encoder.mu.weight.zero_()
        vae.encoder.mu.weight[:, 0] = torch.tensor(mu_weight)
        vae.encoder.mu.bias.fill_(0.5)
    return vae


def test_active_units_have_varying_means():
    x = randn(500, 1)
    x = (x - x.mean()) / x.std()  # so that Var μ_d = weight²
    vae = encoder_with([0.0, 0.05, 0.0999, 0.1001, 2.0])
    assert active_units(vae, x).tolist() == [False, False, False, True, True]
    assert active_units(vae, x, threshold=1.0).tolist() == [False] * 4 + [True]
    assert active_units(vae, x, threshold=0.001).tolist() == [False, True, True, True, True]
    assert active_units(vae, x).dtype == torch.bool


def test_active_units_takes_the_variance_over_examples_about_their_mean():
    x = torch.tensor([[1.0], [1.2]], dtype=F64)  # sample variance 0.02, second moment 1.2
    vae = encoder_with([1.0])
    assert active_units(vae, x, threshold=0.019).item()
    assert not active_units(vae, x, threshold=0.021).item()


# ---------------------------------------------------------------- factors


@pytest.mark.parametrize("kind", ["plain", "ties", "many ties"])
def test_spearman_equals_scipy(kind):
    mu, factors = randn(200, 4), randn(200, 3, seed=1) + randn(200, 1)
    if kind != "plain":
        digits = 10.0 if kind == "ties" else 1.0
        mu, factors = (mu * digits).round(), (factors * digits).round()
    table = spearman_table(mu, factors)
    exact = [[stats.spearmanr(mu[:, d], factors[:, f])[0] for f in range(3)] for d in range(4)]
    assert table.shape == (4, 3) and table.dtype == F64
    np.testing.assert_allclose(table, exact, atol=1e-12)
    assert (table < 0).any() and (table > 0).any()


def test_spearman_limits():
    rising = torch.linspace(-1, 1, 50, dtype=F64)
    columns = torch.stack([rising, rising.exp(), -(rising**3), torch.ones_like(rising)], 1)
    table = spearman_table(columns, columns)
    expected = torch.tensor([[1, 1, -1, 0], [1, 1, -1, 0], [-1, -1, 1, 0], [0, 0, 0, 0]], dtype=F64)
    torch.testing.assert_close(table, expected, rtol=0, atol=1e-12)
    assert table.abs().max() <= 1
    two = torch.tensor([[1.0], [2.0]])
    assert spearman_table(two, -two).tolist() == [[-1.0]] and spearman_table(two, two).shape == (
        1,
        1,
    )
    tiny = spearman_table(1e-30 * columns.float(), columns.float())
    torch.testing.assert_close(tiny.double(), expected, rtol=0, atol=1e-6)


def factored(x: torch.Tensor, factors: torch.Tensor) -> Data:
    """Data of which only the test set matters."""
    images = x.reshape(len(x), 1, 1)
    return Data("made", images[:2], images, factors[:2], factors, ("one", "two"))


def test_factor_alignment_is_the_absolute_rank_correlation_of_means_on_the_test_set():
    x = torch.rand(300, generator=generator(), dtype=F64)
    factors = torch.stack([-(x**2), torch.rand(300, generator=generator(1), dtype=F64)], 1)
    vae = models.dense((1, 1), 3, hidden=()).double()
    with torch.no_grad():
        vae.encoder.mu.weight.copy_(torch.tensor([[2.0], [-1.0], [0.0]]))
    data = factored(x, factors)
    table = factor_alignment(vae, data)
    rho = abs(stats.spearmanr(x, factors[:, 1])[0])
    exact = torch.tensor([[1, rho], [1, rho], [0, 0]], dtype=F64)
    torch.testing.assert_close(table, exact, rtol=0, atol=1e-9)
    assert table.max() <= 1 and table.min() >= 0
    # the training set's factors are not looked at
    blind = replace(data, train_factors=torch.zeros_like(data.train_factors))
    assert torch.equal(factor_alignment(vae, blind), table)


# ---------------------------------------------------------------- the model is left as it was

FACTORS = torch.rand(9, 2, generator=generator())
EVERY = {
    "elbo": lambda vae, x: elbo(vae, x, generator=generator()).total,
    "log_marginal": lambda vae, x: log_marginal(vae, x, 5),
    "ladder": lambda vae, x: ladder(vae, x, (3,), progress=False)["IW-3"].value,
    "encode": encode,
    "kl_per_dim": kl_per_dim,
    "active_units": active_units,
    "factor_alignment": lambda vae, x: factor_alignment(
        vae, Data("made", x, x, None, FACTORS, ("a", "b"))
    ),
    "sample": lambda vae, x: vae.sample(4, generator()),
}


@pytest.mark.parametrize("kind", ["dropout", "batch norm"])
@pytest.mark.parametrize("name", EVERY)
def test_evaluation_changes_nothing_and_does_not_depend_on_the_mode(name, kind):
    vae, x = with_layer(kind), images(9)
    weights = {name: t.clone() for name, t in vae.state_dict().items()}
    before, found = torch.get_rng_state(), []
    for mode in (False, True):
        vae.train(mode)
        vae.decoder.body[1].train(not mode)
        modes = [module.training for module in vae.modules()]
        found.append(EVERY[name](vae, x))
        assert [module.training for module in vae.modules()] == modes
    assert str(found[0]) == str(found[1])
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(t, weights[name]) for name, t in vae.state_dict().items())


@pytest.mark.refuses
@pytest.mark.parametrize("name", EVERY)
def test_weights_that_are_not_finite_are_refused(name):
    vae = small()
    with torch.no_grad():
        vae.decoder.body[0].bias[3] = math.nan
    with pytest.raises(ValueError, match=r"decoder\.body\.0\.bias holds 1 weights that are NaN"):
        EVERY[name](vae, images(9))
    assert vae.training, "the mode was not restored"


@pytest.mark.parametrize("batch_size", [1, 4, 9, 100])
def test_encode_is_the_posterior_batch_by_batch(tmp_path, batch_size):
    vae, x = small(), images(9)
    (tmp_path / "x").write_bytes(x.numpy().tobytes())
    mapped = torch.from_numpy(np.memmap(tmp_path / "x", np.float32, "r+", shape=(9, 6, 6)))
    seen = []
    vae.encoder.register_forward_hook(lambda _, args, __: seen.append(len(args[0])))
    mu, sigma = encode(vae, mapped, batch_size)
    assert max(seen) <= batch_size and sum(seen) == 9 and not mu.requires_grad
    q = vae.posterior(x)
    torch.testing.assert_close(mu, q.mu.detach())
    torch.testing.assert_close(sigma, q.sigma.detach())
    assert encode(vae, x[:0])[1].shape == (0, 2)
