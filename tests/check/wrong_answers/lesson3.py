"""Wrong answers to the exercises of lesson 3, Jensen's bound, written by hand."""

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
}
