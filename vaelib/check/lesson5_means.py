"""Lesson 5, the second half: the pathwise estimator, and the best baseline for the other one."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vaelib.check._draw import catalogue, dyadic, limit, normal, numbers
from vaelib.check._exercise import Exercise, Property, Rng
from vaelib.check._gaussian import Function
from vaelib.check._probe import Outcome, Probe
from vaelib.check.lesson5 import MEAN


def pathwise_gradient(
    df_dz: Tensor,
    eps: Tensor,
    sigma: Any,
    *,
    in_mu: Callable[[Tensor, Tensor, Any], Tensor] = lambda df, e, s: df,
    in_sigma: Callable[[Tensor, Tensor, Any], Tensor] = lambda df, e, s: df * e,
    over: Function = torch.mean,
    sign: float = 1.0,
    order: tuple[int, int] = (0, 1),
) -> tuple[Tensor, ...]:
    """(1/K) Σ_k f′(z_k) and (1/K) Σ_k f′(z_k) ε_k."""
    both = [over(sign * way(df_dz, eps, sigma)) for way in (in_mu, in_sigma)]
    return both[order[0]], both[order[1]]


def pathwise_gradient_inputs(rng: Rng) -> list[Probe]:
    def draw(K: int, sigma: Any) -> tuple[Any, ...]:
        eps = normal(rng, K) + 0.3
        return 1.4 + 2.2 * sigma * eps + normal(rng, K, std=0.3), eps, sigma

    return [
        Probe(draw(3, dyadic(rng, 0.3, 0.6))),
        Probe(draw(5, 0.4 + 0.1 * normal(rng).abs())),
        Probe(draw(6, dyadic(rng, 1.5, 2.5))),
        limit("a single draw, K = 1", *draw(1, 0.5)),
        limit("ε = 0", normal(rng, 3), 0 * normal(rng, 3), 0.5),
        limit("f flat", 0 * normal(rng, 3), normal(rng, 3), 0.5),
        limit("σ = 1/128", *draw(3, 1 / 128)),
    ]


PATHWISE_GRADIENT = Exercise(
    *("5.3", "pathwise_gradient", 2, 10, 2, "pathwise_gradient(df_dz, eps, sigma)"),
    variant=pathwise_gradient,
    inputs=pathwise_gradient_inputs,
    axes=(("K",), ("K",), ()),
    fixed=("df_dz",),
    outputs=2,
    mistakes=catalogue(
        in_sigma={
            lambda df, e, s: df: ("missing ε", "z = μ + σ ε: what is dz/dσ?"),
            lambda df, e, s: df * e * s: ("times σ", "is it d/dσ or d/d log σ?"),
            lambda df, e, s: df * s: ("σ for ε", "z = μ + σ ε: what is dz/dσ?"),
            lambda df, e, s: df * e / s: ("divided by σ", "z = μ + σ ε: what is dz/dσ?"),
            lambda df, e, s: df * e**2: ("ε squared", "how often is ε in z = μ + σ ε?"),
            lambda df, e, s: e: ("f′ forgotten in σ", "the chain rule has two factors"),
            lambda df, e, s: df.mean() * e: ("product of the means", "the mean of what?"),
        },
        in_mu={
            lambda df, e, s: df * e: ("ε in both", "z = μ + σ ε: what is dz/dμ?"),
            lambda df, e, s: df * s: ("times σ in μ", "z = μ + σ ε: what is dz/dμ?"),
            lambda df, e, s: df / s: ("divided by σ in μ", "z = μ + σ ε: what is dz/dμ?"),
            lambda df, e, s: df * e / s: (
                "the score's factor ε/σ in μ",
                "which of two ways is it?",
            ),
        },
        over=MEAN,
        sign={-1.0: ("sign", "f rises with z: does E f rise with μ?")},
        order={
            (1, 0): ("order swapped", "which of the two comes first?"),
        },
    ),
    properties=(
        Property(
            "the sign of ε",
            "with the sign of every ε turned d/dμ should stay and d/dσ turn; here they do not",
            lambda rng: [
                Probe((df, side * eps, 0.75))
                for df, eps in [(normal(rng, 3), normal(rng, 3))]
                for side in (1, -1)
            ],
            lambda out: all(
                abs(a + sign * b).max() < 1e-9
                for a, b, sign in zip(out[0].value, out[1].value, (-1, 1), strict=True)
            ),
        ),
    ),
)


def optimal_baseline(
    f_z: Tensor,
    score: Tensor,
    *,
    way: Callable[[Tensor, Tensor], Tensor] = lambda f, s: (f * s**2).mean() / (s**2).mean(),
    sign: float = 1.0,
) -> Tensor:
    """Σ f s² / Σ s²."""
    return sign * way(f_z, score)


def covariance(f: Tensor, s: Tensor) -> Tensor:
    return ((f * s - (f * s).mean()) * s).mean() / (s - s.mean()).square().mean()


def optimal_baseline_inputs(rng: Rng) -> list[Probe]:
    def draw(K: int) -> tuple[Tensor, Tensor]:
        score = normal(rng, K, mean=0.4, std=1.6)
        return 1.3 + 0.8 * score + 0.5 * score**2 + normal(rng, K), score

    f_z, score = draw(4)
    return [
        Probe(draw(3)),
        Probe(draw(5)),
        Probe(draw(8)),
        limit("f constant", torch.full_like(f_z, 2.5), score),
        limit("a single draw, K = 1", *draw(1)),
        limit("all scores of one size", f_z, numbers(1.5, -1.5, 1.5, 1.5)),
        limit("a score of 0 among others", f_z, numbers(0.0, -1.0, 2.0, 0.5)),
    ]


F_AND_SCORE = numbers(1.5, -0.5, 3.0, 0.25), numbers(0.5, -1.0, 2.0, -0.25)


def is_lowest(out: list[Outcome]) -> bool:
    f, s = F_AND_SCORE
    b = float(out[0].value[0])
    left = [float((((f - c) * s) ** 2).mean()) for c in (b, b - 0.01, b + 0.01)]
    return left[0] <= min(left)


OPTIMAL_BASELINE = Exercise(
    *("5.4", "optimal_baseline", 3, 30, 3, "optimal_baseline(f_z, score)"),
    variant=optimal_baseline,
    inputs=optimal_baseline_inputs,
    axes=(("K",), ("K",)),
    fixed=("f_z", "score"),
    mistakes=catalogue(
        way={
            lambda f, s: f.mean(): ("mean of f only", "do all draws count alike, whatever s is?"),
            lambda f, s: (f * s).mean() / s.mean(): ("s for s²", "what is squared in a variance?"),
            lambda f, s: (f * s.abs()).mean() / s.abs().mean(): ("|s| for s²", "what is squared?"),
            lambda f, s: (f * s).mean() / (s**2).mean(): ("s for s² above", "which power of s?"),
            lambda f, s: (f * s**2).mean(): ("not divided by E[s²]", "is b a value as f has them?"),
            lambda f, s: (f * s**2).sum(): ("not divided by Σ s²", "is b a value as f has them?"),
            lambda f, s: (f * s).mean(): ("the gradient itself", "which b makes a variance small?"),
            lambda f, s: (f * s**2).mean() / s.mean() ** 2: ("E[s]² for E[s²]", "which is first?"),
            lambda f, s: (f * s**2).sum() / (s**2).mean(): ("sum over mean", "K times too large?"),
            lambda f, s: (f * s**2).mean() / (s**2).sum(): ("mean over sum", "K times too small?"),
            lambda f, s: (s**2).mean() / (f * s**2).mean(): ("upside down", "set dVar/db to 0"),
            lambda f, s: (f**2 * s).mean() / (f**2).mean(): ("f and s exchanged", "which weighs?"),
            lambda f, s: f.mean() * (s**2).mean(): ("product of the means", "the mean of what?"),
            covariance: ("sample covariance", "E[s] = 0 is known: what is left of it then?"),
            lambda f, s: (f * s**2) / (s**2).mean(): ("no mean", "one number is asked for"),
        },
        sign={-1.0: ("sign", "f − b is small where b is like f")},
    ),
    properties=(
        Property(
            "f constant",
            "where f is constant, b should be that constant; here it is not",
            lambda rng: [Probe((numbers(2.5, 2.5, 2.5), normal(rng, 3)))],
            lambda out: bool(abs(out[0].value[0] - 2.5).max() < 1e-9),
        ),
        Property(
            "smallest variance",
            "a slightly different b makes the mean of ((f − b) s)² smaller than yours does",
            lambda rng: [Probe(F_AND_SCORE)],
            is_lowest,
        ),
    ),
)

EXERCISES = (PATHWISE_GRADIENT, OPTIMAL_BASELINE)
