"""Right answers to the exercises of lessons 2 and 4, each in several hands; none is refused.

They are the oracles of the references too: SciPy, torch.distributions, least squares, conditioning.
"""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from right_answers import bank
from scipy import special, stats
from torch.distributions import Independent, Normal, kl_divergence

from vaelib import check

ANSWERS, answer = bank()


# ------------------------------------------------------------------------------------------- 2.1


@answer("average_log_likelihood")
def torch_distributions(x, mu, sigma):
    return Normal(mu, sigma).log_prob(x).mean()


@answer("average_log_likelihood")
def scipy_logpdf(x, mu, sigma):
    return stats.norm(mu, sigma).logpdf(x).mean()


@answer("average_log_likelihood")
def loop_of_floats(x, mu, sigma):
    total = 0.0
    for value in x:
        total += -0.5 * math.log(2 * math.pi * sigma**2)
        total -= (float(value) - float(mu)) ** 2 / (2 * sigma**2)
    return total / len(x)


@answer("average_log_likelihood")
def by_hand(x, mu, sigma):
    spread = ((x - mu) / sigma).pow(2).sum() / x.numel()
    return -spread / 2 - np.log(np.sqrt(2 * np.pi) * float(sigma))


@answer("average_log_likelihood")
def with_pytorchs_loss(x, mu, sigma):
    mu = torch.as_tensor(mu, dtype=x.dtype).expand_as(x)
    variance = torch.as_tensor(sigma, dtype=x.dtype).expand_as(x) ** 2
    return -F.gaussian_nll_loss(mu, x, variance, full=True, eps=1e-12)


# ------------------------------------------------------------------------------------------- 2.2


@answer("gaussian_mle")
def torch_biased(x):
    return x.mean(), x.std(correction=0)


@answer("gaussian_mle")
def numpy_list(x):
    x = np.asarray(x)
    return [np.mean(x), np.std(x)]


@answer("gaussian_mle")
def scipy_fit(x):
    return stats.norm.fit(x.numpy())


@answer("gaussian_mle")
def sums_in_python(x):
    values = x.tolist()
    mu = sum(values) / len(values)
    return mu, math.sqrt(sum((v - mu) ** 2 for v in values) / len(values))


@answer("gaussian_mle")
def moments(x):
    mu = x.sum() / len(x)
    return mu, torch.sqrt((x * x).mean() - mu**2)


# ------------------------------------------------------------------------------------------- 2.3


@answer("log_marginal")
def torch_logsumexp(log_px_z):
    return torch.logsumexp(log_px_z, dim=0) - math.log(log_px_z.shape[0])


@answer("log_marginal")
def scipy_logsumexp(log_px_z):
    return special.logsumexp(log_px_z.numpy(), axis=0, b=1 / len(log_px_z))


@answer("log_marginal")
def own_maximum(log_px_z):
    top = log_px_z.max(dim=0, keepdim=True).values
    return (top + (log_px_z - top).exp().mean(dim=0, keepdim=True).log()).squeeze(0)


@answer("log_marginal")
def one_pair_at_a_time(log_px_z):
    K, B = log_px_z.shape
    out = np.empty(B)
    for b in range(B):
        total = -np.inf
        for k in range(K):
            total = np.logaddexp(total, log_px_z[k, b].item())
        out[b] = total - np.log(K)
    return out


# ------------------------------------------------------------------------------------------- 4.1


@answer("gaussian_log_likelihood")
def independent_normal(x, x_hat, sigma_x):
    dims = x.ndim - 1
    return Independent(Normal(x_hat, torch.full_like(x_hat, float(sigma_x))), dims).log_prob(x)


@answer("gaussian_log_likelihood")
def multivariate(x, x_hat, sigma_x):
    out = []
    for a, b in zip(x, x_hat, strict=True):
        a, b = a.flatten().numpy(), b.flatten().numpy()
        out.append(stats.multivariate_normal(b, float(sigma_x) ** 2 * np.eye(len(b))).logpdf(a))
    return np.array(out)


@answer("gaussian_log_likelihood")
def squared_error_and_constant(x, x_hat, sigma_x):
    B = x.shape[0]
    error = (x - x_hat).reshape(B, -1).square().sum(dim=1)
    P = x.numel() / B
    return -error / (2 * sigma_x**2) - P * math.log(math.sqrt(2 * math.pi) * sigma_x)


@answer("gaussian_log_likelihood")
def in_numpy(x, x_hat, sigma_x):
    x, x_hat = np.array(x), np.array(x_hat)
    axes = tuple(range(1, x.ndim))
    each = -0.5 * ((x - x_hat) / sigma_x) ** 2 - 0.5 * np.log(2 * np.pi) - np.log(sigma_x)
    return each.sum(axis=axes)


# ------------------------------------------------------------------------------------------- 4.2


@answer("elbo")
def from_distributions(x, x_hat, mu, log_sigma, sigma_x):
    p_x = Normal(x_hat, sigma_x)
    q, prior = Normal(mu, log_sigma.exp()), Normal(torch.zeros_like(mu), torch.ones_like(mu))
    return p_x.log_prob(x).flatten(1).sum(1) - kl_divergence(q, prior).sum(1)


@answer("elbo")
def written_out(x, x_hat, mu, log_sigma, sigma_x):
    P = x[0].numel()
    C = -P / 2 * math.log(2 * math.pi * sigma_x**2)
    error = torch.sum((x - x_hat) ** 2, dim=tuple(range(1, x.dim())))
    kl = -0.5 * torch.sum(1 + 2 * log_sigma - mu.pow(2) - torch.exp(2 * log_sigma), dim=-1)
    return C - error / (2 * sigma_x**2) - kl


@answer("elbo")
def example_by_example(x, x_hat, mu, log_sigma, sigma_x):
    sigma_x, out = float(sigma_x), []
    for n in range(len(x)):
        log_px_z = stats.norm.logpdf(x[n].numpy(), x_hat[n].numpy(), sigma_x).sum()
        m, s = mu[n].numpy(), np.exp(log_sigma[n].numpy())
        out.append(log_px_z - 0.5 * (m @ m + s @ s - len(m) - 2 * np.log(s).sum()))
    return torch.tensor(out, dtype=x.dtype)


# ------------------------------------------------------------------------------------------- 4.3


@answer("linear_gaussian_posterior")
def from_the_precision(x, W, b, sigma_x):
    S = torch.inverse(torch.eye(W.shape[1], dtype=W.dtype) + W.t() @ W / sigma_x**2)
    return (x - b) @ W @ S / sigma_x**2, S


@answer("linear_gaussian_posterior")
def bishops_M(x, W, b, sigma_x):
    W, s = np.asarray(W), float(sigma_x)
    M = W.T @ W + s**2 * np.eye(W.shape[1])
    return np.linalg.solve(M, W.T @ np.asarray(x - b).T).T, s**2 * np.linalg.inv(M)


@answer("linear_gaussian_posterior")
def by_conditioning_the_joint(x, W, b, sigma_x):
    """(z, x) is one Gaussian; condition it on x."""
    P, D = W.shape
    C = W @ W.T + sigma_x**2 * torch.eye(P, dtype=W.dtype)
    gain = torch.linalg.solve(C, W).T
    return ((x - b) @ gain.T, torch.eye(D, dtype=W.dtype) - gain @ W)


@answer("linear_gaussian_posterior")
def by_least_squares(x, W, b, sigma_x):
    """The prior as D more observations of 0, with noise 1."""
    A = torch.cat([W / sigma_x, torch.eye(W.shape[1], dtype=W.dtype)])
    y = torch.cat([(x - b) / sigma_x, x.new_zeros(len(x), W.shape[1])], dim=1)
    return torch.linalg.lstsq(A, y.T).solution.T, (A.T @ A).inverse()


@answer("linear_gaussian_posterior")
def with_the_default_dtype(x, W, b, sigma_x):
    eye = torch.eye(W.shape[1])
    S = torch.linalg.solve(eye + W.T @ W / sigma_x**2, eye)
    return (x - b) @ W @ S / sigma_x**2, S


@pytest.mark.parametrize("default", [torch.float32, torch.float64])
def test_an_answer_may_rely_on_the_default_dtype_that_the_lesson_sets(default):
    before = torch.get_default_dtype()
    torch.set_default_dtype(default)
    try:
        assert check.linear_gaussian_posterior(with_the_default_dtype).passed
        assert torch.get_default_dtype() == default
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("name, function", ANSWERS)
def test_a_right_answer_is_accepted_on_every_seed(name, function):
    results = [getattr(check, name)(function, seed=seed) for seed in range(5)]
    assert all(r.passed and r.attempted for r in results), results
    assert {repr(r) for r in results} == {repr(results[0])} and "\n" not in repr(results[0])
