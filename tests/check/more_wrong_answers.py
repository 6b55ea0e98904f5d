"""More wrong answers to the exercises of lessons 2, 4, 5 and 7: what else students write."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy import special, stats
from torch.distributions import Laplace, Normal
from wrong_answers import correlations, grid, kl, log_p, posterior, ranked, set_columns, squares

UNLISTED = {
    "average_log_likelihood": [
        lambda x, m, s: -log_p(x, m, s).mean(),
        lambda x, m, s: log_p(x, m, s**2).mean(),
        lambda x, m, s: np.log(stats.norm.pdf(x, m, s).mean()),
        lambda x, m, s: log_p(x, m, x.std()).mean(),
        lambda x, m, s: log_p(x, m, s).max(),
        lambda x, m, s: log_p(x, m, s**0.5).sum(),
    ],
    "gaussian_mle": [
        lambda x: (np.median(x), np.median(np.abs(x - np.median(x)))),
        lambda x: (x.mean(), (x**2).mean().sqrt()),
        lambda x: (x.mean(), x.std() / len(x) ** 0.5),
        lambda x: (x.std(correction=0), x.mean()),
        lambda x: (x.mean(), (x.max() - x.min()) / 2),
    ],
    "log_marginal": [
        lambda a: torch.logsumexp(a, 1) - math.log(a.shape[1]),
        lambda a: (a.exp().mean(0) + 1e-12).log(),
        lambda a: a.exp().mean(0),
        lambda a: torch.logsumexp(a.flatten(), 0) - math.log(a.numel()),
        lambda a: (a - a.mean(0)).exp().mean(0).log(),
        lambda a: a.max(0).values - math.log(len(a)),
    ],
    "gaussian_log_likelihood": [
        lambda x, h, s: -squares(x, h).sum(1) / (2 * s**2) - math.log(2 * math.pi * s**2) / 2,
        lambda x, h, s: log_p(x, h, s).sum(),
        lambda x, h, s: log_p(x, h, s).mean(),
        lambda x, h, s: -F.mse_loss(h, x),
        lambda x, h, s: Normal(h, s).log_prob(x).sum(-1),
        lambda x, h, s: Laplace(h, s).log_prob(x).flatten(1).sum(1),
        lambda x, h, s: log_p(x, h, s**2).sum(1),
    ],
    "elbo": [
        lambda x, h, m, ls, s: kl(m, ls).sum(1) - log_p(x, h, s).sum(1),
        lambda x, h, m, ls, s: log_p(x, h, s).sum(1) - kl(m, ls / 2).sum(1),
        lambda x, h, m, ls, s: log_p(x, h, s).sum(1),
        lambda x, h, m, ls, s: -squares(x, h).sum(1) - kl(m, ls).sum(1),
        lambda x, h, m, ls, s: (log_p(x, h, s).sum() - kl(m, ls).sum()) / len(x),
        lambda x, h, m, ls, s: log_p(x, h, s).sum(1) - 2 * kl(m, ls).sum(1),
    ],
    "linear_gaussian_posterior": [
        lambda x, W, b, s: (posterior(x, W, b, sigma_x=s)[0], posterior(x, W, b, sigma_x=s)[1] * s),
        lambda x, W, b, s: ((x - b) @ W, torch.eye(W.shape[1]).double()),
        lambda x, W, b, s: (posterior(x, W, b, sigma_x=s)[0], W.T @ W / s**2),
        lambda x, W, b, s: posterior(x, W, -b, sigma_x=s),
        lambda x, W, b, s: posterior(x, W, b, prior=float(s) ** 2, sigma_x=s),
        lambda x, W, b, s: (x - b) @ torch.linalg.pinv(W).T,
    ],
    "reparameterise": [
        lambda m, ls, e: m + (2 * ls).exp() * e,
        lambda m, ls, e: m + ls.exp() * torch.randn_like(m),
        lambda m, ls, e: torch.normal(m, ls.exp()),
        lambda m, ls, e: m + F.softplus(ls) * e,
        lambda m, ls, e: m - ls.exp() * e,
        lambda m, ls, e: m + ls.exp() + e,
        lambda m, ls, e: m + ls.exp() * e.mean(0),
    ],
    "score_function_gradient": [
        lambda f, z, m, s: (f * (z - m) / s**2).sum(),
        lambda f, z, m, s: ((f - f.mean()) * (z - m) / s**2).mean(),
        lambda f, z, m, s: (f * z / s**2).mean(),
        lambda f, z, m, s: f.mean(),
        lambda f, z, m, s: (f * (z - m)).mean(),
        lambda f, z, m, s: (f * (z - m).abs() / s**2).mean(),
    ],
    "pathwise_gradient": [
        lambda df, e, s: ((df * e).mean(), df.mean()),
        lambda df, e, s: (df.sum(), (df * e).sum()),
        lambda df, e, s: (df.mean(), df.mean() * e.mean()),
        lambda df, e, s: df.mean() + (df * e).mean(),
        lambda df, e, s: ((df / s).mean(), (df * e).mean()),
    ],
    "optimal_baseline": [
        lambda f, s: (f * s).mean() / s.mean(),
        lambda f, s: (f * s**2).mean(),
        lambda f, s: (f * s).mean() / (s**2).mean(),
        lambda f, s: f.median(),
        lambda f, s: (f * s.abs()).sum() / s.abs().sum(),
        lambda f, s: np.cov(f * s, s)[0, 1] / np.var(s.numpy(), ddof=1),
    ],
    "traverse": [
        lambda z, d, v: set_columns(z, d, v).T,
        lambda z, d, v: set_columns(z, d, v)[:1],
        lambda z, d, v: set_columns(z, (d + 1) % len(z), v),
        lambda z, d, v: torch.cat([z[None], set_columns(z, d, v)]),
        lambda z, d, v: set_columns(z, d, v.sort().values),
        lambda z, d, v: set_columns(z, d, z[d] + v - v.mean()),
    ],
    "manifold_grid": [
        lambda n: grid(stats.norm.ppf(np.linspace(0.05, 0.95, n))),
        lambda n: grid(stats.norm.ppf((np.arange(n) + 1) / (n + 1))),
        lambda n: stats.norm.ppf((np.arange(n) + 0.5) / n),
        lambda n: grid(stats.norm.cdf(np.linspace(-3, 3, n))),
        lambda n: grid(-stats.norm.ppf((np.arange(n) + 0.5) / n)),
        lambda n: grid(special.erfinv((2 * np.arange(n) + 1) / n - 1)),
    ],
    "spearman_table": [
        lambda m, f: correlations(ranked(m, "ordinal"), ranked(f, "ordinal")),
        lambda m, f: correlations(np.argsort(m, axis=0), np.argsort(f, axis=0)),
        lambda m, f: correlations(ranked(m), ranked(f)) ** 2,
        lambda m, f: stats.spearmanr(m, f).statistic,
        lambda m, f: correlations(ranked(m), f),
        lambda m, f: correlations(ranked(m), ranked(f)).max(),
    ],
}
