"""Lesson 4, the ELBO: its reconstruction term, and the whole of it."""

from typing import Any

import torch
from torch import Tensor

from vaelib.check._draw import catalogue, dyadic, limit, normal
from vaelib.check._exercise import Exercise, Property, Rng
from vaelib.check._gaussian import (
    BATCH,
    CONSTANT,
    EXPONENT,
    KL,
    PIXELS,
    SIGMA,
    UNIT,
    Function,
    kl_terms,
    log_density_of_pixels,
)
from vaelib.check._probe import Probe

Array = Any  # of NumPy


def gaussian_log_likelihood(
    x: Tensor,
    x_hat: Tensor,
    sigma_x: Any,
    *,
    over: Function = lambda each: each.flatten(1).sum(1),
    batch: Function = torch.clone,
    unit: float = 1.0,
    **changes: Any,
) -> Tensor:
    """Σ_pixels log N(x; x̂, σ_x²), (B, …) -> (B,), nats."""
    return batch(over(log_density_of_pixels(x, x_hat, sigma_x, **changes))) / unit


def gaussian_log_likelihood_inputs(rng: Rng) -> list[Probe]:
    def draw(sigma: Any, *shape: int) -> tuple[Any, ...]:
        x = normal(rng, *shape, mean=0.5)
        return x, x + 1.3 * sigma * normal(rng, *shape), sigma

    x, far = normal(rng, 2, 3), normal(rng, 2, 3, mean=40.0)
    return [
        Probe(draw(dyadic(rng, 0.25, 0.6), 2, 3)),
        Probe(draw(0.4 + 0.1 * normal(rng).abs(), 3, 2, 4)),
        Probe(draw(dyadic(rng, 1.5, 2.5), 4, 1, 3, 2)),
        limit("x̂ = x", x, x.clone(), 0.5),
        limit("a single picture, B = 1", *draw(0.5, 1, 2, 3)),
        limit("a single pixel, P = 1", *draw(0.5, 3, 1)),
        limit("σ_x = 1/128", *draw(1 / 128, 2, 2, 2)),
        limit("log-densities near −7000", x, x + far, 0.5),
    ]


def is_four_times(at: Array, near: Array, far: Array) -> bool:
    return bool(abs((at - far) - 4 * (at - near)).max() < 1e-6 * abs(at - far).max())


GAUSSIAN_LOG_LIKELIHOOD = Exercise(
    *("4.1", "gaussian_log_likelihood", 2, 10, 2, "gaussian_log_likelihood(x, x_hat, sigma_x)"),
    variant=gaussian_log_likelihood,
    inputs=gaussian_log_likelihood_inputs,
    axes=(("B", "…"), ("B", "…"), ()),
    fixed=("x", "x_hat"),
    mistakes=catalogue(
        constant=CONSTANT,
        exponent=EXPONENT,
        sigma_to_the=SIGMA,
        pixels=PIXELS,
        over={
            lambda e: e.sum(-1): ("sum over the last dimension only", "which is to stay?"),
            lambda e: e.sum(0): ("sum over batch, not over pixels", "which is to stay?"),
            torch.clone: ("no sum over pixels", "one number an example is asked for"),
        },
        batch=BATCH,
        unit=UNIT,
    ),
    properties=(
        Property(
            "additive over pixels",
            "two halves of a picture should add up to the whole; here they do not",
            lambda rng: [
                Probe((x[:, at], (x + 0.5)[:, at], 0.75))
                for x in [normal(rng, 2, 4)]
                for at in (slice(0, 1), slice(1, 4), slice(0, 4))
            ],
            lambda out: bool(abs(out[0].value[0] + out[1].value[0] - out[2].value[0]).max() < 1e-9),
        ),
        Property(
            "quadratic",
            "x twice as far from x̂ should lose four times as much; here it does not",
            lambda rng: [
                Probe((x, x + far * d, 0.75))
                for x, d in [(normal(rng, 2, 3), normal(rng, 2, 3))]
                for far in (0, 1, 2)
            ],
            lambda out: is_four_times(*(o.value[0] for o in out)),
        ),
    ),
)


def elbo(
    x: Tensor,
    x_hat: Tensor,
    mu: Tensor,
    log_sigma: Tensor,
    sigma_x: Any,
    *,
    kl: tuple[float, int, int] = (0.5, 2, 1),
    latent: int = 0,  # power of D
    means: Function | None = None,
    terms: tuple[int, int] = (1, -1),
    batch: Function = torch.clone,
    **changes: Any,
) -> Tensor:
    """log p(x|z) − KL(N(μ, diag σ²) ‖ N(0, I)), (B,), nats."""
    if means is not None:
        latent, batch, changes = -1, means, changes | {"pixels": (-1, 0)}
    divergence = kl_terms(mu, log_sigma, kl).sum(-1) * float(mu.shape[-1]) ** latent
    log_px_z = gaussian_log_likelihood(x, x_hat, sigma_x, **changes)
    return batch(terms[0] * log_px_z + terms[1] * divergence)


def elbo_inputs(rng: Rng) -> list[Probe]:
    def draw(sigma: Any, D: int, *shape: int) -> tuple[Any, ...]:
        x, mu = normal(rng, *shape, mean=0.5), normal(rng, shape[0], D, mean=0.6)
        log_sigma = normal(rng, shape[0], D, mean=-0.7, std=0.4)
        return x, x + 1.3 * sigma * normal(rng, *shape), mu, log_sigma, sigma

    x, zero = normal(rng, 2, 3), torch.zeros(2, 2, dtype=torch.float64)
    return [
        Probe(draw(dyadic(rng, 0.25, 0.6), 1, 2, 3)),
        Probe(draw(0.4 + 0.1 * normal(rng).abs(), 2, 3, 2, 4)),
        Probe(draw(dyadic(rng, 1.5, 2.5), 5, 4, 3)),
        limit("x̂ = x, μ = 0, σ = 1", x, x.clone(), zero, zero.clone(), 0.5),
        limit("a single example, B = 1", *draw(0.5, 2, 1, 3)),
        limit("D = 1 and a single pixel", *draw(0.5, 1, 3, 1)),
        limit("log σ = −12", x, x + 0.5, zero, zero - 12, 0.5),
    ]


ELBO = Exercise(
    *("4.2", "elbo", 2, 15, 2, "elbo(x, x_hat, mu, log_sigma, sigma_x)"),
    variant=elbo,
    inputs=elbo_inputs,
    axes=(("B", "…"), ("B", "…"), ("B", "D"), ("B", "D"), ()),
    fixed=("x", "x_hat"),
    mistakes=catalogue(
        terms={
            (1, 1): ("+ KL", "is a bound higher or lower for a q far from the prior?"),
            (1, 0): ("KL forgotten", "what keeps q near the prior?"),
            (0, -1): ("log p(x|z) forgotten", "what makes x̂ like x?"),
            (-1, -1): ("sign of log p(x|z)", "is the bound higher or lower for a better x̂?"),
            (-1, 1): ("sign", "the bound is asked for, not a loss"),
        },
        pixels={
            (-1, 0): ("mean over dimensions: pixels", PIXELS[-1, 0][1]),
            (-1, 1): ("mean over dimensions: pixels, squared error only", PIXELS[-1, 1][1]),
            (0, 0): PIXELS[0, 0],
        },
        latent={-1: ("mean over dimensions: latent", "is KL averaged over dimensions, or added?")},
        means={
            torch.clone: ("mean over dimensions: pixels and latent", "are densities averaged?"),
            torch.mean: ("mean over dimensions and batch", "what is averaged, what is added?"),
        },
        batch=BATCH,
        kl=KL,
        constant=CONSTANT,
        exponent=EXPONENT,
        sigma_to_the=SIGMA,
    ),
    properties=(
        Property(
            "nothing from a dimension that is the prior",
            "one more dimension of z with μ = 0 and σ = 1 should change nothing; here it does",
            lambda rng: [
                Probe((x, x + 0.5, *(torch.cat([a, 0 * a], 1)[:, :D] for a in q), 0.75))
                for x, q in [(normal(rng, 2, 3), (normal(rng, 2, 2), normal(rng, 2, 2)))]
                for D in (2, 3)
            ],
            lambda out: bool(abs(out[0].value[0] - out[1].value[0]).max() < 1e-9),
        ),
    ),
)

EXERCISES = (GAUSSIAN_LOG_LIKELIHOOD, ELBO)
