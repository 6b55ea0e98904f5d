"""Right answers to the exercises of lesson 4, the ELBO."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy import linalg, stats
from torch.distributions import Independent, Normal, kl_divergence

from right_answers.bank import answer, answers
from vaelib import distributions, divergences, exact


@answer("gaussian_log_likelihood")
def independent_normal(x, x_hat, sigma_x):
    dims = x.ndim - 1
    return Independent(Normal(x_hat, torch.full_like(x_hat, float(sigma_x))), dims).log_prob(x)


@answer("gaussian_log_likelihood")
def multivariate(x, x_hat, sigma_x):
    out = []
    for a, b in zip(x, x_hat, strict=True):
        a = a.flatten().numpy()
        b = b.flatten().numpy()
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
    x = np.array(x)
    x_hat = np.array(x_hat)
    axes = tuple(range(1, x.ndim))
    each = -0.5 * ((x - x_hat) / sigma_x) ** 2 - 0.5 * np.log(2 * np.pi) - np.log(sigma_x)
    return each.sum(axis=axes)


@answer("elbo")
def from_distributions(x, x_hat, mu, log_sigma, sigma_x):
    p_x = Normal(x_hat, sigma_x)
    q = Normal(mu, log_sigma.exp())
    prior = Normal(torch.zeros_like(mu), torch.ones_like(mu))
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
    sigma_x = float(sigma_x)
    out = []
    for n in range(len(x)):
        log_px_z = stats.norm.logpdf(x[n].numpy(), x_hat[n].numpy(), sigma_x).sum()
        m = mu[n].numpy()
        s = np.exp(log_sigma[n].numpy())
        out.append(log_px_z - 0.5 * (m @ m + s @ s - len(m) - 2 * np.log(s).sum()))
    return torch.tensor(out, dtype=x.dtype)


@answer("linear_gaussian_posterior")
def from_the_precision(x, W, b, sigma_x):
    S = torch.inverse(torch.eye(W.shape[1], dtype=W.dtype) + W.t() @ W / sigma_x**2)
    return (x - b) @ W @ S / sigma_x**2, S


@answer("linear_gaussian_posterior")
def bishops_M(x, W, b, sigma_x):
    W = np.asarray(W)
    s = float(sigma_x)
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


@answer("gaussian_log_likelihood")
def constants_first(x, x_hat, sigma_x):
    P = math.prod(x.shape[1:])
    C = -P * math.log(sigma_x) - P / 2 * math.log(2 * math.pi)
    return C - (x - x_hat).flatten(1).square().sum(1) / (2 * sigma_x**2)


answers(
    "gaussian_log_likelihood",
    lambda x, h, s: stats.norm.logpdf(x, h, s).reshape(len(x), -1).sum(1),
    lambda x, h, s: Independent(Normal(h, s), x.ndim - 1).log_prob(x),
    lambda x, h, s: torch.vmap(lambda a, b: Normal(b, s, validate_args=False).log_prob(a).sum())(
        x, h
    ),
    lambda x, h, s: torch.stack(
        [Normal(b, s).log_prob(a).sum() for a, b in zip(x, h, strict=True)]
    ),
    lambda x, h, s: (
        -np.sum(
            (0.5 * ((x - h) / s) ** 2 + np.log(s * np.sqrt(2 * np.pi))).numpy(),
            axis=tuple(range(1, x.ndim)),
        )
    ),
    lambda x, h, s: (
        -F.gaussian_nll_loss(h, x, torch.full_like(x, s**2), full=True, eps=0.0, reduction="none")
        .flatten(1)
        .sum(1)
    ),
)


def kl_of(mu, log_sigma):
    return 0.5 * (mu**2 + (2 * log_sigma).exp() - 1 - 2 * log_sigma).sum(-1)


answers(
    "elbo",
    lambda x, h, m, ls, s: Normal(h, s).log_prob(x).flatten(1).sum(1) - kl_of(m, ls),
    lambda x, h, m, ls, s: (
        stats.norm.logpdf(x, h, s).reshape(len(x), -1).sum(1) - kl_of(m, ls).numpy()
    ),
    lambda x, h, m, ls, s: (
        Independent(Normal(h, s), x.ndim - 1).log_prob(x)
        - kl_divergence(Normal(m, ls.exp()), Normal(torch.zeros_like(m), torch.ones_like(m))).sum(1)
    ),
    lambda x, h, m, ls, s: (
        distributions.DiagonalGaussian(h, torch.full_like(h, math.log(s)), h.ndim - 1).log_prob(x)
        - divergences.kl_to_standard_normal(m, ls)
    ),
    lambda x, h, m, ls, s: torch.stack(
        [Normal(h[i], s).log_prob(x[i]).sum() - kl_of(m[i], ls[i]) for i in range(len(x))]
    ),
    lambda x, h, m, ls, s: (
        -(
            ((x - h) ** 2 / s**2 + np.log(2 * np.pi * s**2)).flatten(1).sum(1)
            + (m**2 + torch.exp(ls) ** 2 - 2 * ls - 1).sum(1)
        )
        / 2
    ),
)


@answer("elbo")
def vmapped_over_examples(x, x_hat, mu, log_sigma, sigma_x):
    def one(a, b, m, s):
        return Normal(b, sigma_x, validate_args=False).log_prob(a).sum() - kl_of(m, s)

    return torch.vmap(one)(x, x_hat, mu, log_sigma)


@answer("linear_gaussian_posterior")
def by_woodbury(x, W, b, sigma_x):
    """Through the P × P matrix of x instead of the D × D one."""
    P, D = W.shape
    M = W @ W.T + sigma_x**2 * torch.eye(P, dtype=W.dtype)
    gain = torch.linalg.solve(M, W).T
    return (x - b) @ gain.T, torch.eye(D, dtype=W.dtype) - gain @ W


answers(
    "linear_gaussian_posterior",
    lambda x, W, b, s: (
        torch.linalg.lstsq(
            torch.cat([W / s, torch.eye(W.shape[1], dtype=W.dtype)]),
            torch.cat([(x - b).T / s, torch.zeros(W.shape[1], len(x), dtype=W.dtype)]),
        ).solution.T,
        torch.linalg.inv(torch.eye(W.shape[1], dtype=W.dtype) + W.T @ W / s**2),
    ),
    lambda x, W, b, s: [
        np.linalg.solve(
            np.eye(W.shape[1]) + W.T.numpy() @ W.numpy() / s**2, ((x - b) @ W / s**2).numpy().T
        ).T,
        np.linalg.inv(np.eye(W.shape[1]) + W.T.numpy() @ W.numpy() / s**2),
    ],
    lambda x, W, b, s: (
        linalg.cho_solve(
            linalg.cho_factor(np.eye(W.shape[1]) + (W.T @ W / s**2).numpy()),
            ((x - b) @ W).T.numpy() / s**2,
        ).T,
        linalg.inv(np.eye(W.shape[1]) + (W.T @ W).numpy() / s**2),
    ),
    lambda x, W, b, s: (
        exact.LinearGaussian(W, b, s).posterior(x).mean,
        exact.LinearGaussian(W, b, s).posterior_covariance,
    ),
    lambda x, W, b, s: (
        torch.vmap(
            lambda a: (
                torch.linalg.inv(torch.eye(W.shape[1]).to(W) + W.T @ W / s**2)
                @ (W.T @ (a - b))
                / s**2
            )
        )(x),
        torch.linalg.pinv(torch.eye(W.shape[1]).to(W) + W.T @ W / s**2),
    ),
)
