"""Wrong answers to the exercises of lesson 6, the VAE, written by hand."""

import math

import torch
from torch.distributions import Normal

from wrong_answers.densities import prior_terms


def pictures(x, x_hat, sigma_x):
    return Normal(x_hat, sigma_x).log_prob(x).flatten(1)


def loss(x, x_hat, mu, log_sigma, sigma_x, beta, log_px_z=None, kl=None, beta_x=1):
    log_px_z = pictures(x, x_hat, sigma_x).sum(1) if log_px_z is None else log_px_z
    kl = prior_terms(mu, 2 * log_sigma).sum(1) if kl is None else kl
    return -(beta_x * log_px_z - beta * kl).mean()


LISTED = {
    "vae_loss": [
        ("sign", lambda *a: -loss(*a)),
        (
            "mean over pixels",
            lambda x, y, *a: loss(x, y, *a, log_px_z=pictures(x, y, a[2]).mean(1)),
        ),
        ("β on the wrong term", lambda *a: loss(*a[:5], 1, beta_x=a[5])),
    ],
    "linear_annealing": [
        ("over 1", lambda step, warmup: step / warmup if warmup else 1.0),
        ("division by a warmup of 0", lambda step, warmup: min(1.0, step / warmup)),
        ("integer division", lambda step, warmup: min(1, step // warmup) if warmup else 1),
    ],
    "generate": [
        ("uniform z", lambda g, n, d, r: g(torch.rand(n, d, generator=r))),
        ("one z for all", lambda g, n, d, r: g(torch.randn(1, d, generator=r).expand(n, d))),
        ("generator ignored", lambda g, n, d, r: g(torch.randn(n, d))),
    ],
}

UNLISTED = {
    "vae_loss": [
        (lambda x, y, m, s, t, b: loss(x, y.detach(), m, s, t, b), "no gradient reaches x_hat"),
        (lambda x, y, m, s, t, b: loss(x, y, m, s.detach(), t, b), "no gradient reaches log_sigma"),
        (lambda x, y, m, s, t, b: loss(x, y, m, s, t, b).item(), "no gradient reaches"),
        (lambda x, y, m, s, t, b: loss(x, y, m, s, t, b) + 1, "always 1 more"),
        (lambda x, y, m, s, t, b: loss(x, y, m, s, t, b) + s.square().sum(), "log_sigma²"),
        (lambda x, y, m, s, t, b: loss(x, 0.9 * y, m, s, t, b), None),
    ],
    "linear_annealing": [
        (lambda step, warmup: min(0.9, step / warmup) if warmup else 1.0, "above"),
        (lambda step, warmup: math.sin(min(1, step / max(1, warmup)) * math.pi / 2), None),
        (
            lambda step, warmup: 1 / (1 + math.exp(warmup - step)) if step < 99 else 1.0,
            "yours",
        ),
        (lambda step, warmup: step * warmup, None),
        (lambda step, warmup: min(1.0, step / 10_000), "differs from the expected result"),
    ],
    "generate": [
        (lambda g, n, d, r: g(2 * torch.randn(n, d, generator=r)), "variance"),
        (lambda g, n, d, r: g(1 + torch.randn(n, d, generator=r)), "mean"),
        (lambda g, n, d, r: g(torch.randn(n, d, generator=r).abs()), "negative"),
        (lambda g, n, d, r: torch.randn(n, d, generator=r), "decoder"),
        (lambda g, n, d, r: g(torch.randn(n, 1, generator=r).expand(n, d)), "coordinate"),
        (lambda g, n, d, r: g(torch.randn(d, generator=r)), "one picture only"),
        (lambda g, n, d, r: g(torch.randn(n, d, generator=r.manual_seed(0))), "seed"),
        (lambda g, n, d, r: g(torch.randn(n, d, generator=r)).sigmoid(), "is something done to it"),
        (lambda g, n, d, r: g(torch.randn(n, d, generator=r).cumsum(0)), None),
    ],
}
