"""Wrong answers to the exercises of lessons 2, 4, 5 and 7, by hand, not from the catalogues.

LISTED: what DESIGN's table lists, with the name it is to get. UNLISTED: what else students write.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy import special, stats
from torch.distributions import Laplace, Normal, kl_divergence


def log_p(x, mean, sigma):
    """log N(x; mean, σ²), elementwise, of flattened pictures."""
    return Normal(mean, torch.as_tensor(sigma, dtype=x.dtype)).log_prob(x).reshape(len(x), -1)


def kl(mu, log_sigma):
    return kl_divergence(Normal(mu, log_sigma.exp()), Normal(0 * mu, 1.0))


def squares(x, x_hat):
    return ((x - x_hat) ** 2).flatten(1)


def posterior(x, W, b, prior=1.0, spread=None, sigma_x=1.0):
    spread = float(sigma_x) ** 2 if spread is None else spread
    S = torch.linalg.inv(prior * torch.eye(W.shape[1], dtype=W.dtype) + W.T @ W / spread)
    return (x - b) @ W @ S / spread, S


def in_place(z, dim, values):
    rows = []
    for v in values:
        z[dim] = v
        rows.append(z.clone())
    return torch.stack(rows)


def one_row_n_times(z, dim, values):
    rows = []
    for v in values:
        z[dim] = v
        rows.append(z)
    return torch.stack(rows)


def set_columns(z, dim, values, shift=0.0):
    codes = z.repeat(len(values), 1) if not shift else torch.zeros(len(values), len(z)).to(z)
    codes[:, dim] = values
    return codes


def grid(q):
    return np.array([(a, b) for a in q for b in q])


def correlations(a, b, change=lambda r: r):
    a, b = np.asarray(a), np.asarray(b)
    return change(np.corrcoef(a, b, rowvar=False)[: a.shape[1], a.shape[1] :])


def ranked(a, method="average"):
    return stats.rankdata(np.asarray(a), method=method, axis=0)


LISTED = {
    "average_log_likelihood": {
        "sum for mean": lambda x, m, s: log_p(x, m, s).sum(),
        "constant dropped": lambda x, m, s: (-(((x - m) / s) ** 2) / 2 - math.log(s)).mean(),
        "constant dropped, log σ too": lambda x, m, s: -((x - m) ** 2).mean() / 2 / s**2,
        "σ for σ²": lambda x, m, s: log_p(x, m, s**0.5).mean(),
        "σ for σ² in the exponent": lambda x, m, s: (
            -((x - m) ** 2) / (2 * s) - math.log(2 * math.pi * s**2) / 2
        ).mean(),
    },
    "gaussian_mle": {
        "N−1 for N": lambda x: (x.mean(), x.std()),
        "variance for σ": lambda x: (x.mean(), ((x - x.mean()) ** 2).mean()),
        "N−1 for N + variance for σ": lambda x: (x.mean(), x.var()),
    },
    "log_marginal": {
        "mean of logs": lambda a: a.mean(0),
        "sum of logs": lambda a: a.sum(0),
        "no log K": lambda a: torch.logsumexp(a, 0),
        "overflow: exp before log": lambda a: np.log(np.exp(a.numpy()).mean(0)),
        "overflow: exp before log + no log K": lambda a: a.exp().sum(0).log(),
    },
    "gaussian_log_likelihood": {
        "constant dropped": lambda x, h, s: (
            (-(((x - h) / s) ** 2) / 2 - math.log(s)).flatten(1).sum(1)
        ),
        "constant dropped, log σ too": lambda x, h, s: -squares(x, h).sum(1) / (2 * s**2),
        "mean over pixels": lambda x, h, s: log_p(x, h, s).mean(1),
        "σ for σ²": lambda x, h, s: log_p(x, h, s**0.5).sum(1),
        "sign": lambda x, h, s: -log_p(x, h, s).sum(1),
        "constant dropped, log σ too + mean over pixels": lambda x, h, s: (
            -squares(x, h).mean(1) / (2 * s**2)
        ),
    },
    "elbo": {
        "+ KL": lambda x, h, m, ls, s: log_p(x, h, s).sum(1) + kl(m, ls).sum(1),
        "mean over dimensions: pixels": lambda x, h, m, ls, s: (
            log_p(x, h, s).mean(1) - kl(m, ls).sum(1)
        ),
        "mean over dimensions: latent": lambda x, h, m, ls, s: (
            log_p(x, h, s).sum(1) - kl(m, ls).mean(1)
        ),
        "mean over dimensions: pixels + mean over dimensions: latent": lambda x, h, m, ls, s: (
            log_p(x, h, s).mean(1) - kl(m, ls).mean(1)
        ),
        "mean over batch": lambda x, h, m, ls, s: (log_p(x, h, s).sum(1) - kl(m, ls).sum(1)).mean(),
    },
    "linear_gaussian_posterior": {
        "prior precision forgotten": lambda x, W, b, s: posterior(x, W, b, 0.0, sigma_x=s),
        "σ for σ²": lambda x, W, b, s: posterior(x, W, b, spread=s),
        "b forgotten": lambda x, W, b, s: posterior(x, W, 0 * b, sigma_x=s),
        "prior precision forgotten + b forgotten": lambda x, W, b, s: posterior(
            x, W, 0 * b, 0.0, sigma_x=s
        ),
    },
    "reparameterise": {
        "log σ as σ": lambda m, ls, e: m + ls * e,
        "half log σ": lambda m, ls, e: m + torch.exp(0.5 * ls) * e,
        "(ε + μ)σ": lambda m, ls, e: (e + m) * ls.exp(),
        "graph cut": lambda m, ls, e: (m + ls.exp() * e).detach(),
        "graph cut ": lambda m, ls, e: m.data + ls.data.exp() * e,
        "graph cut  ": lambda m, ls, e: (
            m.detach().numpy() + np.exp(ls.detach().numpy()) * e.numpy()
        ),
        "graph cut   ": lambda m, ls, e: (
            torch.tensor(m.tolist()) + torch.tensor(ls.tolist()).exp() * e
        ),
        "graph cut    ": lambda m, ls, e: m.numpy() + np.exp(ls.numpy()) * e.numpy(),
        "graph cut at log σ": lambda m, ls, e: m + ls.exp().detach() * e,
        "one ε for all": lambda m, ls, e: m + ls.exp() * e.flatten()[0],
        "one ε for all examples": lambda m, ls, e: m + ls.exp() * e[0],
    },
    "score_function_gradient": {
        "σ for σ²": lambda f, z, m, s: (f * (z - m) / s).mean(),
        "sign": lambda f, z, m, s: (f * (m - z) / s**2).mean(),
        "gradient of f used": lambda f, z, m, s: np.gradient(f.numpy(), z.numpy()).mean(),
        "gradient of f used ": lambda f, z, m, s: (
            torch.gradient(f, spacing=(z,))[0] * (z - m) / s**2
        ).mean(),
        "gradient of f used  ": lambda f, z, m, s: (2 * z).mean(),
        "gradient of f used   ": lambda f, z, m, s: torch.autograd.grad(f.sum(), z)[0].mean(),
        "gradient of f used    ": lambda f, z, m, s: np.polyval(
            np.polyder(np.polyfit(z, f, 2)), z
        ).mean(),
    },
    "pathwise_gradient": {
        "missing ε": lambda df, e, s: (df.mean(), df.mean()),
        "times σ": lambda df, e, s: (df.mean(), (df * e * s).mean()),
    },
    "optimal_baseline": {"mean of f only": lambda f, s: f.mean()},
    "traverse": {
        "in place": in_place,
        "in place, and one row n times": one_row_n_times,
        "adds for replaces": lambda z, d, v: z + v[:, None] * torch.eye(len(z))[d],
        "other dims moved": lambda z, d, v: v[:, None].repeat(1, len(z)),
        "other dims set to 0": lambda z, d, v: v[:, None] * torch.eye(len(z))[d],
    },
    "manifold_grid": {
        "linear grid": lambda n: grid(np.linspace(-3, 3, n)),
        "linear grid ": lambda n: grid(np.linspace(-1.7, 1.7, n)),
        "linear grid  ": lambda n: grid((np.arange(n) + 0.5) / n),
        "0 and 1 included (infinite)": lambda n: grid(stats.norm.ppf(np.linspace(0, 1, n))),
        "order": lambda n: grid(stats.norm.ppf((np.arange(n) + 0.5) / n))[:, ::-1],
    },
    "spearman_table": {
        "Pearson": correlations,
        "sign lost": lambda m, f: np.abs(correlations(ranked(m), ranked(f))),
        "axes swapped": lambda m, f: correlations(ranked(f), ranked(m)),
        "Pearson + sign lost": lambda m, f: correlations(m, f, np.abs),
        "sign lost + axes swapped": lambda m, f: correlations(ranked(f), ranked(m), np.abs),
    },
}

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
