"""Wrong answers to the exercises of lesson 2, maximum likelihood, written by hand."""

import math

import numpy as np
import torch
from scipy import stats

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
