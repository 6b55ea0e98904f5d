"""Lesson 4, the last exercise: an exact posterior."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vaelib.check._draw import catalogue, dyadic, limit, normal
from vaelib.check._exercise import Exercise, Property, Rng
from vaelib.check._probe import Probe


def linear_gaussian_posterior(
    x: Tensor,
    W: Tensor,
    b: Tensor,
    sigma_x: Any,
    *,
    prior: tuple[float, float] = (1.0, 1.0),  # its precision, in the mean and in the covariance
    powers: tuple[int, int, int] = (2, 2, 0),  # of σ: WᵀW/σ^i, the mean /σ^j, the covariance /σ^k
    shift: float = 1.0,
    give: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, ...]] = lambda mean, S, L: (mean, S),
) -> tuple[Tensor, ...]:
    """S = (I + WᵀW/σ²)⁻¹, mean S Wᵀ(x − b)/σ², (B, D), and S itself, (D, D)."""
    sigma = torch.as_tensor(sigma_x, dtype=x.dtype)
    eye = torch.eye(W.shape[1], dtype=x.dtype)
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
        Probe(draw(2, 6, 3, 0.5 + 0.1 * normal(rng).abs())),
        Probe(draw(4, 5, 2, dyadic(rng, 1.5, 2.5))),
        limit("W = 0", x, 0 * W, b, 0.5),
        limit("x = b", b.expand(2, 3).clone(), W, b, 0.5),
        limit("a single dimension of z, D = 1", *draw(3, 2, 1, 0.5)),
        limit("a single x, B = 1", *draw(1, 3, 2, 0.5)),
        limit("more dimensions of z than of x", *draw(2, 2, 3, 0.75)),
    ]


LINEAR_GAUSSIAN_POSTERIOR = Exercise(
    *("4.3", "linear_gaussian_posterior", 3, 40, 3),
    signature="linear_gaussian_posterior(x, W, b, sigma_x)",
    variant=linear_gaussian_posterior,
    inputs=linear_gaussian_posterior_inputs,
    axes=(("B", "P"), ("P", "D"), ("P",), ()),
    fixed=("x",),
    outputs=2,
    mistakes=catalogue(
        prior={
            (0, 0): ("prior precision forgotten", "what is the posterior where W = 0?"),
            (0, 1): ("prior precision forgotten in the mean", "what is the mean for a huge σ_x?"),
            (1, 0): ("prior precision forgotten in the covariance", "what is it where W = 0?"),
        },
        powers={
            (1, 1, 0): ("σ for σ²", "is `sigma_x` a standard deviation, or a variance?"),
            (1, 2, 0): ("σ for σ² in the precision", "by what is WᵀW divided?"),
            (2, 1, 0): ("σ for σ² in the mean", "by what is Wᵀ(x − b) divided?"),
            (4, 4, 0): ("σ² for σ", "is `sigma_x` a standard deviation, or a variance?"),
            (0, 0, 0): ("σ ignored", "does a noisier x say as much about z?"),
            (2, 0, 0): ("1/σ² forgotten in the mean", "with W = 1 and a tiny σ_x, is it x − b?"),
            (2, 4, 0): ("1/σ² twice in the mean", "with W = 1 and a tiny σ_x, is it x − b?"),
            (2, 2, 2): ("σ² forgotten in the covariance", "does it fall to 0 with σ_x?"),
            (-2, -2, 0): ("σ² for 1/σ²", "is a precision large or small where the noise is small?"),
        },
        shift={
            0.0: ("b forgotten", "what is the mean for x = b?"),
            -1.0: ("b added", "what is the mean for x = b?"),
        },
        give={
            lambda m, S, L: (m, L): ("precision for covariance", "which is the inverse of which?"),
            lambda m, S, L: (m @ L @ L, L): ("inverse forgotten", "does the mean solve Λ m = …?"),
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

EXERCISES = (LINEAR_GAUSSIAN_POSTERIOR,)
