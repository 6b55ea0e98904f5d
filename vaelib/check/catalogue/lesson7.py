"""Lesson 7, latent traversals: codes in a row and on a grid, their moments, rank correlations."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import special, stats
from torch import Tensor

from vaelib.check.catalogue.gaussian import Function
from vaelib.check.catalogue.inputs import limit, normal, numbers
from vaelib.check.machinery.exercise import Exercise, Property, Rng, mistakes_by_keyword
from vaelib.check.machinery.probe import Outcome, Probe

Array = Any  # of NumPy


def traverse(
    z: Tensor,
    dim: int,
    values: Tensor,
    *,
    base: Function = torch.clone,
    put: Callable[[Tensor, Tensor], Tensor] = lambda old, new: new,
    at: Callable[[int, int], Any] = lambda dim, D: dim,
    rows: Function = torch.clone,
    in_place: str = "",
) -> Tensor:
    """values.n codes, each z but for its dimension dim, (n, D)."""
    codes = base(z).repeat(len(values), 1)
    to = torch.zeros(len(z), dtype=torch.bool)
    to[at(dim, len(z))] = True
    codes = torch.where(to, put(codes, values[:, None]), codes)
    if in_place:
        z[dim] = values[-1]
    return rows(z.repeat(len(values), 1) if in_place == "one row" else codes)


def traverse_inputs(rng: Rng) -> list[Probe]:
    def draw(D: int, dim: int, n: int) -> tuple[Any, ...]:
        return normal(rng, D, mean=0.6), dim, normal(rng, n, std=2.0)

    z, dim, values = draw(3, 1, 3)
    return [
        Probe(draw(3, 1, 2)),
        Probe(draw(4, 0, 3)),
        Probe(draw(5, 3, 7)),
        limit("the last dimension", *draw(4, 3, 2)),
        limit("a single value, n = 1", *draw(3, 1, 1)),
        limit("a single dimension, D = 1", *draw(1, 0, 3)),
        limit("as many values as dimensions", z, dim, values),
    ]


CODE = numbers(0.5, -1.25, 2.0)
TRAVERSE = Exercise(
    number="7.1",
    name="traverse",
    stars=1,
    minutes=5,
    points=1,
    signature="traverse(z, dim, values)",
    shown="a traversal changes one number of a code, and the decoder shows what it means.",
    variant=traverse,
    inputs=traverse_inputs,
    axes=(("D",), (), ("n",)),
    mistakes=mistakes_by_keyword(
        in_place={
            "rows": ("in place", "is z after the call what it was before?"),
            "one row": (
                "in place, and one row n times",
                "is z the same after the call, and each row a tensor of its own?",
            ),
        },
        put={
            lambda old, new: old + new: ("adds for replaces", "what should z[dim] be in row i?"),
            lambda old, new: old + new.cumsum(0): (
                "adds up from row to row",
                "should row 2 depend on row 1?",
            ),
            lambda old, new: old * new: (
                "multiplies for replaces",
                "what should z[dim] be in row i?",
            ),
            lambda old, new: old - new: (
                "subtracts for replaces",
                "what should z[dim] be in row i?",
            ),
            lambda old, new: new[-1:]: (
                "last value in every row",
                "is each row a tensor of its own, with its own value?",
            ),
            lambda old, new: new[:1]: ("first value in every row", "which value is for row i?"),
        },
        at={
            lambda dim, D: slice(None): ("other dims moved", "which dimensions stay as in z?"),
            lambda dim, D: slice(dim, None): (
                "dims after dim moved too",
                "which dimensions stay as in z?",
            ),
            lambda dim, D: slice(0, dim + 1): (
                "dims before dim moved too",
                "which dimensions stay as in z?",
            ),
            lambda dim, D: (dim + 1) % D: ("dim one too high", "does dim count from 0?"),
            lambda dim, D: 0: ("dimension 0 for dim", "which dimension moves where dim is 2?"),
            lambda dim, D: D - 1: ("last dimension for dim", "which one moves where dim is 0?"),
            lambda dim, D: -dim: ("dim counted from the end", "does dim count from 0?"),
            lambda dim, D: dim - 1: ("dim one too low", "does dim count from 0?"),
        },
        base={
            torch.zeros_like: ("other dims set to 0", "where does the traversal start from?"),
            lambda z: z.mean().expand(len(z)): (
                "other dims set to their mean",
                "where does the traversal start from?",
            ),
        },
        rows={
            torch.t: ("axes swapped", "is a row one code, or one dimension?"),
            lambda a: a.flip(0): ("rows in reverse", "which value comes first?"),
            lambda a: a[0]: ("first row only", "how many codes are asked for?"),
        },
    ),
    properties=(
        Property(
            "the other dimensions",
            "in dimensions other than dim each row should be z; here it is not",
            lambda rng: [Probe((CODE, 1, normal(rng, 2)))],
            lambda out: bool(abs(out[0].value[0] - CODE.numpy())[:, [0, 2]].max() < 1e-9),
        ),
        Property(
            "dimension dim",
            "column dim should hold the values as they are; here it does not",
            lambda rng: [Probe((normal(rng, 2), 1, CODE))],
            lambda out: bool(abs(out[0].value[0][:, 1] - CODE.numpy()).max() < 1e-9),
        ),
    ),
)


def manifold_grid(
    n: int,
    *,
    levels: Callable[[Array, int], Array] = lambda i, n: (i + 0.5) / n,
    inverse: Callable[[Array], Array] = special.ndtri,
    pairs: Callable[[Array, Array], Array] = lambda slow, fast: np.stack([slow, fast], -1),
    shape: Callable[[Array, int], Array] = lambda grid, n: grid,
) -> Tensor:
    """The n² pairs of Φ⁻¹((i + ½)/n), (n·n, 2), the first coordinate slowest."""
    with np.errstate(all="ignore"):
        q = inverse(levels(np.arange(n), n))
    return torch.from_numpy(np.array(shape(pairs(np.repeat(q, n), np.tile(q, n)), n)))


def manifold_grid_inputs(rng: Rng) -> list[Probe]:
    sizes = [2, 3, int(rng.integers(4, 6)), int(rng.integers(6, 9))]
    return [*(Probe((n,)) for n in sizes), limit("n = 1", 1), limit("n = 24", 24)]


def distinct_levels(
    outcomes: list[Outcome], of: Callable[[Array], Array] = lambda v: v
) -> list[Array]:
    """For each outcome the distinct values of its coordinates, if more than three, in order."""
    every = [np.concatenate([v.ravel() for v in o.value]) for o in outcomes if o.value]
    found = [np.unique(of(values).round(5)) for values in every]
    return [levels for levels in found if len(levels) > 3 and np.isfinite(levels).all()]


def evenly_spaced(levels: Array) -> bool:
    steps = np.diff(levels)
    return bool(np.ptp(steps) < 1e-3 * steps.max())


def is_linear(probes: list[Probe], outcomes: list[Outcome]) -> bool:
    found = distinct_levels(outcomes)
    return bool(found) and all(evenly_spaced(levels) for levels in found)


def is_between_0_and_1(probes: list[Probe], outcomes: list[Outcome]) -> bool:
    found = distinct_levels(outcomes)
    return bool(found) and all(levels[0] >= 0 and levels[-1] <= 1 for levels in found)


def has_other_levels(probes: list[Probe], outcomes: list[Outcome]) -> bool:
    """Quantiles of evenly spaced levels, but not of levels that are a mistake with a name."""
    found = distinct_levels(outcomes, special.ndtr)
    sizes = np.array([[len(u) + 1, len(u), 2 * len(u)] for u in found])
    named = [np.isclose(u[0] * of, 1, 0, 0.01) for u, of in zip(found, sizes, strict=True)]
    return bool(found) and all(map(evenly_spaced, found)) and not np.all(named, 0).any()


MANIFOLD_GRID = Exercise(
    number="7.2",
    name="manifold_grid",
    stars=2,
    minutes=10,
    points=2,
    signature="manifold_grid(n)",
    shown="equal steps of probability show each part of the plane as often as the prior does.",
    variant=manifold_grid,
    inputs=manifold_grid_inputs,
    float32=False,
    axes=((),),
    mistakes=mistakes_by_keyword(
        levels={
            lambda i, n: i / max(n - 1, 1): (
                "0 and 1 included (infinite)",
                "where is the 0-quantile of N(0, 1)?",
            ),
            lambda i, n: i / n: ("0 included (infinite)", "where is the 0-quantile of N(0, 1)?"),
            lambda i, n: (i + 1) / n: (
                "1 included (infinite)",
                "where is the 1-quantile of N(0, 1)?",
            ),
            lambda i, n: (i + 1) / (n + 1): (
                "(i + 1)/(n + 1)",
                "cut (0, 1) into n equal parts: where are their middles?",
            ),
            lambda i, n: 0.05 + 0.9 * i / max(n - 1, 1): (
                "other quantiles",
                "cut (0, 1) into n equal parts: where are their middles?",
                has_other_levels,
            ),
        },
        inverse={
            lambda u: u: (
                "linear grid",
                "equal steps of probability, or of z? Which function is missing?",
                is_linear,
            ),
            special.ndtr: ("Φ for Φ⁻¹", "which of the two takes a probability?"),
            stats.norm.pdf: (
                "codes between 0 and 1",
                "is z between 0 and 1, or any number?",
                is_between_0_and_1,
            ),
            lambda u: special.logit(u): (
                "logistic for normal",
                "which distribution has these quantiles?",
            ),
            lambda u: -special.ndtri(u): ("from high to low", "which quantile comes first?"),
            lambda u: special.ndtri(u) ** 2: ("squared", "are there negative z?"),
            lambda u: special.ndtri(u) / np.sqrt(2): (
                "√2 forgotten",
                "erf is Φ for a variance of ½: by what must z be multiplied?",
            ),
        },
        pairs={
            lambda a, b: np.stack([b, a], -1): ("order", "which coordinate changes slowest?"),
            lambda a, b: np.stack([a, a], -1): ("one coordinate twice", "are all pairs there?"),
            lambda a, b: np.stack([a, -b], -1): (
                "second from high to low",
                "does each coordinate go from low to high?",
            ),
            lambda a, b: np.stack([-a, b], -1): (
                "first from high to low",
                "does each coordinate go from low to high?",
            ),
        },
        shape={
            lambda g, n: g.reshape(n, n, 2): (
                "not flattened: (n, n, 2)",
                "how many rows should there be?",
            ),
            lambda g, n: g.T: ("axes swapped", "is a row one code?"),
            lambda g, n: g[:: n + 1]: ("n codes only", "how many pairs are there?"),
        },
    ),
    properties=(
        Property(
            "symmetric",
            "the quantiles lie symmetrically about 0; your codes do not",
            lambda rng: [Probe((4,))],
            lambda out: bool(abs(out[0].value[0].clip(-99, 99).sum(0)).max() < 1e-4),
        ),
        Property(
            "equal shares",
            "between neighbouring quantiles N(0, 1) has equal shares; between yours it has not",
            lambda rng: [Probe((6,))],
            lambda out: all(evenly_spaced(levels) for levels in distinct_levels(out, special.ndtr)),
        ),
    ),
)


def biased_covariance(mu: Tensor) -> Tensor:
    centred = mu - mu.mean(0)
    return centred.T @ centred / len(mu)


def spread_within(mu: Tensor, sigma: Tensor) -> Tensor:
    return (sigma**2).mean(0).diag()


Moments = Callable[[Tensor, Tensor], Tensor]  # of mu and sigma


def aggregate_moments(
    mu: Tensor,
    sigma: Tensor,
    *,
    mean: Moments = lambda mu, sigma: mu.mean(0),
    between: Function = biased_covariance,
    within: Moments = spread_within,
    whole: Callable[[Tensor, int], Tensor] = lambda covariance, N: covariance,
    order: tuple[int, int] = (0, 1),
) -> tuple[Tensor, ...]:
    """Mean and covariance of (1/N) Σ_n N(μ_n, diag σ_n²): (N, D), (N, D) -> (D,), (D, D)."""
    both = mean(mu, sigma), whole(between(mu) + within(mu, sigma), len(mu))
    return both[order[0]], both[order[1]]


def aggregate_moments_inputs(rng: Rng) -> list[Probe]:
    def draw(N: int, D: int, narrow: float = 1.0) -> tuple[Tensor, Tensor]:
        mu = normal(rng, N, D, mean=0.7) @ (normal(rng, D, D) + torch.eye(D, dtype=torch.float64))
        return mu, narrow * torch.from_numpy(rng.uniform(0.3, 1.4, (N, D)))

    mu, sigma = draw(4, 2)
    return [
        Probe(draw(3, 2)),
        Probe(draw(5, 2)),
        Probe(draw(6, 3)),
        limit("a single example, N = 1", *draw(1, 2)),
        limit("a single dimension, D = 1", *draw(4, 1)),
        limit("as many examples as dimensions", *draw(3, 3)),
        limit("all means are the same", numbers(0.5, -1.0).expand(4, 2).clone(), sigma),
        limit("narrow codes", mu, sigma / 30),
        limit("wide codes", mu, sigma * 30),
        limit("means far from 0", mu + 200, sigma),
    ]


MIXTURE = "a code differs from the mean for two reasons: which face, and which draw?"
NOT_A_SUM = "is a code of the mixture a mean of N codes, or one of them?"
AGGREGATE_MOMENTS = Exercise(
    number="7.3",
    name="aggregate_moments",
    stars=3,
    minutes=25,
    points=3,
    signature="aggregate_moments(mu, sigma)",
    results=("the mean", "the covariance"),
    shown="the codes spread between faces and within each face, and the two variances add up.",
    variant=aggregate_moments,
    inputs=aggregate_moments_inputs,
    axes=(("N", "D"), ("N", "D")),
    fixed=("mu", "sigma"),
    outputs=2,
    mistakes=mistakes_by_keyword(
        within={
            lambda mu, sigma: 0 * spread_within(mu, sigma): ("spread of each q forgotten", MIXTURE),
            lambda mu, sigma: sigma.mean(0).diag(): ("σ for σ²", "is a variance σ, or σ²?"),
            lambda mu, sigma: sigma.mean(0).square().diag(): (
                "square of the mean σ",
                "mean first, or square first?",
            ),
            lambda mu, sigma: (sigma**2).sum(0).diag(): (
                "sum of σ² for the mean",
                "does the covariance grow with N?",
            ),
            lambda mu, sigma: (sigma**2).mean(0).diag() / len(mu): (
                "σ² divided by N twice",
                NOT_A_SUM,
            ),
            lambda mu, sigma: (sigma**2).mean(0).expand(2 * mu.shape[1:]): (
                "σ² in every entry",
                "are the two coordinates of one draw correlated?",
            ),
            lambda mu, sigma: (sigma**2).mean() * torch.eye(mu.shape[1], dtype=mu.dtype): (
                "one σ² for all dimensions",
                "has each dimension its own σ?",
            ),
            lambda mu, sigma: (sigma**2).mean(0).sqrt().diag(): ("root of σ²", "σ, or σ²?"),
            lambda mu, sigma: sigma.T @ sigma / len(sigma): (
                "σ multiplied across dimensions",
                "are the two coordinates of one draw correlated?",
            ),
            lambda mu, sigma: biased_covariance(sigma): (
                "covariance of σ",
                "does a draw with a constant σ have no spread?",
            ),
        },
        between={
            lambda mu: 0 * biased_covariance(mu): ("spread of the means forgotten", MIXTURE),
            lambda mu: torch.cov(mu.T, correction=1): (
                "N−1 for N",
                "the faces are all there is to the mixture: is anything estimated?",
            ),
            lambda mu: mu.T @ mu / len(mu): ("not centred", "what if 100 is added to every μ?"),
            lambda mu: biased_covariance(mu).diagonal().diag(): (
                "no covariances",
                "can the means of two dimensions be correlated?",
            ),
            lambda mu: biased_covariance(mu) * len(mu): ("not divided by N", "grows it with N?"),
            lambda mu: biased_covariance(mu) / len(mu): ("divided by N twice", NOT_A_SUM),
        },
        mean={
            lambda mu, sigma: mu.sum(0): ("sum for mean", "does the mean grow with N?"),
            lambda mu, sigma: (mu / sigma**2).sum(0) / (1 / sigma**2).sum(0): (
                "mean weighted by precision",
                "has each face the weight 1/N?",
            ),
            lambda mu, sigma: mu.median(0).values: ("median for mean", "which is asked for?"),
            lambda mu, sigma: 0 * mu[0]: ("mean set to 0", "is it the prior's?"),
        },
        whole={
            lambda c, N: c.diagonal(): ("variances only", "covariances are asked for too"),
            lambda c, N: c / N: ("divided by N once more", NOT_A_SUM),
            lambda c, N: c.inverse(): ("precision for covariance", "which is the other's inverse?"),
            lambda c, N: torch.corrcoef(c): ("correlation", "what has become of the scale?"),
        },
        order={(1, 0): ("order swapped", "which of the two comes first?")},
    ),
    properties=(
        Property(
            "symmetric",
            "a covariance is symmetric; yours is not",
            lambda rng: aggregate_moments_inputs(rng)[:1],
            lambda out: bool(abs(out[0].value[1] - out[0].value[1].T).max() < 1e-9),
        ),
        Property(
            "invariant under a shift",
            "with 3 added to every μ the covariance should stay what it was; it does not",
            lambda rng: [
                Probe((mu + by, sigma))
                for mu, sigma in [aggregate_moments_inputs(rng)[0].args]
                for by in (0.0, 3.0)
            ],
            lambda out: bool(abs(out[1].value[1] - out[0].value[1]).max() < 1e-6),
        ),
        Property(
            "one face",
            "with a single face the mixture is its q, so the variances are σ²; here they are not",
            lambda rng: [Probe((normal(rng, 1, 2), numbers(0.5, 2.0)[None]))],
            lambda out: bool(abs(out[0].value[1] - [[0.25, 0], [0, 4.0]]).max() < 1e-6),
        ),
    ),
)


def average_ranks(column: Array) -> Array:
    return stats.rankdata(column)


def correlation(a: Array, b: Array) -> float:
    return np.corrcoef(a, b)[0, 1]


def spearman_table(
    mu: Tensor,
    factors: Tensor,
    *,
    ranks: Callable[[Array], Array] = average_ranks,
    ranked: tuple[bool, bool] = (True, True),
    by_rows: bool = False,
    measure: Callable[[Array, Array], float] = correlation,
    give: Callable[[Array], Array] = lambda r: r,
    transpose: bool = False,
    full_table: bool = False,
) -> Tensor:
    """The correlations of the average ranks, (N, D), (N, F) -> (D, F)."""
    a = mu.numpy()
    b = factors.numpy()
    if by_rows:
        a = stats.rankdata(a, axis=1)
        b = stats.rankdata(b, axis=1)
    else:
        both = zip(ranked, (a, b), strict=True)
        a, b = (np.apply_along_axis(ranks, 0, c) if is_ranked else c for is_ranked, c in both)
    if full_table:
        a = b = np.concatenate([a, b], 1)
    table = give(np.array([[measure(x, y) for y in b.T] for x in a.T]))
    return torch.from_numpy(np.array(table.T if transpose else table))


def spearman_shortcut(a: Array, b: Array) -> float:
    return 1 - 6 * ((a - b) ** 2).sum() / (len(a) * (len(a) ** 2 - 1))


def spearman_table_inputs(rng: Rng) -> list[Probe]:
    def draw(N: int, D: int, F: int, ties: bool = True) -> tuple[Tensor, Tensor]:
        """mu is a curved function of the factors; its ties are in other rows than theirs."""
        factors = normal(rng, N, F)
        mixed = factors @ normal(rng, F, D) + normal(rng, N, D, std=0.5)
        if ties:
            mixed = (2 * mixed).round() / 2
            mixed[0] = -1.0
            mixed[1] = 1.5
            mixed[-1] = -1.0
            factors = (2 * factors).round() / 2
            factors[0] = 0.5
            factors[1] = -1.0
            factors[2] = -1.0
        return mixed.exp(), factors

    up = torch.arange(1.0, 7.0, dtype=torch.float64)[:, None]
    return [
        Probe(draw(5, 1, 2)),
        Probe(draw(9, 3, 2)),
        Probe(draw(12, 4, 3)),
        limit("no ties", *draw(8, 2, 3, ties=False)),
        limit("rising and falling along a curve", up**3, torch.cat([up, -up], 1)),
        limit("a single dimension, D = 1", *draw(8, 1, 2)),
        limit("a single factor, F = 1", *draw(8, 2, 1)),
    ]


# Each sort puts equal values in its own order.
SORTS: tuple[Callable[[Array], Array], ...] = (
    lambda c: c.argsort(kind="stable"),
    lambda c: c.argsort(),
    lambda c: torch.from_numpy(c).argsort().numpy(),
)
COVARIANCE = ("covariance", "by what is a covariance divided to give a correlation?")
TIES = "do equal values get the average of their ranks?"
WITHOUT_AVERAGING = ("ranks without averaging", "which rank do two equal values get?")
SPEARMAN_TABLE = Exercise(
    number="7.4",
    name="spearman_table",
    stars=2,
    minutes=15,
    points=2,
    signature="spearman_table(mu, factors)",
    shown="ranks measure what rises with what, whatever the curve between them.",
    variant=spearman_table,
    inputs=spearman_table_inputs,
    axes=(("N", "D"), ("N", "F")),
    fixed=("mu", "factors"),
    mistakes=mistakes_by_keyword(
        ranks={
            lambda c: c: (
                "Pearson",
                "what happens to your table if a column is replaced by its exp?",
            ),
            **{sort: ("argsort for ranks", "is argsort(z)[0] the rank of z[0]?") for sort in SORTS},
            **{(lambda c, sort=sort: sort(sort(c))): WITHOUT_AVERAGING for sort in SORTS},
            lambda c: stats.rankdata(c, "min"): ("lowest ranks for ties", TIES),
            lambda c: stats.rankdata(c, "max"): ("highest ranks for ties", TIES),
            lambda c: stats.rankdata(c, "dense"): (
                "dense ranks",
                "which rank follows two values that share ranks 1 and 2?",
            ),
        },
        ranked={
            (False, True): ("mu not ranked", "are both ranked, mu and factors?"),
            (True, False): ("factors not ranked", "are both ranked, mu and factors?"),
        },
        by_rows={True: ("ranks along the wrong axis", "what is ranked, an example or a column?")},
        measure={
            spearman_shortcut: ("the shortcut 1 − 6Σd²/N(N² − 1)", "does it hold with ties?"),
            lambda a, b: np.cov(a, b)[0, 1]: COVARIANCE,
            lambda a, b: np.cov(a, b, bias=True)[0, 1]: COVARIANCE,
            lambda a, b: a @ b / np.sqrt(a @ a * (b @ b)): (
                "not centred",
                "what is subtracted before the products are taken?",
            ),
            lambda a, b: correlation(a, b) * (len(a) - 1) / len(a): (
                "N−1 beside N",
                "is the same number in the covariance and in the deviations?",
            ),
            lambda a, b: stats.kendalltau(a, b)[0]: (
                "Kendall",
                "which rank correlation is asked for?",
            ),
        },
        give={
            abs: ("sign lost", "does a falling relation look like a rising one?"),
            np.square: ("squared", "does a falling relation look like a rising one?"),
            lambda r: -r: ("sign turned", "does mu rise with the factor?"),
        },
        transpose={True: ("axes swapped", "which come first, dimensions or factors?")},
        full_table={True: ("whole table, (D + F, D + F)", "which block of it is asked for?")},
    ),
    properties=(
        Property(
            "invariant under a rising function",
            "exp on every mu leaves the ranks as they are; here the answer changes",
            lambda rng: [
                Probe((f(m), g))
                for m, g in [(normal(rng, 6, 1), normal(rng, 6, 2))]
                for f in (torch.clone, torch.exp)
            ],
            lambda out: bool(abs(out[0].value[0] - out[1].value[0]).max() < 1e-9),
        ),
    ),
)


EXERCISES = (TRAVERSE, MANIFOLD_GRID, AGGREGATE_MOMENTS, SPEARMAN_TABLE)
