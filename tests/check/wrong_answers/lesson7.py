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
