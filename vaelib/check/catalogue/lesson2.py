"""Lesson 2, maximum likelihood: the average log-likelihood, its maximum, and log p(x)."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vaelib.check.catalogue.gaussian import CONSTANT, EXPONENT, SIGMA, UNIT, Function, log_density
from vaelib.check.catalogue.inputs import dyadic, limit, normal, numbers
from vaelib.check.machinery.exercise import Exercise, Property, Rng, mistakes_by_keyword
from vaelib.check.machinery.probe import Outcome, Probe


def average_log_likelihood(
    x: Tensor,
    mu: Any,
    sigma: Any,
    *,
    over: Function = torch.mean,
    unit: float = 1.0,
    **changes: Any,
) -> Tensor:
    """(1/N) Σ_n log N(x_n; μ, σ²), nats."""
    square, normaliser = log_density(x, mu, sigma, **changes)
    return over(-square - normaliser) / unit


def average_log_likelihood_inputs(rng: Rng) -> list[Probe]:
    def draw(n: int, mu: float, sigma: float) -> Probe:
        return Probe((normal(rng, n, mean=mu + 0.7 * sigma, std=1.3 * sigma), mu, sigma))

    return [
        Probe((normal(rng, 3, mean=0.4), -dyadic(rng, 0.5, 1), dyadic(rng, 0.4, 0.6))),
        draw(5, 1.5 + dyadic(rng, 0, 1), dyadic(rng, 0.25, 0.6)),
        draw(7, -dyadic(rng, 1, 2), dyadic(rng, 1.5, 2.5)),
        limit("a single example, N = 1", numbers(1.5), 1.0, 0.25),
        limit("every example at μ", numbers(1.5, 1.5, 1.5), 1.5, 2.0),
        limit("examples 59 σ from μ", normal(rng, 4, mean=60.0, std=0.1), 1.0, 1.0),
    ]


def halves(x: Tensor) -> tuple[Tensor, ...]:
    return x, *x.chunk(2)


AVERAGE_LOG_LIKELIHOOD = Exercise(
    number="2.1",
    name="average_log_likelihood",
    stars=1,
    minutes=5,
    points=1,
    signature="average_log_likelihood(x, mu, sigma)",
    shown="the log-likelihood of many examples is an average, which samples can estimate.",
    variant=average_log_likelihood,
    inputs=average_log_likelihood_inputs,
    axes=(("N",), (), ()),
    fixed=("x",),
    mistakes=mistakes_by_keyword(
        over={
            torch.sum: ("sum for mean", "does an average grow with N?"),
            lambda a: a.exp().mean().log(): ("log of the mean", "logarithm, or average first?"),
            lambda a: a.exp().mean(): ("no logarithm", "is it the density, or its logarithm?"),
            lambda a: a.exp().log().mean(): ("underflow", "far from μ exp gives 0: is it needed?"),
            torch.clone: ("no average", "one number for all: what is done over the N examples?"),
        },
        constant=CONSTANT,
        exponent=EXPONENT,
        sigma_to_the=SIGMA,
        unit=UNIT,
    ),
    properties=(
        Property(
            "an average",
            "the average over two groups of three is the mean of the groups' own; here it is not",
            lambda rng: [Probe((x, 0.5, 0.75)) for x in halves(normal(rng, 6))],
            lambda out: bool(abs(out[0].value[0] - sum(o.value[0] for o in out[1:]) / 2) < 1e-9),
        ),
    ),
)


def gaussian_mle(
    x: Tensor,
    *,
    centre: Function = torch.mean,
    about: float = 1.0,
    power: int = 2,
    less: float = 0.0,
    sum_only: bool = False,
    root: Function = torch.sqrt,
    order: tuple[int, int] = (0, 1),
    error: bool = False,
) -> tuple[Tensor, ...]:
    """μ = (1/N) Σ x_n, σ = √((1/N) Σ (x_n − μ)²)."""
    n = len(x)
    mu = centre(x)
    total = ((x - about * mu).abs() ** power).sum()
    mean = total if sum_only else total / (n - less)
    sigma = (root(mean) if power == 2 else mean) / (math.sqrt(n) if error else 1)
    return (mu, sigma)[order[0]], (mu, sigma)[order[1]]


def gaussian_mle_inputs(rng: Rng) -> list[Probe]:
    return [
        Probe((normal(rng, 4, mean=0.9, std=1.6) ** 2 + 0.5,)),
        Probe((normal(rng, 5, mean=1.7, std=0.4),)),
        Probe((normal(rng, 8, mean=-3.0, std=2.6),)),
        limit("examples that are all equal", numbers(-0.5, -0.5, -0.5, -0.5)),
        limit("a single example, N = 1", numbers(1.5)),
    ]


EXAMPLES = numbers(0.5, 2.0, -1.25, 4.0, 1.0)


def is_most_likely(out: list[Outcome]) -> bool:
    """Whether no (μ, σ) nearby makes the examples more likely."""
    mu, sigma = (float(v.ravel()[0]) for v in out[0].value)
    near = [(mu + a, sigma * b) for a in (0, -0.05, 0.05) for b in (1, 0.95, 1.05)]
    likely = [
        float(average_log_likelihood(EXAMPLES, m, s)) if s > 0 else -math.inf for m, s in near
    ]
    return likely[0] >= max(likely)


GAUSSIAN_MLE = Exercise(
    number="2.2",
    name="gaussian_mle",
    stars=2,
    minutes=10,
    points=2,
    signature="gaussian_mle(x)",
    shown="the most likely Gaussian has the mean and the spread of its examples, with 1/N.",
    variant=gaussian_mle,
    inputs=gaussian_mle_inputs,
    axes=(("N",),),
    fixed=("x",),
    outputs=2,
    results=("μ", "σ"),
    mistakes=mistakes_by_keyword(
        less={
            1.0: (
                "N−1 for N",
                "what does ∂/∂σ = 0 divide by, N or N − 1? And your function?",
            )
        },
        root={
            torch.clone: ("variance for σ", "σ has the unit of x: has your second number?"),
            torch.log: ("log σ² for σ", "can a standard deviation be negative?"),
            lambda v: v.log() / 2: ("log σ for σ", "can a standard deviation be negative?"),
            torch.reciprocal: ("1/σ² for σ", "should it grow with the spread?"),
        },
        about={0.0: ("not centred", "what happens to your σ when 100 is added to every x?")},
        power={1: ("|x − μ| for (x − μ)²", "set the derivative in σ to zero: what is there?")},
        sum_only={True: ("sum for mean in σ", "does σ grow with N?")},
        error={True: ("standard error for σ", "the spread of x, or that of its mean?")},
        centre={
            torch.sum: ("sum for mean in μ", "is μ somewhere among the examples?"),
            torch.median: ("median for mean", "which derivative is zero at the median?"),
        },
        order={
            (1, 0): ("order swapped", "which of the two comes first?"),
            (0, 0): ("μ twice", "look at the second of the two"),
        },
    ),
    properties=(
        Property(
            "invariant under a shift",
            "with 3 added to every example μ should rise by 3, and σ should not change",
            lambda rng: [Probe((x + by,)) for x in [normal(rng, 5)] for by in (0.0, 3.0)],
            lambda out: all(
                abs(b - a - by) < 1e-9
                for a, b, by in zip(out[0].value, out[1].value, (3, 0), strict=True)
            ),
        ),
        Property(
            "no other is more likely",
            "a slightly different μ or σ makes examples more likely than yours",
            lambda rng: [Probe((EXAMPLES,))],
            is_most_likely,
        ),
    ),
)


def log_marginal(
    log_px_z: Tensor,
    *,
    over: Callable[[Tensor, float], Tensor] = lambda a, c: a.logsumexp(0) - c,
    axis: Function = torch.clone,
    count: Callable[[int, int], float] = lambda K, B: math.log(K),
    unit: float = 1.0,
) -> Tensor:
    """log (1/K) Σ_k p(x|z_k) from log p(x|z_k), (K, B) -> (B,)."""
    log_px_z = axis(log_px_z)
    return over(log_px_z, count(*log_px_z.shape)) / unit


def exp_first(a: Tensor, c: float) -> Tensor:
    return a.exp().sum(0).log() - c


def one_shift(a: Tensor, c: float) -> Tensor:
    return exp_first(a - a.max(), c) + a.max()


def no_shift_back(a: Tensor, c: float) -> Tensor:
    return exp_first(a - a.max(0).values, c)


def log_marginal_inputs(rng: Rng) -> list[Probe]:
    deep = normal(rng, 4, 2, std=3.0)
    return [
        Probe((normal(rng, 3, 2, mean=-2.0, std=1.5),)),
        Probe((normal(rng, 5, 3, mean=0.7, std=1.2),)),
        Probe((normal(rng, 4, 6, mean=-6.0, std=2.5),)),
        limit("a single draw, K = 1", normal(rng, 1, 3, mean=-2.0)),
        limit("a single example, B = 1", normal(rng, 4, 1, mean=-2.0)),
        limit("log-densities near −2000, where exp gives 0", deep - 2000),
        limit("log-densities near 900, where exp gives infinity", deep + 900),
        limit("one x at −1500, one at −1", deep - numbers(1500, 1)),
        limit("one draw 1500 nats above the others", deep + numbers(0, 1500, 0, 0)[:, None]),
    ]


LOG_MARGINAL = Exercise(
    number="2.3",
    name="log_marginal",
    stars=2,
    minutes=15,
    points=2,
    signature="log_marginal(log_px_z)",
    shown="a mean of tiny numbers can be computed from their logarithms alone.",
    variant=log_marginal,
    inputs=log_marginal_inputs,
    axes=(("K", "B"),),
    fixed=("log_px_z",),
    mistakes=mistakes_by_keyword(
        over={
            lambda a, c: a.mean(0): ("mean of logs", "logarithm first, or mean first?"),
            lambda a, c: a.sum(0): ("sum of logs", "is p(x) a product over the draws?"),
            exp_first: ("overflow: exp before log", "exp(−2000) is 0; what can be taken out?"),
            one_shift: ("overflow: one maximum for all", "has each x its own largest term?"),
            no_shift_back: ("maximum not added back", "what was taken out has to come back"),
            lambda a, c: (a.logsumexp(0) - c).exp(): ("no logarithm", "p(x), or its logarithm?"),
        },
        axis={
            torch.t: ("wrong axis", "which dimension counts the draws?"),
            lambda a: a.reshape(-1, 1): ("mean over B too", "one number an example is asked for"),
        },
        count={
            lambda K, B: 0.0: ("no log K", "a mean over draws: what does log make of 1/K?"),
            lambda K, B: -math.log(K): ("+ log K for − log K", "is a mean larger than a sum?"),
            lambda K, B: 2 * math.log(K): ("log K twice", "is it a mean before you divide?"),
            lambda K, B: math.log(B): ("log B for log K", "which size counts the draws?"),
        },
        unit=UNIT,
    ),
    properties=(
        Property(
            "shift",
            "with 2 added to every log-density the answer should rise by 2; it does not",
            lambda rng: [Probe((x + by,)) for x in [normal(rng, 3, 2)] for by in (0.0, 2.0)],
            lambda out: bool(abs(out[1].value[0] - out[0].value[0] - 2).max() < 1e-9),
        ),
        Property(
            "equal draws",
            "where all draws are equal the answer should be their value; here it is not",
            lambda rng: [Probe((numbers(-1.5, 0.5).expand(4, 2).clone(),))],
            lambda out: bool(abs(out[0].value[0] - [-1.5, 0.5]).max() < 1e-9),
        ),
    ),
)


Grid = Callable[[Tensor, Tensor], Any]  # of log p(x, z) and z


def posterior_on_grid(
    log_joint: Tensor,
    z: Tensor,
    *,
    shift: Callable[[Tensor], Any] = torch.max,
    area: Grid = torch.trapezoid,
    back: float = 1.0,
    logged: bool = True,
    density: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda p, total, z: p / total,
    log_density: bool = False,
    order: tuple[int, int] = (0, 1),
) -> tuple[Tensor, ...]:
    """log p(x) = log ∫ p(x, z) dz, and p(z|x) = p(x, z) / p(x), on an even grid."""
    largest = shift(log_joint)
    p = (log_joint - largest).exp()
    total = area(p, z)
    log_px = total.log() + back * largest if logged else (total.log() + largest).exp()
    logs = log_joint - largest - total.log()
    both = log_px, logs if log_density else density(p, total, z)
    return both[order[0]], both[order[1]]


def spacing(z: Tensor) -> Tensor:
    return z[1] - z[0]


def bump(z: Tensor, mu: Any, sigma: Any) -> Tensor:
    return -(((z - mu) / sigma) ** 2) / 2


def posterior_on_grid_inputs(rng: Rng) -> list[Probe]:
    """Bumps that vanish at both ends and are at least five points wide: all good rules agree."""

    def draw(half: int, step: float, start: float = 0.0, height: float = 0.0) -> tuple[Any, ...]:
        z = step * torch.arange(-half, half + 1, dtype=torch.float64) + start
        wide = half * step
        where = [start + float(rng.uniform(-0.2, 0.2)) * wide for _ in range(2)]
        sigmas = [wide * float(rng.uniform(0.07, 0.1)) for _ in range(2)]
        parts = [
            bump(z, m, s) + float(rng.uniform(-2, 0)) for m, s in zip(where, sigmas, strict=True)
        ]
        return torch.logaddexp(*parts) + height, z

    z = torch.arange(-300, 301, dtype=torch.float64) / 32
    narrow = bump(z, 1.125, 0.25) - 3.5, z
    return [
        Probe(draw(60, 0.0625, height=-2.5)),
        Probe(draw(90, 0.03125, start=1.5, height=1.25)),
        Probe(draw(75, 0.125, start=-2.0, height=-6.0)),
        limit("log-densities near −1000, where exp gives 0", *draw(60, 0.0625, height=-1000.0)),
        limit("log-densities near 900, where exp gives infinity", *draw(60, 0.0625, height=900.0)),
        limit("a grid from 20 to 60", *draw(80, 0.25, start=40.0)),
        limit("a grid of width 1/50", *draw(80, 0.000125)),
        limit("a narrow posterior", *narrow),
    ]


NO_SPACING = ("spacing of the grid forgotten", "what changes if the grid becomes twice as fine?")
NOT_A_DENSITY = "what should the integral of the density over z be?"
POSTERIOR_ON_GRID = Exercise(
    number="2.4",
    name="posterior_on_grid",
    stars=3,
    minutes=25,
    points=3,
    signature="posterior_on_grid(log_joint, z)",
    results=("log p(x)", "the density"),
    shown="Bayes' rule needs one integral, and logarithms keep it within reach at any scale.",
    variant=posterior_on_grid,
    inputs=posterior_on_grid_inputs,
    axes=(("G",), ("G",)),
    fixed=("log_joint", "z"),
    outputs=2,
    mistakes=mistakes_by_keyword(
        shift={
            lambda a: 0.0 * a[0]: (
                "underflow: exp before log",
                "exp(−1000) is 0 in the computer: what can be taken out first?",
            ),
        },
        back={
            0.0: ("largest value not added back", "what was taken out has to come back"),
            -1.0: ("largest value taken out twice", "with which sign does it come back?"),
        },
        area={
            lambda p, z: p.sum(): NO_SPACING,
            lambda p, z: p.mean(): ("mean for integral", "how wide is a strip?"),
            lambda p, z: p.mean() * (z[-1] - z[0]): (
                "one point too many",
                "G points bound how many strips?",
            ),
            lambda p, z: p.sum() * spacing(z) ** 2: ("spacing squared", "width times height is?"),
            lambda p, z: p.sum() / spacing(z): ("divided by the spacing", "width times height is?"),
            lambda p, z: (p * z).sum() * spacing(z): ("times z", "what is integrated?"),
            lambda p, z: p.max(): ("the largest value only", "is it a sum over all z?"),
        },
        logged={False: ("p(x) for log p(x)", "the logarithm is asked for")},
        log_density={True: ("log of the density", "of which result is the log asked for?")},
        density={
            lambda p, total, z: p / p.sum(): ("the values sum to 1", NOT_A_DENSITY),
            lambda p, total, z: p: ("density not normalised: largest value 1", NOT_A_DENSITY),
            lambda p, total, z: p / total / spacing(z): ("spacing twice", NOT_A_DENSITY),
            lambda p, total, z: p.cumsum(0) / p.sum(): (
                "distribution function for density",
                "does a density only rise?",
            ),
            lambda p, total, z: p / p.norm(): ("the squares sum to 1", NOT_A_DENSITY),
            lambda p, total, z: p / total / (z[-1] - z[0]): ("divided by the range", NOT_A_DENSITY),
        },
        order={
            (1, 0): ("order swapped", "which of the two comes first?"),
            (1, 1): ("the density twice", "look at the first of the two"),
            (0, 0): ("log p(x) twice", "look at the second of the two"),
        },
    ),
    properties=(
        Property(
            "integrates to 1",
            "the density should integrate to 1; yours does not",
            lambda rng: posterior_on_grid_inputs(rng)[:1],
            lambda out: bool(abs(out[0].value[1].sum() * 0.0625 - 1).max() < 1e-6),
        ),
        Property(
            "shift",
            "3 more nats at each z: log p(x) should rise by 3, and the density stay; they do not",
            lambda rng: [
                Probe((log_joint + by, z))
                for log_joint, z in [posterior_on_grid_inputs(rng)[0].args]
                for by in (0.0, 3.0)
            ],
            lambda out: bool(
                abs(out[1].value[0] - out[0].value[0] - 3).max() < 1e-6
                and abs(out[1].value[1] - out[0].value[1]).max() < 1e-6
            ),
        ),
    ),
)


EXERCISES = (AVERAGE_LOG_LIKELIHOOD, GAUSSIAN_MLE, LOG_MARGINAL, POSTERIOR_ON_GRID)
