"""Encoder, decoders and their makers: distributions, shapes, seeds, and a config that rebuilds."""

import json
import math

import numpy as np
import pytest
import torch
from oracles import LinearGaussian, equal_weights
from torch import nn

from vaelib import models
from vaelib.distributions import Bernoulli, DiagonalGaussian
from vaelib.models import (
    VAE,
    BernoulliDecoder,
    GaussianDecoder,
    GaussianEncoder,
    build,
    conv,
    dense,
)

F64 = torch.float64
EXPORTABLE = (
    *(nn.Linear, nn.ReLU, nn.SiLU, nn.Tanh, nn.Sigmoid),
    *(nn.Flatten, nn.Unflatten, nn.ConvTranspose2d, nn.Conv2d),
)
MADE = {
    "dense": lambda **o: dense((8, 8), 3, **o),
    "dense-deep": lambda **o: dense((8, 8), 3, hidden=(20, 10), activation="silu", **o),
    "dense-linear": lambda **o: dense((8, 8), 3, hidden=(), **o),
    "dense-flat": lambda **o: dense((64,), 3, activation="tanh", **o),
    "dense-colour": lambda **o: dense((3, 4, 4), 3, **o),
    "conv": lambda **o: conv((8, 8), 3, channels=(4, 6), hidden=16, **o),
    "conv-colour": lambda **o: conv((3, 8, 16), 3, channels=(4,), hidden=16, **o),
    "conv-silu": lambda **o: conv((8, 8), 3, channels=(4, 6, 8), activation="silu", **o),
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rand(*shape: int, dtype: torch.dtype = F64) -> torch.Tensor:
    return torch.rand(*shape, generator=generator(), dtype=dtype)


@pytest.fixture(params=MADE)
def made(request):
    return MADE[request.param]


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_networks_return_distributions(made, likelihood):
    vae = made(likelihood=likelihood)
    x, z = rand(5, *vae.shape, dtype=torch.float32), torch.randn(2, 5, 3, generator=generator())
    q, p_x = vae.posterior(x), vae.likelihood(z)
    assert isinstance(q, DiagonalGaussian)
    assert q.batch_shape == (5,) and q.event_shape == (3,)
    assert isinstance(p_x, DiagonalGaussian if likelihood == "gaussian" else Bernoulli)
    assert p_x.batch_shape == (2, 5) and p_x.event_shape == vae.shape
    assert p_x.log_prob(x.round()).shape == (2, 5)
    torch.testing.assert_close(p_x.mean, vae.decoder.mean(z))
    assert vae.latent_dim == 3 and vae.prior.event_shape == (3,)


def test_leading_dimensions_are_only_leading(made):
    vae = made().double()
    z = torch.randn(4, 2, 5, 3, generator=generator(), dtype=F64)
    together = vae.likelihood(z).mean
    assert together.shape == (4, 2, 5, *vae.shape)
    torch.testing.assert_close(vae.likelihood(z[2, 1]).mean, together[2, 1])
    torch.testing.assert_close(vae.likelihood(z[2, 1, 3:4]).mean[0], together[2, 1, 3])


def test_no_examples_give_no_examples(made):
    vae = made()
    assert vae.posterior(torch.zeros(0, *vae.shape)).mu.shape == (0, 3)
    assert vae.likelihood(torch.zeros(0, 3)).mean.shape == (0, *vae.shape)


def test_decoder_is_a_sequence_that_can_be_exported(made):
    body = made().decoder.body
    assert type(body) is nn.Sequential
    assert all(type(module) in EXPORTABLE for module in body)
    assert not isinstance(body[-1], (nn.ReLU, nn.SiLU, nn.Tanh, nn.Sigmoid)), "an output is cut"


def test_made_by_hand_from_its_weights():
    """The default dense VAE, forward and back, in NumPy."""
    vae = dense((4, 3), 2, hidden=(6, 5), activation="silu", sigma_x=0.25).double()
    w = {name: t.detach().numpy() for name, t in vae.state_dict().items()}

    def linear(h, name):
        return h @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def silu(h):
        return h / (1 + np.exp(-h))

    x, z = rand(7, 4, 3), torch.randn(7, 2, generator=generator(), dtype=F64)
    h = silu(linear(silu(linear(x.numpy().reshape(7, 12), "encoder.body.1")), "encoder.body.3"))
    q = vae.posterior(x)
    np.testing.assert_allclose(q.mu.detach(), linear(h, "encoder.mu"), rtol=1e-10)
    np.testing.assert_allclose(q.sigma.detach(), np.exp(linear(h, "encoder.log_sigma")), rtol=1e-10)
    h = silu(linear(silu(linear(z.numpy(), "decoder.body.0")), "decoder.body.2"))
    x_hat = linear(h, "decoder.body.4").reshape(7, 4, 3)
    p_x = vae.likelihood(z)
    np.testing.assert_allclose(p_x.mean.detach(), x_hat, rtol=1e-10)
    np.testing.assert_allclose(p_x.stddev.detach(), np.full((7, 4, 3), 0.25), rtol=1e-15)


def test_linear_model_is_linear():
    vae = dense((5,), 2, hidden=()).double()
    z = torch.randn(6, 2, generator=generator(), dtype=F64)
    layer = vae.decoder.body[-1]
    torch.testing.assert_close(vae.decoder.mean(z), z @ layer.weight.T + layer.bias)
    assert sum(p.numel() for p in vae.parameters()) == 2 * (5 * 2 + 2) + (2 * 5 + 5)


def test_convolutions_see_their_neighbourhood_only():
    """A pixel in the first corner leaves the far corner of the first feature map alone."""
    vae = conv((16, 16), 2, channels=(4, 8), hidden=8).double()
    x = rand(1, 16, 16).requires_grad_()
    first = vae.encoder.body[:3](x)
    assert first.shape == (1, 4, 8, 8)
    (gradient,) = torch.autograd.grad(first[0, :, 0, 0].sum(), x)
    assert gradient[0, :4, :4].abs().sum() > 0 and gradient[0, 4:].abs().sum() == 0
    h = vae.decoder.body[:5](torch.zeros(1, 2, dtype=F64))
    assert h.shape == (1, 8, 4, 4)


@pytest.mark.parametrize("maker", [dense, conv])
def test_seed_gives_the_weights_and_leaves_the_global_generator(maker):
    before = torch.get_rng_state()
    one, same, other = (maker((8, 8), 2, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert equal_weights(one, same) and not equal_weights(one, other)


def test_config_survives_json_and_builds_the_same(made):
    for options in ({"seed": 5}, {"likelihood": "bernoulli"}, {"sigma_x": 0.3}):
        vae = made(**options)
        again = build(json.loads(json.dumps(vae.config)))
        assert again.config == vae.config
        assert repr(again) == repr(vae)
        assert equal_weights(again, vae)  # the seed is in the config


@pytest.mark.refuses
def test_config_holds_plain_numbers():
    vae = dense((np.int64(4),), np.int64(2), hidden=[np.int32(3)], sigma_x=np.float32(0.5))
    assert build(json.loads(json.dumps(vae.config))).shape == (4,)
    vae = dense((4,), 2, seed=np.int64(3))
    assert equal_weights(build(json.loads(json.dumps(vae.config))), dense((4,), 2, seed=3))


@pytest.mark.parametrize("sigma_x", [0.1, 0.12, 2.0])
def test_sigma_x_is_exact_in_float64(sigma_x):
    vae = dense((4, 4), 2, sigma_x=sigma_x)
    assert vae.decoder.sigma_x.item() == pytest.approx(sigma_x, rel=1e-6)
    assert vae.likelihood(torch.zeros(1, 2)).mean.dtype == torch.float32
    double = vae.double()
    assert double.decoder.sigma_x.item() == pytest.approx(sigma_x, rel=1e-15)
    noise = double.likelihood(torch.zeros(1, 2, dtype=F64)).stddev
    torch.testing.assert_close(noise, torch.full((1, 4, 4), sigma_x, dtype=F64))


def test_sigma_x_can_be_learnt():
    fixed, learnt = dense((4, 4), 2), dense((4, 4), 2, learn_sigma_x=True)
    assert len(list(learnt.parameters())) == len(list(fixed.parameters())) + 1
    x = rand(3, 4, 4, dtype=torch.float32)
    learnt.likelihood(torch.zeros(3, 2)).log_prob(x).sum().backward()
    # d/d log σ of Σ log N(x; x̂, σ²) is Σ (x − x̂)²/σ² − number of pixels
    residual = ((x - learnt.decoder.mean(torch.zeros(3, 2))) ** 2).sum() / 0.1**2 - x.numel()
    assert learnt.decoder.log_sigma_x.grad.item() == pytest.approx(residual.item(), rel=1e-4)


def test_gradients_reach_every_weight(made):
    vae = made()
    x = rand(6, *vae.shape, dtype=torch.float32)
    q = vae.posterior(x)
    z = q.rsample(generator=generator())
    vae.likelihood(z).log_prob(x).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in vae.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, F64], ids=str)
def test_dtype_is_the_models(made, dtype):
    vae = made().to(dtype)
    x = rand(2, *vae.shape, dtype=dtype)
    q = vae.posterior(x)
    assert vae.dtype == dtype and q.mu.dtype == dtype and vae.prior.mu.dtype == dtype
    assert vae.likelihood(q.mu).mean.dtype == dtype
    assert vae.sample(2, generator()).dtype == dtype
    assert vae.sample(2, generator(), mean=True).dtype == dtype


def test_sample_belongs_to_the_generator_and_not_to_eval(made):
    vae = made()
    before = torch.get_rng_state()
    one, same, other = (vae.sample(4, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before), "the global generator was used"
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert one.shape == (4, *vae.shape) and not one.requires_grad
    assert torch.equal(vae.eval().sample(4, generator(1)), one)


def test_sample_draws_z_then_x():
    vae = dense((8, 8), 3).double()
    z = torch.randn(5, 3, generator=generator(4), dtype=F64)
    x_hat = vae.decoder.mean(z).detach()
    torch.testing.assert_close(vae.sample(5, generator(4), mean=True), x_hat)
    own = generator(4)
    torch.randn(5, 3, generator=own, dtype=F64)
    noise = torch.randn(5, 8, 8, generator=own, dtype=F64)
    torch.testing.assert_close(vae.sample(5, generator(4)), x_hat + 0.1 * noise)


def test_samples_have_the_moments_of_the_linear_gaussian():
    model, count = LinearGaussian(shape=(4,)), 40_000
    x = model.vae.sample(count, generator())
    covariance = model.weight @ model.weight.T + model.sigma_x**2 * torch.eye(4, dtype=F64)
    spread = covariance.diagonal().sqrt()
    assert ((x.mean(0) - model.bias).abs() < 4.5 * spread / math.sqrt(count)).all()
    error = torch.outer(spread, spread) * math.sqrt(2 / count)
    assert ((torch.cov(x.T) - covariance).abs() < 4.5 * error).all()
    x_hat = model.vae.sample(count, generator(), mean=True)
    assert ((torch.cov(x_hat.T) - model.weight @ model.weight.T).abs() < 4.5 * error).all()


def test_bernoulli_samples_are_binary():
    vae = dense((4, 4), 2, likelihood="bernoulli")
    assert set(vae.sample(50, generator()).unique().tolist()) == {0.0, 1.0}
    x_hat = vae.sample(50, generator(), mean=True)
    assert 0 < x_hat.min() and x_hat.max() < 1


def test_vae_of_ones_own_networks():
    encoder = GaussianEncoder(nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU()), 8, 2)
    for body in (nn.Linear(2, 16), nn.Sequential(nn.Linear(2, 16), nn.Unflatten(1, (4, 4)))):
        for decoder in (GaussianDecoder(body, (4, 4), sigma_x=0.5), BernoulliDecoder(body, (4, 4))):
            vae = VAE(encoder, decoder)
            assert (vae.shape, vae.latent_dim, vae.config) == ((4, 4), 2, None)
            assert vae.likelihood(torch.zeros(3, 1, 2)).mean.shape == (3, 1, 4, 4)
            assert vae.sample(3, generator()).shape == (3, 4, 4)


def test_vae_of_ones_own_networks_is_not_disturbed():
    """Neither layers that behave otherwise in training nor the global generator notice VAE()."""
    norm, drop = nn.BatchNorm1d(8), nn.Dropout(0.5)
    body = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), norm, drop)
    encoder, decoder = GaussianEncoder(body, 8, 2), GaussianDecoder(nn.Linear(2, 16), (4, 4))
    before = torch.get_rng_state()
    vae = VAE(encoder, decoder)
    assert torch.equal(torch.get_rng_state(), before)
    assert norm.running_mean.abs().max() == 0 and norm.num_batches_tracked == 0
    assert all(module.training for module in vae.modules())
    assert all(p.grad is None for p in vae.parameters())


@pytest.mark.refuses
def test_every_activation_and_size_makes_what_it_says():
    for name, kind in models.ACTIVATIONS.items():
        vae = dense((4, 4), 2, hidden=(7, 5), activation=name)
        kinds = [type(m) for m in vae.decoder.body]
        assert kinds == [nn.Linear, kind, nn.Linear, kind, nn.Linear]
        sizes = [m.out_features for m in vae.decoder.body if isinstance(m, nn.Linear)]
        assert sizes == [5, 7, 16]
        vae = conv((8, 8), 2, channels=(3, 4), hidden=6, activation=name)
        kinds = [type(m) for m in vae.decoder.body if not isinstance(m, nn.Unflatten)]
        up = nn.ConvTranspose2d
        assert kinds == [nn.Linear, kind, nn.Linear, kind, up, kind, up]


@pytest.mark.parametrize("maker", [models.dense, models.conv])
def test_the_default_dtype_of_the_caller_changes_no_weight(maker):
    usual = maker((8, 8), 2, learn_sigma_x=True)
    torch.set_default_dtype(torch.float64)
    try:
        made = maker((8, 8), 2, learn_sigma_x=True)
    finally:
        torch.set_default_dtype(torch.float32)
    for a, b in zip(usual.parameters(), made.parameters(), strict=True):
        assert a.dtype == b.dtype == torch.float32 and torch.equal(a, b)
