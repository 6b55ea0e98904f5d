"""Lesson 2, maximum likelihood: the average log-likelihood, its maximum, and log p(x)."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vaelib.check.catalogue.gaussian import CONSTANT, EXPONENT, SIGMA, UNIT, Function, log_density
from vaelib.check.catalogue.inputs import dyadic, limit, normal, numbers, uniform
from vaelib.check.machinery.exercise import Exercise, Property, Rng, mistakes_by_keyword
from vaelib.check.machinery.probe import Outcome, Probe


def average_log_likelihood(
    x: Tensor,
    mu: Any,
    sigma: Any,
    *,
    taken: Callable[[Tensor, Any, Any], tuple[Tensor, Any, Any]] = lambda x, mu, sigma: (
        x,
        mu,
        sigma,
    ),
    times: Callable[[int], tuple[float, float]] = lambda N: (1.0, 1.0),
    over: Function = torch.mean,
    unit: float = 1.0,
    **changes: Any,
) -> Tensor:
    """(1/N) Σ_n log N(x_n; μ, σ²), nats."""
    x, mu, sigma = taken(x, mu, sigma)
    square, normaliser = log_density(x, mu, sigma, **changes)
    a, b = times(x.numel())
    return over(-a * square - b * normaliser) / unit


def average_log_likelihood_inputs(rng: Rng) -> list[Probe]:
    def draw(n: int, mu: float, sigma: float) -> Probe:
        return Probe((normal(rng, n, mean=mu + 0.7 * sigma, std=1.3 * sigma), mu, sigma))

    near = 1.5 + uniform(rng, -0.05, 0.05, 4)
    return [
        Probe((normal(rng, 3, mean=0.4), -dyadic(rng, 0.5, 1), dyadic(rng, 0.4, 0.6))),
        draw(5, 1.5 + dyadic(rng, 0, 1), dyadic(rng, 0.25, 0.6)),
        draw(7, -dyadic(rng, 1, 2), dyadic(rng, 1.5, 2.5)),
        limit("a single example, N = 1", numbers(1.5), 1.0, 0.25),
        limit("every example at μ", numbers(1.5, 1.5, 1.5), 1.5, 2.0),
        limit("examples 59 σ from μ", normal(rng, 4, mean=60.0, std=0.1), 1.0, 1.0),
        limit("a narrow density, larger than 1 at each example", near, 1.5, 0.0625),
    ]


def halves(x: Tensor) -> tuple[Tensor, ...]:
    return x, *x.chunk(2)


HALF_LOG = "is it log 2π, or the log of a root?"
SIGMA_IS = "is the argument σ, its square, or its logarithm?"
ALL_N = "does your loop, or your slice, take each of the N examples?"
GIVEN = "the density is given with μ and σ: where does it use them?"
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
            lambda a: a.exp().prod().log(): (
                "log of the product",
                "this is the log-likelihood of all N: where is 1/N? And is the product above 0?",
            ),
            torch.clone: ("no average", "one number for all: what is done over the N examples?"),
            lambda a: a.sum() / (len(a) - 1): ("N−1 for N", "how many numbers are added?"),
            torch.median: ("median for mean", "is an expectation a median?"),
            torch.max: ("the largest only", "do the other examples count?"),
            lambda a: a[0]: ("the first example only", ALL_N),
            lambda a: a[0] / len(a): ("the first example only, divided by N", ALL_N),
            lambda a: a[:-1].sum() / len(a): ("one example left out", ALL_N),
            lambda a: a[1:].sum() / len(a): ("one example left out", ALL_N),
        },
        times={
            lambda N: (N, 1.0): (
                "squares summed, not averaged",
                "which of the two terms has been divided by N?",
            ),
            lambda N: (1.0, 1 / N): (
                "the constant divided by N",
                "in how many of the N terms is the constant?",
            ),
        },
        taken={
            lambda x, mu, sigma: (x, -mu, sigma): ("x + μ for x − μ", "where is your peak?"),
            lambda x, mu, sigma: (x, 0.0, sigma): ("μ forgotten", "where is your density's peak?"),
            lambda x, mu, sigma: (x.mean(), mu, sigma): (
                "log-density of the mean example",
                "average first, or log-density first?",
            ),
            lambda x, mu, sigma: (x, x.mean(), x.std(correction=0)): ("fitted to x", GIVEN),
            lambda x, mu, sigma: (x, x.mean(), sigma): ("mean of x for μ", GIVEN),
            lambda x, mu, sigma: (x, mu, x.std(correction=0)): ("spread of x for σ", GIVEN),
            lambda x, mu, sigma: (x, mu, x.std()): ("spread of x for σ", GIVEN),
            lambda x, mu, sigma: (x, mu, torch.as_tensor(sigma).exp()): (
                "σ taken for log σ",
                SIGMA_IS,
            ),
            lambda x, mu, sigma: (x, mu, (torch.as_tensor(sigma) / 2).exp()): (
                "σ taken for log σ²",
                SIGMA_IS,
            ),
        },
        constant={
            **CONSTANT,
            (1, 1): ("no ½ before log 2π", HALF_LOG),
            (0.5, -1): (
                "sign of log σ",
                "is a wide Gaussian higher at its mean, or lower?",
            ),
        },
        exponent={
            **EXPONENT,
            (0.5, 2, 0): ("not divided by σ²", "what if σ is twice as large?"),
            (0.5, "signed", 2): EXPONENT[0.5, 1, 2],
            (0.5, "signed", 1): EXPONENT[0.5, 1, 2],
        },
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
    samples: Function = lambda x: x,
    centre: Function = torch.mean,
    mu_only: Function | None = None,
    about: float = 1.0,
    power: int = 2,
    less: Callable[[int], int] = lambda n: n,
    sum_only: bool = False,
    variance: Function | None = None,
    root: Function = torch.sqrt,
    order: tuple[int, int] = (0, 1),
    error: bool = False,
) -> tuple[Tensor, ...]:
    """μ = (1/N) Σ x_n, σ = √((1/N) Σ (x_n − μ)²)."""
    x = samples(x)
    n = len(x)
    mu = centre(x)
    total = ((x - about * mu).abs() ** power).sum()
    mean = total if sum_only else total / less(n)
    if variance is not None:
        mean = variance(x)
    sigma = (root(mean) if power == 2 else mean) / (math.sqrt(n) if error else 1)
    both = (mu if mu_only is None else mu_only(x)), sigma
    return both[order[0]], both[order[1]]


def gaussian_mle_inputs(rng: Rng) -> list[Probe]:
    return [
        Probe((normal(rng, 4, mean=0.9, std=1.6) ** 2 + 0.5,)),
        Probe((normal(rng, 5, mean=1.7, std=0.4),)),
        Probe((normal(rng, 8, mean=-3.0, std=2.6),)),
        limit("examples that are all equal", numbers(-0.5, -0.5, -0.5, -0.5)),
        limit("a single example, N = 1", numbers(1.5)),
        limit("examples in the thousands", normal(rng, 5, mean=4000.0, std=900.0)),
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


UNBIASED = ("N−1 for N", "what does ∂/∂σ = 0 divide by, N or N − 1? And your function?")
LEFT_OUT = ("one example left out", ALL_N)
SQUARES = "what is left of the mean of (x − μ)² when it is multiplied out?"
SUM_FOR_MU = ("sum for mean in μ", "is μ somewhere among the examples?")
MEDIAN = ("median for mean", "which derivative is zero at the median?")
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
        less={lambda n: n - 1: UNBIASED, lambda n: max(n - 1, 1): UNBIASED},
        samples={lambda x: x[1:]: LEFT_OUT, lambda x: x[:-1]: LEFT_OUT},
        root={
            torch.clone: ("variance for σ", "σ has the unit of x: has your second number?"),
            torch.log: ("log σ² for σ", "can a standard deviation be negative?"),
            lambda v: v.log() / 2: ("log σ for σ", "can a standard deviation be negative?"),
            torch.reciprocal: ("1/σ² for σ", "should it grow with the spread?"),
            lambda v: 1 / v.sqrt(): ("1/σ for σ", "should it grow with the spread?"),
            lambda v: -v.sqrt(): ("−σ for σ", "can a standard deviation be negative?"),
            lambda v: v / 2: ("variance/2 for σ", "σ has the unit of x: has your second number?"),
        },
        variance={
            lambda x: ((x**2).mean() - x.mean()).abs(): ("μ for μ²", SQUARES),
            lambda x: (x**2).mean() + x.mean() ** 2: ("squares added, not subtracted", SQUARES),
            lambda x: ((x - x.median()) ** 2).mean(): (
                "spread about the median",
                "from which μ is the distance measured?",
            ),
        },
        about={0.0: ("not centred", "what happens to your σ when 100 is added to every x?")},
        power={1: ("|x − μ| for (x − μ)²", "set the derivative in σ to zero: what is there?")},
        sum_only={True: ("sum for mean in σ", "does σ grow with N?")},
        error={
            True: (
                "σ/√N for σ",
                "the spread of x, or that of its mean? Is the N under the root, and only once?",
            )
        },
        centre={torch.sum: SUM_FOR_MU, torch.median: MEDIAN},
        mu_only={
            torch.sum: SUM_FOR_MU,
            torch.median: MEDIAN,
            lambda x: (x.sort().values[(len(x) - 1) // 2] + x.sort().values[len(x) // 2]) / 2: (
                MEDIAN
            ),
            lambda x: (x.max() + x.min()) / 2: (
                "the middle of the range for μ",
                "do the examples between the two ends count?",
            ),
            lambda x: x[0]: ("the first example for μ", "do the other examples count?"),
            lambda x: x.sum() / max(len(x) - 1, 1): ("N−1 in μ", "how many numbers are added?"),
        },
        order={
            (1, 0): ("order swapped", "which of the two comes first?"),
            (0, 0): ("μ twice", "is your second number a standard deviation?"),
            (1, 1): ("σ twice", "is your first number a mean?"),
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


def shifted_by(value: Function) -> Callable[[Tensor, float], Tensor]:
    """With something other than the largest term taken out."""
    return lambda a, c: exp_first(a - value(a), c) + value(a)


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


LARGEST = ("the largest draw only", "how much do the other draws add, and where is the mean?")
NOT_THE_LARGEST = (
    "overflow: not the largest taken out",
    "which number has to be taken out so that no exp is larger than 1?",
)
OF_LOGS = ("mean of logs", "logarithm first, or mean first?")
SUM_OF_LOGS = ("sum of logs", "is p(x) a product over the draws?")
ALL_EXAMPLES = ("mean over B too", "one number per example is asked for")
ALL_K = ("one draw left out", "does your loop, or your slice, take each of the K draws?")
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
            lambda a, c: a.mean(0): OF_LOGS,
            lambda a, c: a.mean(0) - c: OF_LOGS,
            lambda a, c: a.sum(0): SUM_OF_LOGS,
            lambda a, c: a.sum(0) - c: SUM_OF_LOGS,
            exp_first: (
                "overflow: exp before log",
                "exp(−2000) is 0 and exp(900) infinite: what can be taken out first?",
            ),
            one_shift: ("overflow: one maximum for all", "has each x its own largest term?"),
            shifted_by(lambda a: a.mean(0)): NOT_THE_LARGEST,
            shifted_by(lambda a: a.amin(0)): NOT_THE_LARGEST,
            shifted_by(lambda a: a[0]): NOT_THE_LARGEST,
            no_shift_back: (
                "maximum not added back",
                "what was taken out has to come back: where, and with which sign?",
            ),
            lambda a, c: no_shift_back(a, c) - a.amax(0): (
                "maximum subtracted again",
                "what was taken out has to come back: with which sign?",
            ),
            lambda a, c: no_shift_back(a, c).exp() + a.amax(0): (
                "no logarithm before the maximum comes back",
                "log(e^m · mean) is m plus what?",
            ),
            lambda a, c: a.logsumexp(0) / len(a): (
                "divided by K outside the logarithm",
                "is the 1/K inside the logarithm, or outside?",
            ),
            lambda a, c: a.logsumexp((0, 1)) - math.log(a.numel()): ALL_EXAMPLES,
            lambda a, c: a.amax(0): LARGEST,
            lambda a, c: a.amax(0) - c: LARGEST,
            lambda a, c: a[0]: ("the first draw only", "what are the other K − 1 for?"),
            lambda a, c: a[1:].logsumexp(0) - c: ALL_K,
            lambda a, c: a[:-1].logsumexp(0) - c: ALL_K,
            lambda a, c: (a.logsumexp(0) - c).exp(): ("no logarithm", "p(x), or its logarithm?"),
        },
        axis={
            torch.t: ("wrong axis", "which dimension counts the draws?"),
            lambda a: a.reshape(-1, 1): ALL_EXAMPLES,
        },
        count={
            lambda K, B: 0.0: ("no log K", "a mean over draws: what does log make of 1/K?"),
            lambda K, B: -math.log(K): ("+ log K for − log K", "is a mean larger than a sum?"),
            lambda K, B: 2 * math.log(K): ("log K twice", "is it a mean before you divide?"),
            lambda K, B: math.log(B): ("log B for log K", "which size counts the draws?"),
            lambda K, B: math.log(K * B): ("log KB for log K", "how many draws has each x?"),
            lambda K, B: math.log(max(K - 1, 1)): (
                "log(K − 1) for log K",
                "of how many numbers is it the mean?",
            ),
            lambda K, B: math.log2(K): ("log2 K for log K", "in nats: which logarithm is that?"),
            lambda K, B: K: ("K for log K", "a mean over draws: what does log make of 1/K?"),
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
