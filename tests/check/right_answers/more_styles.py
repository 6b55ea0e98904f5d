"""More styles of right answers to the exercises that the second edition kept."""

import math
from functools import partial
from statistics import fmean, pstdev

import numpy as np
import torch
import torch.nn.functional as F
from scipy import special, stats
from torch.distributions import Normal

from right_answers.bank import answer
from vaelib import divergences


def add(exercise, *functions):
    for function in functions:
        answer(exercise)(function)


# ------------------------------------------------------------------ lesson 1


@answer("kl_bernoulli")
def entropies_of_scipy(p, q):
    p, q = np.asarray(p), np.asarray(q)
    cross = -(special.xlogy(p, q) + special.xlog1py(1 - p, -q))
    return cross - (special.entr(p) + special.entr(1 - p))


@answer("kl_bernoulli")
class AsAClass:
    def __new__(cls, p, q):
        return cls.term(p, q) + cls.term(1 - p, 1 - q)

    @staticmethod
    def term(a, b):
        return a * np.log(a / b)


@torch.jit.script
def scripted_kl(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()


add(
    "kl_bernoulli",
    lambda p, q: scripted_kl(torch.as_tensor(p), torch.as_tensor(q)),
    partial(lambda log, p, q: p * log(p / q) + (1 - p) * log((1 - p) / (1 - q)), np.log),
    lambda p, q: np.vectorize(lambda a, b: stats.entropy([a, 1 - a], [b, 1 - b]))(p, q),
)


@answer("kl_gaussian")
def logs_of_variances(mu_q, sigma_q, mu_p, sigma_p):
    v, w = sigma_q**2, sigma_p**2
    return 0.5 * (np.log(w) - np.log(v) + v / w + (mu_q - mu_p) ** 2 / w - 1)


@answer("kl_gaussian")
def standardised(mu_q, sigma_q, mu_p, sigma_p):
    """First bring p to N(0, 1)."""
    m, s = (mu_q - mu_p) / sigma_p, torch.as_tensor(sigma_q / sigma_p)
    return (m**2 + s**2 - 1) / 2 - s.log()


@answer("kl_gaussian")
def cross_entropy_minus_entropy(mu_q, sigma_q, mu_p, sigma_p):
    mu_q, sigma_q = torch.as_tensor(mu_q), torch.as_tensor(sigma_q)
    p = Normal(mu_p, sigma_p)
    cross = -(p.log_prob(mu_q) - sigma_q**2 / (2 * p.variance))
    return cross - Normal(mu_q, sigma_q).entropy()


add(
    "kl_gaussian",
    lambda m, s, n, t: divergences.kl_gaussian(m, s, n, t),
    partial(
        lambda half, m, s, n, t: np.log(t / s) + (s**2 + (m - n) ** 2) / t**2 * half - half, 0.5
    ),
)


@answer("kl_monte_carlo")
def vmapped_terms(log_q, log_p, z):
    ratio = torch.vmap(lambda one: log_q(one) - log_p(one))(z)
    return ratio.mean(), ratio.std(correction=1) / len(z) ** 0.5


@answer("kl_monte_carlo")
def error_by_hand(log_q, log_p, z):
    ratio = log_q(z) - log_p(z)
    mean = ratio.sum() / len(z)
    return mean, (((ratio - mean) ** 2).sum() / (len(z) - 1) / len(z)).sqrt()


@answer("kl_monte_carlo")
def the_two_terms_apart(log_q, log_p, z):
    a, b = log_q(z), log_p(z)
    return a.mean() - b.mean(), torch.cov(torch.stack([a, b])).mul(
        torch.tensor([[1.0, -1], [-1, 1]], dtype=z.dtype)
    ).sum().clamp(min=0).sqrt() / math.sqrt(len(z))


add(
    "kl_monte_carlo",
    lambda q, p, z: (
        torch.std_mean(q(z) - p(z))[::-1][0:1] + (torch.std(q(z) - p(z)) / z.numel() ** 0.5,)
    ),
    lambda q, p, z: divergences.kl_monte_carlo(q, p, z),
    lambda q, p, z: (fmean((q(z) - p(z)).tolist()), pstdev((q(z) - p(z)).tolist()) / len(z) ** 0.5),
)

# ------------------------------------------------------------------ lesson 2


@answer("average_log_likelihood")
def numpy_formula(x, mu, sigma):
    return np.mean(
        -0.5 * np.log(2 * np.pi) - np.log(sigma) - (np.asarray(x) - mu) ** 2 / (2 * sigma**2)
    )


@answer("average_log_likelihood")
def with_math(x, mu, sigma):
    constant = -math.log(sigma * math.sqrt(2 * math.pi))
    return constant - ((x - mu) ** 2).mean() / (2 * sigma**2)


@answer("average_log_likelihood")
def pytorchs_loss(x, mu, sigma):
    var = torch.full_like(x, float(sigma) ** 2)
    return -F.gaussian_nll_loss(torch.full_like(x, float(mu)), x, var, full=True, eps=0.0)


@answer("average_log_likelihood")
def log_of_a_density(x, mu, sigma):
    density = Normal(mu, sigma)
    return sum(density.log_prob(x_n) for x_n in x) / len(x)


add(
    "average_log_likelihood",
    lambda x, m, s: (
        torch.vmap(lambda a: -0.5 * ((a - m) / s) ** 2)(x).mean() - np.log(s * (2 * np.pi) ** 0.5)
    ),
    lambda x, m, s: stats.norm(m, s).logpdf(x).mean(),
    lambda x, m, s: fmean(
        -0.5 * ((a - m) / s) ** 2 - math.log(s) - 0.5 * math.log(2 * math.pi) for a in x.tolist()
    ),
    lambda x, m, s: (
        torch.log(torch.exp(-((x - m) ** 2) / s**2 / 4)).mean() * 2
        - math.log(s)
        - 0.918938533204673
        if abs(float((x - m).abs().max())) < 20
        else (-((x - m) ** 2) / (2 * s**2)).mean() - math.log(s) - 0.918938533204673
    ),
)

add(
    "gaussian_mle",
    lambda x: torch.var_mean(x, correction=0)[1:] + (torch.var(x, correction=0).sqrt(),),
    lambda x: (fmean(x.tolist()), pstdev(x.tolist())),
    lambda x: stats.norm.fit(x.numpy()),
    lambda x: (x.sum() / len(x), ((x**2).mean() - x.mean() ** 2).clamp(min=0).sqrt()),
    lambda x: [np.average(x), np.sqrt(np.average((x - np.average(x)) ** 2))],
    lambda x: (x.mean(), torch.linalg.vector_norm(x - x.mean()) / math.sqrt(len(x))),
    lambda x: (x.mean(), x.std(unbiased=False)),
)

add(
    "log_marginal",
    lambda a: torch.logsumexp(a - math.log(len(a)), 0),
    lambda a: np.logaddexp.reduce(a.numpy(), axis=0) - np.log(a.shape[0]),
    lambda a: special.logsumexp(a.numpy(), axis=0, b=1 / len(a)),
    lambda a: torch.vmap(lambda c: c.max() + (c - c.max()).exp().mean().log(), in_dims=1)(a),
    lambda a: torch.stack([c.logsumexp(0) for c in a.T]) - math.log(a.shape[0]),
    lambda a: a.amax(0) - a.shape[0] ** 0 * math.log(len(a)) + (a - a.amax(0)).exp().sum(0).log(),
    partial(lambda axis, a: a.logsumexp(axis) - np.log(a.shape[axis]), 0),
)

# ------------------------------------------------------------------ lesson 3

add(
    "jensen_gap",
    lambda f, x, w: (f(x) - f((w * x).sum())) @ w,
    lambda f, x, w: torch.einsum("n,n->", w, f(x)) - f(torch.einsum("n,n->", w, x)),
    lambda f, x, w: torch.tensordot(w, f(x), 1) - f(torch.tensordot(w, x, 1)),
    lambda f, x, w: np.dot(w, f(x)) - float(f(torch.tensor(np.dot(w, x)))),
    lambda f, x, w: sum(a * f(b) for a, b in zip(w, x, strict=True)) - f(sum(w * x)),
    lambda f, x, w: torch.inner(w, torch.vmap(f)(x)) - f(torch.inner(w, x)),
    partial(lambda s, f, x, w: s(w * f(x)) - f(s(w * x)), torch.sum),
)
add(
    "lower_bound",
    lambda a, b, c: torch.stack([a, b, -c]).sum(0).mean(0),
    lambda a, b, c: torch.einsum("kb->b", a + b - c) / len(a),
    lambda a, b, c: (a.sum(0) + b.sum(0) - c.sum(0)) / a.shape[0],
    lambda a, b, c: np.average(a + b - c, axis=0),
    lambda a, b, c: torch.vmap(lambda x, y, z: (x + y - z).mean(), in_dims=1)(a, b, c),
    lambda a, b, c: torch.stack([(a + b - c)[:, i].mean() for i in range(a.shape[1])]),
    lambda a, b, c: torch.ones(len(a), dtype=a.dtype) @ (a + b - c) / len(a),
)
