"""Lesson 4, the ELBO: its reconstruction term, all of it, and an exact posterior."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vaelib.check.catalogue.gaussian import (
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
from vaelib.check.catalogue.inputs import dyadic, limit, normal
from vaelib.check.machinery.exercise import Exercise, Property, Rng, mistakes_by_keyword
from vaelib.check.machinery.probe import Probe

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

    x = normal(rng, 2, 3)
    far = normal(rng, 2, 3, mean=40.0)
    return [
        Probe(draw(dyadic(rng, 0.25, 0.6), 2, 3)),
        Probe(draw(dyadic(rng, 0.4, 0.7), 3, 2, 4)),
        Probe(draw(dyadic(rng, 1.5, 2.5), 4, 1, 3, 2)),
        limit("x̂ = x", x, x.clone(), 0.5),
        limit("a single picture, B = 1", *draw(0.5, 1, 2, 3)),
        limit("a single pixel, P = 1", *draw(0.5, 3, 1)),
        limit("σ_x = 1/128", *draw(1 / 128, 2, 2, 2)),
        limit("σ_x = 64", *draw(64.0, 2, 2, 2)),
        limit("log-densities near −7000", x, x + far, 0.5),
    ]


def is_quadratic(at: Array, near: Array, far: Array) -> bool:
    """Whether twice the distance from x̂ costs four times as much."""
    return bool(abs((at - far) - 4 * (at - near)).max() < 1e-6 * abs(at - far).max())


GAUSSIAN_LOG_LIKELIHOOD = Exercise(
    number="4.1",
    name="gaussian_log_likelihood",
    stars=2,
    minutes=10,
    points=2,
    signature="gaussian_log_likelihood(x, x_hat, sigma_x)",
    shown="with its constant, the squared error becomes a log-density in nats.",
    variant=gaussian_log_likelihood,
    inputs=gaussian_log_likelihood_inputs,
    axes=(("B", "…"), ("B", "…"), ()),
    fixed=("x", "x_hat"),
    mistakes=mistakes_by_keyword(
        constant=CONSTANT,
        exponent=EXPONENT,
        sigma_to_the=SIGMA,
        pixels=PIXELS,
        over={
            lambda e: e.sum(-1): ("sum over the last dimension only", "which axis should stay?"),
            lambda e: e.sum(0): ("sum over batch, not over pixels", "which axis should stay?"),
            torch.clone: ("no sum over pixels", "one number per example is asked for"),
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
            lambda out: is_quadratic(*(o.value[0] for o in out)),
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
    kl: Any = (0.5, 2, 1),
    latent: int = 0,  # power of D
    means: Function | None = None,
    terms: tuple[int, int] = (1, -1),
    batch: Function = torch.clone,
    **changes: Any,
) -> Tensor:
    """log p(x|z) − KL(N(μ, diag σ²) ‖ N(0, I)), (B,), nats."""
    if means is not None:
        latent = -1
        batch = means
        changes = changes | {"pixels": (-1, 0)}
    divergence = kl_terms(mu, log_sigma, kl).sum(-1) * float(mu.shape[-1]) ** latent
    log_px_z = gaussian_log_likelihood(x, x_hat, sigma_x, **changes)
    return batch(terms[0] * log_px_z + terms[1] * divergence)


def elbo_inputs(rng: Rng) -> list[Probe]:
    def draw(sigma: Any, D: int, *shape: int) -> tuple[Any, ...]:
        x = normal(rng, *shape, mean=0.5)
        mu = normal(rng, shape[0], D, mean=0.6)
        log_sigma = normal(rng, shape[0], D, mean=-0.7, std=0.4)
        return x, x + 1.3 * sigma * normal(rng, *shape), mu, log_sigma, sigma

    x = normal(rng, 2, 3)
    zero = torch.zeros(2, 2, dtype=torch.float64)
    return [
        Probe(draw(dyadic(rng, 0.25, 0.6), 1, 2, 3)),
        Probe(draw(dyadic(rng, 0.4, 0.7), 2, 3, 2, 4)),
        Probe(draw(dyadic(rng, 1.5, 2.5), 5, 4, 3)),
        limit("x̂ = x, μ = 0, σ = 1", x, x.clone(), zero, zero.clone(), 1 / 16),
        limit("a single example, B = 1", *draw(0.5, 2, 1, 3)),
        limit("D = 1 and a single pixel", *draw(0.5, 1, 3, 1)),
        limit("log σ = −12", x, x + 0.5, zero, zero - 12, 0.5),
        limit("log σ = 6 and μ = 30", x, x + 0.5, zero + 30, zero + 6, 0.5),
        limit("a poor x̂ and a small σ_x", x, x + 2.0, zero + 1, zero.clone(), 1 / 64),
    ]


ELBO = Exercise(
    number="4.2",
    name="elbo",
    stars=2,
    minutes=15,
    points=2,
    signature="elbo(x, x_hat, mu, log_sigma, sigma_x)",
    shown="the ELBO of an example needs one draw, a squared error and a closed form.",
    variant=elbo,
    inputs=elbo_inputs,
    axes=(("B", "…"), ("B", "…"), ("B", "D"), ("B", "D"), ()),
    fixed=("x", "x_hat"),
    mistakes=mistakes_by_keyword(
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
            **{wrong: PIXELS[wrong] for wrong in list(PIXELS)[2:]},
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


def linear_gaussian_posterior(
    x: Tensor,
    W: Tensor,
    b: Tensor,
    sigma_x: Any,
    *,
    prior: tuple[float, float] = (1.0, 1.0),  # its precision, in the mean and in the covariance
    powers: tuple[int, int, int] = (2, 2, 0),  # of σ: WᵀW/σ^i, the mean /σ^j, the covariance /σ^k
    shift: float = 1.0,
    identity: Callable[[int], Tensor] = torch.eye,
    give: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, ...]] = lambda mean, S, L: (mean, S),
) -> tuple[Tensor, ...]:
    """S = (I + WᵀW/σ²)⁻¹, mean S Wᵀ(x − b)/σ², (B, D), and S itself, (D, D)."""
    sigma = torch.as_tensor(sigma_x, dtype=x.dtype)
    eye = identity(W.shape[1]).to(x.dtype)
    in_mean, L = (p * eye + W.T @ W / sigma ** powers[0] for p in prior)
    right = (x - shift * b) @ W / sigma ** powers[1]
    mean = torch.linalg.solve(in_mean, right.T).T
    return give(mean, torch.linalg.inv(L) / sigma ** powers[2], L)


def linear_gaussian_posterior_inputs(rng: Rng) -> list[Probe]:
    def draw(B: int, P: int, D: int, sigma: Any) -> tuple[Any, ...]:
        return normal(rng, B, P, std=1.5), normal(rng, P, D), normal(rng, P, mean=0.7), sigma

    x, W, b, _ = draw(2, 3, 2, 0.5)
    return [
        Probe(draw(2, 3, 1, dyadic(rng, 0.4, 0.7))),
        Probe(draw(2, 6, 3, dyadic(rng, 0.5, 0.8))),
        Probe(draw(4, 5, 2, dyadic(rng, 1.5, 2.5))),
        limit("W = 0", x, 0 * W, b, 0.5),
        limit("x = b", b.expand(2, 3).clone(), W, b, 0.5),
        limit("a single dimension of z, D = 1", *draw(3, 2, 1, 0.5)),
        limit("a single x, B = 1", *draw(1, 3, 2, 0.5)),
        limit("more dimensions of z than of x", *draw(2, 2, 3, 0.75)),
        limit("a single pixel, P = 1", *draw(3, 1, 2, 0.5)),
        limit("x far from b", x + 90, W, b, 0.5),
        limit("σ_x = 1/32", *draw(2, 3, 2, 1 / 32)),
        limit("σ_x = 64", *draw(2, 3, 2, 64.0)),
    ]


LINEAR_GAUSSIAN_POSTERIOR = Exercise(
    number="4.3",
    name="linear_gaussian_posterior",
    stars=3,
    minutes=40,
    points=3,
    signature="linear_gaussian_posterior(x, W, b, sigma_x)",
    shown="for a linear decoder the best encoder is known, and it is linear.",
    variant=linear_gaussian_posterior,
    inputs=linear_gaussian_posterior_inputs,
    axes=(("B", "P"), ("P", "D"), ("P",), ()),
    fixed=("x",),
    outputs=2,
    results=("the mean", "the covariance"),
    mistakes=mistakes_by_keyword(
        prior={
            (0, 0): ("prior precision forgotten", "what is the posterior where W = 0?"),
            (0, 1): ("prior precision forgotten in the mean", "what is the mean for a huge σ_x?"),
            (1, 0): ("prior precision forgotten in the covariance", "what is it where W = 0?"),
        },
        identity={
            lambda D: torch.ones(D, D): ("1 in every entry for I", "which entries of I are 0?")
        },
        powers={
            (1, 1, 0): ("σ for σ²", "is `sigma_x` a standard deviation, or a variance?"),
            (1, 2, 0): ("σ for σ² in the precision", "by what is WᵀW divided?"),
            (2, 1, 0): ("σ for σ² in the mean", "by what is Wᵀ(x − b) divided?"),
            (4, 4, 0): ("σ² for σ", "is `sigma_x` a standard deviation, or a variance?"),
            (0, 0, 0): ("σ ignored", "does a noisier x say as much about z?"),
            (2, 0, 0): (
                "1/σ² forgotten in the mean",
                "with W = 1 and a tiny σ_x, is the mean x − b?",
            ),
            (2, 4, 0): ("1/σ² twice in the mean", "with W = 1 and a tiny σ_x, is the mean x − b?"),
            (2, 2, 2): (
                "σ² forgotten in the covariance",
                "does your covariance shrink when σ_x does?",
            ),
            (-2, -2, 0): ("σ² for 1/σ²", "is a precision large or small where the noise is small?"),
        },
        shift={
            0.0: ("b forgotten", "what is the mean for x = b?"),
            -1.0: ("b added", "what is the mean for x = b?"),
        },
        give={
            lambda m, S, L: (m, L): ("precision for covariance", "which is the inverse of which?"),
            lambda m, S, L: (m @ L @ L, L): (
                "inverse forgotten",
                "do you multiply by Λ, or by its inverse?",
            ),
            lambda m, S, L: (m @ L, S): (
                "inverse forgotten in the mean",
                "which matrix multiplies Wᵀ(x − b)/σ²?",
            ),
            lambda m, S, L: (m, S.diagonal()): ("variances only", "covariances are asked for too"),
            lambda m, S, L: (m, S.diagonal().diag()): ("no covariances", "is WᵀW diagonal?"),
            lambda m, S, L: (m, (1 / L.diagonal()).diag()): (
                "entries inverted",
                "is WᵀW diagonal?",
            ),
            lambda m, S, L: (m.T, S): ("mean transposed", "examples come first"),
            lambda m, S, L: (S, m): ("order swapped", "which of the two comes first?"),
            lambda m, S, L: (m, S.expand(len(m), *S.shape)): (
                "a covariance for each x",
                "does the covariance depend on x?",
            ),
        },
    ),
    properties=(
        Property(
            "the prior where W = 0",
            "where W = 0 x says nothing of z, so the posterior should be N(0, I); it is not",
            lambda rng: [Probe((normal(rng, 2, 3), 0 * normal(rng, 3, 2), normal(rng, 3), 0.5))],
            lambda out: bool(
                abs(out[0].value[0]).max() < 1e-9
                and abs(out[0].value[1] - [[1, 0], [0, 1]]).max() < 1e-9
            ),
        ),
        Property(
            "zero where x = b",
            "where x = b the mean should be 0; here it is not",
            lambda rng: [Probe((b[None], normal(rng, 3, 2), b, 0.5)) for b in [normal(rng, 3)]],
            lambda out: bool(abs(out[0].value[0]).max() < 1e-9),
        ),
        Property(
            "symmetric",
            "a covariance is symmetric; yours is not",
            lambda rng: [Probe((normal(rng, 2, 3), normal(rng, 3, 2), normal(rng, 3), 0.5))],
            lambda out: bool(abs(out[0].value[1] - out[0].value[1].T).max() < 1e-9),
        ),
        Property(
            "the same W and σ_x in one unit",
            "x, W, b and σ_x in another unit of x leave the posterior as it is; here they do not",
            lambda rng: [
                Probe((by * x, by * W, by * b, by * 0.5))
                for x, W, b in [(normal(rng, 2, 3), normal(rng, 3, 2), normal(rng, 3))]
                for by in (1, 2)
            ],
            lambda out: all(
                abs(a - b).max() < 1e-9 for a, b in zip(out[0].value, out[1].value, strict=True)
            ),
        ),
    ),
)


EXERCISES = (GAUSSIAN_LOG_LIKELIHOOD, ELBO, LINEAR_GAUSSIAN_POSTERIOR)
