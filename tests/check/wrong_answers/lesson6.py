"""Wrong answers to the exercises of lesson 6, the VAE, written by hand."""

import math
from functools import partial

import numpy as np
import torch
from torch.distributions import kl_divergence

LISTED = {
    "linear_annealing": [
        ("over 1", lambda step, warmup: step / warmup if warmup else 1.0),
        ("division by a warmup of 0", lambda step, warmup: min(1.0, step / warmup)),
        ("0 during the warm-up", lambda step, warmup: min(1, step // warmup) if warmup else 1),
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


def terms(vae, x, eps, z=None):
    q = vae.posterior(x)
    z = q.mu + q.sigma * eps if z is None else z(q)
    return vae.likelihood(z).log_prob(x), kl_divergence(q, vae.prior), q


def train(vae, optimiser, loss, calls="zbs"):
    for call in calls:
        if call == "b":
            loss.backward()
        else:
            {"z": optimiser.zero_grad, "s": optimiser.step}[call]()
    return loss.detach()


def stepped(weigh=None, calls="zbs", z=None, give=lambda loss: loss, over=torch.mean):
    def answer(vae, optimiser, x, eps, beta):
        log_px_z, kl, _ = terms(vae, x, eps, z)
        loss = over(-(log_px_z - beta * kl) if weigh is None else weigh(log_px_z, kl, beta))
        return give(train(vae, optimiser, loss, calls))

    return answer


def with_z(draw):
    def answer(vae, optimiser, x, eps, beta):
        log_px_z, kl, _ = terms(vae, x, eps, lambda q: draw(q, eps))
        return train(vae, optimiser, -(log_px_z - beta * kl).mean())

    return answer


def no_loss(vae, optimiser, x, eps, beta):
    stepped()(vae, optimiser, x, eps, beta)


def loss_after_the_step(vae, optimiser, x, eps, beta):
    stepped()(vae, optimiser, x, eps, beta)
    log_px_z, kl, _ = terms(vae, x, eps)
    return -(log_px_z - beta * kl).mean().detach()


def own_step(vae, optimiser, x, eps, beta):
    log_px_z, kl, _ = terms(vae, x, eps)
    loss = -(log_px_z - beta * kl).mean()
    optimiser.zero_grad()
    loss.backward()
    for weight in vae.parameters():
        if weight.grad is not None:
            weight.data -= 0.01 * weight.grad
    return loss.detach()


def of_the_library(vae, optimiser, x, eps, beta):
    from vaelib import bounds

    loss = -bounds.elbo(vae, x).total.mean()
    return train(vae, optimiser, loss)


def decoder_only(vae, optimiser, x, eps, beta):
    with torch.no_grad():
        q = vae.posterior(x)
        z = q.mu + q.sigma * eps
    log_px_z, kl = vae.likelihood(z).log_prob(x), kl_divergence(q, vae.prior)
    return train(vae, optimiser, -(log_px_z - beta * kl).mean())


def clipped(vae, optimiser, x, eps, beta):
    log_px_z, kl, _ = terms(vae, x, eps)
    loss = -(log_px_z - beta * kl).mean()
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(vae.parameters(), 0.05)
    optimiser.step()
    return loss.detach()


STEP = [
    ("gradients not set to zero", stepped(calls="bs")),
    ("weights not moved", stepped(calls="bzs")),
    ("weights not moved", stepped(calls="zb")),
    ("weights not moved", stepped(calls="zs")),
    ("weights not moved", stepped(calls="")),
    ("two steps", stepped(calls="zbss")),
    ("sign", stepped(lambda p, k, b: p - b * k)),
    ("β forgotten", stepped(lambda p, k, b: -(p - k))),
    ("sign of KL", stepped(lambda p, k, b: -(p + b * k))),
    ("β on the wrong term", stepped(lambda p, k, b: -(b * p - k))),
    ("β on both terms", stepped(lambda p, k, b: -b * (p - k))),
    ("KL forgotten", stepped(lambda p, k, b: -p)),
    ("log p(x|z) forgotten", stepped(lambda p, k, b: b * k)),
    ("sign of log p(x|z)", stepped(lambda p, k, b: p + b * k)),
    ("log σ for σ", with_z(lambda q, eps: q.mu + q.log_sigma * eps)),
    ("half log σ", with_z(lambda q, eps: q.mu + (q.log_sigma / 2).exp() * eps)),
    ("σ² for σ", with_z(lambda q, eps: q.mu + q.sigma**2 * eps)),
    ("σ forgotten in z", with_z(lambda q, eps: q.mu + eps)),
    ("μ forgotten in z", with_z(lambda q, eps: q.sigma * eps)),
    ("graph cut at z", with_z(lambda q, eps: (q.mu + q.sigma * eps).detach())),
    ("sum over batch", stepped(over=torch.sum)),
    ("returns the bound", stepped(give=torch.neg)),
    ("no mean over batch", stepped(over=torch.clone)),
    ("ε not used", stepped(z=lambda q: q.mu)),
    ("divided by β", stepped(lambda p, k, b: -(p - (k / b if b else 0 * k)))),
    (None, no_loss),
    (None, loss_after_the_step),
    (None, own_step),
    (None, of_the_library),
    (None, decoder_only),
    (None, clipped),
    (None, stepped(give=lambda loss: loss / 2)),
    (None, stepped(lambda p, k, b: -(p - b**2 * k))),
    (None, stepped(lambda p, k, b: -(p - b * k) / 2)),
    (None, stepped(lambda p, k, b: -(p - b * k).abs())),
    (None, stepped(lambda p, k, b: -(p - max(b, 1) * k))),
    (None, stepped(lambda p, k, b: -(p - min(b, 1) * k))),
    (None, stepped(lambda p, k, b: -(p - b * k.clamp(min=0.5)))),
    (None, stepped(over=torch.amax)),
    (None, stepped(over=lambda a: a[0])),
    (None, stepped(over=lambda a: a.sum() / max(len(a) - 1, 1))),
    (None, stepped(give=lambda loss: loss + 1)),
    (None, stepped(z=lambda q: q.rsample())),
    (None, stepped(z=lambda q: q.sample())),
    (None, stepped(z=lambda q: (q.mu + q.sigma).detach())),
    (None, lambda vae, optimiser, x, eps, beta: torch.tensor(0.0)),
    (None, lambda vae, optimiser, x, eps, beta: optimiser.step(lambda: 1.0)),
    (None, lambda vae, optimiser, x, eps, beta: stepped()(vae, optimiser, x, eps, beta).half()),
    (None, lambda vae, optimiser, x, eps, beta: stepped()(vae, optimiser, x, -eps, beta)),
    (None, lambda vae, optimiser, x, eps, beta: stepped()(vae, optimiser, 1 - x, eps, beta)),
]


norm = partial(torch.linalg.matrix_norm, ord=2)


def threshold(x, beta, lam=None, centre=True, less=0):
    flat = x.flatten(1)
    flat = flat - flat.mean(0) if centre else flat
    lam = (
        torch.linalg.matrix_norm(flat, 2) ** 2 / max(len(x) - less, 1) if lam is None else lam(flat)
    )
    return (lam / beta) ** 0.5


THRESHOLD = [
    ("λ/β without its root", lambda x, b: threshold(x, b) ** 2),
    ("β forgotten", lambda x, b: threshold(x, 1.0)),
    ("times β", lambda x, b: threshold(x, 1 / b)),
    ("β outside the root", lambda x, b: threshold(x, 1.0) / b),
    ("λ itself", lambda x, b: threshold(x, 1.0) ** 2),
    ("upside down", lambda x, b: 1 / threshold(x, b)),
    ("not centred", lambda x, b: threshold(x, b, centre=False)),
    ("one mean for all pixels", lambda x, b: threshold(x - x.mean(), b, centre=False)),
    ("N−1 for N", lambda x, b: threshold(x, b, less=1)),
    (
        "N−1 for N",
        lambda x, b: (
            (torch.linalg.eigvalsh(torch.atleast_2d(torch.cov(x.flatten(1).T)))[-1].clamp(0) / b)
            ** 0.5
        ),
    ),
    ("not divided by N", lambda x, b: threshold(x, b) * len(x) ** 0.5),
    ("sum of all variances", lambda x, b: threshold(x, b, lambda f: (f**2).mean(0).sum())),
    ("the pixel that varies most", lambda x, b: threshold(x, b, lambda f: (f**2).mean(0).max())),
    ("mean of the variances", lambda x, b: threshold(x, b, lambda f: (f**2).mean())),
    (
        "singular value not squared",
        lambda x, b: threshold(x, b, lambda f: torch.linalg.svdvals(f)[0] / len(f)),
    ),
    (
        "norm of all entries",
        lambda x, b: threshold(x, b, lambda f: (f.T @ f / len(f)).norm()),
    ),
    (
        "each example centred",
        lambda x, b: threshold(x.flatten(1) - x.flatten(1).mean(1, keepdim=True), b, centre=False),
    ),
    ("the example farthest away", lambda x, b: threshold(x, b, lambda f: (f**2).sum(1).max())),
    ("half of it", lambda x, b: threshold(x, b) / 2),
    ("λ not under the root", lambda x, b: threshold(x, 1.0) ** 2 / b**0.5),
    (
        "the smallest eigenvalue",
        lambda x, b: threshold(x, b, lambda f: torch.linalg.eigvalsh(f.T @ f / len(f))[0].clamp(0)),
    ),
    (None, lambda x, b: x.std() / b**0.5),
    (None, lambda x, b: x.flatten(1).std(0).max() / b**0.5),
    (
        None,
        lambda x, b: threshold(
            x,
            b,
            lambda f: torch.linalg.eigvalsh(
                torch.corrcoef(f.T).nan_to_num().reshape(f.shape[1], -1)
            )[-1],
        ),
    ),
    (None, lambda x, b: threshold(x, b, lambda f: torch.linalg.svdvals(f)[-1] ** 2 / len(f))),
    (None, lambda x, b: threshold(x, b, lambda f: torch.linalg.svdvals(f).sum() ** 2 / len(f))),
    (
        None,
        lambda x, b: threshold(x, b, lambda f: norm(f) ** 2 / f.shape[1]),
    ),
    (None, lambda x, b: threshold(x, b, lambda f: norm(f) ** 2 / f.numel())),
    (None, lambda x, b: threshold(x, b) + 1e-2),
    (None, lambda x, b: threshold(x, b).clamp(max=1)),
    (None, lambda x, b: threshold(x, b).clamp(min=0.01)),
    (None, lambda x, b: threshold(x, max(b, 1.0))),
    (None, lambda x, b: threshold(x, min(b, 1.0))),
    (None, lambda x, b: threshold(x, 1 + b)),
    (None, lambda x, b: threshold(x, b).round(decimals=3)),
    (None, lambda x, b: threshold(x[0], b) if x.ndim > 2 else threshold(x, b) + 1),
    (
        None,
        lambda x, b: torch.linalg.eigvalsh(
            torch.atleast_2d(torch.cov(x.flatten(1).T, correction=0))
        ),
    ),
    (None, lambda x, b: (threshold(x, b), b)),
    (None, lambda x, b: None),
    (None, lambda x, b: threshold(x.flatten(1).T, b)),
    (None, lambda x, b: 1.55 / b**0.5),
    (None, lambda x, b: threshold(x, b, lambda f: torch.linalg.matrix_norm(f, 1) ** 2 / len(f))),
    (None, lambda x, b: threshold(x, b) * math.sqrt(2)),
]


def without_an_else(step, warmup):
    if step < warmup:
        return step / warmup


def three_branches(step, warmup):
    if warmup == 0:
        return 1.0
    elif step > warmup - 1:
        return 1.0
    return step / (warmup - 1)


def of_a_table(step, warmup):
    betas = np.linspace(0, 1, warmup)
    return betas[min(step, warmup - 1)]


def of_a_table_without_an_end(step, warmup):
    return torch.linspace(0, 1, warmup + 1)[step]


def step_by_step(step, warmup):
    """Rounding errors add up, and the last step is missing."""
    beta = 0.0
    for _ in range(1, min(step, warmup)):
        beta += 1 / warmup
    return beta if warmup else 1.0


def caught(step, warmup):
    try:
        return min(1.0, step / warmup)
    except ZeroDivisionError:
        return 0.0


class Counter:
    """Counts its own calls, and does not look at the step."""

    def __init__(self):
        self.step = 0

    def __call__(self, step, warmup):
        self.step += 1
        return min(1.0, self.step / warmup) if warmup else 1.0


def up_to_one(ratio, otherwise=1.0):
    return lambda step, warmup: min(1.0, ratio(step, warmup)) if warmup else otherwise


ANNEALING = [
    ("over 1", lambda step, warmup: step / warmup if warmup > 0 else 1),
    ("division by a warmup of 0", lambda step, warmup: 1.0 if step > warmup else step / warmup),
    ("division by a warmup of 0", lambda step, warmup: np.clip(step / warmup, 0, 1)),
    ("0 for a warmup of 0", caught),
    ("0 for a warmup of 0", up_to_one(lambda step, warmup: step / warmup, otherwise=0)),
    ("0 during the warm-up", up_to_one(lambda step, warmup: int(step / warmup))),
    ("0 during the warm-up", lambda step, warmup: float(step >= warmup)),
    ("max for min", lambda step, warmup: max(1.0, step / warmup) if warmup else 1.0),
    ("downwards", lambda step, warmup: max(0.0, 1 - step / warmup) if warmup else 1.0),
    ("starts again", lambda step, warmup: (step % warmup) / warmup if warmup else 1.0),
    (
        "0 after the warm-up",
        lambda step, warmup: step / warmup if step < warmup else 1.0 * (warmup == 0),
    ),
    ("upside down", up_to_one(lambda step, warmup: warmup / step if step else np.inf)),
    ("one step ahead", up_to_one(lambda step, warmup: (step + 1) / warmup)),
    ("one step ahead of warmup + 1", up_to_one(lambda step, warmup: (step + 1) / (warmup + 1))),
    ("one step late", up_to_one(lambda step, warmup: (step - 1) / warmup)),
    ("warmup + 1", up_to_one(lambda step, warmup: step / (warmup + 1))),
    ("warmup − 1", three_branches),
    ("warmup − 1", up_to_one(of_a_table)),
    ("warmup − 1", up_to_one(lambda step, warmup: step / (warmup - 1))),
    ("starts after the warm-up", up_to_one(lambda step, warmup: max(0, step - warmup) / warmup)),
    ("squared", up_to_one(lambda step, warmup: (step / warmup) ** 2)),
    ("a square root", up_to_one(lambda step, warmup: math.sqrt(step / warmup))),
    (
        "a cosine",
        up_to_one(lambda step, warmup: (1 - math.cos(math.pi * min(step / warmup, 1))) / 2),
    ),
    ("in percent", up_to_one(lambda step, warmup: 100 * step / warmup)),
    ("always 1", lambda step, warmup: 1.0),
    ("returns None", without_an_else),
    (None, of_a_table_without_an_end),
    (None, step_by_step),
    (None, Counter()),
    (None, up_to_one(lambda step, warmup: 1 - math.exp(-5 * step / warmup))),
    (None, up_to_one(lambda step, warmup: 1 / (1 + math.exp(-10 * (step / warmup - 0.5))))),
    (None, up_to_one(lambda step, warmup: round(step / warmup, 2))),
    (None, up_to_one(lambda step, warmup: (step / warmup) ** 3)),
    (None, up_to_one(lambda step, warmup: step / warmup / 2)),
    (None, up_to_one(lambda step, warmup: 2 * step / warmup)),
    (None, up_to_one(lambda step, warmup: (step + 0.5) / warmup)),
    (None, up_to_one(lambda step, warmup: np.float16(step / warmup))),
    (None, lambda step, warmup: min(1.0, step / max(warmup, 1))),
    (None, lambda step, warmup: min(1.0, step / (warmup + 1e-8))),
    (None, lambda step, warmup: min(1.0, step / max(warmup, 2)) if warmup else 1.0),
    (None, lambda step, warmup: min(0.99, step / warmup) if warmup else 1.0),
    (None, lambda step, warmup: step / warmup if step < warmup - 1 else 1.0),
    (None, lambda step, warmup: 1.0 if warmup <= 1 else min(1.0, step / warmup)),
    (None, lambda step, warmup: max(1e-3, min(1.0, step / warmup)) if warmup else 1.0),
    (None, lambda step, warmup: min(1.0, step / 1000)),
    (None, lambda step, warmup: step),
    (None, lambda step, warmup: (step % (warmup + 1)) / warmup if warmup else 1.0),
    (None, lambda step, warmup: [s / warmup for s in range(step)]),
    (None, lambda step, warmup: str(min(1.0, step / warmup)) if warmup else "1"),
    (None, lambda step, warmup: torch.linspace(0, 1, max(warmup, 2))),
    (None, lambda step: min(1.0, step / 100)),
]


def by_rules(rules, otherwise):
    """Of the rules, (number, holds), the first that holds decides."""

    def answer(numbers):
        return [next((n for n, holds in rules if holds(v)), otherwise) for v in numbers.values()]

    return answer


def bound_is_too_high(v):
    return v["ELBO"] > v["log p(x|z)"]


def spread_is_wrong(v):
    return v["spread of z for one x"] > 2 * v["exp(log_sigma)"]


def twice_the_kl(v):
    return v["KL"] > 1.9 * v["KL, measured on z"] and v["KL"] > 1


def squares(v, pixels=None):
    pixels = v["pixels"] if pixels is None else pixels
    return -pixels * v["x - x_hat"] ** 2 / (2 * v["sigma_x"] ** 2)


def is_a_mean(v):
    return abs(v["log p(x|z)"]) < 10


def no_constant(v, within=0.1):
    return abs(v["log p(x|z)"] - squares(v)) < within * abs(squares(v))


SIGN, HALF, SPREAD = (1, bound_is_too_high), (2, twice_the_kl), (3, spread_is_wrong)
MEAN, CONSTANT = (4, is_a_mean), (5, no_constant)
rules = by_rules([SIGN, SPREAD, MEAN, CONSTANT], 2)


def changed(change):
    return lambda numbers: change(rules(numbers))


def return_in_the_loop(numbers):
    for v in numbers.values():
        return rules({"A": v})[0]


def some_are_none(numbers):
    return by_rules([SIGN, SPREAD, MEAN], None)(numbers)


def by_another_key(numbers):
    return [1 if vae["elbo"] > vae["log_px"] else 2 for vae in numbers.values()]


def by_the_letter(numbers):
    return [{"A": 3, "B": 4, "C": 2}[letter] for letter in numbers]


def names(numbers):
    return [("sign", "half", "spread", "mean", "constant")[n - 1] for n in rules(numbers)]


def only_the_first(numbers):
    return 3 * rules({"A": numbers["A"]})


DIAGNOSES = [
    (None, by_the_letter),
    (None, lambda numbers: [1, 2, 3]),
    (None, lambda numbers: [3, 4, 2]),
    (None, lambda numbers: torch.randint(1, 6, (3,), generator=torch.Generator().manual_seed(0))),
    (None, lambda numbers: np.arange(1, 4)),
    (None, return_in_the_loop),
    (None, some_are_none),
    (None, by_another_key),
    (None, names),
    (None, only_the_first),
    (None, changed(lambda found: [n - 1 for n in found])),
    (None, changed(lambda found: found[::-1])),
    (None, changed(sorted)),
    (None, changed(set)),
    (None, changed(lambda found: found[:2])),
    (None, changed(lambda found: [*found, 1])),
    (None, changed(lambda found: dict(zip("ABC", found, strict=True)))),
    (None, changed(lambda found: [str(n) for n in found])),
    (None, changed(lambda found: [found])),
    (None, changed(lambda found: [6 - n for n in found])),
    (None, changed(lambda found: [n + 0.5 for n in found])),
    (None, changed(sum)),
    (None, changed(lambda found: None)),
    (None, by_rules([SPREAD, MEAN, CONSTANT], 2)),
    (None, by_rules([SIGN, MEAN, CONSTANT], 2)),
    (None, by_rules([SIGN, SPREAD, CONSTANT], 2)),
    (None, by_rules([SIGN, SPREAD, MEAN], 2)),
    (None, by_rules([SIGN, SPREAD, MEAN], 5)),
    (None, by_rules([HALF, SPREAD, MEAN, CONSTANT], 1)),
    (
        None,
        by_rules(
            [SIGN, (3, lambda v: v["exp(log_sigma)"] > v["spread of z for one x"]), MEAN, CONSTANT],
            2,
        ),
    ),
    (None, by_rules([(1, lambda v: v["ELBO"] < v["log p(x|z)"]), SPREAD, MEAN, CONSTANT], 2)),
    (None, by_rules([(1, lambda v: v["KL"] < 0), SPREAD, MEAN, CONSTANT], 2)),
    (None, by_rules([(1, lambda v: v["ELBO"] > 0), SPREAD, MEAN, CONSTANT], 2)),
    (None, by_rules([SIGN, SPREAD, MEAN, (5, lambda v: v["log p(x|z)"] > 0)], 2)),
    (None, by_rules([SIGN, SPREAD, MEAN, (5, lambda v: v["log p(x|z)"] == squares(v))], 2)),
    (
        None,
        by_rules([SIGN, SPREAD, MEAN, (5, lambda v: abs(v["log p(x|z)"] - squares(v, 1)) < 1)], 2),
    ),
    (None, by_rules([SIGN, SPREAD, (4, lambda v: v["log p(x|z)"] < 0), CONSTANT], 2)),
    (None, by_rules([SIGN, SPREAD, (4, lambda v: v["KL"] < 1e-6), CONSTANT], 2)),
    (None, by_rules([SIGN, (2, lambda v: v["KL"] > v["KL, measured on z"]), SPREAD, MEAN], 5)),
    (None, by_rules([SIGN, HALF, SPREAD, MEAN, (5, lambda v: abs(v["ELBO"]) < 100)], 0)),
    (None, by_rules([SIGN, (2, lambda v: v["KL"] > 20), SPREAD, MEAN], 5)),
    (None, by_rules([SIGN, (3, lambda v: v["spread of z for one x"] > 0.1), MEAN, CONSTANT], 2)),
    (
        None,
        by_rules(
            [
                SIGN,
                (3, lambda v: v["spread of z for one x"] == v["exp(log_sigma)"] ** 0.5),
                MEAN,
                CONSTANT,
            ],
            2,
        ),
    ),
    (None, by_rules([(4, lambda v: v["KL"] < 0.5), (2, twice_the_kl)], 5)),
    (None, by_rules([CONSTANT, HALF, SPREAD, MEAN], 1)),
]

BANK = {
    "train_step": STEP,
    "linear_annealing": ANNEALING,
    "collapse_threshold": THRESHOLD,
    "diagnose": DIAGNOSES,
}
