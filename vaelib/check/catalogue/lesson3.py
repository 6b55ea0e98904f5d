"""Lesson 3, Jensen's bound: the gap, a bound, and what weighted samples are worth."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vaelib.check.catalogue.functions import Exponential, Polynomial
from vaelib.check.catalogue.gaussian import UNIT, Function
from vaelib.check.catalogue.inputs import limit, normal, numbers
from vaelib.check.machinery.exercise import Exercise, Property, Rng, mistakes_by_keyword
from vaelib.check.machinery.probe import Probe


def jensen_gap(
    f: Any,
    x: Tensor,
    weights: Tensor,
    *,
    swap: bool = False,
    points: Function = torch.clone,
    own: Function | None = None,
    gap: Callable[[Tensor, Tensor], Tensor] = lambda mean_of_f, f_of_mean: mean_of_f - f_of_mean,
    weigh: tuple[str, str] = ("weights", "weights"),
    inside: bool = False,
    outer: Callable[[Any, Tensor], Tensor] = lambda f, mean: f(mean),
    over: Function = torch.sum,
    over_f: Function | None = None,
    last: Function = torch.clone,
) -> Tensor:
    """Σ w f(x) − f(Σ w x)."""
    x, weights = (weights, x) if swap else (x, weights)
    x, weights = points(x), points(weights)
    f = f if own is None else own
    n = len(weights)
    kinds = {
        "weights": weights,
        "even": torch.full_like(weights, 1 / n),
        "none": torch.ones_like(weights),
        "divided": weights / n,
    }
    first, second = (kinds[kind] for kind in weigh)
    terms = f(first * x) if inside else first * f(x)
    mean_of_f = (over if over_f is None else over_f)(terms)
    return last(gap(mean_of_f, outer(f, over(second * x))))


def jensen_gap_inputs(rng: Rng) -> list[Probe]:
    def draw(f: Any, n: int) -> tuple[Any, ...]:
        weights = torch.from_numpy(rng.dirichlet([1.5] * n))
        return f, normal(rng, n, mean=0.8, std=1.2), weights

    a, b, c = (float(t) for t in normal(rng, 3))
    bowl = Polynomial(1.5 + abs(a), b - 1.0, c + 0.75)
    curve = Exponential(0.7)
    _, x, weights = draw(bowl, 4)
    return [
        Probe(draw(bowl, 3)),
        Probe(draw(curve, 4)),
        Probe(draw(Polynomial(-1.25, a, 2.0), 5)),
        limit("f is a straight line", Polynomial(0.0, 2.0, -0.5), x, weights),
        limit("all points are the same", bowl, torch.full_like(x, 1.5), weights),
        limit("one point has all the weight", curve, x, numbers(0, 0, 1, 0)),
        limit("a single point", bowl, numbers(1.5), numbers(1)),
        limit("equal weights", curve, x, numbers(0.25, 0.25, 0.25, 0.25)),
    ]


WHICH_TWO = "the gap lies between two numbers: which?"
THE_SAME = "E f(x) and f(E x): is it the same expectation in both?"
A_HILL = "what is the gap of a hill, −x² say?"
LAST_POINT = ("one point left out", "does your loop, or your slice, take each of the N points?")
JENSEN_GAP = Exercise(
    number="3.1",
    name="jensen_gap",
    stars=1,
    minutes=5,
    points=1,
    signature="jensen_gap(f, x, weights)",
    shown="the gap is 0 where f is straight or nothing varies, and f decides its sign.",
    variant=jensen_gap,
    inputs=jensen_gap_inputs,
    axes=((), ("N",), ("N",)),
    fixed=("weights",),
    errors=(
        (
            "'Polynomial'|'Exponential'",
            "f not called",
            "f is a function: what do you give it to get numbers?",
        ),
    ),
    mistakes=mistakes_by_keyword(
        swap={True: ("x and weights swapped", "which of the two are probabilities?")},
        points={lambda a: a[:-1]: LAST_POINT, lambda a: a[1:]: LAST_POINT},
        own={torch.square: ("x² for f", "f is an argument: is it always a square?")},
        gap={
            lambda a, b: b - a: ("sign", "for a bowl, which is higher: the chord, or the curve?"),
            lambda a, b: a + b: ("added, not subtracted", "what is the gap of a straight line?"),
            lambda a, b: a: ("f(E x) forgotten", WHICH_TWO),
            lambda a, b: -b: ("E f(x) forgotten", WHICH_TWO),
            lambda a, b: b: ("f(E x) only", WHICH_TWO),
            lambda a, b: a / b: ("divided, not subtracted", "what is the gap of a straight line?"),
            lambda a, b: a.log() - b.log(): (
                "difference of logarithms",
                "is it E f(x) − f(E x) itself that is asked for?",
            ),
        },
        weigh={
            ("even", "even"): ("unweighted", "is every point as probable as any other?"),
            ("even", "weights"): ("unweighted in E f(x)", THE_SAME),
            ("weights", "even"): ("unweighted in E x", THE_SAME),
            ("none", "none"): ("sums without weights", "is a sum an expectation?"),
            ("none", "weights"): ("sum without weights in E f(x)", THE_SAME),
            ("weights", "none"): ("sum without weights in E x", THE_SAME),
            ("divided", "weights"): ("mean of the weighted in E f(x)", THE_SAME),
            ("weights", "divided"): ("mean of the weighted in E x", THE_SAME),
        },
        inside={True: ("weights inside f", "is it f(x) that is averaged, or x?")},
        outer={
            lambda f, mean: mean: ("E x for f(E x)", "a number on the curve, or on the x axis?"),
            lambda f, mean: f(f(mean)): ("f twice", "how often is f applied to the mean?"),
        },
        over={
            torch.mean: ("mean of the weighted", "do the weights sum to 1, or to N?"),
            torch.clone: ("no sum", "one number is asked for: E is a sum over which points?"),
        },
        over_f={
            torch.clone: ("no sum in E f(x)", "E f(x) is one number: what is added?"),
            torch.max: ("the largest f(x)", "do the other points count?"),
        },
        last={
            torch.abs: ("absolute value", A_HILL),
            torch.relu: ("cut at 0", A_HILL),
            torch.square: ("squared", "is it the difference itself that is asked for?"),
        },
    ),
    properties=(
        Property(
            "zero for a straight line",
            "for a straight line it should be 0; it is not",
            lambda rng: [
                Probe((Polynomial(0.0, 1.5, 0.5), normal(rng, 3), numbers(0.5, 0.3, 0.2)))
            ],
            lambda out: bool(abs(out[0].value[0]) < 1e-9),
        ),
        Property(
            "never negative for a bowl",
            "for a convex f it should not be negative; here it is",
            lambda rng: [
                Probe((Polynomial(1.0, 0.0, 0.0), normal(rng, 3), numbers(0.5, 0.3, 0.2)))
            ],
            lambda out: bool(out[0].value[0] > -1e-9),
        ),
    ),
)


def lower_bound(
    log_px_z: Tensor,
    log_pz: Tensor,
    log_qz: Tensor,
    *,
    signs: tuple[int, int, int] = (1, 1, -1),
    px: Function = torch.clone,
    kl: Function = torch.clone,
    weigh: Callable[..., Any] = lambda log_w, log_pz, log_qz: 1.0,
    over: Function = lambda a: a.mean(0),
    unit: float = 1.0,
) -> Tensor:
    """(1/K) Σ_k log p(x|z_k) + log p(z_k) − log q(z_k), (K, B) each -> (B,)."""
    log_w = signs[0] * px(log_px_z) + kl(signs[1] * log_pz + signs[2] * log_qz)
    return over(weigh(log_w, log_pz, log_qz) * log_w) / unit


def log_mean(a: Tensor) -> Tensor:
    """log of the mean over samples."""
    return a.logsumexp(0) - torch.tensor(float(len(a))).log().to(a.dtype)


def lower_bound_inputs(rng: Rng) -> list[Probe]:
    def draw(K: int, B: int) -> tuple[Tensor, ...]:
        means = ((-3.0, 1.5), (-1.7, 0.6), (-0.4, 0.8))
        return tuple(normal(rng, K, B, mean=m, std=s) for m, s in means)

    log_px_z, log_pz, log_qz = draw(4, 2)
    return [
        Probe(draw(3, 2)),
        Probe(draw(5, 3)),
        Probe(draw(4, 6)),
        limit("a single draw, K = 1", *draw(1, 3)),
        limit("a single example, B = 1", *draw(4, 1)),
        limit("q is the prior", log_px_z, log_pz, log_pz.clone()),
        limit("the mean of log q - log p(z) is negative", log_px_z, log_qz + 1.5, log_qz),
        limit("log-densities near −2000", log_px_z - 2000, log_pz, log_qz),
        limit("log-densities near 900", log_px_z + 900, log_pz, log_qz),
    ]


EACH_EXAMPLE = "one number per example is asked for"
LOG_OF_MEAN = ("log of mean", "E log w, or log E w: which of them needs no log of a sum?")
ALL_K = ("one draw left out", "does your loop, or your slice, take each of the K draws?")
BOTH_PARTS = "are both parts averaged over the same K draws, for each example?"
AGAIN = "the z are samples of q already: does a plain mean weigh them right?"
LOWER_BOUND = Exercise(
    number="3.2",
    name="lower_bound",
    stars=2,
    minutes=10,
    points=2,
    signature="lower_bound(log_px_z, log_pz, log_qz)",
    shown="three log-densities at samples of q are enough to estimate a bound on log p(x).",
    variant=lower_bound,
    inputs=lower_bound_inputs,
    axes=(("K", "B"),) * 3,
    mistakes=mistakes_by_keyword(
        signs={
            (1, 1, 1): ("+ log q", "z was drawn from q: is q above or below in the ratio?"),
            (1, 1, 0): ("log q forgotten", "z was drawn from q: where is that paid for?"),
            (1, 0, -1): ("no prior term", "p(x, z) is a product of two"),
            (1, 0, 0): ("log p(x|z) only", "p(x, z) is a product of two, and z comes from q"),
            (0, 1, -1): ("log p(x|z) forgotten", "where has x gone?"),
            (1, -1, -1): ("− log p(z)", "p(x, z) is a product of two"),
            (1, -1, 1): ("KL with the wrong sign", "is log p(z)/q(z) added, or taken off?"),
            (-1, -1, 1): ("sign", "the bound is asked for, not a loss"),
            (-1, 1, -1): ("sign of log p(x|z)", "is a likely x good or bad for the bound?"),
            (0, -1, 1): ("KL only", "where has x gone?"),
            (-1, 1, 1): (
                "log p(x|z) and log q(z) swapped",
                "which densities are above in w, which one below?",
            ),
        },
        px={
            lambda a: a.mean(): ("log p(x|z) averaged over the batch too", EACH_EXAMPLE),
            lambda a: len(a) * a: ("log p(x|z) summed over the draws", BOTH_PARTS),
            lambda a: log_mean(a).expand_as(a): (
                "log of the mean of p(x|z)",
                "is it the mean of the logs, or the log of the mean?",
            ),
        },
        kl={
            lambda a: a.mean(): ("KL averaged over the batch too", EACH_EXAMPLE),
            lambda a: len(a) * a: ("KL summed over the draws", BOTH_PARTS),
            lambda a: a / 2: (
                "½ KL",
                "log p(z) and log q(z) are given: is a ½ left to add?",
            ),
            lambda a: -a.abs(): (
                "absolute values in KL",
                "may a single log q(z) − log p(z) be negative?",
            ),
            lambda a: a.clamp(max=0): (
                "each term of KL cut at 0",
                "may a single log q(z) − log p(z) be negative?",
            ),
        },
        weigh={
            lambda log_w, log_pz, log_qz: log_qz.exp(): ("weighted by q", AGAIN),
            lambda log_w, log_pz, log_qz: log_pz.exp(): ("weighted by p(z)", AGAIN),
            lambda log_w, log_pz, log_qz: len(log_w) * log_w.softmax(0): (
                "importance weights",
                AGAIN,
            ),
        },
        over={
            log_mean: LOG_OF_MEAN,
            lambda a: a.exp().mean(0).log(): LOG_OF_MEAN,
            lambda a: a.exp().log().mean(0): (
                "overflow: exp before log",
                "exp(−2000) is 0 and exp(900) infinite: is the exp needed at all?",
            ),
            lambda a: a.logsumexp(0): ("log of sum", "E log w, or log Σ w?"),
            lambda a: a.exp().mean(0): ("no logarithm", "E w, or E log w?"),
            lambda a: a.sum(0): ("sum for mean", "does a bound grow with the number of draws?"),
            lambda a: a.mean(1): ("wrong axis", "which dimension counts the draws?"),
            lambda a: a.sum(1): ("sum over the wrong axis", "which dimension counts the draws?"),
            lambda a: a.sum(0) / a.shape[1]: ("divided by B", "which size counts the draws?"),
            lambda a: a.sum(0) / a.numel(): ("divided by KB", "how many draws has each example?"),
            lambda a: a.sum(0) / max(len(a) - 1, 1): ("K−1 for K", "how many numbers are added?"),
            lambda a: a[:-1].sum(0) / len(a): ALL_K,
            lambda a: a[1:].sum(0) / len(a): ALL_K,
            torch.mean: ("mean over B too", EACH_EXAMPLE),
            torch.sum: ("sum over everything", EACH_EXAMPLE),
            torch.clone: ("no mean", "one number per example: what is done over the K draws?"),
            lambda a: a[0]: ("the first draw only", "what are the other K − 1 for?"),
            lambda a: a[-1]: ("the last draw only", "what are the other K − 1 for?"),
            lambda a: a.amax(0): ("the largest draw", "is it the mean that is asked for?"),
            lambda a: a.amin(0): ("the smallest draw", "is it the mean that is asked for?"),
            lambda a: a.median(0).values: ("median for mean", "is an expectation a median?"),
        },
        unit={math.log(2): UNIT[math.log(2)]},
    ),
    properties=(
        Property(
            "an average over draws",
            "with every draw twice the bound should stay what it was; it does not",
            lambda rng: [
                Probe(tuple(t.repeat(n, 1) for t in terms))
                for terms in [lower_bound_inputs(rng)[0].args]
                for n in (1, 2)
            ],
            lambda out: bool(abs(out[0].value[0] - out[1].value[0]).max() < 1e-9),
        ),
    ),
)


def effective_sample_size(
    log_w: Tensor,
    *,
    axis: Function = torch.clone,
    shift: Function = lambda a: a.amax(0),
    size: Function = lambda w: w.sum(0) ** 2 / (w**2).sum(0),
    over: Callable[[Tensor, int], Tensor] = lambda a, K: a,
) -> Tensor:
    """(Σ_k w_k)² / Σ_k w_k², from log w (K, B) -> (B,)."""
    a = axis(log_w)
    return over(size((a - shift(a)).exp()), len(a))


def effective_sample_size_inputs(rng: Rng) -> list[Probe]:
    deep = normal(rng, 4, 2, std=1.5)
    return [
        Probe((normal(rng, 3, 2, mean=-0.5),)),
        Probe((normal(rng, 5, 3, mean=0.7, std=1.3),)),
        Probe((normal(rng, 8, 4, mean=-3.0, std=0.8),)),
        limit("a single weight, K = 1", normal(rng, 1, 3, mean=-2.0)),
        limit("a single example, B = 1", normal(rng, 4, 1, mean=-2.0)),
        limit("as many weights as examples", normal(rng, 3, 3)),
        limit("equal weights", numbers(-1.5, 0.5).expand(5, 2).clone()),
        limit("one weight far above the others", numbers(0, 1500, 0, 0).view(4, 1)),
        limit("log w near −2000, where exp gives 0", deep - 2000),
        limit("log w near 900, where exp gives infinity", deep + 900),
        limit("one x near −1500, one near 900", deep + numbers(-1500, 900)),
        limit("one x near 0, one near −1500", deep - numbers(0, 1500)),
    ]


def perplexity(w: Tensor) -> Tensor:
    p = w / w.sum(0)
    return (-torch.xlogy(p, p).sum(0)).exp()


SUM_FIRST = "is (Σ w)² the same as Σ w²?"
COMMON_FACTOR = "what happens to a common factor of all weights?"
OVERFLOW = "exp(−2000) is 0 and exp(900) infinite: which factor can go, as it cancels?"
EFFECTIVE_SAMPLE_SIZE = Exercise(
    number="3.3",
    name="effective_sample_size",
    stars=3,
    minutes=20,
    points=3,
    signature="effective_sample_size(log_w)",
    shown="a common factor of the weights cancels, so their logarithms are enough at any scale.",
    variant=effective_sample_size,
    inputs=effective_sample_size_inputs,
    axes=(("K", "B"),),
    fixed=("log_w",),
    mistakes=mistakes_by_keyword(
        shift={
            lambda a: 0 * a[0]: ("overflow: exp without care", OVERFLOW),
            lambda a: a.max(): ("overflow: one maximum for all", "has each x its own largest?"),
            lambda a: a.mean(0): ("overflow: the mean taken out", "is log w minus it at most 0?"),
        },
        axis={
            torch.t: ("wrong axis", "which dimension counts the weights?"),
            torch.exp: ("exp twice", "log w, or w, or even exp w?"),
            lambda a: 2 * a: ("weights squared", "is it w whose sum is squared?"),
            lambda a: a / 2: ("roots of the weights", "is it w whose sum is squared?"),
            lambda a: -a: ("1/w for w", "log w: is the largest weight where it is largest?"),
            lambda a: a.reshape(-1, 1): ("all examples together", "one number per example?"),
        },
        size={
            lambda w: (w**2).sum(0) / w.sum(0) ** 2: ("upside down", "is it K for equal weights?"),
            lambda w: w.sum(0) / (w**2).sum(0): ("sum not squared", COMMON_FACTOR),
            lambda w: w.sum(0) ** 2 / w.sum(0) ** 2: ("always 1", SUM_FIRST),
            lambda w: w.mean(0) ** 2 / (w**2).mean(0): ("share of K", "is it K for equal weights?"),
            lambda w: w.sum(0) ** 2 / (w**2).mean(0): (
                "sum over mean",
                "is it K for equal weights?",
            ),
            lambda w: len(w) / (1 + w.var(0, correction=1) / w.mean(0) ** 2): (
                "K − 1 in the variance",
                "is it 1 where a single weight counts?",
            ),
            perplexity: ("exp of the entropy", "a good measure too, but which one is asked for?"),
            lambda w: w.sum(0) / w.amax(0): ("Σ w over the largest w", "where are the squares?"),
            lambda w: (w.sum(0) ** 2 / (w**2).sum(0)).log(): ("log of it", "is the log asked for?"),
            lambda w: w.sum(0) / (w**2).sum(0).sqrt(): ("square root of it", "is the sum squared?"),
        },
        over={
            lambda a, K: a.mean(): ("mean over examples", "one number per example is asked for"),
            lambda a, K: a.sum(): ("sum over examples", "one number per example is asked for"),
            lambda a, K: a.round(): ("rounded", "must it be a whole number?"),
        },
    ),
    properties=(
        Property(
            "a common factor",
            "2 more in every log w should change nothing; here it does",
            lambda rng: [Probe((a + by,)) for a in [normal(rng, 3, 2)] for by in (0.0, 2.0)],
            lambda out: bool(abs(out[1].value[0] - out[0].value[0]).max() < 1e-6),
        ),
        Property(
            "between 1 and K",
            "it should be between 1 and K; here it is not",
            lambda rng: [Probe((normal(rng, 4, 3),))],
            lambda out: bool(out[0].value[0].min() > 1 - 1e-6 and out[0].value[0].max() < 4 + 1e-6),
        ),
        Property(
            "equal weights",
            "for K equal weights it should be K; here it is not",
            lambda rng: [Probe((numbers(-1.5, 0.5).expand(4, 2).clone(),))],
            lambda out: bool(abs(out[0].value[0] - 4).max() < 1e-6),
        ),
    ),
)


EXERCISES = (JENSEN_GAP, LOWER_BOUND, EFFECTIVE_SAMPLE_SIZE)
