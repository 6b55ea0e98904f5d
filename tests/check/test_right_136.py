"""Right answers to the exercises of lessons 1, 3 and 6, each in several hands; none is refused.

They are the oracles of the references too: SciPy, torch.distributions, quadrature, finite sums.
"""

import math
from statistics import fmean, stdev

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import special, stats
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from vaelib import check

pytestmark = pytest.mark.refuses
ANSWERS = []


def answer(name):
    def keep(function):
        ANSWERS.append(pytest.param(name, function, id=f"{name}-{function.__name__}"))
        return function

    return keep


# ------------------------------------------------------------------------------------------- 1.1


@answer("kl_bernoulli")
def formula(p, q):
    return p * torch.log(p / q) + (1 - p) * torch.log((1 - p) / (1 - q))


@answer("kl_bernoulli")
def numpy_log1p(p, q):
    p, q = np.asarray(p), np.asarray(q)
    return p * (np.log(p) - np.log(q)) + (1 - p) * (np.log1p(-p) - np.log1p(-q))


@answer("kl_bernoulli")
def of_torch_distributions(p, q):
    return kl_divergence(Bernoulli(probs=p), Bernoulli(probs=q))


@answer("kl_bernoulli")
def relative_entropy(p, q):
    return special.rel_entr(p, q) + special.rel_entr(1 - p, 1 - q)


@answer("kl_bernoulli")
def cross_entropies(p, q):
    return F.binary_cross_entropy(q, p, reduction="none") - F.binary_cross_entropy(
        p, p, reduction="none"
    )


@answer("kl_bernoulli")
def plain_numbers(p, q):
    return sum(a * math.log(a / b) for a, b in ((p, q), (1 - p, 1 - q)))


@answer("kl_bernoulli")
def clamped(p, q):
    p, q = (torch.as_tensor(a).clamp(1e-12, 1 - 1e-12) for a in (p, q))
    return (
        torch.stack([p, 1 - p]) * (torch.stack([p, 1 - p]) / torch.stack([q, 1 - q])).log()
    ).sum(0)


@answer("kl_bernoulli")
def single_precision(p, q):
    return formula(torch.as_tensor(p).float(), torch.as_tensor(q).float())


# ------------------------------------------------------------------------------------------- 1.2


@answer("kl_gaussian")
def textbook(mu_q, sigma_q, mu_p, sigma_p):
    squares = sigma_q**2 + (mu_q - mu_p) ** 2
    return torch.log(sigma_p / sigma_q) + squares / (2 * sigma_p**2) - 0.5


@answer("kl_gaussian")
def normals(mu_q, sigma_q, mu_p, sigma_p):
    return kl_divergence(Normal(mu_q, sigma_q), Normal(mu_p, sigma_p))


@answer("kl_gaussian")
def numpy_variances(mu_q, sigma_q, mu_p, sigma_p):
    var_q, var_p = np.square(sigma_q), np.square(sigma_p)
    return 0.5 * (np.log(var_p / var_q) + (var_q + np.square(mu_q - mu_p)) / var_p - 1)


@answer("kl_gaussian")
def plain_math(mu_q, sigma_q, mu_p, sigma_p):
    ratio = (sigma_q / sigma_p) ** 2
    return 0.5 * (ratio - 1 - math.log(ratio) + ((mu_p - mu_q) / sigma_p) ** 2)


@answer("kl_gaussian")
def entropies(mu_q, sigma_q, mu_p, sigma_p):
    entropy = 0.5 * np.log(2 * np.pi * np.e * np.asarray(sigma_q) ** 2)
    cross = 0.5 * np.log(2 * np.pi * np.asarray(sigma_p) ** 2)
    return cross + (sigma_q**2 + (mu_q - mu_p) ** 2) / (2 * sigma_p**2) - entropy


# ------------------------------------------------------------------------------------------- 1.3


@answer("kl_to_standard_normal")
def terms_summed(mu, log_sigma):
    return 0.5 * (mu**2 + torch.exp(2 * log_sigma) - 1 - 2 * log_sigma).sum(dim=1)


@answer("kl_to_standard_normal")
def as_pytorch_examples_write_it(mu, log_sigma):
    logvar = 2 * log_sigma
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=-1)


@answer("kl_to_standard_normal")
def independent_normals(mu, log_sigma):
    prior = Independent(Normal(torch.zeros_like(mu), 1.0), 1)
    return kl_divergence(Independent(Normal(mu, log_sigma.exp()), 1), prior)


@answer("kl_to_standard_normal")
def two_loops(mu, log_sigma):
    out = np.zeros(len(mu))
    for b in range(mu.shape[0]):
        for d in range(mu.shape[1]):
            m, s = float(mu[b, d]), float(log_sigma[b, d])
            out[b] += (m * m + math.exp(2 * s) - 1) / 2 - s
    return out


@answer("kl_to_standard_normal")
def norms_and_einsum(mu, log_sigma):
    sigma = np.exp(log_sigma)
    squares = np.einsum("bd,bd->b", mu, mu) + np.linalg.norm(sigma, axis=1) ** 2
    return (squares - mu.shape[1]) / 2 - np.sum(np.asarray(log_sigma), axis=1)


# ------------------------------------------------------------------------------------------- 1.4


@answer("kl_monte_carlo")
def mean_and_error(log_q, log_p, z):
    ratio = log_q(z) - log_p(z)
    return ratio.mean(), ratio.std() / math.sqrt(len(ratio))


@answer("kl_monte_carlo")
def numpy_with_k(log_q, log_p, z):
    ratio = np.asarray(log_q(z)) - np.asarray(log_p(z))
    return [ratio.mean(), ratio.std() / np.sqrt(ratio.size)]


@answer("kl_monte_carlo")
def statistics_of_floats(log_q, log_p, z):
    ratios = [float(log_q(z_k) - log_p(z_k)) for z_k in z]
    return fmean(ratios), stdev(ratios) / len(ratios) ** 0.5


@answer("kl_monte_carlo")
def scipy_sem(log_q, log_p, z):
    ratio = log_q(z.numpy()) - log_p(z.numpy())
    return np.mean(ratio), stats.sem(ratio)


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
    mine = [n for n, e in check.EXERCISES.items() if e.number[0] in "136" and n != "diagnose"]
    assert all(names.count(name) >= 3 for name in mine), names
