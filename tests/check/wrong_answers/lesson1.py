"""Wrong answers to the exercises of lesson 1, KL divergence, written by hand."""

import numpy as np
import torch
from torch.distributions import Normal


def bernoulli(p, q, log=torch.log):
    p = torch.as_tensor(p)
    q = torch.as_tensor(q)
    return p * log(p / q) + (1 - p) * log((1 - p) / (1 - q))


def gaussian(m, s, n, t, half=0.5, end=0.5, sign=1):
    s = torch.as_tensor(s)
    t = torch.as_tensor(t)
    return sign * torch.log(t / s) + half * (s**2 + (m - n) ** 2) / t**2 - end


def ratios(log_q, log_p, z):
    r = log_q(z) - log_p(z)
    return r, r.std() / len(r) ** 0.5


def weighted(log_q, log_p, z):
    w = torch.exp(log_p(z) - log_q(z))
    terms = w * (log_q(z) - log_p(z))
    return terms.mean(), terms.std() / len(z) ** 0.5


LISTED = {
    "kl_bernoulli": [
        ("arguments swapped", lambda p, q: bernoulli(q, p)),
        ("one term only", lambda p, q: torch.as_tensor(p) * torch.log(torch.as_tensor(p / q))),
        ("log2", lambda p, q: bernoulli(p, q, torch.log2)),
    ],
    "kl_gaussian": [
        ("arguments swapped", lambda m, s, n, t: gaussian(n, t, m, s)),
        ("no ½", lambda m, s, n, t: 2 * gaussian(m, s, n, t)),
        ("no ½ before the squares", lambda m, s, n, t: gaussian(m, s, n, t, half=1)),
        ("no −½ at the end", lambda m, s, n, t: gaussian(m, s, n, t, end=0)),
        ("log σ sign", lambda m, s, n, t: gaussian(m, s, n, t, sign=-1)),
        ("σ for σ²", lambda m, s, n, t: np.log(t / s) + (s + (m - n) ** 2) / (2 * t) - 0.5),
        (
            "variance ratio inverted",
            lambda m, s, n, t: np.log(t / s) + 0.5 * (t**2 + (m - n) ** 2) / s**2 - 0.5,
        ),
    ],
    "kl_monte_carlo": [
        (
            "arguments swapped",
            lambda q, p, z: ratios(p, q, z) and (ratios(p, q, z)[0].mean(), ratios(p, q, z)[1]),
        ),
        ("std without √K", lambda q, p, z: (ratios(q, p, z)[0].mean(), ratios(q, p, z)[0].std())),
        ("importance weights", weighted),
    ],
}

UNLISTED = {
    "kl_bernoulli": [
        (lambda p, q: bernoulli(p, q) * 3, "3 times"),
        (lambda p, q: bernoulli(p, q) + 0.1, "always 0.1 more"),
        (lambda p, q: bernoulli(p, q) ** 2, "square"),
        (lambda p, q: (p - q) ** 2, "right for “p = q”"),
        (lambda p, q: bernoulli(p, torch.full_like(torch.as_tensor(q), 0.5)), "when q does"),
        (
            lambda p, q: torch.as_tensor(bernoulli(p, q)).clamp(max=0.2),
            "wrong only where the expected result is above",
        ),
        (lambda p, q: torch.as_tensor(bernoulli(p, q)).flip(0), "another order"),
    ],
    "kl_gaussian": [
        (lambda m, s, n, t: gaussian(m, s, n, t) ** 0.5, "square root"),
        (
            lambda m, s, n, t: 0.5 * (gaussian(m, s, n, t) + gaussian(n, t, m, s)),
            "right for “q = p”",
        ),
        (lambda m, s, n, t: gaussian(m, s, n, t) + m, "multiple of mu_q"),
        (lambda m, s, n, t: gaussian(m, s, 0 * n, t), "mu_p"),
        (lambda m, s, n, t: gaussian(m, s, n, t).exp(), "exponential"),
        (lambda m, s, n, t: Normal(n, t).log_prob(m) - Normal(m, s).log_prob(n), None),
    ],
    "kl_monte_carlo": [
        (
            lambda q, p, z: (ratios(q, p, z)[0].mean(), 1.96 * ratios(q, p, z)[1]),
            "the estimate is right",
        ),
        (lambda q, p, z: (ratios(q, p, z)[0].mean(), 0.0), "the estimate is right"),
        (lambda q, p, z: (ratios(q, p, z)[0][0], ratios(q, p, z)[1]), "the estimate is wrong"),
        (lambda q, p, z: torch.stack([q(z).mean(), p(z).mean()]), "expected a tuple of 2"),
        (
            lambda q, p, z: (2 * ratios(q, p, z)[0].mean(), ratios(q, p, z)[1]),
            "the estimate is wrong",
        ),
    ],
}
