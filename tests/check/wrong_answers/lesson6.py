"""Wrong answers to the exercises of lesson 6, the VAE, written by hand."""

import math

from torch.distributions import Normal

from wrong_answers.densities import prior_terms


def pictures(x, x_hat, sigma_x):
    return Normal(x_hat, sigma_x).log_prob(x).flatten(1)


def loss(x, x_hat, mu, log_sigma, sigma_x, beta, log_px_z=None, kl=None, beta_x=1):
    log_px_z = pictures(x, x_hat, sigma_x).sum(1) if log_px_z is None else log_px_z
    kl = prior_terms(mu, 2 * log_sigma).sum(1) if kl is None else kl
    return -(beta_x * log_px_z - beta * kl).mean()


LISTED = {
    "linear_annealing": [
        ("over 1", lambda step, warmup: step / warmup if warmup else 1.0),
        ("division by a warmup of 0", lambda step, warmup: min(1.0, step / warmup)),
        ("integer division", lambda step, warmup: min(1, step // warmup) if warmup else 1),
    ],
}

UNLISTED = {
    "linear_annealing": [
        (lambda step, warmup: min(0.9, step / warmup) if warmup else 1.0, "yours 0.9, expected 1"),
        (lambda step, warmup: math.sin(min(1, step / max(1, warmup)) * math.pi / 2), "yours"),
        (
            lambda step, warmup: 1 / (1 + math.exp(warmup - step)) if step < 99 else 1.0,
            "yours",
        ),
        (lambda step, warmup: step * warmup, None),
        (lambda step, warmup: min(1.0, step / 10_000), "differs from the expected result"),
    ],
}
