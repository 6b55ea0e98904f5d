"""Wrong answers to the exercises of lesson 3, Jensen's bound, written by hand."""

import math

import numpy as np
import torch
from scipy import special


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
        (lambda a, b, c: (a + b - c).median(0).values, "median for mean"),
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


def gap(f, x, w):
    return (w * f(x)).sum() - f((w * x).sum())


def in_a_loop(f, x, weights):
    mean_f, mean_x = 0.0, 0.0
    for x_n, w_n in zip(x, weights, strict=True):
        mean_f += w_n * f(x_n)
        mean_x += x_n
    return mean_f - f(mean_x)


def loop_without_last(f, x, weights):
    mean_f, mean_x = 0.0, 0.0
    for n in range(len(x) - 1):
        mean_f += weights[n] * f(x[n])
        mean_x += weights[n] * x[n]
    return mean_f - f(mean_x)


def sorts_x(f, x, weights):
    x = x.sort().values
    return gap(f, x, weights)


def by_resampling(f, x, weights):
    sample = x[torch.multinomial(weights, 1000, replacement=True)]
    return f(sample).mean() - f(sample.mean())


def by_resampling_with_a_seed(f, x, weights):
    rng = np.random.default_rng(0)
    sample = torch.from_numpy(
        rng.choice(x.numpy(), 1000, p=weights.numpy() / weights.numpy().sum())
    )
    return f(sample).mean() - f(sample.mean())


def second_order(f, x, weights):
    mean = (weights * x).sum()
    variance = (weights * (x - mean) ** 2).sum()
    h = 1e-3
    curvature = (f(mean + h) - 2 * f(mean) + f(mean - h)) / h**2
    return 0.5 * curvature * variance


def chord_at_the_middle(f, x, weights):
    return (f(x.min()) + f(x.max())) / 2 - f((x.min() + x.max()) / 2)


def normalises_in_place(f, x, weights):
    weights /= weights.sum() * 1.0
    weights *= x
    return gap(f, x, weights)


GAP = [
    ("sign", lambda f, x, w: f((w * x).sum()) - (w * f(x)).sum()),
    ("sign", lambda f, x, w: f(w @ x) - w @ f(x)),
    ("sign", lambda f, x, w: f(np.average(x, weights=w)) - np.average(f(x), weights=w)),
    ("absolute value", lambda f, x, w: abs(gap(f, x, w))),
    ("cut at 0", lambda f, x, w: torch.clamp(gap(f, x, w), min=0)),
    ("cut at 0", lambda f, x, w: max(gap(f, x, w), torch.zeros(()).to(x))),
    ("squared", lambda f, x, w: gap(f, x, w) ** 2),
    ("cut at 0", lambda f, x, w: torch.relu(gap(f, x, w))),
    ("unweighted", lambda f, x, w: f(x).mean() - f(x.mean())),
    ("unweighted", lambda f, x, w: np.mean(f(x.numpy())) - f(np.mean(x.numpy()))),
    ("unweighted in E f(x)", lambda f, x, w: f(x).mean() - f((w * x).sum())),
    ("unweighted in E x", lambda f, x, w: (w * f(x)).sum() - f(x.mean())),
    ("sum without weights in E x", lambda f, x, w: (w * f(x)).sum() - f(x.sum())),
    ("mean of the weighted", lambda f, x, w: (w * f(x)).mean() - f((w * x).mean())),
    ("mean of the weighted in E f(x)", lambda f, x, w: (w * f(x)).mean() - f((w * x).sum())),
    ("mean of the weighted in E x", lambda f, x, w: (w * f(x)).sum() - f((w * x).mean())),
    ("mean of the weighted", lambda f, x, w: torch.mean(w * f(x)) - f(torch.mean(w * x))),
    ("sums without weights", lambda f, x, w: f(x).sum() - f(x.sum())),
    ("weights inside f", lambda f, x, w: f(w * x).sum() - f((w * x).sum())),
    (None, lambda f, x, w: (w * f(x)).sum() - (w * f(x)).sum()),
    ("added, not subtracted", lambda f, x, w: (w * f(x)).sum() + f((w * x).sum())),
    ("divided, not subtracted", lambda f, x, w: (w * f(x)).sum() / f((w * x).sum())),
    ("f(E x) forgotten", lambda f, x, w: (w * f(x)).sum()),
    ("f(E x) only", lambda f, x, w: f((w * x).sum())),
    ("E f(x) forgotten", lambda f, x, w: -f((w * x).sum())),
    ("f(E x) only + E x for f(E x)", lambda f, x, w: (w * x).sum()),
    ("no sum", lambda f, x, w: w * f(x) - f(w * x)),
    ("no sum in E f(x)", lambda f, x, w: w * f(x) - f((w * x).sum())),
    ("sum without weights in E f(x) + no sum in E f(x)", lambda f, x, w: f(x) - f((w * x).sum())),
    ("unweighted in E f(x)", lambda f, x, w: (f(x) - f((w * x).sum())).mean()),
    ("unweighted in E x", lambda f, x, w: (w * (f(x) - f(x.mean()))).sum()),
    ("mean of the weighted in E x", lambda f, x, w: (w * f(x)).sum() - f((w * x).sum() / len(x))),
    ("mean of the weighted", lambda f, x, w: (w * f(x)).sum() / len(x) - f((w * x).sum() / len(x))),
    ("factor 1/N", lambda f, x, w: gap(f, x, w) / len(x)),
    ("factor N", lambda f, x, w: gap(f, x, w) * len(x)),
    (None, lambda f, x, w: gap(f, x, w.softmax(0))),
    (None, lambda f, x, w: gap(f, x, w**2 / (w**2).sum())),
    (None, lambda f, x, w: gap(f, x, w.sqrt())),
    (None, lambda f, x, w: gap(f, x, w.flip(0))),
    (None, lambda f, x, w: gap(f, x, 1 - w)),
    (None, lambda f, x, w: gap(f, x, w / w.max())),
    ("x and weights swapped", lambda f, x, w: gap(f, w, x)),
    ("x and weights swapped", lambda f, x, w: (x * f(w)).sum() - f((w * x).sum())),
    (None, lambda f, x, w: gap(torch.log, x.abs() + 1, w)),
    ("x² for f", lambda f, x, w: gap(lambda t: t**2, x, w)),
    (None, lambda f, x, w: gap(torch.exp, x, w)),
    ("x² for f", lambda f, x, w: (w * x**2).sum() - (w * x).sum() ** 2),
    ("E x for f(E x)", lambda f, x, w: (w * f(x)).sum() - (w * x).sum()),
    ("f twice", lambda f, x, w: (w * f(x)).sum() - f(f((w * x).sum()))),
    (None, lambda f, x, w: f((w * f(x)).sum()) - f((w * x).sum())),
    (None, lambda f, x, w: (w * f(x)).sum() - f(x).mean()),
    ("the largest f(x)", lambda f, x, w: (w * f(x)).max() - f((w * x).sum())),
    (None, lambda f, x, w: f(x[0]) - f((w * x).sum())),
    (None, lambda f, x, w: f(x).median() - f(x.median())),
    (None, lambda f, x, w: (w * f(x)).sum() - f(x[w.argmax()])),
    ("NaN", lambda f, x, w: gap(f, x, w).log()),
    (
        "difference of logarithms",
        lambda f, x, w: torch.log((w * f(x)).sum()) - torch.log(f((w * x).sum())),
    ),
    (None, lambda f, x, w: np.round(float(gap(f, x, w)), 3)),
    (None, lambda f, x, w: gap(f, x, w) + 1e-3),
    ("half precision", lambda f, x, w: gap(f, x, w).half()),
    ("wrong shape", lambda f, x, w: gap(f, x, w).reshape(1)),
    (
        "wrong shape",
        lambda f, x, w: (w * f(x)).sum(0, keepdim=True) - f((w * x).sum(0, keepdim=True)),
    ),
    ("several results", lambda f, x, w: ((w * f(x)).sum(), f((w * x).sum()))),
    ("whole numbers", lambda f, x, w: bool(gap(f, x, w) > 0)),
    ("whole numbers", lambda f, x, w: gap(f, x, w) >= 0),
    ("sum without weights in E x", in_a_loop),
    (None, loop_without_last),
    (None, sorts_x),
    ("global random state", by_resampling),
    (None, by_resampling_with_a_seed),
    (None, second_order),
    (None, chord_at_the_middle),
    ("changes its inputs", normalises_in_place),
    ("sign", lambda f, x, w: f(sum(w * x)) - sum(w * f(x))),
    ("unweighted", lambda f, x, w: sum(f(a) for a in x) / len(x) - f(sum(x) / len(x))),
    (None, lambda f, x, w: w.dot(f(x)) - f(w).dot(x)),
    ("f not called", lambda f, x, w: (w * f).sum() - f((w * x).sum())),
    ("f not called", lambda f, x, w: (w * f[x]).sum()),
    ("sign", lambda f, x, w: f(w @ x) - f(x) @ w),
    ("off by 0.5", lambda f, x, w: w.T @ f(x) - f(x.T @ w) + 0.5),
    (
        "sums without weights",
        lambda f, x, w: torch.einsum("n,m->", w, f(x)) - f(torch.einsum("n,m->", w, x)),
    ),
    ("x² for f", lambda f, x, w: np.cov(x, aweights=w, ddof=0)),
]


def logs(a, b, c):
    return a + b - c


def loop_off_by_one(log_px_z, log_pz, log_qz):
    K, B = log_px_z.shape
    out = torch.zeros(B, dtype=log_px_z.dtype)
    for b in range(B):
        for k in range(K - 1):
            out[b] += (log_px_z[k, b] + log_pz[k, b] - log_qz[k, b]) / K
    return out


def loop_over_the_wrong_axis(log_px_z, log_pz, log_qz):
    return torch.stack(
        [(a + b - c).mean() for a, b, c in zip(log_px_z, log_pz, log_qz, strict=True)]
    )


def adds_in_place(log_px_z, log_pz, log_qz):
    log_px_z += log_pz
    log_px_z -= log_qz
    return log_px_z.mean(0)


def closed_form_kl(log_px_z, log_pz, log_qz):
    """KL by F.kl_div between the two."""
    return log_px_z.mean(0) - torch.nn.functional.kl_div(
        log_pz, log_qz, log_target=True, reduction="none"
    ).mean(0)


def batch_mean_kl(log_px_z, log_pz, log_qz):
    return log_px_z.mean(0) - torch.nn.functional.kl_div(
        log_pz, log_qz, log_target=True, reduction="batchmean"
    )


def self_normalised(a, b, c):
    w = (a + b - c).softmax(0)
    return (w * (a + b - c)).sum(0)


BOUND = [
    ("+ log q", lambda a, b, c: (a + b + c).mean(0)),
    ("log q forgotten", lambda a, b, c: (a + b).mean(0)),
    ("no prior term", lambda a, b, c: (a - c).mean(0)),
    ("log p(x|z) only", lambda a, b, c: a.mean(0)),
    ("log p(x|z) forgotten", lambda a, b, c: (b - c).mean(0)),
    ("KL only", lambda a, b, c: (c - b).mean(0)),
    ("− log p(z)", lambda a, b, c: (a - b - c).mean(0)),
    ("KL with the wrong sign", lambda a, b, c: (a - b + c).mean(0)),
    ("KL with the wrong sign", lambda a, b, c: a.mean(0) - (b - c).mean(0)),
    ("KL with the wrong sign", lambda a, b, c: a.mean(0) + (c - b).mean(0)),
    ("sign", lambda a, b, c: -logs(a, b, c).mean(0)),
    ("sign", lambda a, b, c: (c - a - b).mean(0)),
    ("sign of log p(x|z)", lambda a, b, c: (-a + b - c).mean(0)),
    ("wrong shape", lambda a, b, c: a.mean(0) + b.mean(0) - c),
    ("no mean", lambda a, b, c: logs(a, b, c)),
    ("mean over B too", lambda a, b, c: logs(a, b, c).mean()),
    ("mean over B too", lambda a, b, c: np.mean(logs(a, b, c).numpy())),
    ("sum for mean", lambda a, b, c: logs(a, b, c).sum(0)),
    ("sum over everything", lambda a, b, c: logs(a, b, c).sum()),
    ("wrong axis", lambda a, b, c: logs(a, b, c).mean(1)),
    ("wrong axis", lambda a, b, c: logs(a, b, c).mean(-1)),
    ("wrong axis", lambda a, b, c: np.mean(logs(a, b, c).numpy(), axis=1)),
    ("divided by B", lambda a, b, c: logs(a, b, c).sum(0) / a.shape[1]),
    (
        "K−1 for K",
        lambda a, b, c: logs(a, b, c).sum(0) / (len(a) - 1) if len(a) > 1 else logs(a, b, c)[0],
    ),
    ("factor √K", lambda a, b, c: logs(a, b, c).sum(0) / len(a) ** 0.5),
    ("divided by KB", lambda a, b, c: logs(a, b, c).sum(0) / a.numel()),
    ("log of mean", lambda a, b, c: logs(a, b, c).logsumexp(0) - math.log(len(a))),
    ("log of mean", lambda a, b, c: logs(a, b, c).exp().mean(0).log()),
    ("log of mean", lambda a, b, c: torch.log(torch.mean(torch.exp(logs(a, b, c)), dim=0))),
    ("log of mean", lambda a, b, c: special.logsumexp(logs(a, b, c).numpy(), axis=0, b=1 / len(a))),
    ("log of sum", lambda a, b, c: logs(a, b, c).logsumexp(0)),
    ("no logarithm", lambda a, b, c: logs(a, b, c).exp().mean(0)),
    ("log_pz not used", lambda a, b, c: a.logsumexp(0) - math.log(len(a))),
    (
        "log of the mean of p(x|z)",
        lambda a, b, c: a.logsumexp(0) - math.log(len(a)) + (b - c).mean(0),
    ),
    (None, lambda a, b, c: a.mean(0) + (b.exp() / c.exp()).mean(0)),
    (None, lambda a, b, c: a.mean(0) - (c.exp() * (c - b)).sum(0)),
    ("in log_qz", lambda a, b, c: a.mean(0) - (c.exp() * (c - b)).mean(0)),
    ("weighted by q", lambda a, b, c: (c.exp() * logs(a, b, c)).mean(0)),
    ("weighted by q + sum for mean", lambda a, b, c: (c.exp() * logs(a, b, c)).sum(0)),
    ("weighted by p(z) + sum for mean", lambda a, b, c: (b.exp() * logs(a, b, c)).sum(0)),
    ("importance weights", self_normalised),
    (None, lambda a, b, c: (a * b / c).mean(0)),
    (None, lambda a, b, c: (a + b / c).mean(0)),
    (None, lambda a, b, c: (a * (b - c)).mean(0)),
    ("no logarithm", lambda a, b, c: (a.exp() * b.exp() / c.exp()).mean(0)),
    (None, lambda a, b, c: (a.exp() + b - c).mean(0)),
    (None, lambda a, b, c: (a + b.exp() - c.exp()).mean(0)),
    ("overflow: exp before log", lambda a, b, c: torch.log(a.exp() * b.exp() / c.exp()).mean(0)),
    ("overflow: exp before log", lambda a, b, c: (a.exp().log() + b - c).mean(0)),
    (None, lambda a, b, c: a.mean(0) - (c - b).mean(0).clamp(min=0)),
    (None, lambda a, b, c: a.mean(0) - (c - b).mean(0).abs()),
    ("absolute values in KL", lambda a, b, c: a.mean(0) - (c - b).abs().mean(0)),
    ("each term of KL cut at 0", lambda a, b, c: a.mean(0) - torch.relu(c - b).mean(0)),
    ("KL averaged over the batch too", lambda a, b, c: a.mean(0) - (c - b).mean()),
    ("log p(x|z) averaged over the batch too", lambda a, b, c: a.mean() - (c - b).mean(0)),
    ("log p(x|z) summed over the draws", lambda a, b, c: a.sum(0) - (c - b).mean(0)),
    ("KL summed over the draws", lambda a, b, c: a.mean(0) - (c - b).sum(0)),
    ("½ KL", lambda a, b, c: a.mean(0) - 0.5 * (c - b).mean(0)),
    (None, lambda a, b, c: a.mean(0) - 4 * (c - b).mean(0)),
    (None, lambda a, b, c: a.mean(0) - ((c - b) ** 2).mean(0) / 2),
    (None, lambda a, b, c: a.mean(0) - (torch.expm1(b - c) - (b - c)).mean(0)),
    ("in log_qz", closed_form_kl),
    (None, batch_mean_kl),
    ("the first draw only", lambda a, b, c: logs(a, b, c)[0]),
    ("the last draw only", lambda a, b, c: logs(a, b, c)[-1]),
    ("the largest draw", lambda a, b, c: logs(a, b, c).amax(0)),
    ("several results", lambda a, b, c: logs(a, b, c).max(0)),
    ("the smallest draw", lambda a, b, c: logs(a, b, c).amin(0)),
    ("median for mean", lambda a, b, c: logs(a, b, c).median(0).values),
    ("log2 for log", lambda a, b, c: logs(a, b, c).mean(0) / math.log(2)),
    (None, lambda a, b, c: logs(a, b, c).mean(0).clamp(max=0)),
    (None, lambda a, b, c: logs(a, b, c).clamp(min=-1000).mean(0)),
    ("wrong shape", lambda a, b, c: logs(a, b, c).mean(0, keepdim=True)),
    ("a list for a tensor", lambda a, b, c: logs(a, b, c).mean(0).tolist()),
    ("several results", lambda a, b, c: (logs(a, b, c).mean(0), logs(a, b, c).std(0))),
    ("several results", lambda a, b, c: (logs(a, b, c).mean(0), a.mean(0), (c - b).mean(0))),
    ("half precision", lambda a, b, c: logs(a, b, c).mean(0).half()),
    ("a near miss", lambda a, b, c: np.round(logs(a, b, c).mean(0).numpy(), 2)),
    ("one draw left out", loop_off_by_one),
    ("wrong axis", loop_over_the_wrong_axis),
    ("changes its inputs", adds_in_place),
    ("wrong shape", lambda a, b, c: logs(b, a, c).flip(0).mean(1)),
    ("log p(x|z) and log q(z) swapped", lambda a, b, c: logs(c, b, a).mean(0)),
    ("KL with the wrong sign", lambda a, b, c: (a + c - b).mean(0)),
    ("global random state", lambda a, b, c: logs(a, b, c)[torch.randint(len(a), (1,)).item()]),
    (None, lambda a, b, c: logs(a, b, c).nanmean(0) + math.log(len(a))),
    (None, lambda a, b, c: logs(a, b, c).mean(0) - logs(a, b, c).std(0, correction=0)),
    (None, lambda a, b, c: logs(a, b, c).mean(0) + 0.5 * logs(a, b, c).var(0, correction=0)),
    (None, lambda a, b, c: logs(a, b, c).mean(axis=2)),
    ("wrong shape", lambda a, b, c: (a + b - c) / len(a)),
    (None, lambda a, b: (a + b).mean(0)),
]


BANK = {
    "jensen_gap": GAP,
    "lower_bound": BOUND,
    "effective_sample_size": ESS,
}
