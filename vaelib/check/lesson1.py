"""Lesson 1, KL divergence: of two coins, of two Gaussians, from N(0, I), and by Monte Carlo."""

from typing import Any

import torch
from torch import Tensor

from vaelib.check._draw import catalogue, limit, normal
from vaelib.check._exercise import Exercise, Mistake, Property, Rng
from vaelib.check._functions import as_tensor, uniform
from vaelib.check._gaussian import Function
from vaelib.check._kl import BITS, OVER, SIGN, not_negative, zero
from vaelib.check._probe import Probe


def kl_bernoulli(
    p: Any,
    q: Any,
    *,
    swap: bool = False,
    terms: str = "both",
    unit: float = 1.0,
    sign: float = 1.0,
    over: Function = torch.clone,
) -> Tensor:
    """p log p/q + (1 − p) log (1 − p)/(1 − q), elementwise."""
    p, q = (as_tensor(a) for a in ((q, p) if swap else (p, q)))
    first, second = (p / q).log(), ((1 - p) / (1 - q)).log()
    total = {
        "both": p * first + (1 - p) * second,
        "first": p * first,
        "second": (1 - p) * second,
        "cross": -p * q.log() - (1 - p) * (1 - q).log(),
        "entropy": -p * p.log() - (1 - p) * (1 - p).log(),
        "same weight": p * first + p * second,
        "unweighted": first + second,
        "subtracted": p * first - (1 - p) * second,
        "one log": p * first + (1 - p) * ((1 - p) / q).log(),
        "density": p * (p / q) + (1 - p) * ((1 - p) / (1 - q)),
    }[terms]
    return over(sign * total / unit)


def kl_bernoulli_inputs(rng: Rng) -> list[Probe]:
    def chance(*shape: int) -> Tensor:
        return uniform(rng, 0.05, 0.95, *shape)

    p, half = chance(3), torch.full((3,), 0.5, dtype=torch.float64)
    return [
        Probe((chance(1), chance(1))),
        Probe((chance(5), chance(5))),
        Probe((chance(2, 3), chance(2, 3))),
        limit("p and q are single numbers", 0.25, 0.625),
        limit("p = q", p, p.clone()),
        limit("p = ½", half, p),
        limit("p is near 0 and q near 1", half / 500, 1 - half / 500),
    ]


KL_BERNOULLI = Exercise(
    *("1.1", "kl_bernoulli", 1, 5, 1, "kl_bernoulli(p, q)"),
    variant=kl_bernoulli,
    inputs=kl_bernoulli_inputs,
    elementwise=True,
    mistakes=catalogue(
        swap={True: ("arguments swapped", "KL(p ‖ q): over which of the two is the average?")},
        terms={
            "first": ("one term only", "a coin has a second outcome, of probability 1 − p"),
            "second": ("one term only (the second)", "where is the outcome of probability p?"),
            "cross": ("cross-entropy", "this is −E log q: is it 0 where q = p?"),
            "entropy": ("entropy", "this is −E log p: where is q?"),
            "same weight": ("both terms weighted by p", "how probable is the second outcome?"),
            "unweighted": ("terms not weighted", "an average weighs each outcome: by what?"),
            "subtracted": ("terms subtracted", "is KL a sum over the outcomes?"),
            "one log": ("1 − p compared with q", "how probable is the second outcome under q?"),
            "density": ("no logarithm", "the average of what, of p/q itself?"),
        },
        unit=BITS,
        sign=SIGN,
        over=OVER,
    ),
    properties=(
        Property(
            "zero where both are equal",
            "it should be 0 where p = q",
            lambda rng: [Probe((p, p.clone())) for p in [uniform(rng, 0.1, 0.9, 4)]],
            zero,
        ),
        Property("never negative", "it should not be negative", kl_bernoulli_inputs, not_negative),
    ),
)


def kl_gaussian(
    mu_q: Any,
    sigma_q: Any,
    mu_p: Any,
    sigma_p: Any,
    *,
    swap: bool = False,
    squares: float = 0.5,
    end: float = 0.5,
    log_ratio: float = -1.0,
    powers: tuple[int, int, int] = (2, 2, 2),
    shift: str = "sigma_p",
    bracket: float = 1.0,
    unit: float = 1.0,
    sign: float = 1.0,
    over: Function = torch.clone,
) -> Tensor:
    """½ (σ_q²/σ_p² + (μ_q − μ_p)²/σ_p² − 1) − log(σ_q/σ_p), elementwise."""
    m, s, n, t = (as_tensor(a) for a in (mu_q, sigma_q, mu_p, sigma_p))
    if swap:
        m, s, n, t = n, t, m, s
    a, b, c = powers
    below: dict[str, Any] = {"sigma_p": t**c, "sigma_q": s**c, "both": s * t, "none": 1.0}
    away = {"linear": (m - n).abs() / t**c, "sum": (m + n) ** 2 / t**c, "forgotten": 0 * m}
    ratio = s**a / t**b if a > 0 else t**2 / s**2
    distance = away[shift] if shift in away else (m - n) ** 2 / below[shift]
    total = bracket * (squares * (ratio + distance) - end) + log_ratio * (s / t).log()
    return over(sign * total / unit)


def kl_gaussian_inputs(rng: Rng) -> list[Probe]:
    def draw(*shape: int) -> Probe:
        means = normal(rng, *shape, mean=0.7), normal(rng, *shape, mean=-0.6)
        spreads = uniform(rng, 0.4, 0.9, *shape), uniform(rng, 1.2, 2.1, *shape)
        q, p = (spreads, spreads[::-1])[int(rng.integers(2))]
        return Probe((means[0], q, means[1], p))

    mu, sigma = normal(rng, 3), uniform(rng, 0.4, 2.0, 3)
    one = torch.ones(3, dtype=torch.float64)
    return [
        draw(1),
        draw(5),
        draw(2, 3),
        limit("all four are single numbers", 0.5, 1.5, -0.25, 0.75),
        limit("q = p", mu, sigma, mu.clone(), sigma.clone()),
        limit("p is N(0, 1)", mu, sigma, 0 * one, one),
        limit("q is very narrow", mu, 1e-4 * one, 0 * one, sigma),
        limit("the means are far apart", mu + 50, sigma, mu - 50, one),
    ]


def equal_gaussians(rng: Rng) -> list[Probe]:
    mu, sigma = normal(rng, 4), uniform(rng, 0.4, 2.0, 4)
    return [Probe((mu, sigma, mu.clone(), sigma.clone()))]


def moved_gaussians(rng: Rng) -> list[Probe]:
    m, s, n, t = kl_gaussian_inputs(rng)[1].args
    return [Probe((m, s, n, t)), Probe((3 * m + 1, 3 * s, 3 * n + 1, 3 * t))]


SIGMA_AS_VARIANCE = {"powers": (1, 1, 1), "log_ratio": -0.5}
UPSIDE_DOWN = {"powers": (-2, 2, 2), "shift": "sigma_q"}
KL_GAUSSIAN = Exercise(
    *("1.2", "kl_gaussian", 2, 10, 2, "kl_gaussian(mu_q, sigma_q, mu_p, sigma_p)"),
    variant=kl_gaussian,
    inputs=kl_gaussian_inputs,
    elementwise=True,
    mistakes=(
        *catalogue(
            swap={True: ("arguments swapped", "KL(q ‖ p): over which of the two is the average?")},
            squares={
                1.0: ("no ½ before the squares", "the exponent of a Gaussian is −½ (…)²"),
                0.25: ("½ twice", "how often does the ½ of the exponent come in?"),
                -0.5: ("sign of the squares", "which of the two exponents is subtracted?"),
            },
            end={
                0.0: ("no −½ at the end", "what is left where both are the same Gaussian?"),
                1.0: ("−1 for −½ at the end", "does the ½ stand before this term too?"),
                -0.5: ("+½ for −½ at the end", "what is left where both are the same Gaussian?"),
            },
            log_ratio={
                1.0: ("log σ sign", "in the logarithm, which σ is on top?"),
                -2.0: ("log σ² for log σ", "½ log σ² is log σ: where has the ½ gone?"),
                -0.5: ("½ before log σ too", "log σ, or log σ² with the ½ before it?"),
                0.0: ("log σ forgotten", "the densities have σ before the exponential as well"),
            },
            powers={
                (1, 1, 1): ("σ for σ²", "is every σ in the squares squared?"),
                (1, 2, 2): ("σ for σ² in q", "is σ_q squared?"),
                (2, 1, 1): ("σ for σ² in p", "is every σ_p squared?"),
                (2, 2, 1): ("σ for σ² below the means", "is σ_p below (μ_q − μ_p)² squared?"),
                (1, 1, 2): ("σ for σ² in the ratio", "is σ_q/σ_p squared?"),
                (-2, 2, 2): ("variance ratio inverted", "a very wide q: should KL be large?"),
            },
            shift={
                "sigma_q": ("means measured in σ_q", "by which variance is (μ_q − μ_p)² divided?"),
                "both": ("means measured in σ_q σ_p", "by what is (μ_q − μ_p)² divided?"),
                "none": ("means not divided by σ_p²", "in which unit is their distance?"),
                "linear": ("|μ_q − μ_p| not squared", "is something squared in the exponent?"),
                "sum": ("μ_q + μ_p for μ_q − μ_p", "what if both means are the same?"),
                "forgotten": ("means forgotten", "what if only the means differ?"),
            },
            bracket={2.0: ("no ½", "½ (…): does it stand before all of the bracket?")},
            unit={0.5: ("no ½", "the exponent of a Gaussian is −½ (…)²"), **BITS},
            sign=SIGN,
            over=OVER,
        ),
        Mistake("σ for σ²", "is sigma a standard deviation or a variance?", SIGMA_AS_VARIANCE),
        Mistake("variance ratio inverted", "a very wide q: should KL be large?", UPSIDE_DOWN),
    ),
    properties=(
        Property("zero where both are equal", "it should be 0 where q = p", equal_gaussians, zero),
        Property("never negative", "it should not be negative", kl_gaussian_inputs, not_negative),
        Property(
            "invariant",
            "it should not change when both are moved by 1 and scaled by 3",
            moved_gaussians,
            lambda out: bool(abs(out[0].value[0] - out[1].value[0]).max() < 1e-6),
        ),
    ),
)


EXERCISES = (KL_BERNOULLI, KL_GAUSSIAN)
