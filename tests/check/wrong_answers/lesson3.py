"""Wrong answers to the exercises of lesson 3, Jensen's bound, written by hand."""

import math

import torch


def naive(a, axis=0):
    return torch.log(torch.exp(a).mean(axis))


LISTED = {
    "jensen_gap": [
        ("sign", lambda f, x, w: f((w * x).sum()) - (w * f(x)).sum()),
        ("unweighted", lambda f, x, w: f(x).mean() - f(x.mean())),
    ],
    "lower_bound": [
        ("+ log q", lambda a, b, c: (a + b + c).mean(0)),
        ("log of mean", lambda a, b, c: naive(a + b - c)),
        ("no prior term", lambda a, b, c: (a - c).mean(0)),
    ],
    "importance_weighted_bound": [
        ("mean of logs", lambda w: w.mean(0)),
        ("wrong axis", lambda w: w.logsumexp(1) - math.log(w.shape[1])),
        ("no log K", lambda w: w.logsumexp(0)),
        ("overflow: exp before log", naive),
    ],
}

UNLISTED = {
    "jensen_gap": [
        (lambda f, x, w: (w * f(x)).sum() - f((w * x).sum()) + 1, "always 1 more"),
        (lambda f, x, w: (w * f(x)).sum() / 2 - f((w * x).sum()), None),
        (lambda f, x, w: (w**2 * f(x)).sum() - f((w**2 * x).sum()), None),
        (lambda f, x, w: (w * x).sum(), None),
        (lambda f, x, w: 2 * ((w * f(x)).sum() - f((w * x).sum())), "exactly twice"),
    ],
    "lower_bound": [
        (lambda a, b, c: (a + 2 * b - c).mean(0), "log_pz"),
        (lambda a, b, c: (a + b - c).std(0), None),
        (lambda a, b, c: (a + b - c).median(0).values, "differs from the expected result"),
        (lambda a, b, c: (a + b - c).mean(0) + 1, "always 1 more"),
        (lambda a, b, c: (a + b - c).mean(0).flip(0), "another order"),
    ],
    "importance_weighted_bound": [
        (lambda w: w.logsumexp(0) - len(w), None),
        (lambda w: w.mean(0) + w.var(0) / 2, None),
        (lambda w: (w.logsumexp(0) - math.log(len(w))).clamp(min=-700), "−2000"),
        (lambda w: 0.5 * (w.max(0).values + w.mean(0)), None),
        (lambda w: 2 * (w.logsumexp(0) - math.log(len(w))), "exactly twice"),
    ],
}
