"""The two distributions against SciPy, torch's own, and sums over all that can be drawn."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import distributions as td

from vaelib.distributions import Bernoulli, DiagonalGaussian, normal_like

F64 = torch.float64


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0, dtype: torch.dtype = F64) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=dtype)


@pytest.mark.parametrize("event_dims", [0, 1, 2])
def test_gaussian_log_prob_equals_scipy(event_dims):
    mu, log_sigma, z = randn(2, 3, 4), 0.5 * randn(2, 3, 4, seed=1), randn(2, 3, 4, seed=2)
    q = DiagonalGaussian(mu, log_sigma, event_dims)
    terms = stats.norm.logpdf(z, mu, log_sigma.exp())
    exact = terms.sum(tuple(range(3 - event_dims, 3))) if event_dims else terms
    torch.testing.assert_close(q.log_prob(z), torch.as_tensor(exact), rtol=1e-12, atol=1e-12)
    assert q.batch_shape == (2, 3, 4)[: 3 - event_dims] and isinstance(q, td.Independent)


def test_gaussian_log_prob_takes_leading_samples_and_keeps_the_constant():
    q = DiagonalGaussian(torch.zeros(3, 2, dtype=F64), torch.zeros(3, 2, dtype=F64))
    assert q.log_prob(torch.zeros(7, 3, 2, dtype=F64)).shape == (7, 3)
    at_mean = q.log_prob(torch.zeros(3, 2, dtype=F64))
    torch.testing.assert_close(at_mean, torch.full((3,), -math.log(2 * math.pi), dtype=F64))


def test_gaussian_sigma_may_be_one_number_for_all_pixels():
    mu, x = randn(5, 4, 4), randn(5, 4, 4, seed=1)
    p_x = DiagonalGaussian(mu, torch.tensor(-1.5, dtype=F64), 2)
    exact = stats.norm.logpdf(x, mu, math.exp(-1.5)).sum((1, 2))
    torch.testing.assert_close(p_x.log_prob(x), torch.as_tensor(exact), rtol=1e-12, atol=0)


def test_gaussian_integrates_to_one():
    q = DiagonalGaussian(torch.tensor([0.7], dtype=F64), torch.tensor([-1.2], dtype=F64))
    mass, _ = integrate.quad(
        lambda z: q.log_prob(torch.tensor([z], dtype=F64)).exp().item(), -4, 5, points=[0.7]
    )
    assert mass == pytest.approx(1, abs=1e-9)


def test_torch_knows_its_divergence_and_entropy():
    q = DiagonalGaussian(randn(4, 3), randn(4, 3, seed=1))
    p = DiagonalGaussian(randn(4, 3, seed=2), randn(4, 3, seed=3))
    plain = [td.Independent(td.Normal(d.mu, d.log_sigma.exp()), 1) for d in (q, p)]
    torch.testing.assert_close(td.kl_divergence(q, p), td.kl_divergence(*plain))
    torch.testing.assert_close(q.entropy(), plain[0].entropy())
    torch.testing.assert_close(q.mean, q.mu)
    torch.testing.assert_close(q.stddev, q.sigma)


def test_gaussian_draw_is_mu_plus_sigma_eps():
    q = DiagonalGaussian(randn(3, 2), randn(3, 2, seed=1))
    eps = torch.randn(5, 3, 2, generator=generator(9), dtype=F64)
    for draw in (q.sample, q.rsample):
        assert torch.equal(draw((5,), generator=generator(9)), q.mu + q.log_sigma.exp() * eps)
    assert q.sample(generator=generator()).shape == (3, 2)


def test_gaussian_moments():
    mu, sigma = torch.tensor([1.0, -2.0], dtype=F64), torch.tensor([0.5, 3.0], dtype=F64)
    count = 100_000
    z = DiagonalGaussian(mu, sigma.log()).sample((count,), generator=generator(1))
    assert ((z.mean(0) - mu).abs() < 4.5 * sigma / count**0.5).all()
    assert ((z.var(0) - sigma**2).abs() < 4.5 * sigma**2 * (2 / count) ** 0.5).all()
    assert abs(np.corrcoef(z.T)[0, 1]) < 4.5 / count**0.5


def test_gaussian_draws_are_independent_where_only_sigma_has_many_rows():
    q = DiagonalGaussian(torch.zeros(3, dtype=F64), torch.zeros(1000, 3, dtype=F64))
    z = q.sample(generator=generator())
    assert z.shape == (1000, 3)
    assert abs(z.var(0).mean() - 1) < 0.2


def test_gradients_reach_mu_and_log_sigma_through_rsample_only():
    mu, log_sigma = randn(4).requires_grad_(), randn(4, seed=1).requires_grad_()
    q = DiagonalGaussian(mu, log_sigma)
    z = q.rsample(generator=generator())
    z.sum().backward()
    torch.testing.assert_close(mu.grad, torch.ones(4, dtype=F64))
    torch.testing.assert_close(log_sigma.grad, (z - mu).detach())  # σ ε
    assert not q.sample(generator=generator()).requires_grad


@pytest.mark.parametrize("kind", ["gaussian", "bernoulli"])
def test_draws_belong_to_the_generator(kind):
    make = {"gaussian": lambda a: DiagonalGaussian(a, a), "bernoulli": Bernoulli}[kind]
    d = make(randn(6, 5))
    before = torch.get_rng_state()
    one, same, other = (d.sample((4,), generator=generator(seed)) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before), "the global generator was used"
    assert torch.equal(one, same) and not torch.equal(one, other)
    own = generator(3)
    first, second = d.sample((4,), generator=own), d.sample((4,), generator=own)
    assert torch.equal(first, one) and not torch.equal(second, one)


def test_without_a_generator_the_global_one_is_used():
    q = DiagonalGaussian(randn(3), randn(3))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        one = q.sample()
        torch.manual_seed(5)
        assert torch.equal(q.sample(), one)


@pytest.mark.parametrize("dtype", [torch.float32, F64], ids=str)
def test_dtype_is_kept(dtype):
    a = randn(3, 4, dtype=dtype)
    for d in (DiagonalGaussian(a, a), Bernoulli(a)):
        drawn = d.sample((2,), generator=generator())
        assert drawn.dtype == dtype and d.log_prob(drawn).dtype == dtype and d.mean.dtype == dtype
    assert normal_like((2, 3), a, None).dtype == dtype


def test_bernoulli_log_prob_equals_torch():
    logits = 3 * randn(5, 4, 4)
    x = td.Bernoulli(logits=logits).sample()
    p_x = Bernoulli(logits, 2)
    exact = td.Independent(td.Bernoulli(logits=logits), 2).log_prob(x)
    torch.testing.assert_close(p_x.log_prob(x), exact, rtol=1e-12, atol=1e-12)
    pi = logits.sigmoid().numpy()
    by_hand = (x.numpy() * np.log(pi) + (1 - x.numpy()) * np.log1p(-pi)).sum((1, 2))
    torch.testing.assert_close(p_x.log_prob(x), torch.as_tensor(by_hand), rtol=1e-10, atol=0)
    torch.testing.assert_close(p_x.mean, torch.as_tensor(pi))


def test_bernoulli_sums_to_one_over_all_pictures():
    p_x = Bernoulli(randn(4), 1)
    everything = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4)), dtype=F64)
    assert p_x.log_prob(everything).exp().sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, F64], ids=str)
def test_bernoulli_at_extreme_logits(dtype):
    logits = torch.tensor([[1e4, -1e4], [100.0, -100.0]], dtype=dtype)
    right, wrong = torch.tensor([1.0, 0.0], dtype=dtype), torch.tensor([0.0, 1.0], dtype=dtype)
    p_x = Bernoulli(logits, 1)
    assert p_x.log_prob(right).tolist() == pytest.approx([0, 0], abs=1e-30)
    assert p_x.log_prob(wrong).tolist() == pytest.approx([-2e4, -200])
    # a very certain pixel keeps its digits: log(1 − π) = −ℓ − log(1 + e^−ℓ), and log π ≈ −e^−ℓ
    sure = Bernoulli(torch.tensor([30.0], dtype=dtype), 1)
    one = torch.ones(1, dtype=dtype)
    assert sure.log_prob(one).item() == pytest.approx(-math.exp(-30), rel=1e-3)
    hot = torch.tensor([200.0], dtype=dtype, requires_grad=True)
    Bernoulli(hot, 1).log_prob(0 * one).backward()
    assert hot.grad.item() == pytest.approx(-1)


def test_bernoulli_moments():
    logits, count = torch.tensor([-2.0, 0.0, 1.0], dtype=F64), 50_000
    x = Bernoulli(logits).sample((count,), generator=generator(2))
    assert set(x.unique().tolist()) == {0.0, 1.0}
    pi = logits.sigmoid()
    assert ((x.mean(0) - pi).abs() < 4.5 * (pi * (1 - pi) / count).sqrt()).all()


def test_bernoulli_unchecked_is_the_same_number():
    logits = randn(3, 4)
    x = Bernoulli(logits).sample(generator=generator())
    assert torch.equal(Bernoulli(logits).log_prob_unchecked(x), Bernoulli(logits).log_prob(x))
