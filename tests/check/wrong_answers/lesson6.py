"""Wrong answers to the exercises of lesson 6, the VAE, written by hand."""

import math
from functools import partial

import torch
from torch.distributions import kl_divergence

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


BANK = {"train_step": STEP, "collapse_threshold": THRESHOLD}
