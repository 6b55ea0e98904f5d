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


def put_into(z, dim, values):
    """All values at once into a single code."""
    code = z.clone()
    code[dim] = values
    return code


def expanded(z, dim, values):
    """The rows of expand share their memory."""
    codes = z.expand(len(values), -1)
    for i, v in enumerate(values):
        codes[i, dim] = v
    return codes


def list_of_one_code(z, dim, values):
    code = z.clone()
    rows = []
    for v in values:
        code[dim] = v
        rows.append(code)
    return torch.stack(rows)


def a_list(z, dim, values):
    rows = []
    for v in values:
        row = z.clone()
        row[dim] = v
        rows.append(row)
    return rows


def one_long_row(z, dim, values):
    return torch.cat(a_list(z, dim, values))


def added_up(z, dim, values):
    code = z.clone()
    rows = []
    for v in values:
        code[dim] += v
        rows.append(code.clone())
    return torch.stack(rows)


def in_numpy_in_place(z, dim, values):
    codes = np.asarray(z)
    codes[dim] = values[-1]
    return np.tile(codes, (len(values), 1))


def an_own_range(z, dim, values):
    return set_columns(z, dim, torch.linspace(-3, 3, len(values), dtype=z.dtype))


def evenly_between(z, dim, values):
    return set_columns(z, dim, torch.linspace(values[0], values[-1], len(values), dtype=z.dtype))


def whole_numbers(z, dim, values):
    return np.array(set_columns(z, dim, values), dtype=int)


def interpolated(z, dim, values):
    t = torch.linspace(0, 1, len(values), dtype=z.dtype)[:, None]
    return (1 - t) * z + t * set_columns(z, dim, values)


def all_rows_the_same(z, dim, values):
    codes = z.repeat(len(values), 1)
    for v in values:
        codes[:, dim] = v
    return codes


def rows_for_columns(z, dim, values):
    """A row of the matrix is set, where a column is meant."""
    codes = z.repeat(len(values), 1)
    codes[dim % len(values)] = values[0]
    return codes


TRAVERSALS = [
    ("in place, and one row n times", one_row_n_times),
    ("last value in every row", list_of_one_code),
    ("last value in every row", all_rows_the_same),
    ("a list for a tensor", a_list),
    ("adds up from row to row", added_up),
    ("adds for replaces", lambda z, d, v: set_columns(z, d, z[d] + v)),
    ("multiplies for replaces", lambda z, d, v: set_columns(z, d, z[d] * v)),
    ("subtracts for replaces", lambda z, d, v: set_columns(z, d, z[d] - v)),
    ("other dims moved", lambda z, d, v: v[:, None].expand(-1, len(z))),
    (
        "dims after dim moved too",
        lambda z, d, v: torch.cat([z[:d].repeat(len(v), 1), v[:, None].repeat(1, len(z) - d)], 1),
    ),
    (
        "dims before dim moved too",
        lambda z, d, v: torch.cat([v[:, None].repeat(1, d + 1), z[d + 1 :].repeat(len(v), 1)], 1),
    ),
    ("dim one too low", lambda z, d, v: set_columns(z, d - 1, v)),
    ("dim one too high", lambda z, d, v: set_columns(z, (d + 1) % len(z), v)),
    ("other dims set to 0", lambda z, d, v: set_columns(torch.zeros_like(z), d, v)),
    ("other dims set to 0", lambda z, d, v: np.outer(v, np.eye(len(z))[d])),
    ("other dims set to their mean", lambda z, d, v: set_columns(z.mean().repeat(len(z)), d, v)),
    ("axes swapped", lambda z, d, v: set_columns(z, d, v).T),
    ("rows in reverse", lambda z, d, v: set_columns(z, d, v.flip(0))),
    ("first row only", lambda z, d, v: set_columns(z, d, v)[0]),
    ("first value in every row", lambda z, d, v: set_columns(z, d, v[:1].expand(len(v)))),
    ("dimension 0 for dim", lambda z, d, v: set_columns(z, 0, v)),
    ("last dimension for dim", lambda z, d, v: set_columns(z, -1, v)),
    ("values not used", lambda z, d, v: z.repeat(len(v), 1)),
    ("dim counted from the end", lambda z, d, v: set_columns(z, -d, v)),
    ("in place, and one row n times", in_numpy_in_place),
    ("returns None", lambda z, d, v: print(end="")),
    (None, put_into),
    (None, expanded),
    (None, one_long_row),
    (None, an_own_range),
    (None, evenly_between),
    (None, whole_numbers),
    (None, interpolated),
    (None, rows_for_columns),
    (None, lambda z, d, v: set_columns(z, d, v + 1e-3)),
    (None, lambda z, d, v: set_columns(z, d, v.clamp(-1, 1))),
    (None, lambda z, d, v: set_columns(z, d, v.abs())),
    (None, lambda z, d, v: set_columns(z, d, v * z.std())),
    (None, lambda z, d, v: set_columns(z, d, v).float().half()),
    (None, lambda z, d, v: set_columns(z, d, v)[None]),
    (None, lambda z, d, v: set_columns(z, d, v).squeeze()),
    (None, lambda z, d, v: set_columns(z, d, v)[:-1]),
    (None, lambda z, d, v: set_columns(z, d, v[:3]) if len(v) > 3 else set_columns(z, d, v)),
    (None, lambda z, d, v: torch.cat([set_columns(z, d, v), z[None]])),
    (None, lambda z, d, v: set_columns(z, d, torch.unique(v))),
    (None, lambda z, d, v: set_columns(z.flip(0), d, v)),
    (None, lambda z, d, v: set_columns(z / z.norm(), d, v)),
    (None, lambda z, d, v: (set_columns(z, d, v), v)),
    (None, lambda z, d, v: set_columns(z, d, v)[:, d]),
    (None, lambda z, d, v: set_columns(z, d, torch.normal(0.0, 1.0, v.shape).double())),
]


def quantiles(n, shift=0.5, over=0):
    return stats.norm.ppf((np.arange(n) + shift) / (n + over))


def with_meshgrid_xy(n):
    q = torch.from_numpy(quantiles(n))
    a, b = torch.meshgrid(q, q, indexing="xy")
    return torch.stack([a.flatten(), b.flatten()], 1)


def with_numpys_meshgrid(n):
    a, b = np.meshgrid(quantiles(n), quantiles(n))
    return np.column_stack([a.ravel(), b.ravel()])


def in_nested_loops_with_i_inside(n):
    q = quantiles(n)
    return [[q[i], q[j]] for j in range(n) for i in range(n)]


def three_loops_of_a_list(n):
    codes = []
    for a in quantiles(n):
        for b in quantiles(n):
            codes.append((a, b))
    return codes


def of_samples(n):
    """The quantiles of draws, as the lesson has them of codes."""
    draws = torch.randn(10_000, generator=torch.Generator().manual_seed(0)).double()
    q = torch.quantile(draws, (torch.arange(n).double() + 0.5) / n)
    return torch.cartesian_prod(q, q)


def cdf_of_a_line(n):
    return grid(stats.norm.cdf(np.linspace(-2, 2, n)))


def density_for_quantile(n):
    return grid(stats.norm.pdf((np.arange(n) + 0.5) / n))


def sorted_by_both(n):
    codes = grid(quantiles(n))
    return codes[np.lexsort((codes[:, 0], codes[:, 1]))]


def pairs_without_repetition(n):
    q = quantiles(n)
    return np.array([(a, b) for i, a in enumerate(q) for b in q[i:]])


def integer_halves(n):
    """(i + 1/2) with whole numbers: 1 // 2 is 0."""
    return grid(stats.norm.ppf((np.arange(n) + 1 // 2) / n))


GRIDS = [
    ("linear grid", lambda n: grid(np.linspace(-2, 2, n))),
    (
        "linear grid",
        lambda n: (
            torch.cartesian_prod(torch.linspace(-3, 3, n), torch.linspace(-3, 3, n))
            if n > 1
            else torch.zeros(1, 2)
        ),
    ),
    ("linear grid", lambda n: (np.indices((n, n)).reshape(2, -1).T + 0.5) / n),
    ("0 and 1 included (infinite)", lambda n: grid(special.ndtri(np.linspace(0, 1, n)))),
    ("0 included (infinite)", lambda n: grid(quantiles(n, 0))),
    ("0 included (infinite)", integer_halves),
    ("1 included (infinite)", lambda n: grid(quantiles(n, 1))),
    ("(i + 1)/(n + 1)", lambda n: grid(quantiles(n, 1, 1))),
    ("(i + 1)/(n + 1)", lambda n: grid(stats.norm.ppf(np.linspace(0, 1, n + 2)[1:-1]))),
    ("other quantiles", lambda n: grid(stats.norm.ppf(np.linspace(0.01, 0.99, n)))),
    ("other quantiles", lambda n: grid(stats.norm.ppf(np.linspace(0.1, 0.9, n)))),
    ("Φ for Φ⁻¹", lambda n: grid(stats.norm.cdf((np.arange(n) + 0.5) / n))),
    ("codes between 0 and 1", cdf_of_a_line),
    ("logistic for normal", lambda n: grid(special.logit((np.arange(n) + 0.5) / n))),
    ("logistic for normal", lambda n: grid(stats.logistic.ppf((np.arange(n) + 0.5) / n))),
    ("from high to low", lambda n: grid(quantiles(n)[::-1])),
    ("from high to low", lambda n: grid(stats.norm.isf((np.arange(n) + 0.5) / n))),
    ("order", with_meshgrid_xy),
    ("order", with_numpys_meshgrid),
    ("order", lambda n: sorted_by_both(n)),
    ("one coordinate twice", lambda n: np.stack([np.repeat(quantiles(n), n)] * 2, 1)),
    ("second from high to low", lambda n: grid(quantiles(n)) * [1, -1]),
    ("first from high to low", lambda n: grid(quantiles(n)) * [-1, 1]),
    ("not flattened: (n, n, 2)", lambda n: grid(quantiles(n)).reshape(n, n, 2)),
    ("axes swapped", lambda n: grid(quantiles(n)).T),
    ("n codes only", lambda n: np.stack([quantiles(n)] * 2, 1)),
    ("√2 forgotten", lambda n: grid(special.erfinv(2 * (np.arange(n) + 0.5) / n - 1))),
    ("a list for a tensor", in_nested_loops_with_i_inside),
    ("returns None", lambda n: None),
    (None, three_loops_of_a_list),
    (None, of_samples),
    ("codes between 0 and 1", density_for_quantile),
    (None, pairs_without_repetition),
    (None, lambda n: np.random.default_rng(0).normal(size=(n * n, 2))),
    (None, lambda n: torch.randn(n * n, 2)),
    (None, lambda n: grid(quantiles(n)).astype(np.float16)),
    (None, lambda n: grid(quantiles(n).round(2))),
    (None, lambda n: grid(quantiles(n).clip(-2, 2))),
    (None, lambda n: grid(quantiles(n) + 1e-3)),
    (None, lambda n: grid(2 * quantiles(n))),
    (None, lambda n: grid(quantiles(n) ** 2)),
    (None, lambda n: grid(quantiles(n, 0.375, 0.25))),
    (None, lambda n: grid(stats.t.ppf((np.arange(n) + 0.5) / n, 5))),
    (None, lambda n: grid(stats.uniform(-2, 4).ppf((np.arange(n) + 0.5) / n))),
    (None, lambda n: grid(quantiles(n * n))),
    (None, lambda n: grid(quantiles(n + 1))),
    (None, lambda n: grid(quantiles(n))[:-1]),
    (None, lambda n: (grid(quantiles(n))[:, 0], grid(quantiles(n))[:, 1])),
    (None, lambda n: torch.cartesian_prod(*3 * [torch.from_numpy(quantiles(n))])),
    (None, lambda n: quantiles(n)[:, None] * quantiles(n)),
]


def ranks_from_argsort(a):
    return np.argsort(np.argsort(a, axis=0), axis=0)


def torch_ranks(a):
    return a.argsort(0).argsort(0).double()


def centred(a):
    a = a - a.mean(0)
    return a / a.norm(dim=0)


def only_the_first_factor(mu, factors):
    return [stats.spearmanr(mu[:, d], factors[:, 0]).statistic for d in range(mu.shape[1])]


def flat_list(mu, factors):
    return [stats.spearmanr(m, f).statistic for m in mu.T for f in factors.T]


def p_values(mu, factors):
    return np.array([[stats.spearmanr(m, f).pvalue for f in factors.T] for m in mu.T])


def whole_results(mu, factors):
    return [[stats.spearmanr(m, f) for f in factors.T] for m in mu.T]


def other_block(mu, factors):
    D = mu.shape[1]
    return stats.spearmanr(mu, factors).statistic[D:, :D]


def block_of_mu(mu, factors):
    D = mu.shape[1]
    return np.corrcoef(ranked(mu), rowvar=False).reshape(D, D)


def centred_ranks_only(mu, factors):
    a, b = ranked(mu), ranked(factors)
    return (a - a.mean(0)).T @ (b - b.mean(0)) / len(a)


def by_the_shortcut(mu, factors):
    N = len(mu)
    d = ranked(mu)[:, :, None] - ranked(factors)[:, None]
    return 1 - 6 * (d**2).sum(0) / (N * (N**2 - 1))


def sorted_columns(mu, factors):
    return correlations(mu.sort(0).values, factors.sort(0).values)


def mu_in_place(mu, factors):
    for d in range(mu.shape[1]):
        mu[:, d] = torch.from_numpy(stats.rankdata(mu[:, d]))
    return correlations(mu, ranked(factors))


def one_ddof(mu, factors):
    a, b = ranked(mu), ranked(factors)
    cov = (a - a.mean(0)).T @ (b - b.mean(0)) / len(a)
    return cov / np.outer(a.std(0, ddof=1), b.std(0, ddof=1))


SPEARMAN = [
    ("Pearson", lambda m, f: centred(m).T @ centred(f)),
    ("Pearson", lambda m, f: np.array([[stats.pearsonr(a, b)[0] for b in f.T] for a in m.T])),
    ("Pearson", lambda m, f: torch.corrcoef(torch.cat([m, f], 1).T)[: m.shape[1], m.shape[1] :]),
    ("argsort for ranks", lambda m, f: correlations(m.argsort(0), f.argsort(0))),
    (
        "argsort for ranks",
        lambda m, f: correlations(m.argsort(0, stable=True), f.argsort(0, stable=True)),
    ),
    ("ranks without averaging", lambda m, f: correlations(torch_ranks(m), torch_ranks(f))),
    (
        "ranks without averaging",
        lambda m, f: correlations(ranks_from_argsort(m), ranks_from_argsort(f)),
    ),
    (
        "ranks without averaging",
        lambda m, f: correlations(ranked(m, "ordinal"), ranked(f, "ordinal")),
    ),
    ("lowest ranks for ties", lambda m, f: correlations(ranked(m, "min"), ranked(f, "min"))),
    ("highest ranks for ties", lambda m, f: correlations(ranked(m, "max"), ranked(f, "max"))),
    ("dense ranks", lambda m, f: correlations(ranked(m, "dense"), ranked(f, "dense"))),
    ("mu not ranked", lambda m, f: correlations(m, ranked(f))),
    ("factors not ranked", lambda m, f: correlations(ranked(m), f)),
    (
        "ranks along the wrong axis",
        lambda m, f: correlations(stats.rankdata(m, axis=1), stats.rankdata(f, axis=1)),
    ),
    ("the shortcut 1 − 6Σd²/N(N² − 1)", by_the_shortcut),
    (
        "covariance",
        lambda m, f: np.cov(ranked(m), ranked(f), rowvar=False)[: m.shape[1], m.shape[1] :],
    ),
    (
        "not centred",
        lambda m, f: (
            (ranked(m) / np.linalg.norm(ranked(m), axis=0)).T
            @ (ranked(f) / np.linalg.norm(ranked(f), axis=0))
        ),
    ),
    ("N−1 beside N", one_ddof),
    (
        "Kendall",
        lambda m, f: np.array([[stats.kendalltau(a, b).statistic for b in f.T] for a in m.T]),
    ),
    ("sign lost", lambda m, f: np.abs(stats.spearmanr(m, f).statistic[: m.shape[1], m.shape[1] :])),
    ("squared", lambda m, f: correlations(ranked(m), ranked(f)) ** 2),
    ("sign turned", lambda m, f: correlations(-ranked(m), ranked(f))),
    ("axes swapped", other_block),
    ("whole table, (D + F, D + F)", lambda m, f: np.corrcoef(ranked(m), ranked(f), rowvar=False)),
    ("changes its inputs", mu_in_place),
    ("covariance", centred_ranks_only),
    (None, only_the_first_factor),
    (None, flat_list),
    (None, p_values),
    (None, whole_results),
    (None, block_of_mu),
    (None, sorted_columns),
    (None, lambda m, f: correlations(ranked(m), ranked(f)).mean(0)),
    (None, lambda m, f: correlations(ranked(m), ranked(f)).argmax(1)),
    (None, lambda m, f: correlations(ranked(m), ranked(f)).round(2)),
    (None, lambda m, f: correlations(ranked(m), ranked(f)).round()),
    (None, lambda m, f: correlations(ranked(m), ranked(f)).flatten()),
    (None, lambda m, f: correlations(ranked(m), ranked(f)).squeeze()),
    (None, lambda m, f: correlations(ranked(m), ranked(f)).clip(-0.9, 0.9)),
    (None, lambda m, f: np.arctanh(correlations(ranked(m), ranked(f)) * 0.999)),
    (None, lambda m, f: 1 - correlations(ranked(m), ranked(f))),
    (None, lambda m, f: correlations(ranked(m)[1:], ranked(f)[1:])),
    (None, lambda m, f: correlations(ranked(m), ranked(f)[::-1])),
    (None, lambda m, f: correlations(ranked(m) ** 2, ranked(f) ** 2)),
    (None, lambda m, f: correlations(np.log(m), f)),
    (None, lambda m, f: stats.spearmanr(m, f).statistic[0, 1] if m.shape[1] > 1 else 0.0),
    (None, lambda m, f: stats.spearmanr(m.flatten(), f.flatten()).statistic),
    (None, lambda m, f: None),
]

BANK = {
    "traverse": TRAVERSALS,
    "manifold_grid": GRIDS,
    "aggregate_moments": MOMENTS,
    "spearman_table": SPEARMAN,
}
