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


def ess(log_w, shift=None, axis=0):
    w = (log_w - (log_w.amax(axis, keepdim=True) if shift is None else shift)).exp()
    return w.sum(axis) ** 2 / (w**2).sum(axis)


def shifted(a):
    return (a - a.amax(0)).exp()


ESS = [
    ("overflow: exp without care", lambda a: ess(a, 0)),
    ("overflow: one maximum for all", lambda a: ess(a, a.max())),
    ("overflow: the mean taken out", lambda a: ess(a, a.mean(0))),
    ("wrong axis", lambda a: ess(a, axis=1)),
    ("upside down", lambda a: 1 / ess(a)),
    ("upside down", lambda a: (a.softmax(0) ** 2).sum(0)),
    ("always 1", lambda a: a.softmax(0).sum(0) ** 2),
    ("share of K", lambda a: ess(a) / len(a)),
    ("share of K", lambda a: shifted(a).mean(0) ** 2 / (shifted(a) ** 2).mean(0)),
    ("sum over mean", lambda a: shifted(a).sum(0) ** 2 / (shifted(a) ** 2).mean(0)),
    ("sum not squared", lambda a: shifted(a).sum(0) / (shifted(a) ** 2).sum(0)),
    ("weights squared", lambda a: ess(2 * a)),
    ("1/w for w", lambda a: ess(-a)),
    ("all examples together", lambda a: ess(a.reshape(-1, 1))),
    ("K − 1 in the variance", lambda a: len(a) / (1 + shifted(a).var(0) / shifted(a).mean(0) ** 2)),
    ("exp of the entropy", lambda a: torch.special.entr(a.softmax(0)).sum(0).exp()),
    ("log of it", lambda a: ess(a).log()),
    ("log of it", lambda a: 2 * a.logsumexp(0) - (2 * a).logsumexp(0)),
    ("square root of it", lambda a: ess(a).sqrt()),
    ("Σ w over the largest w", lambda a: 1 / a.softmax(0).amax(0)),
    ("mean over examples", lambda a: ess(a).mean()),
    ("sum over examples", lambda a: ess(a).sum()),
    ("rounded", lambda a: ess(a).round()),
    ("exp twice", lambda a: ess(a.exp())),
    ("roots of the weights", lambda a: ess(a / 2)),
    (None, lambda a: a.sum(0) ** 2 / (a**2).sum(0)),
    (None, lambda a: (a.logsumexp(0) - (2 * a).logsumexp(0)).exp()),
    (None, lambda a: (2 * a.logsumexp(0)).exp() - (2 * a).logsumexp(0).exp()),
    (None, lambda a: torch.full((a.shape[1],), float(len(a)), dtype=a.dtype)),
    (None, lambda a: torch.ones(a.shape[1], dtype=a.dtype)),
    (None, lambda a: ess(a).clamp(max=len(a) - 1)),
    (None, lambda a: ess(a) - 1),
    (None, lambda a: ess(a) + 1e-2),
    (None, lambda a: len(a) / (1 + a.var(0))),
    (None, lambda a: len(a) / (1 + a.softmax(0).var(0))),
    (None, lambda a: (shifted(a) > 0.5).double().sum(0)),
    (None, lambda a: ess(a.clamp(min=-700))),
    (None, lambda a: ess(a.clamp(max=80))),
    (None, lambda a: ess(a)[:, None]),
    (None, lambda a: ess(a[:-1]) if len(a) > 1 else ess(a)),
    (None, lambda a: shifted(a).sum(0)),
    (None, lambda a: len(a) * a.softmax(0).amax(0)),
    (None, lambda a: (2 * a.logsumexp(0) - (a**2).logsumexp(0)).exp()),
    (None, lambda a: len(a) - (a.softmax(0) ** 2).sum(0)),
]

BANK = {"effective_sample_size": ESS}
