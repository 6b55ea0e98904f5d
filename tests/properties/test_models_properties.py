"""Models of every size, made, used, evaluated, trained, saved and loaded; wrong inputs refused."""

import json
import math
import tempfile
from pathlib import Path

import exactly
import pytest
import torch
from covered import about
from drawn import WIDE, few, ordinary, refused, seeds, tensors, wrong
from hypothesis import given
from hypothesis import strategies as st
from oracles import LinearGaussian, equal_weights
from scipy.stats import spearmanr

from vaelib import checkpoint, evaluation, models, run, training
from vaelib.checkpoint import CheckpointError
from vaelib.data import Data
from vaelib.distributions import DiagonalGaussian

NO_SIZE = st.sampled_from([0, -1, 1.5, True, None, "3", math.nan])


@st.composite
def configs(draw):
    """Arguments of `models.dense` or `models.conv`."""
    likelihood = draw(st.sampled_from(["gaussian", "bernoulli"]))
    options = {
        "latent_dim": draw(st.integers(1, 3)),
        "likelihood": likelihood,
        "activation": draw(st.sampled_from(["relu", "silu", "tanh"])),
        "sigma_x": draw(st.floats(1e-3, 1e3)),
        "learn_sigma_x": draw(st.booleans()),
        "seed": draw(st.integers(0, 2**31)),
    }
    if draw(st.booleans()):
        hidden = tuple(draw(st.lists(st.integers(1, 5), max_size=2)))
        shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
        return models.dense, options | {"shape": shape, "hidden": hidden}
    shape = draw(st.sampled_from([(4, 4), (1, 4, 8), (3, 8, 4)]))
    channels = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=2)))
    return models.conv, options | {"shape": shape, "channels": channels, "hidden": 5}


@st.composite
def vaes(draw):
    """A VAE, and data for it, (B, *shape)."""
    make, options = draw(configs())
    vae = make(**options)
    if draw(st.booleans()):
        vae.double()
    binary = options["likelihood"] == "bernoulli"
    pixels = st.sampled_from([0.0, 1.0]) if binary else st.floats(0, 1)
    x = draw(tensors(pixels, (draw(st.integers(0, 3)), *vae.shape), vae.dtype))
    return vae, x.detach()


def rebuilt(vae, **other):
    fresh = models.build(vae.config | other)
    return fresh.double() if vae.dtype == torch.float64 else fresh


@about("models.dense", "models.conv", "models.build", "models.VAE", "models.VAE.dtype")
@about("models.VAE.device", "models.VAE.prior", "models.VAE.posterior", "models.VAE.likelihood")
@about("models.VAE.sample", "models.GaussianEncoder", "models.GaussianEncoder.forward")
@about("models.GaussianDecoder", "models.GaussianDecoder.forward", "models.GaussianDecoder.sigma_x")
@about("models.GaussianDecoder.mean")
@about("models.BernoulliDecoder", "models.BernoulliDecoder.forward", "models.BernoulliDecoder.mean")
@given(vaes(), seeds)
def test_a_model_maps_shapes_as_it_says(given, seed):
    vae, x = given
    assert equal_weights(rebuilt(vae), vae)
    with torch.no_grad():
        q = vae.posterior(x)
        z = torch.stack([q.mu, q.mu + q.sigma])
        p = vae.likelihood(z)
        assert q.mu.shape == q.sigma.shape == (len(x), vae.latent_dim)
        assert p.mean.shape == (2, *x.shape) and p.log_prob(x).shape == (2, len(x))
        torch.testing.assert_close(vae.decoder.mean(z), p.mean)
    assert isinstance(vae.prior, DiagonalGaussian) and vae.prior.mu.shape == (vae.latent_dim,)
    one, two = (vae.sample(2, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert torch.equal(one, two) and one.shape == (2, *vae.shape) and one.dtype == vae.dtype
    assert str(vae.device) == "cpu"
    if isinstance(vae.decoder, models.GaussianDecoder):
        wanted = vae.config["sigma_x"]
        assert vae.decoder.sigma_x.item() == pytest.approx(wanted, rel=1e-5)


@about("models.VAE.check_data")
@given(vaes(), st.data())
def test_wrong_data_of_a_model_are_refused(given, data):
    vae, _ = given
    x = torch.ones(1, *vae.shape, dtype=vae.dtype)
    bad = data.draw(st.sampled_from(list(wrong(x).values())))
    worse = data.draw(st.sampled_from(list(wrong(vae.prior.mu[None]).values())))
    other = torch.float32 if vae.dtype == torch.float64 else torch.float64
    for given_x in (bad, x[0], x.to(other), torch.ones(1, 9, 9, 9, 9, dtype=vae.dtype)):
        refused(lambda v=given_x: vae.posterior(v), "x")
        refused(lambda v=given_x: vae.check_data("x", v), "x")
        refused(lambda v=given_x: evaluation.kl_per_dim(vae, v), "x")
        refused(lambda v=given_x: evaluation.active_units(vae, v), "x")
        refused(lambda v=given_x: evaluation.log_marginal(vae, v, 2), "x")
        refused(lambda v=given_x: evaluation.ladder(vae, v, (2,)), "x")
        refused(lambda v=given_x: training.fit(vae, v, progress=False), "x")
        refused(lambda v=given_x: training.check_data(vae, v, False), "x")
    refused(lambda: vae.likelihood(worse), "z")
    n = data.draw(NO_SIZE)
    refused(lambda: vae.sample(n), "n ")
    refused(lambda: evaluation.log_marginal(vae, x, n), "n_samples")


@given(configs(), NO_SIZE)
def test_wrong_sizes_of_a_model_are_refused(given, bad):
    make, options = given
    for name in ("latent_dim", "shape", "sigma_x", "seed", "activation", "likelihood"):
        value = bad if name != "shape" else (4, bad)
        if name in ("sigma_x", "seed") and bad in (0, 1.5) and bad is not True:
            value = -1
        refused(lambda n=name, v=value: make(**options | {n: v}), name)


@about("evaluation.kl_per_dim", "evaluation.active_units")
@given(vaes(), st.floats(-1, 1))
def test_kl_and_active_units(given, threshold):
    vae, x = given
    with torch.no_grad():
        q = vae.posterior(x)
    places = zip(exactly.numbers(q.mu), exactly.numbers(q.log_sigma), strict=True)
    kl = evaluation.kl_per_dim(vae, x)
    exactly.check(kl, [exactly.kl_to_standard_normal(*place) for place in places])
    assert (kl >= -torch.finfo(kl.dtype).eps * q.log_sigma.abs()).all()
    if len(x) < 2:
        refused(lambda: evaluation.active_units(vae, x, threshold), "x")
        return
    columns = list(map(exactly.numbers, q.mu.T))
    means = [sum(column) / len(x) for column in columns]
    variance = [
        sum((v - m) ** 2 for v in column) / (len(x) - 1)
        for column, m in zip(columns, means, strict=True)
    ]
    active = evaluation.active_units(vae, x, threshold).tolist()
    for is_active, exact in zip(active, variance, strict=True):
        assert abs(exact - threshold) < 1e-5 or is_active == (exact > threshold)


@about("evaluation.log_marginal", "evaluation.ladder", "evaluation.Mean")
@few(10)
@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.floats(-2, 1),
    st.integers(0, 4),
    st.integers(1, 7),
    seeds,
)
def test_with_the_exact_posterior_every_bound_is_the_evidence(p, d, log_sigma, b, k, seed):
    truth = LinearGaussian((p,), min(p, d), 10**log_sigma)
    x = truth.draw(b)
    exact = truth.log_px(x)
    got = evaluation.log_marginal(truth.vae, x, k, seed, progress=False)
    torch.testing.assert_close(got, exact, rtol=1e-9, atol=1e-7)
    if b < 2:
        refused(lambda: evaluation.ladder(truth.vae, x, (k,), seed, progress=False), "x")
        return
    rungs = evaluation.ladder(truth.vae, x, (k,), seed, progress=False)
    assert list(rungs) == ["ELBO", f"IW-{k}"]
    assert rungs[f"IW-{k}"].value == pytest.approx(exact.mean().item(), rel=1e-8, abs=1e-7)
    error = exact.std().item() / b**0.5
    assert rungs[f"IW-{k}"].standard_error == pytest.approx(error, rel=1e-6, abs=1e-7)


values = ordinary | st.sampled_from([0.0, 1.0, 1e30, -1e30])


@about("evaluation.spearman_table")
@given(st.data(), st.integers(2, 6), st.integers(1, 3), st.integers(1, 3))
def test_spearman(data, n, d, f):
    mu, factors = (data.draw(tensors(values, (n, size))) for size in (d, f))
    got = evaluation.spearman_table(mu, factors)
    assert got.shape == (d, f) and got.dtype == mu.dtype
    for i in range(d):
        for j in range(f):
            one, two = (t.detach().double().numpy() for t in (mu[:, i], factors[:, j]))
            varies = len(set(one)) > 1 and len(set(two)) > 1
            exact = spearmanr(one, two).statistic if varies else 0.0
            assert got[i, j].item() == pytest.approx(exact, abs=4 * torch.finfo(mu.dtype).eps)
    bad = data.draw(st.sampled_from(list(wrong(mu).values())))
    refused(lambda: evaluation.spearman_table(bad, factors), "mu")
    bad = data.draw(st.sampled_from(list(wrong(factors).values())))
    refused(lambda: evaluation.spearman_table(mu, bad), "factors")


@about("evaluation.factor_alignment")
@given(vaes(), st.integers(1, 2), seeds)
def test_factor_alignment(given, f, seed):
    vae, _ = given
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(5, *vae.shape, generator=generator)
    if len(vae.shape) != 2:
        return
    factors = torch.rand(5, f, generator=generator)
    table = evaluation.factor_alignment(vae, Data("made", x, x, factors, factors))
    assert table.shape == (vae.latent_dim, f) and ((table >= 0) & (table <= 1)).all()


@about("checkpoint.save", "checkpoint.load_vae", "checkpoint.write", "checkpoint.read")
@about("checkpoint.load_weights", "checkpoint.write_bytes", "checkpoint.unfinished")
@about("checkpoint.CheckpointError")
@few(10)
@given(
    vaes(), st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=2)
)
def test_what_is_saved_is_loaded(given, info):
    vae, _ = given
    info = {k: v for k, v in info.items() if k not in ("config", "vae", "path")}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "größer ✓", "vae.safetensors")
        checkpoint.save(path, vae, **info)
        again = checkpoint.load_vae(path)
        tensors_read, info_read = checkpoint.read(path)
        checkpoint.write_bytes(path.with_suffix(".json"), json.dumps(info).encode())
        assert {p.name for p in path.parent.iterdir()} == {path.name, "vae.json"}
    assert equal_weights(again, vae) and again.config == vae.config
    assert info_read == {"config": vae.config, **info}
    fresh = rebuilt(vae, seed=1)
    checkpoint.load_weights(fresh, tensors_read, "here")
    assert equal_weights(fresh, vae)
    other = models.dense((7, 7), 2)
    with pytest.raises(CheckpointError, match="here is for another model"):
        checkpoint.load_weights(other, tensors_read, "here")


@about("training.fit", "training.train_step", "training.check_data", "training.set_lr")
@about("run.History")
@few(10)
@given(vaes(), st.integers(1, 5), st.floats(0, 1e-2), st.floats(0, 5), seeds)
def test_a_training_gives_numbers_or_says_why_not(given, batch_size, lr, beta, seed):
    vae, x = given
    options = {"epochs": 2, "batch_size": batch_size, "lr": lr, "beta": beta}
    if not len(x):
        refused(lambda: training.fit(vae, x, progress=False, **options), "x")
        return
    try:
        history = training.fit(vae, x, seed=seed, progress=False, **options)
    except ValueError as error:
        assert "finite" in str(error)
        return
    assert len(history.elbo) == 2 and history.steps == 2 * -(-len(x) // batch_size)
    for elbo, reconstruction, kl in zip(
        history.elbo, history.reconstruction, history.kl, strict=True
    ):
        assert elbo == pytest.approx(reconstruction - kl) and math.isfinite(elbo)
    assert all(p.isfinite().all() for p in vae.parameters())


@about("training.as_schedule")
@given(st.floats() | st.integers(-9, 9) | st.sampled_from([None, "1", True, 1j]))
def test_numbers_as_schedules(value):
    good = isinstance(value, int | float) and value is not True and 0 <= value < math.inf
    if good:
        assert training.as_schedule("lr", value)(3) == value
        assert training.as_schedule("lr", lambda step: value)(3) == value
    else:
        refused(lambda: training.as_schedule("lr", value)(3), "lr")
        refused(lambda: training.as_schedule("lr", lambda step: value)(3), "lr")


@about("training.choose_device")
@given(st.text(max_size=8) | st.sampled_from(["cpu", "auto", "cuda:99", "meta!", "cpu:x", ""]))
def test_devices(name):
    if name in ("cpu", "auto"):
        assert training.choose_device(name).type in ("cpu", "cuda")
        return
    try:
        training.choose_device(name)
    except ValueError as error:
        assert "device" in str(error)


@about("run.chunks", "run.digest", "run.send", "run.rank_and_world")
@given(tensors(ordinary, st.sampled_from([(0,), (3,), (2, 3), (4, 1, 2)]), WIDE))
def test_data_in_chunks(x):
    assert torch.equal(torch.cat(run.chunks(x)), x)
    plain = x.detach().clone(memory_format=torch.contiguous_format)
    assert run.digest(x) == run.digest(plain) and torch.equal(run.send(x, x.device), x)
    if x.numel():
        plain.view(-1)[-1] += 1
        assert run.digest(x) != run.digest(plain)
    assert run.rank_and_world() == (0, 1)


@about("evaluation.encode", "models.VAE.in_mode")
@given(vaes(), st.integers(1, 4), st.booleans())
def test_codes_of_a_whole_data_set(given, batch_size, training):
    vae, x = given
    vae.train(training)
    mu, sigma = evaluation.encode(vae, x, batch_size)
    with torch.no_grad(), vae.in_mode(training=False):
        q = vae.posterior(x)
        assert not any(module.training for module in vae.modules())
    torch.testing.assert_close(mu, q.mu)
    torch.testing.assert_close(sigma, q.sigma)
    assert vae.training == training and not mu.requires_grad


@about("models.check_weights")
@given(vaes(), st.sampled_from([math.nan, math.inf, -math.inf, 1e30, 0.0]), st.data())
def test_weights_that_are_not_finite_are_refused(given, value, data):
    vae, x = given
    name = data.draw(st.sampled_from([n for n, _ in vae.named_parameters()]))
    with torch.no_grad():
        vae.get_parameter(name).view(-1)[-1] = value
    if math.isfinite(value):
        models.check_weights(vae.state_dict())
        return
    for call in (
        lambda: models.check_weights(vae.state_dict()),
        lambda: evaluation.encode(vae, torch.ones(1, *vae.shape, dtype=vae.dtype)),
        lambda: training.fit(vae, torch.ones(1, *vae.shape, dtype=vae.dtype), progress=False),
    ):
        refused(call, name)


@about("checkpoint.file_of_run")
@given(st.text("ab.é /", min_size=1, max_size=8))
def test_the_file_of_a_run(name):
    path = Path("/nowhere", name.strip("/") or "a")
    file = checkpoint.file_of_run(path)
    assert file == path if path.suffix else file == path / checkpoint.NAME
    assert checkpoint.file_of_run(f"{path}/").name == checkpoint.NAME


@about("run.History.last")
@given(st.lists(ordinary, min_size=1, max_size=3))
def test_the_last_numbers_of_a_history(values):
    shown = run.History(elbo=values, kl=values, validation=values).last
    assert all(float(v) == pytest.approx(values[-1], abs=0.051) for v in shown().values())
