"""Wrong answers to lessons 1, 3 and 6, by hand, not from the catalogues.

LISTED is what DESIGN's table lists, with the name that it is to get; UNLISTED what students write
besides, with a word that the message has to hold (None: any message).
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch.distributions import Normal


def bernoulli(p, q, log=torch.log):
    p, q = torch.as_tensor(p), torch.as_tensor(q)
    return p * log(p / q) + (1 - p) * log((1 - p) / (1 - q))


def gaussian(m, s, n, t, half=0.5, end=0.5, sign=1):
    s, t = torch.as_tensor(s), torch.as_tensor(t)
    return sign * torch.log(t / s) + half * (s**2 + (m - n) ** 2) / t**2 - end


def prior_terms(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar)


def ratios(log_q, log_p, z):
    r = log_q(z) - log_p(z)
    return r, r.std() / len(r) ** 0.5


def weighted(log_q, log_p, z):
    w = torch.exp(log_p(z) - log_q(z))
    terms = w * (log_q(z) - log_p(z))
    return terms.mean(), terms.std() / len(z) ** 0.5


def naive(a, axis=0):
    return torch.log(torch.exp(a).mean(axis))


def pictures(x, x_hat, sigma_x):
    return Normal(x_hat, sigma_x).log_prob(x).flatten(1)


def loss(x, x_hat, mu, log_sigma, sigma_x, beta, log_px_z=None, kl=None, beta_x=1):
    log_px_z = pictures(x, x_hat, sigma_x).sum(1) if log_px_z is None else log_px_z
    kl = prior_terms(mu, 2 * log_sigma).sum(1) if kl is None else kl
    return -(beta_x * log_px_z - beta * kl).mean()


LISTED = {
    "kl_bernoulli": {
        "arguments swapped": lambda p, q: bernoulli(q, p),
        "one term only": lambda p, q: torch.as_tensor(p) * torch.log(torch.as_tensor(p / q)),
        "log2": lambda p, q: bernoulli(p, q, torch.log2),
    },
    "kl_gaussian": {
        "arguments swapped": lambda m, s, n, t: gaussian(n, t, m, s),
        "no ½": lambda m, s, n, t: 2 * gaussian(m, s, n, t),
        "no ½ before the squares": lambda m, s, n, t: gaussian(m, s, n, t, half=1),
        "no −½ at the end": lambda m, s, n, t: gaussian(m, s, n, t, end=0),
        "log σ sign": lambda m, s, n, t: gaussian(m, s, n, t, sign=-1),
        "σ for σ²": lambda m, s, n, t: np.log(t / s) + (s + (m - n) ** 2) / (2 * t) - 0.5,
        "variance ratio inverted": lambda m, s, n, t: (
            np.log(t / s) + 0.5 * (t**2 + (m - n) ** 2) / s**2 - 0.5
        ),
    },
    "kl_to_standard_normal": {
        "log σ taken for log σ²": lambda m, s: prior_terms(m, s).sum(1),
        "log σ taken for σ": lambda m, s: 0.5 * (m**2 + s**2 - 1 - torch.log(s**2)).sum(1),
        "no ½": lambda m, s: 2 * prior_terms(m, 2 * s).sum(1),
        "mean over D": lambda m, s: prior_terms(m, 2 * s).mean(1),
        "sum over batch": lambda m, s: prior_terms(m, 2 * s).sum(),
        "sign": lambda m, s: 0.5 * (1 + 2 * s - m**2 - (2 * s).exp()).sum(1),
        "−D forgotten": lambda m, s: 0.5 * (m**2 + (2 * s).exp() - 2 * s).sum(1),
    },
    "kl_monte_carlo": {
        "arguments swapped": lambda q, p, z: (
            ratios(p, q, z) and (ratios(p, q, z)[0].mean(), ratios(p, q, z)[1])
        ),
        "std without √K": lambda q, p, z: (ratios(q, p, z)[0].mean(), ratios(q, p, z)[0].std()),
        "importance weights": weighted,
    },
    "jensen_gap": {
        "sign": lambda f, x, w: f((w * x).sum()) - (w * f(x)).sum(),
        "unweighted": lambda f, x, w: f(x).mean() - f(x.mean()),
    },
    "lower_bound": {
        "+ log q": lambda a, b, c: (a + b + c).mean(0),
        "log of mean": lambda a, b, c: naive(a + b - c),
        "no prior term": lambda a, b, c: (a - c).mean(0),
    },
    "importance_weighted_bound": {
        "mean of logs": lambda w: w.mean(0),
        "wrong axis": lambda w: w.logsumexp(1) - math.log(w.shape[1]),
        "no log K": lambda w: w.logsumexp(0),
        "overflow: exp before log": naive,
    },
    "vae_loss": {
        "sign": lambda *a: -loss(*a),
        "mean over pixels": lambda x, y, *a: loss(x, y, *a, log_px_z=pictures(x, y, a[2]).mean(1)),
        "β on the wrong term": lambda *a: loss(*a[:5], 1, beta_x=a[5]),
    },
    "linear_annealing": {
        "over 1": lambda step, warmup: step / warmup if warmup else 1.0,
        "division by a warmup of 0": lambda step, warmup: min(1.0, step / warmup),
        "integer division": lambda step, warmup: min(1, step // warmup) if warmup else 1,
    },
    "generate": {
        "uniform z": lambda g, n, d, r: g(torch.rand(n, d, generator=r)),
        "one z for all": lambda g, n, d, r: g(torch.randn(1, d, generator=r).expand(n, d)),
        "generator ignored": lambda g, n, d, r: g(torch.randn(n, d)),
    },
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
    "kl_to_standard_normal": [
        (lambda m, s: prior_terms(m, 2 * s).max(1).values, "a single dimension”"),
        (lambda m, s: prior_terms(m, 2 * s)[:, 0], None),
        (lambda m, s: prior_terms(m, 2 * s).sum(1) + 0.7 * s.sum(1), "multiple of log_sigma"),
        (lambda m, s: prior_terms(m, 2 * s).sum(1).cumsum(0), None),
        (lambda m, s: prior_terms(m, 2 * s).sum(1, keepdim=True), "the shape is not"),
        (lambda m, s: prior_terms(m * s.exp(), 2 * s).sum(1), "log_sigma is 0"),
        (lambda m, s: F.mse_loss(m, s, reduction="none").sum(1), None),
    ],
    "kl_monte_carlo": [
        (
            lambda q, p, z: (ratios(q, p, z)[0].mean(), 1.96 * ratios(q, p, z)[1]),
            "result 1 is right",
        ),
        (lambda q, p, z: (ratios(q, p, z)[0].mean(), 0.0), "result 1 is right"),
        (lambda q, p, z: (ratios(q, p, z)[0][0], ratios(q, p, z)[1]), "result 1 is wrong"),
        (lambda q, p, z: torch.stack([q(z).mean(), p(z).mean()]), "expected a tuple of 2"),
    ],
    "jensen_gap": [
        (lambda f, x, w: (w * f(x)).sum() - f((w * x).sum()) + 1, "always 1 more"),
        (lambda f, x, w: (w * f(x)).sum() / 2 - f((w * x).sum()), None),
        (lambda f, x, w: (w**2 * f(x)).sum() - f((w**2 * x).sum()), None),
        (lambda f, x, w: (w * x).sum(), None),
    ],
    "lower_bound": [
        (lambda a, b, c: (a + 2 * b - c).mean(0), "log_pz"),
        (lambda a, b, c: (a + b - c).std(0), None),
        (lambda a, b, c: (a + b - c).median(0).values, None),
        (lambda a, b, c: (a + b - c).mean(0).flip(0), "another order"),
    ],
    "importance_weighted_bound": [
        (lambda w: w.logsumexp(0) - len(w), None),
        (lambda w: w.mean(0) + w.var(0) / 2, None),
        (lambda w: (w.logsumexp(0) - math.log(len(w))).clamp(min=-700), "−2000"),
        (lambda w: 0.5 * (w.max(0).values + w.mean(0)), None),
    ],
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
        (lambda step, warmup: 1 / (1 + math.exp(warmup - step)) if step < 99 else 1.0, None),
        (lambda step, warmup: step * warmup, None),
        (lambda step, warmup: min(1.0, step / 10_000), None),
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
