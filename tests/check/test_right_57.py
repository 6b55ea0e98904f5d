"""Right answers to the exercises of lessons 5 and 7, each in several hands; none is refused."""

import math

import numpy as np
import pytest
import torch
from right_answers import bank
from scipy import special, stats
from torch.distributions import Normal

from vaelib import check

ANSWERS, answer = bank()


# ------------------------------------------------------------------------------------------- 5.1


@answer("reparameterise")
def as_the_lecture_has_it(mu, log_sigma, eps):
    return mu + log_sigma.exp() * eps


@answer("reparameterise")
def addcmul(mu, log_sigma, eps):
    return torch.addcmul(mu, torch.exp(log_sigma), eps)


@answer("reparameterise")
def row_by_row(mu, log_sigma, eps):
    return torch.stack([mu[i] + torch.exp(log_sigma[i]) * eps[i] for i in range(len(mu))])


@answer("reparameterise")
def with_logvar(mu, log_sigma, eps):
    logvar = 2 * log_sigma
    return eps.mul((0.5 * logvar).exp()).add(mu)


@answer("reparameterise")
def e_to_the(mu, log_sigma, eps):
    return mu + math.e**log_sigma * eps


# ------------------------------------------------------------------------------------------- 5.2


@answer("score_function_gradient")
def vectorised(f_z, z, mu, sigma):
    return (f_z * (z - mu) / sigma**2).mean()


@answer("score_function_gradient")
def numpy_dot(f_z, z, mu, sigma):
    return np.dot(f_z, (np.asarray(z) - float(mu)) / float(sigma) ** 2) / len(f_z)


@answer("score_function_gradient")
def autograd_of_log_q(f_z, z, mu, sigma):
    mu = torch.as_tensor(mu, dtype=z.dtype).requires_grad_()
    surrogate = (f_z * Normal(mu, sigma).log_prob(z)).mean()
    return torch.autograd.grad(surrogate, mu)[0]


@answer("score_function_gradient")
def a_loop(f_z, z, mu, sigma):
    total = 0.0
    for f, at in zip(f_z.tolist(), z.tolist(), strict=True):
        total += f * (at - float(mu)) / float(sigma) ** 2
    return total / len(z)


# ------------------------------------------------------------------------------------------- 5.3


@answer("pathwise_gradient")
def two_means(df_dz, eps, sigma):
    return df_dz.mean(), (df_dz * eps).mean()


@answer("pathwise_gradient")
def numpy_array_of_two(df_dz, eps, sigma):
    return list(np.stack([df_dz, df_dz * eps]).mean(axis=1))


@answer("pathwise_gradient")
def autograd_through_z(df_dz, eps, sigma):
    mu = torch.zeros((), dtype=eps.dtype, requires_grad=True)
    sigma = torch.as_tensor(sigma, dtype=eps.dtype).requires_grad_()
    z = mu + sigma * eps
    z.backward(df_dz / len(eps))
    return mu.grad, sigma.grad


@answer("pathwise_gradient")
def plain_python(df_dz, eps, sigma):
    K = len(eps)
    return sum(df_dz) / K, sum(d * e for d, e in zip(df_dz, eps, strict=True)) / K


# ------------------------------------------------------------------------------------------- 5.4


@answer("optimal_baseline")
def ratio_of_means(f_z, score):
    return (f_z * score**2).mean() / (score**2).mean()


@answer("optimal_baseline")
def weighted_average(f_z, score):
    return np.average(f_z.numpy(), weights=np.square(score))


@answer("optimal_baseline")
def least_squares(f_z, score):
    """b minimises Σ (f s − b s)²."""
    return torch.linalg.lstsq(score[:, None], (f_z * score)[:, None]).solution.item()


@answer("optimal_baseline")
def a_parabolas_lowest_point(f_z, score):
    at = [(((f_z - b) * score) ** 2).mean().item() for b in (-1, 0, 1)]
    return (at[0] - at[2]) / (2 * (at[0] - 2 * at[1] + at[2]))


# ------------------------------------------------------------------------------------------- 7.1


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
    before, rows = z[dim].clone(), []
    for v in values:
        z[dim] = v
        rows.append(z.clone())
    z[dim] = before
    return torch.stack(rows)


@answer("traverse")
def one_hot(z, dim, values):
    e = torch.eye(len(z), dtype=z.dtype)[dim]
    return z * (1 - e) + values[:, None] * e


# ------------------------------------------------------------------------------------------- 7.2


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


# ------------------------------------------------------------------------------------------- 7.3


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
    a, b = stats.rankdata(mu, axis=0), stats.rankdata(factors, axis=0)
    return np.corrcoef(a, b, rowvar=False)[: a.shape[1], a.shape[1] :]


@pytest.mark.parametrize("name, function", ANSWERS)
def test_a_right_answer_is_accepted_on_every_seed(name, function):
    results = [getattr(check, name)(function, seed=seed) for seed in range(5)]
    assert all(r.passed and r.attempted for r in results), results
    assert {repr(r) for r in results} == {repr(results[0])} and "\n" not in repr(results[0])
