"""Right answers to the exercises of lesson 7, latent traversals."""

import math
from functools import partial
from itertools import product
from statistics import NormalDist

import numpy as np
import torch
import torch.nn.functional as F
from scipy import optimize, special, stats
from scipy.spatial.distance import cdist
from torch.distributions import Normal

from right_answers.bank import answer, answers
from vaelib import evaluation


@answer("traverse")
def repeat_and_set(z, dim, values):
    codes = z.repeat(len(values), 1)
    codes[:, dim] = values
    return codes


@answer("traverse")
def clones(z, dim, values):
    rows = []
    for v in values:
        row = z.clone()
        row[dim] = v
        rows.append(row)
    return torch.stack(rows)


@answer("traverse")
def numpy_tile(z, dim, values):
    codes = np.tile(np.asarray(z), (len(values), 1))
    codes[:, dim] = values
    return codes


@answer("traverse")
def put_back_afterwards(z, dim, values):
    before = z[dim].clone()
    rows = []
    for v in values:
        z[dim] = v
        rows.append(z.clone())
    z[dim] = before
    return torch.stack(rows)


@answer("traverse")
def one_hot(z, dim, values):
    e = torch.eye(len(z), dtype=z.dtype)[dim]
    return z * (1 - e) + values[:, None] * e


@answer("manifold_grid")
def scipy_ppf(n):
    q = stats.norm.ppf((np.arange(n) + 0.5) / n)
    return np.array([(a, b) for a in q for b in q])


@answer("manifold_grid")
def torch_icdf_in_single_precision(n):
    q = Normal(0.0, 1.0).icdf((torch.arange(n) + 0.5) / n)
    return torch.cartesian_prod(q, q)


@answer("manifold_grid")
def erfinv_and_meshgrid(n):
    q = math.sqrt(2) * torch.erfinv(2 * (torch.arange(n).double() + 0.5) / n - 1)
    return torch.stack(torch.meshgrid(q, q, indexing="ij"), dim=-1).reshape(-1, 2)


@answer("manifold_grid")
def linspace_of_middles(n):
    q = special.ndtri(np.linspace(1 / (2 * n), 1 - 1 / (2 * n), n))
    return np.column_stack([np.repeat(q, n), np.tile(q, n)])


@answer("spearman_table")
def scipy_block(mu, factors):
    D = mu.shape[1]
    return stats.spearmanr(mu.numpy(), factors.numpy()).statistic[:D, D:]


@answer("spearman_table")
def scipy_pair_by_pair(mu, factors):
    return torch.tensor(
        [[stats.spearmanr(m, f).statistic for f in factors.T.numpy()] for m in mu.T.numpy()]
    )


@answer("spearman_table")
def ranks_by_counting(mu, factors):
    def ranks(a):
        below = (a[:, None] > a[None]).double().sum(1)
        return below + (a[:, None] == a[None]).double().sum(1) / 2

    a, b = (r - r.mean(0) for r in (ranks(mu), ranks(factors)))
    return (a.T @ b) / (a.norm(dim=0)[:, None] * b.norm(dim=0))


@answer("spearman_table")
def rankdata_and_corrcoef(mu, factors):
    a = stats.rankdata(mu, axis=0)
    b = stats.rankdata(factors, axis=0)
    return np.corrcoef(a, b, rowvar=False)[: a.shape[1], a.shape[1] :]


@answer("traverse")
def in_a_list(z, dim, values):
    rows = []
    for value in values:
        row = z.clone()
        row[dim] = value
        rows.append(row)
    return torch.stack(rows)


answers(
    "traverse",
    lambda z, dim, values: z + (values[:, None] - z[dim]) * torch.eye(len(z), dtype=z.dtype)[dim],
    lambda z, dim, values: torch.where(torch.arange(len(z)) == dim, values[:, None], z),
    lambda z, dim, values: (
        z.expand(len(values), -1).clone().index_fill(1, torch.tensor(dim), 0.0)
        + F.one_hot(torch.tensor(dim), len(z)) * values[:, None]
    ),
    lambda z, dim, values: torch.cat(
        [z[:dim].expand(len(values), -1), values[:, None], z[dim + 1 :].expand(len(values), -1)], 1
    ),
    lambda z, dim, values: np.array(
        [[v if d == dim else a for d, a in enumerate(z.tolist())] for v in values.tolist()]
    ),
    lambda z, dim, values: torch.vmap(lambda v: torch.where(torch.arange(len(z)) == dim, v, z))(
        values
    ),
    lambda z, dim, values: z.repeat(len(values), 1).scatter(
        1, torch.full((len(values), 1), dim), values[:, None]
    ),
)
answers(
    "manifold_grid",
    lambda n: torch.cartesian_prod(
        *2 * [torch.special.ndtri((torch.arange(n).double() + 0.5) / n)]
    ),
    lambda n: np.array(
        [
            (stats.norm.ppf((i + 0.5) / n), stats.norm.ppf((j + 0.5) / n))
            for i in range(n)
            for j in range(n)
        ]
    ),
    lambda n: torch.stack(
        torch.meshgrid(
            *2 * [Normal(0.0, 1.0).icdf((torch.arange(n).double() + 0.5) / n)], indexing="ij"
        ),
        -1,
    ).reshape(-1, 2),
    lambda n: np.stack(
        np.meshgrid(*2 * [special.ndtri(np.linspace(0.5 / n, 1 - 0.5 / n, n))], indexing="ij"), -1
    ).reshape(-1, 2),
    lambda n: special.ndtri((np.indices((n, n)).reshape(2, -1).T + 0.5) / n),
    lambda n: torch.special.ndtri(
        torch.stack([torch.arange(n * n) // n, torch.arange(n * n) % n], 1).add(0.5).double() / n
    ),
    lambda n: (
        math.sqrt(2)
        * special.erfinv((2 * np.array([divmod(k, n) for k in range(n * n)]) + 1) / n - 1)
    ),
)
answers(
    "spearman_table",
    lambda m, f: evaluation.spearman_table(m, f),
    lambda m, f: np.array(
        [[stats.spearmanr(a, b).statistic for b in f.numpy().T] for a in m.numpy().T]
    ),
    lambda m, f: np.corrcoef(stats.rankdata(m, axis=0), stats.rankdata(f, axis=0), rowvar=False)[
        : m.shape[1], m.shape[1] :
    ],
    lambda m, f: (
        stats.zscore(stats.rankdata(m, axis=0), axis=0).T
        @ stats.zscore(stats.rankdata(f, axis=0), axis=0)
        / len(m)
    ),
    lambda m, f: torch.tensor(
        [[stats.pearsonr(stats.rankdata(a), stats.rankdata(b))[0] for b in f.T] for a in m.T]
    ),
)


@answer("spearman_table")
def counting_smaller_and_equal(mu, factors):
    def ranks(a):
        less = (a[:, None] > a).sum(1).double()
        equal = (a[:, None] == a).sum(1)
        rank = less + (equal + 1) / 2
        rank = rank - rank.mean(0)
        return rank / rank.norm(dim=0)

    return ranks(mu).T @ ranks(factors)


@answer("aggregate_moments")
def law_of_total_variance(mu, sigma):
    mean = mu.mean(0)
    centred = mu - mean
    return mean, centred.T @ centred / len(mu) + torch.diag((sigma**2).mean(0))


@answer("aggregate_moments")
def second_moments(mu, sigma):
    mean = mu.mean(0)
    second = torch.einsum("nd,ne->de", mu, mu) / len(mu) + (sigma**2).mean(0).diag()
    return mean, second - torch.outer(mean, mean)


@answer("aggregate_moments")
def numpy_bias(mu, sigma):
    mu, sigma = np.asarray(mu), np.asarray(sigma)
    between = np.atleast_2d(np.cov(mu, rowvar=False, bias=True))
    return mu.mean(0), between + np.diag((sigma**2).mean(0))


@answer("aggregate_moments")
def torch_cov_without_correction(mu, sigma):
    between = torch.cov(mu.T, correction=0)
    return mu.mean(dim=0), between + torch.diag(sigma.square().mean(dim=0))


@answer("aggregate_moments")
def mean_of_matrices(mu, sigma):
    mean = torch.mean(mu, 0)
    each = torch.diag_embed(sigma**2) + (mu - mean)[:, :, None] * (mu - mean)[:, None, :]
    return mean, each.mean(0)


@answer("aggregate_moments")
def a_loop_over_faces(mu, sigma):
    N, D = mu.shape
    mean = sum(mu) / N
    covariance = torch.zeros(D, D, dtype=mu.dtype)
    for m, s in zip(mu, sigma, strict=True):
        covariance += (torch.outer(m - mean, m - mean) + torch.diag(s**2)) / N
    return mean, covariance


@answer("aggregate_moments")
def numbers_one_by_one(mu, sigma):
    N, D = mu.shape
    mean = [sum(mu[n, d].item() for n in range(N)) / N for d in range(D)]
    covariance = np.zeros((D, D))
    for i in range(D):
        for j in range(D):
            for n in range(N):
                covariance[i, j] += (mu[n, i] - mean[i]) * (mu[n, j] - mean[j]) / N
                covariance[i, j] += float(sigma[n, i]) ** 2 / N if i == j else 0
    return np.array(mean), covariance


@answer("aggregate_moments")
def vmapped_outer(mu, sigma):
    mean = mu.mean(0)
    outer = torch.vmap(torch.outer)(mu - mean, mu - mean).mean(0)
    return [mean, outer + torch.eye(mu.shape[1], dtype=mu.dtype) * sigma.pow(2).mean(0)]


@answer("aggregate_moments")
def stacked_sigma_points(mu, sigma):
    """A Gaussian has the moments of the points μ ± √D σ_d e_d, each equally often."""
    N, D = mu.shape
    steps = torch.diag_embed(sigma) * D**0.5
    points = torch.cat([mu[:, None] + steps, mu[:, None] - steps], 1).reshape(-1, D)
    mean = points.mean(0)
    return mean, (points - mean).T @ (points - mean) / len(points)


@answer("aggregate_moments")
def weighted_average(mu, sigma):
    weights = torch.full((len(mu),), 1 / len(mu), dtype=mu.dtype)
    mean = weights @ mu
    centred = mu - mean
    within = torch.diagflat(weights @ sigma**2)
    return mean, (centred * weights[:, None]).T @ centred + within


class Traversal:
    def __init__(self, make):
        self.make = make

    def __call__(self, z, dim, values):
        return self.make([[*z[:dim].tolist(), v, *z[dim + 1 :].tolist()] for v in values.tolist()])


def filled_row_by_row(z, dim, values):
    codes = torch.empty(len(values), len(z), dtype=z.dtype)
    for i in range(len(values)):
        codes[i] = z
        codes[i, dim] = values[i]
    return codes


def index_copied(z, dim, values):
    return z.expand(len(values), -1).index_copy(1, torch.tensor([dim]), values.unsqueeze(1))


def with_a_meshgrid(z, dim, values):
    columns = [values if d == dim else z[d].expand(len(values)) for d in range(len(z))]
    return torch.stack(columns, dim=1)


@torch.jit.script
def scripted_traversal(z: torch.Tensor, dim: int, values: torch.Tensor) -> torch.Tensor:
    codes = z.unsqueeze(0).repeat(values.shape[0], 1)
    codes[:, dim] = values
    return codes


answers(
    "traverse",
    Traversal(np.array),
    Traversal(torch.tensor),
    filled_row_by_row,
    index_copied,
    with_a_meshgrid,
    lambda z, dim, values: scripted_traversal(z, dim, values),
    partial(
        lambda stack, z, d, v: stack([torch.cat([z[:d], a[None], z[d + 1 :]]) for a in v]),
        torch.vstack,
    ),
    lambda z, d, v: z + torch.einsum("n,d->nd", v - z[d], F.one_hot(torch.tensor(d), len(z)).to(z)),
    lambda z, d, v: torch.vmap(lambda a: z.index_put((torch.tensor(d),), a))(v),
    lambda z, d, v: np.where(np.arange(len(z)) == d, v[:, None], z).astype(np.float32),
)


def by_bisection(n):
    """Φ is increasing: where is it (i + ½)/n?"""
    q = [
        optimize.brentq(lambda z, i=i: special.ndtr(z) - (i + 0.5) / n, -9, 9, xtol=1e-13)
        for i in range(n)
    ]
    return np.array([(a, b) for a in q for b in q])


class Grid:
    def __init__(self, quantile):
        self.quantile = quantile

    def __call__(self, n):
        q = [self.quantile((i + 0.5) / n) for i in range(n)]
        return torch.tensor([[a, b] for a in q for b in q], dtype=torch.float64)


answers(
    "manifold_grid",
    by_bisection,
    Grid(NormalDist().inv_cdf),
    partial(
        lambda ppf, n: np.array(list(product(ppf((np.arange(n) + 0.5) / n), repeat=2))),
        stats.norm.ppf,
    ),
    lambda n: torch.cartesian_prod(*2 * [Normal(0, 1).icdf((2 * torch.arange(n) + 1) / (2 * n))]),
    lambda n: special.ndtri((np.mgrid[:n, :n].reshape(2, -1).T + 0.5) / n),
    lambda n: -stats.norm.isf((np.stack(np.divmod(np.arange(n * n), n), 1) + 0.5) / n),
)


def by_covariance_of_ranks(mu, factors):
    a, b = (stats.rankdata(c.numpy(), axis=0) for c in (mu, factors))
    covariance = (a - a.mean(0)).T @ (b - b.mean(0)) / len(a)
    return covariance / np.outer(a.std(0), b.std(0))


class RankTable:
    def ranks(self, column):
        """The average rank: as many below, and half of the equal ones."""
        return torch.stack([(column < v).sum() + ((column == v).sum() - 1) / 2 for v in column])

    def __call__(self, mu, factors):
        table = torch.empty(mu.shape[1], factors.shape[1], dtype=torch.float64)
        for d, m in enumerate(mu.T):
            for f, factor in enumerate(factors.T):
                pair = torch.stack([self.ranks(m), self.ranks(factor)]).double()
                table[d, f] = torch.corrcoef(pair)[0, 1]
        return table


def with_searchsorted(mu, factors):
    def ranks(a):
        ordered = a.T.contiguous().sort(1).values
        sides = [torch.searchsorted(ordered, a.T.contiguous(), right=r) for r in (False, True)]
        return (sides[0] + sides[1]).double()

    both = torch.cat([ranks(mu), ranks(factors)])
    return torch.corrcoef(both)[: mu.shape[1], mu.shape[1] :]


def with_unique(mu, factors):
    def ranks(column):
        _, where, counts = np.unique(column, return_inverse=True, return_counts=True)
        return (np.cumsum(counts) - (counts - 1) / 2)[where]

    a, b = (np.apply_along_axis(ranks, 0, c.numpy()) for c in (mu, factors))
    return 1 - cdist(a.T, b.T, "correlation")


answers(
    "spearman_table",
    by_covariance_of_ranks,
    RankTable(),
    with_searchsorted,
    with_unique,
    partial(
        lambda rank, m, f: np.corrcoef(rank(m, axis=0).T, rank(f, axis=0).T)[
            : m.shape[1], m.shape[1] :
        ],
        stats.rankdata,
    ),
    lambda m, f: torch.tensor(
        [[stats.spearmanr(a, b)[0] for b in f.T] for a in m.T], dtype=torch.float32
    ),
)


class Moments:
    def __call__(self, mu, sigma):
        second = (torch.einsum("nd,ne->nde", mu, mu) + torch.diag_embed(sigma**2)).mean(0)
        mean = mu.mean(0)
        return mean, second - mean[:, None] * mean[None]


answers(
    "aggregate_moments",
    Moments(),
    lambda m, s: [
        m.numpy().mean(0),
        np.cov(m.numpy(), rowvar=False, ddof=0).reshape(2 * m.shape[1:])
        + np.diag((s.numpy() ** 2).mean(0)),
    ],
    partial(
        lambda cov, m, s: (m.mean(0), cov(m.T, correction=0) + s.square().mean(0).diag()), torch.cov
    ),
)
