"""Wrong answers to the exercises of lesson 2, maximum likelihood, written by hand."""

import math

import numpy as np
import torch
from scipy import stats
from torch.distributions import Normal

from wrong_answers.densities import log_p

LISTED = {
    "average_log_likelihood": [
        ("sum for mean", lambda x, m, s: log_p(x, m, s).sum()),
        ("constant dropped", lambda x, m, s: (-(((x - m) / s) ** 2) / 2 - math.log(s)).mean()),
        ("constant dropped, log σ too", lambda x, m, s: -((x - m) ** 2).mean() / 2 / s**2),
        ("σ for σ²", lambda x, m, s: log_p(x, m, s**0.5).mean()),
        (
            "σ for σ² in the exponent",
            lambda x, m, s: (-((x - m) ** 2) / (2 * s) - math.log(2 * math.pi * s**2) / 2).mean(),
        ),
    ],
    "gaussian_mle": [
        ("N−1 for N", lambda x: (x.mean(), x.std())),
        ("variance for σ", lambda x: (x.mean(), ((x - x.mean()) ** 2).mean())),
        ("N−1 for N + variance for σ", lambda x: (x.mean(), x.var())),
    ],
    "log_marginal": [
        ("mean of logs", lambda a: a.mean(0)),
        ("sum of logs", lambda a: a.sum(0)),
        ("no log K", lambda a: torch.logsumexp(a, 0)),
        ("overflow: exp before log", lambda a: np.log(np.exp(a.numpy()).mean(0))),
        ("overflow: exp before log + no log K", lambda a: a.exp().sum(0).log()),
    ],
}

UNLISTED = {
    "average_log_likelihood": [
        (lambda x, m, s: -log_p(x, m, s).mean(), None),
        (lambda x, m, s: log_p(x, m, s**2).mean(), None),
        (lambda x, m, s: np.log(stats.norm.pdf(x, m, s).mean()), None),
        (lambda x, m, s: log_p(x, m, x.std()).mean(), None),
        (lambda x, m, s: log_p(x, m, s).max(), None),
        (lambda x, m, s: log_p(x, m, s**0.5).sum(), None),
    ],
    "gaussian_mle": [
        (lambda x: (np.median(x), np.median(np.abs(x - np.median(x)))), None),
        (lambda x: (x.mean(), (x**2).mean().sqrt()), None),
        (lambda x: (x.mean(), x.std() / len(x) ** 0.5), None),
        (lambda x: (x.std(correction=0), x.mean()), None),
        (lambda x: (x.mean(), (x.max() - x.min()) / 2), None),
    ],
    "log_marginal": [
        (lambda a: torch.logsumexp(a, 1) - math.log(a.shape[1]), None),
        (lambda a: (a.exp().mean(0) + 1e-12).log(), None),
        (lambda a: a.exp().mean(0), None),
        (lambda a: torch.logsumexp(a.flatten(), 0) - math.log(a.numel()), None),
        (lambda a: (a - a.mean(0)).exp().mean(0).log(), None),
        (lambda a: a.max(0).values - math.log(len(a)), None),
    ],
}


def integral(a, z, shift=True, rule=torch.trapezoid, back=True):
    top = a.max() if shift else 0.0 * a[0]
    p = (a - top).exp()
    area = rule(p, z)
    return area.log() + (top if back else 0), p / area


def step(z):
    return z[1] - z[0]


GRID = [
    ("underflow: exp before log", lambda a, z: integral(a, z, shift=False)),
    (
        "underflow: exp before log",
        lambda a, z: (torch.trapezoid(a.exp(), z).log(), a.exp() / torch.trapezoid(a.exp(), z)),
    ),
    ("largest value not added back", lambda a, z: integral(a, z, back=False)),
    ("spacing of the grid forgotten", lambda a, z: integral(a, z, rule=lambda p, z: p.sum())),
    ("spacing of the grid forgotten", lambda a, z: (a.logsumexp(0), a.softmax(0))),
    ("the values sum to 1", lambda a, z: (integral(a, z)[0], a.softmax(0))),
    ("mean for integral", lambda a, z: integral(a, z, rule=lambda p, z: p.mean())),
    (
        "one point too many",
        lambda a, z: integral(a, z, rule=lambda p, z: p.mean() * (z[-1] - z[0])),
    ),
    (
        "density not normalised: largest value 1",
        lambda a, z: (integral(a, z)[0], (a - a.max()).exp()),
    ),
    ("log of the density", lambda a, z: (integral(a, z)[0], a - integral(a, z)[0])),
    ("order swapped", lambda a, z: integral(a, z)[::-1]),
    ("p(x) for log p(x)", lambda a, z: (integral(a, z)[0].exp(), integral(a, z)[1])),
    ("spacing squared", lambda a, z: integral(a, z, rule=lambda p, z: p.sum() * step(z) ** 2)),
    ("divided by the spacing", lambda a, z: integral(a, z, rule=lambda p, z: p.sum() / step(z))),
    ("spacing twice", lambda a, z: (integral(a, z)[0], integral(a, z)[1] / step(z))),
    ("the largest value only", lambda a, z: integral(a, z, rule=lambda p, z: p.max())),
    ("the density twice", lambda a, z: (integral(a, z)[1], integral(a, z)[1])),
    ("log p(x) twice", lambda a, z: (integral(a, z)[0], integral(a, z)[0])),
    ("times z", lambda a, z: integral(a, z, rule=lambda p, z: torch.trapezoid(p * z, z))),
    ("distribution function for density", lambda a, z: (integral(a, z)[0], a.softmax(0).cumsum(0))),
    ("divided by the range", lambda a, z: (integral(a, z)[0], integral(a, z)[1] / (z[-1] - z[0]))),
    (None, lambda a, z: (integral(a, z)[0], a.exp())),
    (None, lambda a, z: integral(a, z)[0]),
    (None, lambda a, z: integral(a, z)[1]),
    (None, lambda a, z: (integral(a, z)[0], integral(a, z)[1].sum())),
    (None, lambda a, z: (-integral(a, z)[0], integral(a, z)[1])),
    (None, lambda a, z: (integral(a, z)[0] / math.log(2), integral(a, z)[1])),
    (None, lambda a, z: (integral(a, z)[0] + 1, integral(a, z)[1])),
    (None, lambda a, z: (integral(a, z)[0], integral(a, z)[1].flip(0))),
    (None, lambda a, z: (integral(a, z)[0], integral(a, z)[1] ** 2)),
    (None, lambda a, z: (integral(a, z)[0].clamp(min=-700), integral(a, z)[1])),
    (None, lambda a, z: (torch.trapezoid((a.clamp(min=-700)).exp(), z).log(), integral(a, z)[1])),
    (None, lambda a, z: (a.mean(), integral(a, z)[1])),
    (None, lambda a, z: (torch.trapezoid(a, z), integral(a, z)[1])),
    (None, lambda a, z: (integral(a, z)[0], Normal(0.0, 1.0).log_prob(z).exp())),
    (None, lambda a, z: (integral(a, z)[0], a / torch.trapezoid(a, z))),
    (None, lambda a, z: ((a.exp() + 1e-300).sum().log() + step(z).log(), integral(a, z)[1])),
    (None, lambda a, z: integral(a, z / 2)),
    (None, lambda a, z: integral(a - z, z)),
    (None, lambda a, z: (integral(a, z)[0], integral(a, z)[1] + 1e-3)),
    (None, lambda a, z: (integral(a, z)[0].half().double(), integral(a, z)[1])),
    (None, lambda a, z: integral(a, 0.0625 * torch.arange(len(a)))),
    (
        None,
        lambda a, z: (integral(a, z)[0], a.softmax(0) / (a.softmax(0) ** 2).sum()),
    ),
    (None, lambda a, z: torch.stack([integral(a, z)[0], integral(a, z)[1].max()])),
]

BANK = {"posterior_on_grid": GRID}
