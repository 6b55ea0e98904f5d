"""Lesson 1, KL divergence: of a diagonal Gaussian from N(0, I)."""

from collections.abc import Callable

import torch
from torch import Tensor

from vaelib.check._draw import catalogue, limit, normal
from vaelib.check._exercise import Exercise, Mistake, Property, Rng
from vaelib.check._functions import uniform
from vaelib.check._gaussian import Function
from vaelib.check._kl import BITS, SIGN, not_negative, zero
from vaelib.check._probe import Probe


def kl_to_standard_normal(
    mu: Tensor,
    log_sigma: Tensor,
    *,
    half: float = 0.5,
    square: Function = lambda s: (2 * s).exp(),
    log: Function = lambda s: 2 * s,
    mean: Function = torch.square,
    ones: Callable[[int], float] = lambda D: 1.0,
    swap: bool = False,
    unit: float = 1.0,
    sign: float = 1.0,
    over: Function = lambda a: a.sum(-1),
) -> Tensor:
    """½ Σ_d (μ_d² + σ_d² − 1 − 2 log σ_d)."""
    one = ones(mu.shape[-1])
    if swap:
        terms = (mean(mu) + 1) / square(log_sigma) - one + log(log_sigma)
    else:
        terms = mean(mu) + square(log_sigma) - one - log(log_sigma)
    return over(sign * half * terms / unit)


def kl_to_standard_normal_inputs(rng: Rng) -> list[Probe]:
    def draw(low: float, high: float, *shape: int) -> Probe:
        return Probe((normal(rng, *shape, mean=0.5), uniform(rng, low, high, *shape)))

    mu, log_sigma = draw(-1.0, 1.0, 3, 2).args
    return [
        draw(-1.2, 1.0, 2, 3),
        draw(0.2, 1.3, 4, 2),
        draw(-1.5, 1.5, 3, 5),
        limit("one example in one dimension", *draw(-1.0, 1.0, 1, 1).args),
        limit("q is N(0, I)", 0 * mu, 0 * log_sigma),
        limit("σ is almost 0", mu, log_sigma - 20),
        limit("σ is large", mu, log_sigma + 10),
        limit("there is a single dimension", *draw(-1.0, 1.0, 4, 1).args),
    ]


def prior(rng: Rng) -> list[Probe]:
    zeros = torch.zeros(2, 3, dtype=torch.float64)
    return [Probe((zeros, zeros.clone()))]


def split(rng: Rng) -> list[Probe]:
    mu, log_sigma = normal(rng, 2, 4), normal(rng, 2, 4)
    parts = (mu, log_sigma), (mu[:, :1], log_sigma[:, :1]), (mu[:, 1:], log_sigma[:, 1:])
    return [Probe((m.clone(), s.clone())) for m, s in parts]


KL_TO_STANDARD_NORMAL = Exercise(
    *("1.3", "kl_to_standard_normal", 2, 10, 2, "kl_to_standard_normal(mu, log_sigma)"),
    variant=kl_to_standard_normal,
    inputs=kl_to_standard_normal_inputs,
    axes=(("B", "D"), ("B", "D")),
    mistakes=(
        Mistake(
            "log σ taken for log σ²",
            "the argument is log σ: what is σ² then?",
            {"square": torch.exp, "log": torch.clone},
        ),
        Mistake(
            "log σ taken for σ",
            "the argument is log σ: how does one come to σ?",
            {"square": torch.square, "log": lambda s: 2 * s.log()},
        ),
        Mistake(
            "log σ taken for σ²",
            "the argument is log σ: how does one come to σ²?",
            {"square": torch.clone, "log": torch.log},
        ),
        Mistake(
            "log σ taken for σ",
            "the argument is log σ: how does one come to σ?",
            {"square": torch.square, "log": lambda s: s.square().log()},
        ),
        *catalogue(
            square={
                torch.exp: ("σ for σ²", "is σ squared?"),
                torch.square: ("(log σ)² for σ²", "the argument is log σ: what is σ² then?"),
                lambda s: (4 * s).exp(): ("σ⁴ for σ²", "exp(2 log σ) is σ² already"),
                lambda s: 0 * s: ("σ² forgotten", "should KL grow where σ is large?"),
            },
            log={
                torch.clone: ("½ before log σ too", "½ log σ², or ½ log σ?"),
                lambda s: 4 * s: ("2 log σ for log σ", "½ log σ² is log σ: where is the ½?"),
                lambda s: -2 * s: ("sign of log σ", "should KL grow where σ goes to 0?"),
                lambda s: 0 * s: ("log σ forgotten", "should KL grow where σ goes to 0?"),
                lambda s: 2 * s.log(): ("log of log σ", "the argument is a logarithm already"),
                lambda s: s.square().log(): ("log of log σ", "the argument is a logarithm already"),
            },
            half={1.0: ("no ½", "what stands in front of the sum?")},
            over={
                lambda a: a.mean(-1): ("mean over D", "is the KL of independent parts a mean?"),
                lambda a: a.sum(0): ("sum over batch, not over D", "which axis are dimensions?"),
                torch.sum: ("sum over batch", "one number an example is asked for"),
                torch.mean: ("mean over batch and D", "one number an example is asked for"),
                lambda a: a.sum(-1).mean(): ("mean over batch", "one number an example, please"),
                lambda a: a.mean(0): ("mean over batch, not over D", "which axis is which?"),
                torch.clone: ("not summed over D", "one number an example is asked for"),
            },
            ones={
                lambda D: 0.0: ("−D forgotten", "what is KL where q is N(0, I)?"),
                lambda D: 1 / D: ("−1 for −D", "what is KL where q is N(0, I)?"),
                lambda D: -1.0: ("+D for −D", "what is KL where q is N(0, I)?"),
            },
            mean={
                torch.clone: ("μ for μ²", "is KL the same for μ and for −μ?"),
                lambda m: 0 * m: ("μ² forgotten", "should KL grow with the distance from 0?"),
                lambda m: -(m**2): ("sign of μ²", "should KL grow with the distance from 0?"),
            },
            swap={True: ("arguments swapped", "KL(q ‖ N(0, I)): over which is the average?")},
            unit=BITS,
            sign=SIGN,
        ),
    ),
    properties=(
        Property("zero at the prior", "it should be 0 where q is N(0, I)", prior, zero),
        Property(
            "never negative",
            "it should not be negative",
            kl_to_standard_normal_inputs,
            not_negative,
        ),
        Property(
            "additive over dimensions",
            "the KL of all dimensions should be the sum of those of the parts",
            split,
            lambda out: bool(abs(out[0].value[0] - out[1].value[0] - out[2].value[0]).max() < 1e-6),
        ),
    ),
)

EXERCISES = (KL_TO_STANDARD_NORMAL,)
