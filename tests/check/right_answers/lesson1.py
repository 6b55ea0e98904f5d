"""Right answers to the exercises of lesson 1, KL divergence."""

import math
from statistics import fmean, stdev

import numpy as np
import torch
import torch.nn.functional as F
from scipy import special, stats
from torch.distributions import Bernoulli, Normal, kl_divergence

from right_answers.bank import answer


@answer("kl_bernoulli")
def formula(p, q):
    return p * torch.log(p / q) + (1 - p) * torch.log((1 - p) / (1 - q))


@answer("kl_bernoulli")
def numpy_log1p(p, q):
    p = np.asarray(p)
    q = np.asarray(q)
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


@answer("kl_gaussian")
def textbook(mu_q, sigma_q, mu_p, sigma_p):
    squares = sigma_q**2 + (mu_q - mu_p) ** 2
    return torch.log(sigma_p / sigma_q) + squares / (2 * sigma_p**2) - 0.5


@answer("kl_gaussian")
def normals(mu_q, sigma_q, mu_p, sigma_p):
    return kl_divergence(Normal(mu_q, sigma_q), Normal(mu_p, sigma_p))


@answer("kl_gaussian")
def numpy_variances(mu_q, sigma_q, mu_p, sigma_p):
    var_q = np.square(sigma_q)
    var_p = np.square(sigma_p)
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
