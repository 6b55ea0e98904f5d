"""Lesson 5, reparameterisation: z = T(ε), twice, the score function, and its best baseline."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaelib.check.catalogue.gaussian import Function, Hints
from vaelib.check.catalogue.inputs import dyadic, limit, normal, numbers, uniform
from vaelib.check.machinery.exercise import Exercise, Mistake, Property, Rng, mistakes_by_keyword
from vaelib.check.machinery.probe import Outcome, Probe

BOTH = (0, 1)  # the gradients in mu and log_sigma


def reparameterise(
    mu: Tensor,
    log_sigma: Tensor,
    eps: Tensor,
    *,
    scale: Function = torch.exp,
    noise: Function = torch.clone,
    combine: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda m, s, e: m + s * e,
    keep: tuple[bool, bool] = (True, True),
) -> Tensor:
    """z = μ + σ ε, with gradients in μ and log σ."""
    sigma = scale(log_sigma)
    mu, sigma = (a if kept else a.detach() for a, kept in zip((mu, sigma), keep, strict=True))
    return combine(mu, sigma, noise(eps))


def reparameterise_inputs(rng: Rng) -> list[Probe]:
    def draw(*shape: int) -> Probe:
        mu = normal(rng, *shape, mean=0.8)
        log_sigma = normal(rng, *shape, mean=-0.6, std=0.5)
        return Probe((mu, log_sigma, normal(rng, *shape)), gradients=BOTH)

    mu, log_sigma, eps = draw(2, 3).args
    low, tiny, large = (torch.full_like(mu, at) for at in (-30.0, -16.0, 6.0))
    return [
        draw(2, 3),
        draw(4, 2),
        draw(3, 2, 4),
        limit("ε = 0", mu, log_sigma, 0 * eps, gradients=BOTH),
        limit("log σ = −30", mu, low, eps, gradients=BOTH),
        limit("μ = 0 and log σ = −16", 0 * mu, tiny, eps, gradients=BOTH),
        limit("log σ = 6", mu, large, eps, gradients=BOTH),
        limit("a single example in one dimension", *draw(1, 1).args, gradients=BOTH),
    ]


MU = numbers(1.25, -0.5)
GRAPH = "can autograd follow z back to μ and log σ?"
BASE = "log_sigma is a natural logarithm: which function undoes it?"
ONE_FOR_ALL = ("one ε for all", "has each element its own draw?")
ONE_FOR_DIMENSIONS = ("one ε for all dimensions", "has each dimension its own draw?")
REPARAMETERISE = Exercise(
    number="5.1",
    name="reparameterise",
    stars=1,
    minutes=5,
    points=1,
    signature="reparameterise(mu, log_sigma, eps)",
    shown="noise from outside lets gradients reach the parameters of a distribution.",
    variant=reparameterise,
    inputs=reparameterise_inputs,
    axes=(("B", "D"), ("B", "D"), ("B", "D")),
    fixed=("eps",),
    errors=((r"Can't call numpy\(\)|Tensor that requires grad", "graph cut", GRAPH),),
    mistakes=mistakes_by_keyword(
        scale={
            torch.clone: ("log σ as σ", "can a standard deviation be negative? Which function?"),
            lambda s: (s / 2).exp(): ("half log σ", "is log_sigma the log of σ, or of σ²?"),
            lambda s: (2 * s).exp(): ("σ² for σ", "how far from μ is z where ε = 1?"),
            lambda s: (-s).exp(): ("1/σ for σ", "does the spread grow with log σ?"),
            lambda s: 10**s: ("another base than e", BASE),
            lambda s: 2**s: ("another base than e", BASE),
            torch.nn.functional.softplus: (
                "softplus for exp",
                "which function undoes a logarithm?",
            ),
        },
        combine={
            lambda m, s, e: (e + m) * s: ("(ε + μ)σ", "what is z where ε = 0?"),
            lambda m, s, e: (m + s) * e: ("(μ + σ)ε", "what is z where ε = 0?"),
            lambda m, s, e: s + m * e: ("μ and σ in each other's place", "what is z where ε = 0?"),
            lambda m, s, e: m - s * e: ("− for +", "is z above μ where ε is positive?"),
            lambda m, s, e: m + s: ("ε forgotten", "where is the noise?"),
            lambda m, s, e: s * e: ("μ forgotten", "what is z where ε = 0?"),
            lambda m, s, e: m + e: ("σ forgotten", "how far from μ is z where ε = 1?"),
            lambda m, s, e: m + s + e: ("σ added", "what is z where ε = 0?"),
            lambda m, s, e: m + s * e**2: ("ε squared", "can z be below μ?"),
        },
        noise={
            lambda e: e[:1].expand_as(e): (
                "one ε for all examples",
                "has each example its own draw?",
            ),
            lambda e: e[..., :1].expand_as(e): ONE_FOR_DIMENSIONS,
            lambda e: e[:, :1].expand_as(e): ONE_FOR_DIMENSIONS,
            lambda e: e.flatten()[0].expand(e.shape): ONE_FOR_ALL,
            lambda e: e.mean().expand(e.shape): ONE_FOR_ALL,
            lambda e: e.mean(0).expand(e.shape): (
                "mean of ε over batch",
                "has each example its own draw?",
            ),
        },
        keep={
            (False, False): ("graph cut", GRAPH),
            (False, True): ("graph cut at μ", "can autograd follow z back to μ?"),
            (True, False): ("graph cut at log σ", "can autograd follow z back to log σ?"),
        },
    ),
    properties=(
        Property(
            "z = μ where ε = 0",
            "where ε = 0, z should be μ; here it is not",
            lambda rng: [Probe((MU, normal(rng, 2), 0 * MU))],
            lambda out: bool(abs(out[0].value[0] - MU.numpy()).max() < 1e-9),
        ),
        Property(
            "a straight line in ε",
            "twice the ε should take z twice as far from μ; here it does not",
            lambda rng: [Probe((0 * MU, MU, by * e)) for e in [normal(rng, 2)] for by in (1, 2)],
            lambda out: bool(abs(out[1].value[0] - 2 * out[0].value[0]).max() < 1e-9),
        ),
        Property(
            "each element its own ε",
            "another ε in one element should leave the other elements; here it does not",
            lambda rng: [Probe((MU, MU, numbers(e, 0.5))) for e in (1.0, -1.0)],
            lambda out: bool(abs(out[1].value[0] - out[0].value[0])[1] < 1e-9),
        ),
    ),
)


def score_function_gradient(
    f_z: Tensor,
    z: Tensor,
    mu: Any,
    sigma: Any,
    *,
    score: Callable[[Any, Any, Any], Any] = lambda z, m, s: (z - m) / s**2,
    each: Callable[[Tensor, Tensor], Tensor] = lambda f_z, score: f_z * score,
    over: Function = torch.mean,
    slope: tuple[Callable[[Tensor, Tensor], Tensor], bool] | None = None,
    sign: float = 1.0,
) -> Tensor:
    """(1/K) Σ_k f(z_k) (z_k − μ)/σ²."""
    if slope is None:
        return over(sign * each(f_z, score(z, mu, sigma)))
    way, times_score = slope
    return over(sign * way(f_z, z) * (score(z, mu, sigma) if times_score else 1))


def slope_of_parabola(f_z: Tensor, z: Tensor) -> Tensor:
    """f′(z) of the parabola through the values."""
    powers = torch.stack([z**2, z, torch.ones_like(z)], -1)
    a, b, _ = torch.linalg.lstsq(powers, f_z).solution
    return 2 * a * z + b


def slope_of_differences(f_z: Tensor, z: Tensor) -> Tensor:
    """f′(z) by finite differences."""
    return torch.gradient(f_z, spacing=(z,))[0]


def slope_of_square(f_z: Tensor, z: Tensor) -> Tensor:
    """f′(z) if f(z) were z²."""
    return 2 * z


def score_function_gradient_inputs(rng: Rng) -> list[Probe]:
    def draw(K: int, mu: Any, sigma: Any) -> tuple[Any, ...]:
        z = mu + sigma * (normal(rng, K) + 0.3)
        a, b, c = rng.normal((1.2, -0.7, 0.9), 0.2)
        return a * z**2 + b * z + c, z, mu, sigma

    f_z, z, *_ = draw(4, 0.5, 0.5)
    return [
        Probe(draw(4, dyadic(rng, 0.5, 1.5), dyadic(rng, 0.3, 0.6))),
        Probe(draw(6, -dyadic(rng, 0.5, 1), dyadic(rng, 0.4, 0.7))),
        Probe(draw(7, -dyadic(rng, 0.5, 1.5), dyadic(rng, 1.5, 2.5))),
        limit("a single draw, K = 1", *draw(1, 0.5, 0.5)),
        limit("f constant", torch.full_like(z, 2.0), z, 0.5, 0.5),
        limit("every draw at μ", f_z, torch.full_like(z, 0.5), 0.5, 0.5),
        limit("σ = 1/128", *draw(3, 0.5, 1 / 128)),
        limit("σ = 64", *draw(3, 0.5, 64.0)),
        limit("f below 0", f_z - 20, z, 0.5, 0.5),
    ]


WRONG_MEANS: Hints = {
    torch.sum: ("sum for mean", "does the estimate grow with K?"),
    torch.clone: ("no mean", "one number is asked for: how do K terms become one?"),
    lambda a: a.sum() / (len(a) - 1): ("K−1 for K", "by what is a sum of K numbers divided?"),
}
GRADIENT = ("gradient of f used", "only values of f are known: whose derivative is taken instead?")
SCORE_FUNCTION_GRADIENT = Exercise(
    number="5.2",
    name="score_function_gradient",
    stars=2,
    minutes=10,
    points=2,
    signature="score_function_gradient(f_z, z, mu, sigma)",
    shown="values of f alone, without its derivative, give the gradient on average.",
    variant=score_function_gradient,
    inputs=score_function_gradient_inputs,
    axes=(("K",), ("K",), (), ()),
    fixed=("f_z", "z"),
    errors=((r"does not require grad|not have been used in the graph", *GRADIENT),),
    mistakes=mistakes_by_keyword(
        score={
            lambda z, m, s: (z - m) / s: ("σ for σ²", "what is d/dμ of (z − μ)²/2σ²?"),
            lambda z, m, s: (z - m) / s**4: (
                "σ² for σ",
                "is `sigma` a standard deviation, or a variance?",
            ),
            lambda z, m, s: z - m: ("1/σ² forgotten", "what is d/dμ of (z − μ)²/2σ²?"),
            lambda z, m, s: (z - m) / s**2 / 2: (
                "½ left over",
                "what happens to the ½ when the square is differentiated?",
            ),
            lambda z, m, s: 2 * (z - m) / s**2: (
                "2 left over",
                "what happens to the ½ when the square is differentiated?",
            ),
            lambda z, m, s: z / s**2: ("μ forgotten", "what is the score at z = μ?"),
            lambda z, m, s: ((z - m) ** 2 / s**2 - 1) / s: (
                "derivative in σ, not in μ",
                "with respect to which parameter is the derivative asked for?",
            ),
            lambda z, m, s: -((z - m) ** 2) / (2 * s**2): (
                "log q for its derivative",
                "what is the derivative of log q with respect to μ?",
            ),
            lambda z, m, s: -((z - m) ** 2) / (2 * s**2) - math.log(s * (2 * math.pi) ** 0.5): (
                "log q for its derivative",
                "what is the derivative of log q with respect to μ?",
            ),
        },
        each={
            lambda f_z, score: f_z: ("score forgotten", "where is the derivative of log q?"),
            lambda f_z, score: score: ("f forgotten", "where are the values of f?"),
            lambda f_z, score: f_z.mean() * score: (
                "product of the means",
                "is it the mean of the products?",
            ),
            lambda f_z, score: (f_z - f_z.mean()) * score: (
                "f̄ or z̄ subtracted",
                "the plain estimator is asked for: f as it is, and z − μ",
            ),
        },
        slope={
            (way, times_score): GRADIENT
            for way in (slope_of_parabola, slope_of_differences, slope_of_square)
            for times_score in (False, True)
        },
        over=WRONG_MEANS,
        sign={-1.0: ("sign", "does log q rise or fall with μ for a z above μ?")},
    ),
    properties=(
        Property(
            "a mirror at μ",
            "with every z mirrored at μ and the same f(z) the sign should turn; here it does not",
            lambda rng: [
                Probe((f, 0.5 + side * away, 0.5, 0.75))
                for f, away in [(normal(rng, 4), normal(rng, 4))]
                for side in (1, -1)
            ],
            lambda out: bool(abs(out[0].value[0] + out[1].value[0]).max() < 1e-9),
        ),
        Property(
            "proportional to f",
            "twice the f should give twice the estimate; here it does not",
            lambda rng: [
                Probe((by * f, z, 0.5, 0.75))
                for f, z in [(normal(rng, 4), normal(rng, 4))]
                for by in (1, 2)
            ],
            lambda out: bool(abs(2 * out[0].value[0] - out[1].value[0]).max() < 1e-9),
        ),
    ),
)


def reparameterise_exponential(
    rate: Tensor,
    u: Tensor,
    *,
    log: Function = lambda u: -torch.log1p(-u),
    scale: Callable[[Tensor, Tensor], Tensor] = lambda t, rate: t / rate,
    keep: bool = True,
    over: Function = torch.clone,
) -> Tensor:
    """z = −log(1 − u) / λ, elementwise, with a gradient in λ."""
    rate = torch.as_tensor(rate, dtype=torch.float64) if isinstance(rate, float) else rate
    u = torch.as_tensor(u, dtype=rate.dtype) if isinstance(u, float) else u
    return over(scale(log(u), rate if keep else rate.detach()))


def reparameterise_exponential_inputs(rng: Rng) -> list[Probe]:
    def draw(*shape: int) -> tuple[Tensor, Tensor]:
        return uniform(rng, 0.3, 3.0, *shape), uniform(rng, 0.05, 0.9, *shape)

    rate, u = draw(3)
    return [
        Probe(draw(2), gradients=(0,)),
        Probe(draw(4), gradients=(0,)),
        Probe(draw(3, 2), gradients=(0,)),
        limit("one rate for all u", numbers(2.0)[0], u, gradients=(0,)),
        limit("rate and u are single numbers", 1.5, 0.25),
        limit("u near 0", rate, u / 1000, gradients=(0,)),
        limit("u near 1", rate, 1 - u / 1e6, gradients=(0,)),
        limit("small and large rates", numbers(1 / 64, 1.0, 64.0), u, gradients=(0,)),
        limit("a rate of 1", torch.ones_like(rate), u, gradients=(0,)),
    ]


EXPONENTIAL_GRAPH = "can autograd follow z back to the rate?"
SOLVE = "u = F(z): which z solves it?"
REPARAMETERISE_EXPONENTIAL = Exercise(
    number="5.3",
    name="reparameterise_exponential",
    stars=2,
    minutes=10,
    points=2,
    signature="reparameterise_exponential(rate, u)",
    shown="the trick is not about bells: any F that can be inverted turns noise into samples.",
    variant=reparameterise_exponential,
    inputs=reparameterise_exponential_inputs,
    axes=(("n",), ("n",)),
    elementwise=True,
    errors=((r"Can't call numpy\(\)|Tensor that requires grad", "graph cut", EXPONENTIAL_GRAPH),),
    mistakes=(
        *mistakes_by_keyword(
            log={
                lambda u: -u.log(): ("falls with u", "which u gives the largest z?"),
                lambda u: torch.log1p(-u): ("sign", "can a waiting time be negative?"),
                lambda u: torch.log(u): ("log u", "can a waiting time be negative?"),
                torch.log1p: ("log(1 + u)", SOLVE + " Look at the sign before u"),
                torch.clone: ("no logarithm", SOLVE),
                lambda u: 1 - u: ("1 − u, no logarithm", SOLVE),
                torch.exp: ("exp for log", "F has an exp: what undoes it?"),
                lambda u: -torch.expm1(-u): (
                    "F for its inverse",
                    "F takes z and gives u: and back?",
                ),
                lambda u: -torch.log1p(-u) / torch.log(2 * torch.ones_like(u)): (
                    "log2",
                    "which logarithm undoes e to the …?",
                ),
                lambda u: (u / (1 - u)).log(): ("logistic for exponential", "can z be negative?"),
                lambda u: torch.special.ndtri(u): ("normal for exponential", "can z be negative?"),
                lambda u: u / (1 - u): ("no logarithm: u/(1 − u)", SOLVE),
            },
            scale={
                lambda t, rate: t * rate: (
                    "mean for rate",
                    "does a high rate mean long or short z?",
                ),
                lambda t, rate: t: ("rate forgotten", "with twice the rate, how long is z?"),
                lambda t, rate: t / rate**2: ("rate squared", "the mean of z is 1/λ"),
                lambda t, rate: t / rate.sqrt(): ("root of the rate", "the mean of z is 1/λ"),
                lambda t, rate: t - rate.log(): ("log of the rate", "is the rate inside the log?"),
                lambda t, rate: 1 / rate + t: ("moved, not scaled", "where is z for u = 0?"),
                lambda t, rate: 1 / rate + t / rate: ("moved by the mean", "where is z for u = 0?"),
                lambda t, rate: rate * (-t * rate).exp(): (
                    "the density",
                    "the density at z, or z itself?",
                ),
            },
            keep={False: ("graph cut", EXPONENTIAL_GRAPH)},
            over={
                torch.mean: ("mean over u", "one z for each u is asked for"),
                torch.sum: ("sum over u", "one z for each u is asked for"),
            },
        ),
        Mistake(
            "F for its inverse",
            "F takes z and gives u: and back?",
            {"log": torch.clone, "scale": lambda u, rate: -torch.expm1(-rate * u)},
        ),
    ),
    properties=(
        Property(
            "never negative",
            "an exponential z is never negative; yours is",
            lambda rng: [Probe((numbers(0.5, 2.0, 1.0), uniform(rng, 0.05, 0.95, 3)))],
            lambda out: bool(out[0].value[0].min() >= 0),
        ),
        Property(
            "increasing in u",
            "z should grow with u; yours does not",
            lambda rng: [Probe((numbers(2.0, 2.0, 2.0), numbers(0.2, 0.5, 0.8)))],
            lambda out: bool((np.diff(out[0].value[0].ravel()) > 0).all()),
        ),
        Property(
            "half of all z",
            "half of all z are below log(2)/λ, so u = ½ should give that; here it does not",
            lambda rng: [Probe((numbers(2.0, 0.5), numbers(0.5, 0.5)))],
            lambda out: bool(
                abs(out[0].value[0].ravel() - math.log(2) / np.array([2.0, 0.5])).max() < 1e-6
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


def baseline_of_sample_covariance(f: Tensor, s: Tensor) -> Tensor:
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
        limit("tiny scores", f_z, score / 1024),
        limit("large f", 1000 * f_z, score),
        limit("f below 0", f_z - 100, score),
    ]


F_AND_SCORE = numbers(1.5, -0.5, 3.0, 0.25), numbers(0.5, -1.0, 2.0, -0.25)


def has_lowest_variance(out: list[Outcome]) -> bool:
    f, s = F_AND_SCORE
    b = float(out[0].value[0])
    left = [float((((f - c) * s) ** 2).mean()) for c in (b, b - 0.01, b + 0.01)]
    return left[0] <= min(left)


WHICH_POWER = "which power of s weighs f in the variance of (f − b) s?"
BOTH_MEANS = "is a mean taken both above and below?"
MEAN_IS_KNOWN = "E[s] = 0 is known: which terms vanish then?"
OPTIMAL_BASELINE = Exercise(
    number="5.4",
    name="optimal_baseline",
    stars=3,
    minutes=30,
    points=3,
    signature="optimal_baseline(f_z, score)",
    shown="a constant changes no mean, and the right one removes most of the noise.",
    variant=optimal_baseline,
    inputs=optimal_baseline_inputs,
    axes=(("K",), ("K",)),
    fixed=("f_z", "score"),
    mistakes=mistakes_by_keyword(
        way={
            lambda f, s: f.mean(): ("mean of f only", "do all draws count alike, whatever s is?"),
            lambda f, s: (f * s).mean() / s.mean(): ("s for s²", "what is squared in a variance?"),
            lambda f, s: (f * s.abs()).mean() / s.abs().mean(): (
                "|s| for s²",
                "what is squared in a variance?",
            ),
            lambda f, s: (f * s).mean() / (s**2).mean(): ("s for s² above", WHICH_POWER),
            lambda f, s: (f * s**2).mean() / s.mean(): ("s for s² below", WHICH_POWER),
            lambda f, s: (f * s**2).mean(): ("not divided by E[s²]", "has b the unit of f?"),
            lambda f, s: (f * s**2).sum(): ("not divided by Σ s²", "has b the unit of f?"),
            lambda f, s: (f * s).mean(): (
                "the gradient itself",
                "E[f s] is the gradient: which b makes the variance smallest?",
            ),
            lambda f, s: (f * s**2).mean() / s.mean() ** 2: (
                "E[s]² for E[s²]",
                "is the mean taken first, or the square?",
            ),
            lambda f, s: (f * s**2).sum() / (s**2).mean(): ("sum over mean", BOTH_MEANS),
            lambda f, s: (f * s**2).mean() / (s**2).sum(): ("mean over sum", BOTH_MEANS),
            lambda f, s: (s**2).mean() / (f * s**2).mean(): (
                "upside down",
                "set d Var/db to 0: which of the two is on top?",
            ),
            lambda f, s: (f**2 * s).mean() / (f**2).mean(): (
                "f and s exchanged",
                "does s weigh f, or f weigh s?",
            ),
            lambda f, s: f.mean() * (s**2).mean(): (
                "product of the means",
                "is it the mean of a product?",
            ),
            baseline_of_sample_covariance: ("means subtracted", MEAN_IS_KNOWN),
            lambda f, s: (f * s**2).mean() / s.var(): ("variance of s for E[s²]", MEAN_IS_KNOWN),
            lambda f, s: (f * s**2).mean() / s.var(correction=0): (
                "variance of s for E[s²]",
                MEAN_IS_KNOWN,
            ),
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
            has_lowest_variance,
        ),
    ),
)


EXERCISES = (
    REPARAMETERISE,
    SCORE_FUNCTION_GRADIENT,
    REPARAMETERISE_EXPONENTIAL,
    OPTIMAL_BASELINE,
)
