"""Lesson 1, KL divergence: of coins, dice and Gaussians, in closed form and by Monte Carlo."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vaelib.check.catalogue.functions import LogLaplace, LogNormal, as_tensor
from vaelib.check.catalogue.gaussian import Function
from vaelib.check.catalogue.inputs import limit, normal, numbers, uniform
from vaelib.check.catalogue.kl import BITS, OVER, SIGN, is_not_negative, is_zero
from vaelib.check.machinery.exercise import Exercise, Mistake, Property, Rng, mistakes_by_keyword
from vaelib.check.machinery.probe import Probe

Pair = Callable[[Tensor, Tensor], Tensor]  # of p and q


def of_coins(p: Tensor, q: Tensor) -> Tensor:
    """p log p/q + (1 − p) log (1 − p)/(1 − q)."""
    return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()


def entropy_of_coins(p: Tensor) -> Tensor:
    return -p * p.log() - (1 - p) * (1 - p).log()


def kl_bernoulli(
    p: Any,
    q: Any,
    *,
    swap: bool = False,
    taken: Function = torch.clone,
    terms: Pair = of_coins,
    unit: float = 1.0,
    sign: float = 1.0,
    over: Function = torch.clone,
) -> Tensor:
    """p log p/q + (1 − p) log (1 − p)/(1 − q), elementwise."""
    p, q = (taken(as_tensor(a)) for a in ((q, p) if swap else (p, q)))
    return over(sign * terms(p, q) / unit)


def kl_bernoulli_inputs(rng: Rng) -> list[Probe]:
    def chance(*shape: int) -> Tensor:
        return uniform(rng, 0.05, 0.95, *shape)

    p = chance(3)
    half = torch.full((3,), 0.5, dtype=torch.float64)
    return [
        Probe((chance(1), chance(1))),
        Probe((chance(5), chance(5))),
        Probe((chance(2, 3), chance(2, 3))),
        limit("p and q are single numbers", 0.25, 0.625),
        limit("p = q", p, p.clone()),
        limit("p = ½", half, p),
        limit("p is near 0 and q near 1", half / 2**13, 1 - half / 2**13),
        limit("p is very small", half / 2**21, p),
    ]


SECOND_OUTCOME = "how probable is the second outcome under q?"
OF_PROBABILITY = "how probable is the second outcome?"
BRACKETS = "of what is the logarithm taken: of p, or of the ratio p/q?"
BOTH_WAYS = "KL(p ‖ q) has one direction: over which of the two is the average?"
COINS: dict[Pair, tuple[str, str]] = {
    lambda p, q: p * (p / q).log(): (
        "one term only",
        "a coin has a second outcome, of probability 1 − p: where is it?",
    ),
    lambda p, q: p * (p / q).log() - p + q: (
        "one term only, with q − p added",
        "scipy.special.kl_div(p, q) is one outcome's term: where is the other outcome?",
    ),
    lambda p, q: (1 - p) * ((1 - p) / (1 - q)).log(): (
        "one term only (the second)",
        "where is the outcome of probability p?",
    ),
    lambda p, q: entropy_of_coins(p) + of_coins(p, q): (
        "cross-entropy",
        "this is −E log q: is it 0 where q = p?",
    ),
    lambda p, q: entropy_of_coins(p): ("entropy", "this is −E log p: where is q?"),
    lambda p, q: entropy_of_coins(q) - entropy_of_coins(p): (
        "difference of the entropies",
        "each entropy is an average under its own coin: under which one is KL's?",
    ),
    lambda p, q: p * (p / q).log() + p * ((1 - p) / (1 - q)).log(): (
        "both terms weighted by p",
        OF_PROBABILITY,
    ),
    lambda p, q: p * (p / q).log() + (1 - q) * ((1 - p) / (1 - q)).log(): (
        "second term weighted by 1 − q",
        "under which of the two coins is the average taken?",
    ),
    lambda p, q: p * (p / q).log() + ((1 - p) / (1 - q)).log(): (
        "second term not weighted",
        OF_PROBABILITY,
    ),
    lambda p, q: (p / q).log() + ((1 - p) / (1 - q)).log(): (
        "terms not weighted",
        "an average weighs each outcome: by what?",
    ),
    lambda p, q: p * (p / q).log() - (1 - p) * ((1 - p) / (1 - q)).log(): (
        "terms subtracted",
        "is the second log-ratio added, and is its p on top as well?",
    ),
    lambda p, q: p * (p / q).log() + 1 - p * ((1 - p) / (1 - q)).log(): (
        "brackets of (1 − p) missing",
        "what does Python multiply first in 1 - p * a?",
    ),
    lambda p, q: (p / q).log(): ("log(p/q) in both terms", SECOND_OUTCOME),
    lambda p, q: p * (p / q).log() + (1 - p) * ((1 - p) / q).log(): (
        "1 − p compared with q",
        SECOND_OUTCOME,
    ),
    lambda p, q: p * (p / q).log() + (1 - p) * (p / (1 - q)).log(): (
        "p compared with 1 − q",
        "how probable is the second outcome under p?",
    ),
    lambda p, q: p * (p / q).log() + q * (q / p).log(): (
        "p and q taken for the two outcomes",
        "p and q are two coins: which outcomes has one of them?",
    ),
    lambda p, q: p * p.log() / q + (1 - p) * (1 - p).log() / (1 - q): (
        "log of p alone, divided by q",
        BRACKETS,
    ),
    lambda p, q: p * p.log() / q.log() + (1 - p) * (1 - p).log() / (1 - q).log(): (
        "log p divided by log q",
        "is the log of a ratio the ratio of the logs?",
    ),
    lambda p, q: p * (p / q).log1p() + (1 - p) * ((1 - p) / (1 - q)).log1p(): (
        "log(1 + p/q)",
        "log1p(x) is log(1 + x): is it 0 where p = q?",
    ),
    lambda p, q: p * (p / q) + (1 - p) * ((1 - p) / (1 - q)): (
        "no logarithm",
        "the average of what, of p/q itself?",
    ),
    lambda p, q: p * (p / q).log().abs() + (1 - p) * ((1 - p) / (1 - q)).log().abs(): (
        "absolute values",
        "may an outcome speak against p, with a negative logarithm?",
    ),
    lambda p, q: of_coins(p, q) + of_coins(q, p): ("both directions added", BOTH_WAYS),
    lambda p, q: (of_coins(p, q) + of_coins(q, p)) / 2: ("mean of both directions", BOTH_WAYS),
}
KL_BERNOULLI = Exercise(
    number="1.1",
    name="kl_bernoulli",
    stars=1,
    minutes=5,
    points=1,
    signature="kl_bernoulli(p, q)",
    shown="KL is an average over p: both outcomes count, each with its own probability.",
    variant=kl_bernoulli,
    inputs=kl_bernoulli_inputs,
    elementwise=True,
    mistakes=mistakes_by_keyword(
        swap={True: ("arguments swapped", "KL(p ‖ q): over which of the two is the average?")},
        taken={torch.sigmoid: ("logits for probabilities", "are p and q probabilities already?")},
        terms=COINS,
        unit=BITS,
        sign=SIGN,
        over=OVER,
    ),
    properties=(
        Property(
            "zero where both are equal",
            "it should be 0 where p = q",
            lambda rng: [Probe((p, p.clone())) for p in [uniform(rng, 0.1, 0.9, 4)]],
            is_zero,
        ),
        Property(
            "never negative", "it should not be negative", kl_bernoulli_inputs, is_not_negative
        ),
    ),
)


def evidence_per_roll(p: Tensor, q: Tensor) -> Tensor:
    """KL(p ‖ q) of two dice, in nats."""
    return (p * (p / q).log()).sum()


def rolls_to_convict(
    p: Tensor,
    q: Tensor,
    odds: float,
    *,
    swap: bool = False,
    per_roll: Pair = evidence_per_roll,
    needed: Callable[[float], float] = math.log,
    rounding: Callable[[float], float] = math.ceil,
    equal: float = math.inf,
) -> Tensor:
    """The smallest whole number n with n KL(p ‖ q) ≥ log odds, infinite if p = q."""
    evidence = float(per_roll(q, p) if swap else per_roll(p, q))
    rolls = equal if evidence == 0 else rounding(needed(odds) / evidence)
    return torch.tensor(rolls, dtype=torch.float64)


def two_dice(rng: Rng, faces: int, low: float, high: float, wanted: float) -> tuple[Any, ...]:
    """Two dice and odds for which about `wanted` rolls are needed, a fraction low to high more."""
    while True:
        p, q = (torch.from_numpy(rng.dirichlet([2.0] * faces)) for _ in range(2))
        there, back = (float(evidence_per_roll(*pair)) for pair in ((p, q), (q, p)))
        odds = round(math.exp(there * (wanted + (low + high) / 2)), 3)
        rolls = math.log(odds) / there if odds > 1 else 0.0
        apart = abs(there - back) > 0.1 * there and 0.2 < there < 1.2
        if min(p.min(), q.min()) > 0.02 and low < rolls % 1 < high and apart:
            return p, q, odds


def rolls_to_convict_inputs(rng: Rng) -> list[Probe]:
    loaded = numbers(0.1, 0.1, 0.1, 0.1, 0.1, 0.5)
    p, q, _ = two_dice(rng, 3, 0.2, 0.45, 8)
    near = numbers(0.3, 0.3, 0.4)
    return [
        Probe(two_dice(rng, 2, 0.2, 0.45, int(rng.integers(5, 9)))),
        Probe(two_dice(rng, 4, 0.2, 0.45, int(rng.integers(12, 17)))),
        Probe(two_dice(rng, 6, 0.6, 0.8, int(rng.integers(20, 25)))),
        limit(
            "the loaded die of the lesson, odds 20", loaded, torch.full_like(loaded, 1 / 6), 20.0
        ),
        limit("odds just above 1", p, q, 1.001),
        limit("odds of a billion", p, q, 1e9),
        limit("nearly the same dice", near, numbers(0.28, 0.3, 0.42), 1.4),
        limit("p = q", numbers(0.25, 0.25, 0.5), numbers(0.25, 0.25, 0.5), 20.0),
    ]


SAME_DICE = ("p = q", "if the two dice are the same, how much evidence does a roll carry?")
OF_WHAT = "is it KL, an average over the rolls of p, that grows by each roll?"
ROLLS_TO_CONVICT = Exercise(
    number="1.2",
    name="rolls_to_convict",
    stars=1,
    minutes=5,
    points=1,
    signature="rolls_to_convict(p, q, odds)",
    shown="evidence is counted in nats: KL per roll, log odds to reach.",
    variant=rolls_to_convict,
    inputs=rolls_to_convict_inputs,
    axes=(("I",), ("I",), ()),
    fixed=("p", "q"),
    errors=(
        ("ZeroDivisionError|float infinity|float NaN|infinity to integer", *SAME_DICE),
        ("dtype=torch.int|cannot convert", *SAME_DICE),
    ),
    mistakes=mistakes_by_keyword(
        rounding={
            lambda r: r: ("not a whole number", "can you roll a die a fraction of a time?"),
            math.floor: ("rounded down", "is the evidence enough after that many rolls?"),
            round: ("rounded to the nearest", "is the evidence enough after that many rolls?"),
            lambda r: math.ceil(r) + 1: ("one roll too many", "would one roll less be enough?"),
        },
        needed={
            lambda odds: odds: ("no logarithm of the odds", "in which unit is KL counted?"),
            math.log2: ("log2 of the odds", "KL is in nats: which logarithm of the odds is?"),
            math.log10: ("log10 of the odds", "KL is in nats: which logarithm of the odds is?"),
            math.log1p: ("log(1 + odds)", "log odds: of which number is the logarithm?"),
            lambda odds: math.log(odds / (1 + odds)): (
                "probability for odds",
                "20 : 1 are odds of 20: is a probability asked for?",
            ),
            lambda odds: -math.log(odds): ("sign", "can a number of rolls be negative?"),
        },
        swap={True: ("arguments swapped", "which die is really rolled, p or q?")},
        per_roll={
            lambda p, q: (p * (p / q).log2()).sum(): ("KL in bits", "log odds are in nats: is KL?"),
            lambda p, q: (p * (p / q).log()).mean(): ("mean for sum", "is each face 1/I of p?"),
            lambda p, q: (p / q).log().abs().max(): ("the best roll only", OF_WHAT),
            lambda p, q: (p / q).log().max(): ("the best face only", OF_WHAT),
            lambda p, q: (p * (p / q).log()).abs().sum(): (
                "absolute values",
                "may a single roll speak against p?",
            ),
            lambda p, q: -(p * q.log()).sum(): ("cross-entropy", "is it 0 where p = q?"),
            lambda p, q: -(p * p.log()).sum(): ("entropy", "where is q?"),
            lambda p, q: (p - q).abs().sum(): ("distance for KL", OF_WHAT),
            lambda p, q: ((p - q) * (p / q).log()).sum(): (
                "KL in both directions",
                "from which die do the rolls come?",
            ),
            lambda p, q: p[0] * (p[0] / q[0]).log(): ("the first face only", OF_WHAT),
        },
        equal={
            0.0: ("0 rolls for p = q", SAME_DICE[1]),
            1.0: ("1 roll for p = q", SAME_DICE[1]),
            -1.0: ("−1 for p = q", SAME_DICE[1]),
            math.nan: SAME_DICE,
        },
    ),
    properties=(
        Property(
            "more odds, more rolls",
            "for higher odds it should never take fewer rolls; here it does",
            lambda rng: [
                Probe((*pair, odds))
                for pair in [two_dice(rng, 3, 0.2, 0.45, 8)[:2]]
                for odds in (2.0, 1e6)
            ],
            lambda out: bool((out[1].value[0] >= out[0].value[0]).all()),
        ),
        Property(
            "at least one roll",
            "odds above 1 take at least one roll; here it takes less",
            lambda rng: [Probe(two_dice(rng, 3, 0.2, 0.45, 8))],
            lambda out: bool((out[0].value[0] >= 1).all()),
        ),
    ),
)


def squared_distance(m: Tensor, s: Tensor, n: Tensor, t: Tensor, shift: str, power: int) -> Tensor:
    """(μ_q − μ_p)²/σ_p², or as `shift` says."""
    below: dict[str, Any] = {"sigma_p": t**power, "sigma_q": s**power, "both": s * t, "none": 1.0}
    if shift in below:
        return (m - n) ** 2 / below[shift]
    away = {
        "bare": 2 * (m - n) ** 2 * t**power,
        "linear": (m - n).abs(),
        "signed": m - n,
        "sum": (m + n) ** 2,
        "squares": m**2 - n**2,
        "squares added": m**2 + n**2,
        "minus": -((m - n) ** 2),
        "with sigma": (s + m - n) ** 2 - s**2,
        "forgotten": 0 * m,
    }
    return away[shift] / t**power


Four = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, ...]]  # of μ_q, σ_q, μ_p, σ_p


def kl_gaussian(
    mu_q: Any,
    sigma_q: Any,
    mu_p: Any,
    sigma_p: Any,
    *,
    swap: bool = False,
    taken: Four = lambda m, s, n, t: (m, s, n, t),
    directions: tuple[float, float] = (1.0, 0.0),
    squares: float = 0.5,
    end: float = 0.5,
    log_ratio: float = -1.0,
    log: Pair = lambda s, t: (s / t).log(),
    powers: tuple[int, int, int] = (2, 2, 2),
    spread: Pair | None = None,
    shift: str = "sigma_p",
    bracket: float = 1.0,
    unit: float = 1.0,
    sign: float = 1.0,
    over: Function = torch.clone,
) -> Tensor:
    """½ (σ_q²/σ_p² + (μ_q − μ_p)²/σ_p² − 1) − log(σ_q/σ_p), elementwise."""
    q_and_p = (mu_q, sigma_q, mu_p, sigma_p)
    if swap:
        q_and_p = (mu_p, sigma_p, mu_q, sigma_q)
    a, b, c = powers

    def one_way(m: Tensor, s: Tensor, n: Tensor, t: Tensor) -> Tensor:
        ratio = s**a / t**b if a > 0 else t**2 / s**2
        if a == 0:  # everything over σ_q²
            ratio = torch.ones_like(s)
        if spread is not None:
            ratio = spread(s, t)
        distance = squared_distance(m, s, n, t, shift, c)
        return bracket * (squares * (ratio + distance) - end) + log_ratio * log(s, t)

    m, s, n, t = taken(*(as_tensor(a) for a in q_and_p))
    total = directions[0] * one_way(m, s, n, t)
    if directions[1]:
        total = total + directions[1] * one_way(n, t, m, s)
    return over(sign * total / unit)


def kl_gaussian_inputs(rng: Rng) -> list[Probe]:
    def draw(*shape: int) -> Probe:
        mu_q = normal(rng, *shape, mean=0.7)
        mu_p = normal(rng, *shape, mean=-0.6)
        narrow = uniform(rng, 0.4, 0.9, *shape)
        wide = uniform(rng, 1.2, 2.1, *shape)
        if rng.integers(2):
            return Probe((mu_q, wide, mu_p, narrow))
        return Probe((mu_q, narrow, mu_p, wide))

    mu = normal(rng, 3)
    sigma = uniform(rng, 0.4, 2.0, 3)
    one = torch.ones(3, dtype=torch.float64)
    return [
        draw(1),
        draw(5),
        draw(2, 3),
        limit("all four are single numbers", 0.5, 1.5, -0.25, 0.75),
        limit("q = p", mu, sigma, mu.clone(), sigma.clone()),
        limit("p is N(0, 1)", mu, sigma, 0 * one, one),
        limit("one p for several q: its μ and σ are numbers", mu, sigma, -0.5, 1.25),
        limit("q is very narrow", mu, 6e-5 * one, 0 * one, sigma),
        limit("q is very wide", mu, 1000 * one, 0 * one, sigma),
        limit("the means are far apart", mu + 50, sigma, mu - 50, one),
    ]


def equal_gaussians(rng: Rng) -> list[Probe]:
    mu = normal(rng, 4)
    sigma = uniform(rng, 0.4, 2.0, 4)
    return [Probe((mu, sigma, mu.clone(), sigma.clone()))]


def moved_gaussians(rng: Rng) -> list[Probe]:
    m, s, n, t = kl_gaussian_inputs(rng)[1].args
    return [Probe((m, s, n, t)), Probe((3 * m + 1, 3 * s, 3 * n + 1, 3 * t))]


SIGMA_AS_VARIANCE = {"powers": (1, 1, 1), "log_ratio": -0.5}
UPSIDE_DOWN = {"powers": (-2, 2, 2), "shift": "sigma_q"}
OVER_Q = {"powers": (0, 2, 2), "shift": "sigma_q"}
OVER_BOTH = {"spread": lambda s, t: s / t, "shift": "both"}
OF_P = {"log": lambda s, t: -t.log(), "end": -0.5 * math.log(2 * math.pi)}
ENTROPIES = {"squares": 0.0, "end": 0.0}
SIGMA_IS = "is the argument σ, its square, or its logarithm?"
NOT_SQUARED = ("μ_q − μ_p not squared", "is something squared in the exponent?")
OF_A_RATIO = "which two logarithms is the logarithm of a ratio made of?"
IN_NATS = "in nats: which logarithm is that?"
KL_GAUSSIAN = Exercise(
    number="1.3",
    name="kl_gaussian",
    stars=2,
    minutes=10,
    points=2,
    signature="kl_gaussian(mu_q, sigma_q, mu_p, sigma_p)",
    shown="for Gaussians KL is a closed form: no integral and no samples are needed.",
    variant=kl_gaussian,
    inputs=kl_gaussian_inputs,
    elementwise=True,
    mistakes=(
        *mistakes_by_keyword(
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
                0.0: (
                    "log σ forgotten",
                    "a density has 1/σ before its exp: what is left of both in the log-ratio?",
                ),
            },
            log={
                lambda s, t: s.log(): ("log σ_p forgotten", OF_A_RATIO),
                lambda s, t: -t.log(): ("log σ_q forgotten", OF_A_RATIO),
                lambda s, t: -(s * t).log(): ("log σ_p + log σ_q", OF_A_RATIO),
                lambda s, t: -t.log() / s.log(): ("log σ_p divided by log σ_q", OF_A_RATIO),
                lambda s, t: (s / t).log2(): ("log2 of the σ ratio", IN_NATS),
                lambda s, t: (s / t).log10(): ("log10 of the σ ratio", IN_NATS),
                lambda s, t: -(t / s).log1p(): (
                    "log(1 + σ_p/σ_q)",
                    "log1p(x) is log(1 + x): what is left where q = p?",
                ),
            },
            spread={
                lambda s, t: 2 * s**2: (
                    "only the means divided by 2σ_p²",
                    "brackets: what does / (2 * sigma_p**2) divide?",
                ),
                lambda s, t: s**2: ("σ_q² not divided by σ_p²", "what is it where q = p?"),
                lambda s, t: 0 * s: ("σ_q² forgotten", "what if only the widths differ?"),
                lambda s, t: (s - t) ** 2 / t**2: (
                    "(σ_q − σ_p)² for σ_q²",
                    "E_q (z − μ_p)²: which spread does z have under q?",
                ),
            },
            powers={
                (2, -2, -2): (
                    "multiplied by σ_p²",
                    "a / 2 * b is (a / 2) * b: is b above or below the line?",
                ),
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
                "bare": ("means not divided by σ_p², and no ½", "in which unit is their distance?"),
                "linear": NOT_SQUARED,
                "signed": NOT_SQUARED,
                "sum": ("μ_q + μ_p for μ_q − μ_p", "what if both means are the same?"),
                "squares": ("μ_q² − μ_p² for (μ_q − μ_p)²", "what is (a − b)² multiplied out?"),
                "squares added": ("μ_q² + μ_p²", "what is (a − b)² multiplied out?"),
                "minus": ("sign of (μ_q − μ_p)²", "should KL grow with the distance?"),
                "with sigma": ("(σ_q + μ_q − μ_p)²", "is E(z − μ_p)² one square, or two?"),
                "forgotten": ("means forgotten", "what if only the means differ?"),
            },
            bracket={
                2.0: ("no ½", "½ (…): does it stand before all of the bracket?"),
                -1.0: ("sign of the bracket", "is (…) − log(σ_q/σ_p) never negative?"),
            },
            directions={
                (1.0, 1.0): ("both directions added", BOTH_WAYS.replace("p ‖ q", "q ‖ p")),
                (0.5, 0.5): ("mean of both directions", BOTH_WAYS.replace("p ‖ q", "q ‖ p")),
            },
            taken={
                lambda m, s, n, t: (m, s**2, n, t**2): ("σ² for σ", SIGMA_IS),
                lambda m, s, n, t: (m, s.exp(), n, t.exp()): ("σ taken for log σ", SIGMA_IS),
                lambda m, s, n, t: (m, (s / 2).exp(), n, (t / 2).exp()): (
                    "σ taken for log σ²",
                    SIGMA_IS,
                ),
                lambda m, s, n, t: (m, s, 0 * n, torch.ones_like(t)): (
                    "p taken for N(0, 1)",
                    "where do μ_p and σ_p enter?",
                ),
            },
            unit={0.5: ("no ½", "the exponent of a Gaussian is −½ (…)²"), **BITS},
            sign=SIGN,
            over=OVER,
        ),
        Mistake("σ for σ²", "is sigma a standard deviation or a variance?", SIGMA_AS_VARIANCE),
        Mistake("variance ratio inverted", "a very wide q: should KL be large?", UPSIDE_DOWN),
        Mistake("everything over 2σ_q²", "which density's exponent has (z − μ_p)² in it?", OVER_Q),
        Mistake("everything over 2σ_q σ_p", "whose exponent has (z − μ_p)² in it?", OVER_BOTH),
        Mistake("cross-entropy", "this is −E_q log p: is it 0 where q = p?", OF_P),
        Mistake(
            "difference of the entropies",
            "each entropy is an average under its own density: under which one is KL's?",
            ENTROPIES,
        ),
    ),
    properties=(
        Property(
            "zero where both are equal", "it should be 0 where q = p", equal_gaussians, is_zero
        ),
        Property(
            "never negative", "it should not be negative", kl_gaussian_inputs, is_not_negative
        ),
        Property(
            "invariant",
            "it should not change when both are moved by 1 and scaled by 3",
            moved_gaussians,
            lambda out: bool(abs(out[0].value[0] - out[1].value[0]).max() < 1e-6),
        ),
    ),
)


def kl_to_standard_normal_full(
    mu: Tensor,
    covariance: Tensor,
    *,
    half: float = 0.5,
    trace: Function = lambda s: s.diagonal(dim1=-2, dim2=-1).sum(-1),
    log: Function = lambda s: s.logdet(),
    mean: Callable[[Tensor, Tensor], Tensor] = lambda m, s: (m**2).sum(-1),
    ones: Callable[[int], float] = float,
    matrix: Function = torch.clone,
    unit: float = 1.0,
    sign: float = 1.0,
    over: Function = torch.clone,
) -> Tensor:
    """½ (tr Σ + μᵀμ − D − log det Σ)."""
    s = matrix(covariance)
    terms = trace(s) + mean(mu, s) - ones(mu.shape[-1]) - log(s)
    return over(sign * half * terms / unit)


def covariances(rng: Rng, B: int, D: int, scale: float = 1.0) -> Tensor:
    """Covariance matrices (B, D, D) with correlations, and eigenvalues of about scale²."""
    root = normal(rng, B, D, D, std=0.6 * scale) + scale * torch.eye(D, dtype=torch.float64)
    matrix = root @ root.mT + 0.1 * scale**2 * torch.eye(D, dtype=torch.float64)
    return (matrix + matrix.mT) / 2


def kl_to_standard_normal_full_inputs(rng: Rng) -> list[Probe]:
    def draw(B: int, D: int, scale: float = 1.0) -> tuple[Tensor, Tensor]:
        return normal(rng, B, D, mean=0.6), covariances(rng, B, D, scale)

    mu, covariance = draw(3, 2)
    eye = torch.eye(2, dtype=torch.float64).expand(3, 2, 2).clone()
    return [
        Probe(draw(1, 2, 0.8)),
        Probe(draw(3, 2, 1.2)),
        Probe(draw(4, 3, 0.7)),
        Probe(draw(2, 5)),
        limit("a single dimension, D = 1", *draw(3, 1)),
        limit("a single example in one dimension", *draw(1, 1, 0.5)),
        limit("q is N(0, I)", 0 * mu, eye),
        limit("a diagonal covariance", mu, torch.diag_embed(uniform(rng, 0.2, 2.0, 3, 2))),
        limit("as many examples as dimensions", *draw(2, 2)),
        limit("standard deviations near 1/1000", *draw(2, 3, 1e-3)),
        limit("standard deviations near 30", *draw(2, 3, 30.0)),
        limit("a correlation of 0.999", mu[:1], numbers(1.0, 0.999, 0.999, 1.0).view(1, 2, 2)),
    ]


DETERMINANT = "the volume of the ellipsoid enters by log det: what is it for a diagonal Σ?"
ROTATED = "with a diagonal Σ, is it the lecture's formula? What do correlations add?"


def inverse_trace(s: Tensor) -> Tensor:
    return s.inverse().diagonal(dim1=-2, dim2=-1).sum(-1)


def inverse_square(m: Tensor, s: Tensor) -> Tensor:
    return torch.einsum("bd,bde,be->b", m, s.inverse(), m)


SWAPPED_FULL = {"trace": inverse_trace, "mean": inverse_square, "log": lambda s: -s.logdet()}
KL_TO_STANDARD_NORMAL_FULL = Exercise(
    number="1.5",
    name="kl_to_standard_normal_full",
    stars=3,
    minutes=25,
    points=3,
    signature="kl_to_standard_normal_full(mu, covariance)",
    shown="the lecture's formula is the case of a diagonal Σ; correlations cost −½ log det more.",
    variant=kl_to_standard_normal_full,
    inputs=kl_to_standard_normal_full_inputs,
    axes=(("B", "D"), ("B", "D", "D")),
    fixed=("covariance",),
    mistakes=(
        *mistakes_by_keyword(
            half={1.0: ("no ½", "what does it give for D = 1 and Σ = σ²?")},
            matrix={
                lambda s: torch.diag_embed(s.diagonal(dim1=-2, dim2=-1)): (
                    "correlations ignored",
                    "do two strongly correlated dimensions fill the same volume as two free ones?",
                ),
                lambda s: s @ s: ("Σ taken for a standard deviation", "is Σ squared already?"),
                lambda s: s.inverse(): ("Σ⁻¹ for Σ", "is KL large or small for a tiny Σ?"),
                lambda s: torch.linalg.cholesky(s): ("the root of Σ for Σ", "σ, or σ²?"),
            },
            log={
                lambda s: 0.5 * s.logdet(): (
                    "½ log det twice",
                    "for D = 1, is it −½ log σ², or a quarter?",
                ),
                lambda s: 2 * s.logdet(): ("log det twice", "log det Σ is log σ² for D = 1"),
                lambda s: -s.logdet(): ("sign of log det", "should KL grow where Σ shrinks to 0?"),
                lambda s: 0 * s.logdet(): ("log det forgotten", DETERMINANT),
                torch.det: ("no logarithm of the determinant", DETERMINANT),
                lambda s: s.diagonal(dim1=-2, dim2=-1).sum(-1).log(): (
                    "log of the trace",
                    DETERMINANT,
                ),
            },
            trace={
                lambda s: s.sum((-2, -1)): ("all entries for the trace", "E‖z − μ‖² is which sum?"),
                lambda s: s.diagonal(dim1=-2, dim2=-1).mean(-1): (
                    "mean for trace",
                    "E‖z − μ‖² is?",
                ),
                lambda s: 0 * s[..., 0, 0]: ("trace forgotten", "should KL grow where Σ is large?"),
                lambda s: s.diagonal(dim1=-2, dim2=-1).prod(-1): (
                    "product for trace",
                    "E‖z − μ‖² is?",
                ),
                inverse_trace: (
                    "trace of Σ⁻¹",
                    "KL(q ‖ N(0, I)): over which of the two is the average?",
                ),
                lambda s: s.square().sum((-2, -1)): ("squares of Σ", "is Σ squared already?"),
                lambda s: s.diagonal(dim1=-2, dim2=-1).sqrt().sum(-1): (
                    "σ for σ²",
                    "variances, or?",
                ),
            },
            mean={
                inverse_square: (
                    "μᵀΣ⁻¹μ",
                    "in whose unit is the distance measured, in that of q or of N(0, I)?",
                ),
                lambda m, s: torch.einsum("bd,bde,be->b", m, s, m): ("μᵀΣμ", "does Σ act on μ?"),
                lambda m, s: m.sum(-1): ("μ for μ²", "is KL the same for μ and for −μ?"),
                lambda m, s: 0 * m.sum(-1): (
                    "μ forgotten",
                    "should KL grow with the distance from 0?",
                ),
                lambda m, s: (m**2).mean(-1): ("mean of μ²", "‖μ‖² is a sum: over what?"),
                lambda m, s: m.norm(dim=-1): ("‖μ‖ for ‖μ‖²", "is it squared?"),
                lambda m, s: -(m**2).sum(-1): ("sign of μ²", "should it grow with the distance?"),
                lambda m, s: (m**2).sum(): ("μ² summed over the batch", "one number per example?"),
                lambda m, s: m.sum(-1) ** 2: ("(Σ μ)² for Σ μ²", "square first, or sum first?"),
            },
            ones={
                lambda D: 0.0: ("−D forgotten", "what is KL where q is N(0, I)?"),
                lambda D: 1.0: ("−1 for −D", "what is KL where q is N(0, I)?"),
                lambda D: -float(D): ("+D for −D", "what is KL where q is N(0, I)?"),
                lambda D: float(D * D): ("−D² for −D", "what is KL where q is N(0, I)?"),
            },
            over={
                lambda a: a.sum(): ("sum over batch", "one number per example is asked for"),
                lambda a: a.mean(): ("mean over batch", "one number per example is asked for"),
            },
            unit=BITS,
            sign=SIGN,
        ),
        Mistake(
            "arguments swapped",
            "KL(q ‖ N(0, I)): over which of the two is the average?",
            SWAPPED_FULL,
        ),
    ),
    properties=(
        Property(
            "zero at the prior",
            "it should be 0 where q is N(0, I)",
            lambda rng: [Probe((normal(rng, 2, 3) * 0, torch.eye(3).double().repeat(2, 1, 1)))],
            is_zero,
        ),
        Property(
            "never negative",
            "it should not be negative",
            kl_to_standard_normal_full_inputs,
            is_not_negative,
        ),
        Property(
            "invariant under a rotation",
            "rotating μ and Σ together should change nothing; here it does",
            lambda rng: [
                Probe((mu @ turn.T, turn @ s @ turn.T))
                for mu, s in [(normal(rng, 2, 2), covariances(rng, 2, 2))]
                for turn in (
                    numbers(1, 0, 0, 1).view(2, 2),
                    numbers(0.6, -0.8, 0.8, 0.6).view(2, 2),
                )
            ],
            lambda out: bool(abs(out[0].value[0] - out[1].value[0]).max() < 1e-6),
        ),
    ),
)


OfLogs = Callable[[Tensor, Tensor], Tensor]  # of log q(z) and log p(z)


def standard_error(terms: Tensor, ddof: int, *_: Tensor) -> Tensor:
    return terms.std(correction=ddof) / len(terms) ** 0.5


def self_normalised(log_q: Tensor, log_p: Tensor) -> Tensor:
    """Importance weights p/q with mean 1."""
    return len(log_q) * (log_p - log_q).softmax(0)


def kl_monte_carlo(
    log_q: Any,
    log_p: Any,
    z: Any,
    *,
    swap: bool = False,
    terms: OfLogs = lambda q, p: q - p,
    weight: tuple[OfLogs, bool] = (lambda q, p: torch.ones_like(q), True),
    samples: Function = lambda z: z,
    centre: Function = torch.mean,
    error: Callable[..., Tensor] = standard_error,
    ddof: int = 1,
    unit: float = 1.0,
    order: tuple[int, ...] = (0, 1),
    interval: float = 0.0,
) -> Any:
    """The mean of log q(z_k) − log p(z_k), and its standard deviation over √K.

    `error` is a function of these terms, ddof, log q(z), log p(z) and z.
    """
    z = samples(as_tensor(z))
    q, p = (as_tensor(f(z)) for f in ((log_p, log_q) if swap else (log_q, log_p)))
    plain = terms(q, p) / unit
    weighted = weight[0](q, p) * plain
    both = (centre(weighted), error(weighted if weight[1] else plain, ddof, q, p, z))
    if interval:
        both = (both[0] - interval * both[1], both[0] + interval * both[1])
    return tuple(both[i] for i in order) if len(order) > 1 else both[order[0]]


def kl_monte_carlo_inputs(rng: Rng) -> list[Probe]:
    def draw(K: int, p: Any = LogNormal) -> Probe:
        mu_q = float(rng.normal(0.8, 0.3))
        sigma_q = float(rng.uniform(0.4, 0.8))
        sigma_p = float(rng.uniform(1, 2))
        z = normal(rng, K, mean=mu_q, std=sigma_q)
        return Probe((LogNormal(mu_q, sigma_q), p(-0.3, sigma_p), z))

    log_q, log_p, z = draw(4).args
    return [
        draw(3),
        draw(5, LogLaplace),
        draw(8),
        limit("K = 2", *draw(2).args),
        limit("q = p", log_q, log_q, z),
        limit("most draws lie where p is denser than q", log_q, log_p, z - 2.5),
        limit("q is very narrow", LogNormal(0.5, 1e-3), log_p, 0.5 + 1e-3 * z),
        limit("p is far away, by hundreds of nats", log_q, LogNormal(13.0, 0.5), z),
    ]


IMPORTANCE = ("importance weights", "from which density is z drawn?")
WEIGHTS: dict[OfLogs, tuple[str, str]] = {
    lambda q, p: (p - q).exp(): IMPORTANCE,
    lambda q, p: (q - p).exp(): IMPORTANCE,
    self_normalised: IMPORTANCE,
    lambda q, p: self_normalised(p, q): IMPORTANCE,
    lambda q, p: q.exp(): ("weighted by q", "z is drawn from q: does q weigh it again?"),
    lambda q, p: p.exp(): ("weighted by p", "over draws of which density is the average?"),
}
OF_THE_MEAN = "of which K numbers is the estimate the mean? Their spread counts"
IN_SQUARED_NATS = "a variance is in squared nats: what has the unit of the estimate?"
AN_INTERVAL = ("an interval", "the estimate and its error are asked for: which two numbers are?")
AT_THE_ENDS = ("one sample left out", "does your loop, or your slice, take each of the K samples?")
MC_ERRORS: dict[Callable[..., Tensor], tuple[str, str]] = {
    lambda a, d, *_: a.std(correction=d): (
        "std without √K",
        "should the error of a mean shrink with more samples?",
    ),
    lambda a, d, *_: a.std(correction=d) / len(a): (
        "std/K for std/√K",
        "do four times the samples halve your error, or quarter it?",
    ),
    lambda a, d, *_: a.std(correction=d) * len(a) ** 0.5: (
        "√K times",
        "should more samples make the error larger?",
    ),
    lambda a, d, *_: a.var(correction=d) / len(a): ("variance of the mean", IN_SQUARED_NATS),
    lambda a, d, *_: a.var(correction=d) / len(a) ** 0.5: ("variance for std", IN_SQUARED_NATS),
    lambda a, d, *_: a.var(correction=d): (
        "variance",
        "how far is one term from the mean, or how far is the mean from the truth?",
    ),
    lambda a, d, *_: (a.var(correction=d) / len(a) ** 0.5).sqrt(): (
        "√K under the root",
        "is the root taken of K twice?",
    ),
    lambda a, d, *_: a.std(correction=d) / (len(a) - 1) ** 0.5: (
        "K−1 twice",
        "K or K − 1 may be inside the standard deviation: which one is below it, as a root?",
    ),
    lambda a, d, *_: (a**2).mean().sqrt() / len(a) ** 0.5: (
        "not centred",
        "is the spread measured from 0, or from the mean?",
    ),
    lambda a, d, q, p, z: standard_error(z, d): ("standard error of z", OF_THE_MEAN),
    lambda a, d, q, p, z: standard_error(q, d): ("standard error of log q", OF_THE_MEAN),
    lambda a, d, q, p, z: standard_error(p, d): ("standard error of log p", OF_THE_MEAN),
    lambda a, d, q, p, z: standard_error(a.exp(), d): ("standard error of q/p", OF_THE_MEAN),
    lambda a, d, q, p, z: ((q.var(correction=d) + p.var(correction=d)) / len(a)).sqrt(): (
        "log q and log p taken as independent",
        "both come from the same z: do their errors add up, or partly cancel?",
    ),
    lambda a, d, *_: a.mean() / len(a) ** 0.5: (
        "the mean for the standard deviation",
        "what if all terms are the same: is there an error left?",
    ),
    lambda a, d, *_: torch.ones_like(a[0]) / len(a) ** 0.5: (
        "1/√K",
        "do terms that vary more give a larger error?",
    ),
}
KL_MONTE_CARLO = Exercise(
    number="1.4",
    name="kl_monte_carlo",
    stars=2,
    minutes=15,
    points=2,
    signature="kl_monte_carlo(log_q, log_p, z)",
    shown="samples of q and two log-densities are enough to estimate KL, with an error bar.",
    variant=kl_monte_carlo,
    inputs=kl_monte_carlo_inputs,
    axes=((), (), ("K",)),
    outputs=2,
    results=("the estimate", "the standard error"),
    errors=(
        (
            r"'Log\w+'",
            "log_q or log_p not called",
            "log_q and log_p are functions: what do you give them to get numbers?",
        ),
    ),
    also=({"ddof": 0},),
    fixed=("z",),
    mistakes=mistakes_by_keyword(
        swap={
            True: ("arguments swapped", "KL(q ‖ p): which of the two log-densities is subtracted?")
        },
        samples={lambda z: z[1:]: AT_THE_ENDS, lambda z: z[:-1]: AT_THE_ENDS},
        terms={
            lambda q, p: q: ("log p forgotten", "KL compares two densities: where is the other?"),
            lambda q, p: p: ("log q forgotten", "KL compares two densities: where is the other?"),
            lambda q, p: -p: (
                "log q forgotten: cross-entropy",
                "KL compares two densities: where is the other?",
            ),
            lambda q, p: q + p: ("sum of the logs", "which two logs is log(q/p) made of, and how?"),
            lambda q, p: q / p: ("quotient of the logs", "is log(q/p) the quotient of two logs?"),
            lambda q, p: (q - p).exp(): (
                "no logarithm",
                "the average of q/p, or of its logarithm?",
            ),
            lambda q, p: q.exp() - p.exp(): (
                "densities for logs",
                "is KL the mean difference of the densities, or of their logarithms?",
            ),
            lambda q, p: (q - p).clamp(min=0): (
                "each term cut at 0",
                "may a single log q − log p be < 0?",
            ),
            lambda q, p: (q - p).abs(): ("absolute values", "may a single log q − log p be < 0?"),
            lambda q, p: (p - q).expm1() + q - p: (
                "another estimator",
                "a good one, but the plain mean of log q − log p is asked for",
            ),
        },
        weight={
            (way, in_error): hint for way, hint in WEIGHTS.items() for in_error in (True, False)
        },
        centre={
            torch.sum: ("sum for mean", "does an average grow with K?"),
            torch.median: ("median for mean", "is an expectation a median?"),
            lambda a: a.exp().mean().log(): ("log of the mean", "logarithm, or average first?"),
            lambda a: a.sum() / (len(a) - 1): ("K−1 in the mean", "how many numbers are added?"),
            lambda a: a.mean().abs(): ("absolute value", "may an estimate be below 0?"),
            lambda a: a.mean().clamp(min=0): ("cut at 0", "may an estimate be below 0?"),
        },
        error=MC_ERRORS,
        unit=BITS,
        order={
            (1, 0): ("order swapped", "which of the two comes first?"),
            (0, 0): ("the estimate twice", "is your second number the error of the first?"),
            (0,): ("no standard error", "two numbers are asked for: which is the other?"),
        },
        interval={c: AN_INTERVAL for c in (1.0, 1.96, 2.0)},
    ),
    properties=(
        Property(
            "zero where both are equal",
            "both numbers should be 0 where q = p",
            lambda rng: [Probe((LogNormal(0.5, 2.0), LogNormal(0.5, 2.0), normal(rng, 4)))],
            is_zero,
        ),
    ),
)


EXERCISES = (
    KL_BERNOULLI,
    ROLLS_TO_CONVICT,
    KL_GAUSSIAN,
    KL_MONTE_CARLO,
    KL_TO_STANDARD_NORMAL_FULL,
)
