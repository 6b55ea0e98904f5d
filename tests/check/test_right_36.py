"""Right answers to the exercises of lessons 3 and 6, each in several hands; none is refused.

They are the oracles of the references too: SciPy, torch.distributions, quadrature, finite sums.
"""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from right_answers import bank
from scipy import special
from torch.distributions import Normal, kl_divergence

from vaelib import check

pytestmark = pytest.mark.refuses
ANSWERS, answer = bank()


# ------------------------------------------------------------------------------------------- 3.1


@answer("jensen_gap")
def sums(f, x, weights):
    return torch.sum(weights * f(x)) - f(torch.sum(weights * x))


@answer("jensen_gap")
def dot_products(f, x, weights):
    return weights @ f(x) - f(weights @ x)


@answer("jensen_gap")
def numpy_average(f, x, weights):
    return np.average(f(np.asarray(x)), weights=weights) - f(np.average(x, weights=weights))


@answer("jensen_gap")
def a_loop(f, x, weights):
    mean_f = mean_x = 0.0
    for x_n, w in zip(x, weights, strict=True):
        mean_f, mean_x = mean_f + w * f(x_n), mean_x + w * x_n
    return float(mean_f - f(mean_x))


# ------------------------------------------------------------------------------------------- 3.2


@answer("lower_bound")
def mean_of_log_w(log_px_z, log_pz, log_qz):
    return (log_px_z + log_pz - log_qz).mean(0)


@answer("lower_bound")
def reconstruction_minus_kl(log_px_z, log_pz, log_qz):
    return log_px_z.mean(dim=0) - (log_qz - log_pz).mean(dim=0)


@answer("lower_bound")
def numpy_axis(log_px_z, log_pz, log_qz):
    return np.mean(np.asarray(log_px_z) + np.asarray(log_pz) - np.asarray(log_qz), axis=0)


@answer("lower_bound")
def each_example(log_px_z, log_pz, log_qz):
    K, B = log_px_z.shape
    out = torch.zeros(B, dtype=log_px_z.dtype)
    for b in range(B):
        for k in range(K):
            out[b] += (log_px_z[k, b] + log_pz[k, b] - log_qz[k, b]) / K
    return out


# ------------------------------------------------------------------------------------------- 3.3


@answer("importance_weighted_bound")
def logsumexp(log_w):
    return torch.logsumexp(log_w, dim=0) - math.log(log_w.shape[0])


@answer("importance_weighted_bound")
def of_scipy(log_w):
    return special.logsumexp(log_w, axis=0, b=1 / len(log_w))


@answer("importance_weighted_bound")
def by_the_largest(log_w):
    top = log_w.max(dim=0, keepdim=True).values
    return top.squeeze(0) + (log_w - top).exp().mean(0).log()


@answer("importance_weighted_bound")
def one_column_at_a_time(log_w):
    columns = np.asarray(log_w).T
    return np.array([np.logaddexp.reduce(column) - np.log(column.size) for column in columns])


# ------------------------------------------------------------------------------------------- 6.1


@answer("vae_loss")
def of_distributions(x, x_hat, mu, log_sigma, sigma_x, beta):
    log_px_z = Normal(x_hat, sigma_x).log_prob(x).flatten(1).sum(1)
    kl = kl_divergence(Normal(mu, log_sigma.exp()), Normal(torch.zeros_like(mu), 1.0)).sum(1)
    return -(log_px_z - beta * kl).mean()


@answer("vae_loss")
def by_hand(x, x_hat, mu, log_sigma, sigma_x, beta):
    P, M = x[0].numel(), len(x)
    squares = ((x - x_hat) ** 2).sum() / (2 * sigma_x**2) / M
    constant = P * (math.log(float(sigma_x)) + 0.5 * math.log(2 * math.pi))
    kl = -0.5 * (1 + 2 * log_sigma - mu**2 - (2 * log_sigma).exp()).sum() / M
    return squares + constant + beta * kl


@answer("vae_loss")
def of_pytorchs_losses(x, x_hat, mu, log_sigma, sigma_x, beta):
    var = torch.as_tensor(sigma_x**2, dtype=x.dtype).expand_as(x)
    nll = F.gaussian_nll_loss(x_hat, x, var, full=True, eps=0.0, reduction="sum")
    kl = 0.5 * (mu.square() + torch.expm1(2 * log_sigma) - 2 * log_sigma)
    return (nll + beta * kl.sum()) / x.shape[0]


@answer("vae_loss")
def example_by_example(x, x_hat, mu, log_sigma, sigma_x, beta):
    losses = []
    for x_m, h_m, mu_m, s_m in zip(x, x_hat, mu, log_sigma, strict=True):
        log_px_z = Normal(h_m, sigma_x).log_prob(x_m).sum()
        kl = sum(0.5 * (m**2 + torch.exp(s) ** 2 - 1) - s for m, s in zip(mu_m, s_m, strict=True))
        losses.append(beta * kl - log_px_z)
    return torch.stack(losses).mean()


# ------------------------------------------------------------------------------------------- 6.2


@answer("linear_annealing")
def shortest(step, warmup):
    return min(1.0, step / warmup) if warmup else 1.0


@answer("linear_annealing")
def with_if(step, warmup):
    if step >= warmup:
        return 1
    return step / warmup


@answer("linear_annealing")
def numpy_clip(step, warmup):
    return np.clip(step / max(warmup, 1), 0, 1) if warmup > 0 else np.float32(1)


@answer("linear_annealing")
def torch_clamp(step, warmup):
    return torch.tensor(step / warmup).clamp(max=1) if warmup else torch.tensor(1.0)


# ------------------------------------------------------------------------------------------- 6.3


@answer("generate")
def randn(decoder, n, latent_dim, generator):
    return decoder(torch.randn(n, latent_dim, generator=generator))


@answer("generate")
def filled_in_place(decoder, n, latent_dim, generator):
    with torch.no_grad():
        return decoder(torch.empty(n, latent_dim).normal_(generator=generator))


@answer("generate")
def double_transposed(decoder, n, latent_dim, generator):
    z = torch.normal(0.0, 1.0, (latent_dim, n), generator=generator, dtype=torch.float64)
    return decoder(z.T)


@answer("generate")
def inverse_cdf(decoder, n, latent_dim, generator):
    u = torch.rand(n, latent_dim, generator=generator, dtype=torch.float64)
    return decoder(torch.special.ndtri(u.clamp(1e-9)))


@answer("generate")
def column_by_column(decoder, n, latent_dim, generator):
    columns = [torch.randn(n, generator=generator) for _ in range(latent_dim)]
    return decoder(torch.stack(columns, dim=1))


# --------------------------------------------------------------------------------------- the tests


@pytest.mark.parametrize("name, function", ANSWERS)
def test_a_right_answer_is_accepted_on_every_seed(name, function):
    for seed in range(3):
        result = getattr(check, name)(function, seed=seed)
        assert result.passed and result.misconception is None, (seed, result)
        assert "\n" not in result.message


def test_every_exercise_has_at_least_three():
    names = [parameter.values[0] for parameter in ANSWERS]
    mine = [n for n, e in check.EXERCISES.items() if e.number[0] in "36" and n != "diagnose"]
    assert all(names.count(name) >= 3 for name in mine), names
