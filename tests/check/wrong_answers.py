"""Wrong answers to the exercises of lessons 2, 4, 5 and 7, by hand, not from the catalogues.

LISTED: what the table of exercises lists, with the name that it is to get.
"""

import math

import numpy as np
import torch
from scipy import stats
from torch.distributions import Normal, kl_divergence


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


def set_columns(z, dim, values):
    codes = z.repeat(len(values), 1)
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
        "mean over dimensions: pixels and latent": lambda x, h, m, ls, s: (
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
        "one ε for all ": lambda m, ls, e: m + ls.exp() * e.mean(),
        "one ε for all dimensions": lambda m, ls, e: m + ls.exp() * e[:, :1],
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
