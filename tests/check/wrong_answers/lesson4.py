"""Wrong answers to the exercises of lesson 4, the ELBO, written by hand."""

import math

import torch
import torch.nn.functional as F
from torch.distributions import Laplace, Normal, kl_divergence

from wrong_answers.densities import log_p


def kl(mu, log_sigma):
    return kl_divergence(Normal(mu, log_sigma.exp()), Normal(0 * mu, 1.0))


def squares(x, x_hat):
    return ((x - x_hat) ** 2).flatten(1)


def posterior(x, W, b, prior=1.0, spread=None, sigma_x=1.0):
    spread = float(sigma_x) ** 2 if spread is None else spread
    S = torch.linalg.inv(prior * torch.eye(W.shape[1], dtype=W.dtype) + W.T @ W / spread)
    return (x - b) @ W @ S / spread, S


LISTED = {
    "gaussian_log_likelihood": [
        (
            "constant dropped",
            lambda x, h, s: (-(((x - h) / s) ** 2) / 2 - math.log(s)).flatten(1).sum(1),
        ),
        ("constant dropped, log σ too", lambda x, h, s: -squares(x, h).sum(1) / (2 * s**2)),
        ("mean over pixels", lambda x, h, s: log_p(x, h, s).mean(1)),
        ("σ for σ²", lambda x, h, s: log_p(x, h, s**0.5).sum(1)),
        ("sign", lambda x, h, s: -log_p(x, h, s).sum(1)),
        (
            "constant dropped, log σ too + mean over pixels",
            lambda x, h, s: -squares(x, h).mean(1) / (2 * s**2),
        ),
    ],
    "elbo": [
        ("+ KL", lambda x, h, m, ls, s: log_p(x, h, s).sum(1) + kl(m, ls).sum(1)),
        (
            "mean over dimensions: pixels",
            lambda x, h, m, ls, s: log_p(x, h, s).mean(1) - kl(m, ls).sum(1),
        ),
        (
            "mean over dimensions: latent",
            lambda x, h, m, ls, s: log_p(x, h, s).sum(1) - kl(m, ls).mean(1),
        ),
        (
            "mean over dimensions: pixels and latent",
            lambda x, h, m, ls, s: log_p(x, h, s).mean(1) - kl(m, ls).mean(1),
        ),
        (
            "mean over batch",
            lambda x, h, m, ls, s: (log_p(x, h, s).sum(1) - kl(m, ls).sum(1)).mean(),
        ),
    ],
    "linear_gaussian_posterior": [
        ("prior precision forgotten", lambda x, W, b, s: posterior(x, W, b, 0.0, sigma_x=s)),
        ("σ for σ²", lambda x, W, b, s: posterior(x, W, b, spread=s)),
        ("b forgotten", lambda x, W, b, s: posterior(x, W, 0 * b, sigma_x=s)),
        (
            "prior precision forgotten + b forgotten",
            lambda x, W, b, s: posterior(x, W, 0 * b, 0.0, sigma_x=s),
        ),
    ],
}

UNLISTED = {
    "gaussian_log_likelihood": [
        (
            lambda x, h, s: -squares(x, h).sum(1) / (2 * s**2) - math.log(2 * math.pi * s**2) / 2,
            None,
        ),
        (lambda x, h, s: log_p(x, h, s).sum(), None),
        (lambda x, h, s: log_p(x, h, s).mean(), None),
        (lambda x, h, s: -F.mse_loss(h, x), None),
        (lambda x, h, s: Normal(h, s).log_prob(x).sum(-1), None),
        (lambda x, h, s: Laplace(h, s).log_prob(x).flatten(1).sum(1), None),
        (lambda x, h, s: log_p(x, h, s**2).sum(1), None),
    ],
    "elbo": [
        (lambda x, h, m, ls, s: kl(m, ls).sum(1) - log_p(x, h, s).sum(1), None),
        (lambda x, h, m, ls, s: log_p(x, h, s).sum(1) - kl(m, ls / 2).sum(1), None),
        (lambda x, h, m, ls, s: log_p(x, h, s).sum(1), None),
        (lambda x, h, m, ls, s: -squares(x, h).sum(1) - kl(m, ls).sum(1), None),
        (lambda x, h, m, ls, s: (log_p(x, h, s).sum() - kl(m, ls).sum()) / len(x), None),
        (lambda x, h, m, ls, s: log_p(x, h, s).sum(1) - 2 * kl(m, ls).sum(1), None),
    ],
    "linear_gaussian_posterior": [
        (
            lambda x, W, b, s: (
                posterior(x, W, b, sigma_x=s)[0],
                posterior(x, W, b, sigma_x=s)[1] * s,
            ),
            None,
        ),
        (lambda x, W, b, s: ((x - b) @ W, torch.eye(W.shape[1]).double()), None),
        (lambda x, W, b, s: (posterior(x, W, b, sigma_x=s)[0], W.T @ W / s**2), None),
        (lambda x, W, b, s: posterior(x, W, -b, sigma_x=s), None),
        (lambda x, W, b, s: posterior(x, W, b, prior=float(s) ** 2, sigma_x=s), None),
        (lambda x, W, b, s: (x - b) @ torch.linalg.pinv(W).T, None),
    ],
}
