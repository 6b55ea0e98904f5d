"""Wrong answers to the exercises of lesson 7, latent traversals, written by hand."""

import numpy as np
import torch
from scipy import special, stats


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
    a = np.asarray(a)
    b = np.asarray(b)
    return change(np.corrcoef(a, b, rowvar=False)[: a.shape[1], a.shape[1] :])


def ranked(a, method="average"):
    return stats.rankdata(np.asarray(a), method=method, axis=0)


LISTED = {
    "traverse": [
        ("in place", in_place),
        ("in place, and one row n times", one_row_n_times),
        ("adds for replaces", lambda z, d, v: z + v[:, None] * torch.eye(len(z))[d]),
        ("other dims moved", lambda z, d, v: v[:, None].repeat(1, len(z))),
        ("other dims set to 0", lambda z, d, v: v[:, None] * torch.eye(len(z))[d]),
    ],
    "manifold_grid": [
        ("linear grid", lambda n: grid(np.linspace(-3, 3, n))),
        ("linear grid", lambda n: grid(np.linspace(-1.7, 1.7, n))),
        ("linear grid", lambda n: grid((np.arange(n) + 0.5) / n)),
        ("0 and 1 included (infinite)", lambda n: grid(stats.norm.ppf(np.linspace(0, 1, n)))),
        ("order", lambda n: grid(stats.norm.ppf((np.arange(n) + 0.5) / n))[:, ::-1]),
    ],
    "spearman_table": [
        ("Pearson", correlations),
        ("sign lost", lambda m, f: np.abs(correlations(ranked(m), ranked(f)))),
        ("axes swapped", lambda m, f: correlations(ranked(f), ranked(m))),
        ("Pearson + sign lost", lambda m, f: correlations(m, f, np.abs)),
        ("sign lost + axes swapped", lambda m, f: correlations(ranked(f), ranked(m), np.abs)),
    ],
}

UNLISTED = {
    "traverse": [
        (lambda z, d, v: set_columns(z, d, v).T, None),
        (lambda z, d, v: set_columns(z, d, v)[:1], None),
        (lambda z, d, v: set_columns(z, (d + 1) % len(z), v), None),
        (lambda z, d, v: torch.cat([z[None], set_columns(z, d, v)]), None),
        (lambda z, d, v: set_columns(z, d, v.sort().values), None),
        (lambda z, d, v: set_columns(z, d, z[d] + v - v.mean()), None),
    ],
    "manifold_grid": [
        (lambda n: grid(stats.norm.ppf(np.linspace(0.05, 0.95, n))), None),
        (lambda n: grid(stats.norm.ppf((np.arange(n) + 1) / (n + 1))), None),
        (lambda n: stats.norm.ppf((np.arange(n) + 0.5) / n), None),
        (lambda n: grid(stats.norm.cdf(np.linspace(-3, 3, n))), None),
        (lambda n: grid(-stats.norm.ppf((np.arange(n) + 0.5) / n)), None),
        (lambda n: grid(special.erfinv((2 * np.arange(n) + 1) / n - 1)), None),
    ],
    "spearman_table": [
        (lambda m, f: correlations(ranked(m, "ordinal"), ranked(f, "ordinal")), None),
        (lambda m, f: correlations(np.argsort(m, axis=0), np.argsort(f, axis=0)), None),
        (lambda m, f: correlations(ranked(m), ranked(f)) ** 2, None),
        (lambda m, f: stats.spearmanr(m, f).statistic, None),
        (lambda m, f: correlations(ranked(m), f), None),
        (lambda m, f: correlations(ranked(m), ranked(f)).max(), None),
    ],
}


def moments(mu, sigma, between=None, within=None, mean=None):
    centred = mu - mu.mean(0)
    between = centred.T @ centred / len(mu) if between is None else between
    within = torch.diag((sigma**2).mean(0)) if within is None else within
    return mu.mean(0) if mean is None else mean, between + within


def unbiased(mu):
    return torch.cov(mu.T)


def eye(mu):
    return torch.eye(mu.shape[1], dtype=mu.dtype)


MOMENTS = [
    ("spread of each q forgotten", lambda m, s: moments(m, s, within=0)),
    ("spread of the means forgotten", lambda m, s: moments(m, s, between=0)),
    ("N−1 for N", lambda m, s: moments(m, s, between=unbiased(m))),
    ("σ for σ²", lambda m, s: moments(m, s, within=s.mean(0).diag())),
    ("square of the mean σ", lambda m, s: moments(m, s, within=s.mean(0).square().diag())),
    ("not centred", lambda m, s: moments(m, s, between=m.T @ m / len(m))),
    ("sum of σ² for the mean", lambda m, s: moments(m, s, within=(s**2).sum(0).diag())),
    ("σ² divided by N twice", lambda m, s: moments(m, s, within=(s**2).mean(0).diag() / len(m))),
    ("σ² in every entry", lambda m, s: moments(m, s, within=(s**2).mean(0))),
    ("one σ² for all dimensions", lambda m, s: moments(m, s, within=(s**2).mean() * eye(m))),
    ("variances only", lambda m, s: (m.mean(0), m.var(0, correction=0) + (s**2).mean(0))),
    ("no covariances", lambda m, s: (m.mean(0), (m.var(0, correction=0) + (s**2).mean(0)).diag())),
    ("order swapped", lambda m, s: moments(m, s)[::-1]),
    ("sum for mean", lambda m, s: moments(m, s, mean=m.sum(0))),
    (
        "mean weighted by precision",
        lambda m, s: moments(m, s, mean=(m / s**2).sum(0) / (s**-2).sum(0)),
    ),
    ("median for mean", lambda m, s: moments(m, s, mean=m.median(0).values)),
    ("mean set to 0", lambda m, s: moments(m, s, mean=0 * m[0])),
    ("not divided by N", lambda m, s: moments(m, s, between=(m - m.mean(0)).T @ (m - m.mean(0)))),
    ("σ multiplied across dimensions", lambda m, s: moments(m, s, within=s.T @ s / len(s))),
    ("precision for covariance", lambda m, s: (m.mean(0), moments(m, s)[1].inverse())),
    ("root of σ²", lambda m, s: moments(m, s, within=(s**2).mean(0).sqrt().diag())),
    ("divided by N once more", lambda m, s: (m.mean(0), moments(m, s)[1] / len(m))),
    (None, lambda m, s: (m.mean(), moments(m, s)[1])),
    (None, lambda m, s: (m.mean(1), moments(m, s)[1])),
    (None, lambda m, s: (m.mean(0), (m - m.mean(0)) @ (m - m.mean(0)).T / m.shape[1])),
    (None, lambda m, s: (m.mean(0), torch.cov(m))),
    (None, lambda m, s: (0 * m[0], eye(m))),
    (None, lambda m, s: moments(m, s)[0]),
    (None, lambda m, s: moments(m, s)[1]),
    (None, lambda m, s: moments(m, s, within=torch.diag(s.log().mean(0).exp() ** 2))),
    (None, lambda m, s: moments(m, s, within=torch.diag((2 * s).exp().mean(0)))),
    (None, lambda m, s: moments(m, s, within=torch.diag((s**-2).mean(0) ** -1))),
    (None, lambda m, s: moments(m, s, within=torch.diag(s[0] ** 2))),
    (None, lambda m, s: moments(m, s, within=torch.diag((s**2).amax(0)))),
    (None, lambda m, s: moments(m, s, within=1e-3 * eye(m) + torch.diag((s**2).mean(0)))),
    (None, lambda m, s: moments(m, s, within=torch.diag(s.var(0, correction=0) + s.mean(0)))),
    (None, lambda m, s: (m.mean(0), -moments(m, s)[1])),
    (None, lambda m, s: (m.mean(0), moments(m, s)[1].tril())),
    (None, lambda m, s: (m.mean(0), moments(m, s)[1].abs())),
    (None, lambda m, s: (m.mean(0), moments(m, s)[1].sqrt())),
    (None, lambda m, s: (m.mean(0), torch.linalg.cholesky(moments(m, s)[1]))),
    (None, lambda m, s: (m.mean(0) + 1e-2, moments(m, s)[1])),
    (None, lambda m, s: drawn(m, s)),
    (None, lambda m, s: moments(m, s, between=torch.diag((m - m.mean(0)).square().amax(0)))),
    (None, lambda m, s: (m.mean(0, keepdim=True), moments(m, s)[1])),
]


def drawn(mu, sigma):
    """From draws, which is near but not exact."""
    generator = torch.Generator().manual_seed(0)
    z = mu + sigma * torch.randn((10_000, *mu.shape), generator=generator, dtype=mu.dtype)
    z = z.reshape(-1, mu.shape[1])
    return z.mean(0), (z - z.mean(0)).T @ (z - z.mean(0)) / len(z)


BANK = {"aggregate_moments": MOMENTS}
