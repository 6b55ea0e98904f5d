"""Lesson 5, reparameterisation: z = T(ε), and the estimator that does without it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vaelib.check._draw import catalogue, dyadic, limit, normal, numbers
from vaelib.check._exercise import Exercise, Property, Rng
from vaelib.check._gaussian import Function, Hints
from vaelib.check._probe import Probe

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
        mu, log_sigma = normal(rng, *shape, mean=0.8), normal(rng, *shape, mean=-0.6, std=0.5)
        return Probe((mu, log_sigma, normal(rng, *shape)), gradients=BOTH)

    mu, log_sigma, eps = draw(2, 3).args
    low = torch.full((2, 3), -30.0, dtype=torch.float64)
    return [
        draw(2, 3),
        draw(4, 2),
        draw(3, 2, 4),
        limit("ε = 0", mu, log_sigma, 0 * eps, gradients=BOTH),
        limit("log σ = −30: σ is 0, nearly", mu, low, eps, gradients=BOTH),
        limit("a single example in one dimension", *draw(1, 1).args, gradients=BOTH),
    ]


AT = numbers(1.25, -0.5)
GRAPH = "can autograd follow z back to μ and log σ?"
ONE_FOR_ALL = ("one ε for all", "has each element its own draw?")
ONE_FOR_DIMENSIONS = ("one ε for all dimensions", "has each dimension its own draw?")
REPARAMETERISE = Exercise(
    *("5.1", "reparameterise", 1, 5, 1, "reparameterise(mu, log_sigma, eps)"),
    variant=reparameterise,
    inputs=reparameterise_inputs,
    axes=(("B", "D"), ("B", "D"), ("B", "D")),
    errors=((r"Can't call numpy\(\)|Tensor that requires grad", "graph cut", GRAPH),),
    mistakes=catalogue(
        scale={
            torch.clone: ("log σ as σ", "can a standard deviation be negative? Which function?"),
            lambda s: (s / 2).exp(): ("half log σ", "log_sigma is log σ; is it log σ² for you?"),
            lambda s: (2 * s).exp(): ("σ² for σ", "how far from μ is z where ε = 1?"),
            lambda s: (-s).exp(): ("1/σ for σ", "does the spread grow with log σ?"),
            torch.nn.functional.softplus: ("softplus for exp", "log_sigma is the logarithm of σ"),
        },
        combine={
            lambda m, s, e: (e + m) * s: ("(ε + μ)σ", "what is z where ε = 0?"),
            lambda m, s, e: s + m * e: ("μ and σ in each other's place", "what is z where ε = 0?"),
            lambda m, s, e: m - s * e: ("− for +", "is z above μ where ε is positive?"),
            lambda m, s, e: m + s: ("ε forgotten", "where is the noise?"),
            lambda m, s, e: s * e: ("μ forgotten", "what is z where ε = 0?"),
            lambda m, s, e: m + e: ("σ forgotten", "how far from μ is z where ε = 1?"),
            lambda m, s, e: m + s + e: ("σ added", "what is z where ε = 0?"),
            lambda m, s, e: m + s * e**2: ("ε squared", "can z be below μ?"),
        },
        noise={
            lambda e: e[:1].expand_as(e): ("one ε for all examples", "has each its own draw?"),
            lambda e: e[..., :1].expand_as(e): ONE_FOR_DIMENSIONS,
            lambda e: e[:, :1].expand_as(e): ONE_FOR_DIMENSIONS,
            lambda e: e.flatten()[0].expand(e.shape): ONE_FOR_ALL,
            lambda e: e.mean().expand(e.shape): ONE_FOR_ALL,
            lambda e: e.mean(0).expand(e.shape): ("mean of ε over batch", "has each its own draw?"),
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
            lambda rng: [Probe((AT, normal(rng, 2), 0 * AT))],
            lambda out: bool(abs(out[0].value[0] - AT.numpy()).max() < 1e-9),
        ),
        Property(
            "a straight line in ε",
            "twice the ε should take z twice as far from μ; here it does not",
            lambda rng: [Probe((0 * AT, AT, by * e)) for e in [normal(rng, 2)] for by in (1, 2)],
            lambda out: bool(abs(out[1].value[0] - 2 * out[0].value[0]).max() < 1e-9),
        ),
        Property(
            "each element its own ε",
            "another ε in one element should leave the other elements; here it does not",
            lambda rng: [Probe((AT, AT, numbers(e, 0.5))) for e in (1.0, -1.0)],
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


def parabola(f_z: Tensor, z: Tensor) -> Tensor:
    """f′(z) of the parabola through the values."""
    powers = torch.stack([z**2, z, torch.ones_like(z)], -1)
    a, b, _ = torch.linalg.lstsq(powers, f_z).solution
    return 2 * a * z + b


def differences(f_z: Tensor, z: Tensor) -> Tensor:
    return torch.gradient(f_z, spacing=(z,))[0]


def of_a_square(f_z: Tensor, z: Tensor) -> Tensor:
    return 2 * z


def score_function_gradient_inputs(rng: Rng) -> list[Probe]:
    def draw(K: int, mu: Any, sigma: Any) -> tuple[Any, ...]:
        z = mu + sigma * (normal(rng, K) + 0.3)
        a, b, c = rng.normal((1.2, -0.7, 0.9), 0.2)
        return a * z**2 + b * z + c, z, mu, sigma

    f_z, z, *_ = draw(4, 0.5, 0.5)
    return [
        Probe(draw(4, dyadic(rng, 0.5, 1.5), dyadic(rng, 0.3, 0.6))),
        Probe(draw(6, normal(rng, mean=-0.8, std=0.1), 0.4 + 0.1 * normal(rng).abs())),
        Probe(draw(7, -dyadic(rng, 0.5, 1.5), dyadic(rng, 1.5, 2.5))),
        limit("a single draw, K = 1", *draw(1, 0.5, 0.5)),
        limit("f constant", torch.full_like(z, 2.0), z, 0.5, 0.5),
        limit("every draw at μ", f_z, torch.full_like(z, 0.5), 0.5, 0.5),
        limit("σ = 1/128", *draw(3, 0.5, 1 / 128)),
    ]


MEAN: Hints = {
    torch.sum: ("sum for mean", "does the estimate grow with K?"),
    torch.clone: ("no mean", "one number is asked for: what is done over the K draws?"),
    lambda a: a.sum() / (len(a) - 1): ("K−1 for K", "by what is a sum of K numbers divided?"),
}
GRADIENT = ("gradient of f used", "f is known by its values only: whose derivative is taken?")
SCORE_FUNCTION_GRADIENT = Exercise(
    *("5.2", "score_function_gradient", 2, 10, 2, "score_function_gradient(f_z, z, mu, sigma)"),
    variant=score_function_gradient,
    inputs=score_function_gradient_inputs,
    axes=(("K",), ("K",), (), ()),
    fixed=("f_z", "z"),
    errors=((r"does not require grad|not have been used in the graph", *GRADIENT),),
    mistakes=catalogue(
        score={
            lambda z, m, s: (z - m) / s: ("σ for σ²", "d/dμ of (z − μ)²/2σ² is what?"),
            lambda z, m, s: (z - m) / s**4: ("σ² for σ", "is `sigma` the variance already?"),
            lambda z, m, s: z - m: ("1/σ² forgotten", "d/dμ of (z − μ)²/2σ² is what?"),
            lambda z, m, s: (z - m) / s**2 / 2: ("½ left over", "what becomes of the ½?"),
            lambda z, m, s: 2 * (z - m) / s**2: ("2 left over", "what becomes of the ½?"),
            lambda z, m, s: z / s**2: ("μ forgotten", "what is the score at z = μ?"),
            lambda z, m, s: ((z - m) ** 2 / s**2 - 1) / s: (
                "derivative in σ, not in μ",
                "which of the two parameters is it for?",
            ),
            lambda z, m, s: -((z - m) ** 2) / (2 * s**2): (
                "log q for its derivative",
                "what is the derivative of log q in μ?",
            ),
        },
        each={
            lambda f_z, score: f_z: ("score forgotten", "which derivative has been taken?"),
            lambda f_z, score: score: ("f forgotten", "where are the values of f?"),
            lambda f_z, score: f_z.mean() * score: (
                "product of the means",
                "is it the mean of the products?",
            ),
            lambda f_z, score: (f_z - f_z.mean()) * score: (
                "baseline subtracted",
                "a good idea, but the plain estimator is asked for",
            ),
        },
        slope={
            (way, times_score): GRADIENT
            for way in (parabola, differences, of_a_square)
            for times_score in (False, True)
        },
        over=MEAN,
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

EXERCISES = (REPARAMETERISE, SCORE_FUNCTION_GRADIENT)
