"""Right answers to the exercises of lesson 7, latent traversals."""

import math

import numpy as np
import torch
from scipy import special, stats
from torch.distributions import Normal

from right_answers.bank import answer


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
