"""Lesson 1, KL divergence: of two coins, of two Gaussians, from N(0, I), and by Monte Carlo."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vaelib.check.catalogue.functions import LogLaplace, LogNormal, as_tensor
from vaelib.check.catalogue.gaussian import Function
from vaelib.check.catalogue.inputs import limit, normal, uniform
from vaelib.check.catalogue.kl import BITS, OVER, SIGN, is_not_negative, is_zero
from vaelib.check.machinery.exercise import Exercise, Mistake, Property, Rng, mistakes_by_keyword
from vaelib.check.machinery.probe import Probe


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
    first = (p / q).log()
    second = ((1 - p) / (1 - q)).log()
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

    p = chance(3)
    half = torch.full((3,), 0.5, dtype=torch.float64)
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
    number="1.1",
    name="kl_bernoulli",
    stars=1,
    minutes=5,
    points=1,
    signature="kl_bernoulli(p, q)",
    variant=kl_bernoulli,
    inputs=kl_bernoulli_inputs,
    elementwise=True,
    mistakes=mistakes_by_keyword(
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
            is_zero,
        ),
        Property(
            "never negative", "it should not be negative", kl_bernoulli_inputs, is_not_negative
        ),
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
    q_and_p = (mu_q, sigma_q, mu_p, sigma_p)
    if swap:
        q_and_p = (mu_p, sigma_p, mu_q, sigma_q)
    m, s, n, t = (as_tensor(a) for a in q_and_p)
    a, b, c = powers
    below: dict[str, Any] = {"sigma_p": t**c, "sigma_q": s**c, "both": s * t, "none": 1.0}
    away = {"linear": (m - n).abs() / t**c, "sum": (m + n) ** 2 / t**c, "forgotten": 0 * m}
    ratio = s**a / t**b if a > 0 else t**2 / s**2
    distance = away[shift] if shift in away else (m - n) ** 2 / below[shift]
    total = bracket * (squares * (ratio + distance) - end) + log_ratio * (s / t).log()
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
        limit("q is very narrow", mu, 1e-4 * one, 0 * one, sigma),
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
KL_GAUSSIAN = Exercise(
    number="1.2",
    name="kl_gaussian",
    stars=2,
    minutes=10,
    points=2,
    signature="kl_gaussian(mu_q, sigma_q, mu_p, sigma_p)",
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


def standard_normal(rng: Rng) -> list[Probe]:
    zeros = torch.zeros(2, 3, dtype=torch.float64)
    return [Probe((zeros, zeros.clone()))]


def whole_and_parts(rng: Rng) -> list[Probe]:
    mu = normal(rng, 2, 4)
    log_sigma = normal(rng, 2, 4)
    parts = (mu, log_sigma), (mu[:, :1], log_sigma[:, :1]), (mu[:, 1:], log_sigma[:, 1:])
    return [Probe((m.clone(), s.clone())) for m, s in parts]


KL_TO_STANDARD_NORMAL = Exercise(
    number="1.3",
    name="kl_to_standard_normal",
    stars=2,
    minutes=10,
    points=2,
    signature="kl_to_standard_normal(mu, log_sigma)",
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
        *mistakes_by_keyword(
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
        Property(
            "zero at the prior", "it should be 0 where q is N(0, I)", standard_normal, is_zero
        ),
        Property(
            "never negative",
            "it should not be negative",
            kl_to_standard_normal_inputs,
            is_not_negative,
        ),
        Property(
            "additive over dimensions",
            "the KL of all dimensions should be the sum of those of the parts",
            whole_and_parts,
            lambda out: bool(abs(out[0].value[0] - out[1].value[0] - out[2].value[0]).max() < 1e-6),
        ),
    ),
)


OfLogs = Callable[[Tensor, Tensor], Tensor]  # of log q(z) and log p(z)


def standard_error(terms: Tensor, ddof: int) -> Tensor:
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
    centre: Function = torch.mean,
    error: Callable[[Tensor, int], Tensor] = standard_error,
    ddof: int = 1,
    unit: float = 1.0,
    order: tuple[int, ...] = (0, 1),
) -> Any:
    """The mean of log q(z_k) − log p(z_k), and its standard deviation over √K."""
    q, p = (as_tensor(f(z)) for f in ((log_p, log_q) if swap else (log_q, log_p)))
    plain = terms(q, p) / unit
    weighted = weight[0](q, p) * plain
    both = (centre(weighted), error(weighted if weight[1] else plain, ddof))
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
KL_MONTE_CARLO = Exercise(
    number="1.4",
    name="kl_monte_carlo",
    stars=2,
    minutes=15,
    points=2,
    signature="kl_monte_carlo(log_q, log_p, z)",
    variant=kl_monte_carlo,
    inputs=kl_monte_carlo_inputs,
    axes=((), (), ("K",)),
    outputs=2,
    also=({"ddof": 0},),
    fixed=("z",),
    mistakes=mistakes_by_keyword(
        swap={True: ("arguments swapped", "the draws are of q: the average of log q − …?")},
        terms={
            lambda q, p: q: ("log p forgotten", "KL compares two densities"),
            lambda q, p: p: ("log q forgotten", "KL compares two densities"),
            lambda q, p: q + p: ("sum of the logs", "the logarithm of q/p is what?"),
            lambda q, p: (q - p).exp(): (
                "no logarithm",
                "the average of q/p, or of its logarithm?",
            ),
            lambda q, p: q.exp() - p.exp(): ("densities for logs", "of what is the difference?"),
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
            lambda a: a.sum() / (len(a) - 1): ("K−1 in the mean", "of K numbers?"),
            lambda a: a.mean().abs(): ("absolute value", "may an estimate be below 0?"),
            lambda a: a.mean().clamp(min=0): ("cut at 0", "may an estimate be below 0?"),
        },
        error={
            lambda a, d: a.std(correction=d): ("std without √K", "should it shrink with K?"),
            lambda a, d: a.std(correction=d) / len(a): ("std/K for std/√K", "how fast with K?"),
            lambda a, d: a.std(correction=d) * len(a) ** 0.5: ("√K times", "should it grow?"),
            lambda a, d: a.var(correction=d) / len(a): ("variance of the mean", "and its root?"),
            lambda a, d: a.var(correction=d) / len(a) ** 0.5: ("variance for std", "the root?"),
            lambda a, d: a.var(correction=d): ("variance", "of one term, or of their mean?"),
            lambda a, d: a.std(correction=d) / (len(a) - 1) ** 0.5: ("K−1 twice", "√K of K draws"),
        },
        unit=BITS,
        order={
            (1, 0): ("order swapped", "which of the two comes first?"),
            (0, 0): ("the estimate twice", "look at the second of the two"),
            (0,): ("no standard error", "two numbers are asked for"),
        },
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


EXERCISES = (KL_BERNOULLI, KL_GAUSSIAN, KL_TO_STANDARD_NORMAL, KL_MONTE_CARLO)
