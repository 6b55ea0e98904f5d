"""Lesson 6, the VAE: the loss of a batch, and the lecture's KL annealing."""

from typing import Any

import torch
from torch import Tensor

from vaelib.check._draw import catalogue, dyadic, limit, normal
from vaelib.check._exercise import Exercise, Property, Rng
from vaelib.check._gaussian import CONSTANT, EXPONENT, KL, PIXELS, SIGMA, Function, kl_terms
from vaelib.check._probe import Probe
from vaelib.check.lesson4 import gaussian_log_likelihood

THREE = (1, 2, 3)  # the gradients in x_hat, mu and log_sigma


def vae_loss(
    x: Tensor,
    x_hat: Tensor,
    mu: Tensor,
    log_sigma: Tensor,
    sigma_x: Any,
    beta: Any,
    *,
    terms: tuple[int, int] = (-1, 1),
    beta_to: tuple[float, float] = (0, 1),  # its powers before log p(x|z) and before KL
    kl: tuple[float, int, int] = (0.5, 2, 1),
    latent: int = 0,  # power of D
    batch: Function = torch.mean,
    **changes: Any,
) -> Tensor:
    """(1/M) Σ_m −(log p(x_m|z_m) − β KL_m), a scalar, nats."""
    divergence = kl_terms(mu, log_sigma, kl).sum(-1) * float(mu.shape[-1]) ** latent
    log_px_z = gaussian_log_likelihood(x, x_hat, sigma_x, **changes)
    weights = (beta**power for power in beta_to)
    parts = zip(terms, weights, (log_px_z, divergence), strict=True)
    return batch(torch.stack([sign * weight * part for sign, weight, part in parts]).sum(0))


def vae_loss_inputs(rng: Rng) -> list[Probe]:
    def draw(sigma: Any, beta: float, D: int, *shape: int) -> tuple[Any, ...]:
        x, mu = normal(rng, *shape, mean=0.5), normal(rng, shape[0], D, mean=0.6)
        log_sigma = normal(rng, shape[0], D, mean=-0.7, std=0.4)
        return x, x + 1.3 * sigma * normal(rng, *shape), mu, log_sigma, sigma, beta

    x, zero = normal(rng, 2, 3), torch.zeros(2, 2, dtype=torch.float64)
    return [
        Probe(draw(dyadic(rng, 0.25, 0.6), dyadic(rng, 0.3, 0.7), 3, 2, 4), THREE),
        Probe(draw(0.4 + 0.1 * normal(rng).abs(), dyadic(rng, 1.5, 2.5), 2, 3, 2, 4), THREE),
        Probe(draw(dyadic(rng, 1.5, 2.5), dyadic(rng, 0.3, 0.7), 5, 4, 3), THREE),
        limit("x̂ = x, μ = 0, σ = 1", x, x.clone(), zero, zero.clone(), 0.5, 0.5, gradients=THREE),
        limit("β = 0", *draw(0.5, 0.0, 2, 3, 4), gradients=THREE),
        limit("β = 1", *draw(0.5, 1.0, 2, 3, 4), gradients=THREE),
        limit("a single example, M = 1", *draw(0.5, 0.5, 2, 1, 3), gradients=THREE),
        limit("D = 1 and a single pixel", *draw(0.5, 0.5, 1, 3, 1), gradients=THREE),
    ]


VAE_LOSS = Exercise(
    *("6.1", "vae_loss", 2, 15, 2, "vae_loss(x, x_hat, mu, log_sigma, sigma_x, beta)"),
    variant=vae_loss,
    inputs=vae_loss_inputs,
    axes=(("M", "…"), ("M", "…"), ("M", "D"), ("M", "D"), (), ()),
    mistakes=catalogue(
        terms={
            (1, -1): ("sign", "the optimiser goes down: is this to be made small, or large?"),
            (-1, -1): ("sign of KL", "is a q far from the prior cheap, or dear?"),
            (1, 1): ("sign of log p(x|z)", "is the loss lower or higher for a better x̂?"),
            (-1, 0): ("KL forgotten", "what keeps q near the prior?"),
            (0, 1): ("log p(x|z) forgotten", "what makes x̂ like x?"),
        },
        beta_to={
            (1, 0): ("β on the wrong term", "what does β weigh, the picture or its code?"),
            (1, 1): ("β on both terms", "what does β weigh, the picture or its code?"),
            (0, 0): ("β forgotten", "what changes when β does?"),
            (0, -1): ("divided by β", "is KL dearer or cheaper with a large β?"),
            (0, 2): ("β squared", "how often is KL multiplied by β?"),
        },
        pixels={
            (-1, 0): ("mean over pixels", PIXELS[-1, 0][1]),
            (-1, 1): ("mean over pixels in the squared error", PIXELS[-1, 1][1]),
            (0, 0): PIXELS[0, 0],
        },
        latent={-1: ("mean over D", "is KL averaged over dimensions, or added?")},
        batch={
            torch.sum: ("sum over batch", "does a mean grow with the number of examples?"),
            torch.clone: ("no mean over batch", "the optimiser wants one number"),
        },
        kl=KL,
        constant=CONSTANT,
        exponent=EXPONENT,
        sigma_to_the=SIGMA,
    ),
    properties=(
        Property(
            "a mean over the batch",
            "with every example twice the loss should stay what it was; it does not",
            lambda rng: [
                Probe((*(t.repeat(n, 1) for t in tensors), 0.5, 0.5))
                for tensors in [[normal(rng, 2, 3) for _ in range(4)]]
                for n in (1, 2)
            ],
            lambda out: bool(abs(out[0].value[0] - out[1].value[0]).max() < 1e-9),
        ),
    ),
)


def linear_annealing(
    step: Any,
    warmup: Any,
    *,
    way: Any = lambda step, warmup: step / warmup,
    clip: Any = lambda share: min(1.0, share),
    at_zero: float | None = 1.0,
) -> Tensor:
    """min(1, step/warmup), and 1 where warmup is 0."""
    step, warmup = float(step), float(warmup)
    if warmup == 0 and at_zero is not None:
        return torch.tensor(at_zero, dtype=torch.float64)
    return torch.tensor(clip(way(step, warmup)), dtype=torch.float64)


def linear_annealing_inputs(rng: Rng) -> list[Probe]:
    def whole(low: int, high: int) -> int:
        return int(rng.integers(low, high, endpoint=True))

    return [
        Probe((whole(2, 6), 16)),
        Probe((whole(10, 14), 16)),
        Probe((whole(30, 90), whole(100, 400))),
        Probe((whole(35, 99), 32)),
        Probe((whole(500, 999), whole(100, 400))),
        limit("step = 0", 0, 8),
        limit("step = warmup", 8, 8),
        limit("the first step after the warm-up", 9, 8),
        limit("warmup = 1", 3, 1),
        limit("warmup = 0", 5, 0),
        limit("warmup = 0 and step = 0", 0, 0),
    ]


NO_STEPS = ("division by a warmup of 0", "how long does a warm-up of 0 steps last?")
LINEAR_ANNEALING = Exercise(
    *("6.2", "linear_annealing", 1, 5, 1, "linear_annealing(step, warmup)"),
    variant=linear_annealing,
    inputs=linear_annealing_inputs,
    float32=False,
    axes=((), ()),
    mistakes=catalogue(
        clip={
            lambda share: share: ("over 1", "what is β long after the warm-up?"),
            lambda share: max(1.0, share): ("max for min", "what is β at step 0?"),
            lambda share: 1 - min(1.0, share): ("downwards", "where does β start?"),
            lambda share: share % 1: ("starts again", "what is β long after the warm-up?"),
            lambda share: share if share < 1 else 0.0: (
                "0 after the warm-up",
                "what is β long after the warm-up?",
            ),
        },
        way={
            lambda step, warmup: step // warmup if warmup else 0.0: (
                "integer division",
                "what does // make of 3/8?",
            ),
            lambda step, warmup: warmup / step if step else 9.0: (
                "upside down",
                "is β small or large at the start?",
            ),
            lambda step, warmup: (step + 1) / warmup: ("one step ahead", "what is β at step 0?"),
            lambda step, warmup: (step - 1) / warmup: ("one step late", "and at step = warmup?"),
            lambda step, warmup: step / (warmup + 1): ("warmup + 1", "and at step = warmup?"),
            lambda step, warmup: (step / warmup) ** 2: ("squared", "is it a straight line?"),
            lambda step, warmup: (step / warmup) ** 0.5: ("a square root", "a straight line?"),
            lambda step, warmup: 100 * step / warmup: ("in percent", "where does β end?"),
            lambda step, warmup: 1.0: ("always 1", "what is β at step 0?"),
        },
        at_zero={0.0: ("0 for a warmup of 0", NO_STEPS[1]), None: NO_STEPS},
    ),
    errors=(("ZeroDivisionError", *NO_STEPS),),
)

EXERCISES = (VAE_LOSS, LINEAR_ANNEALING)
