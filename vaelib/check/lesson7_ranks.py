"""Lesson 7, the last exercise: which dimension follows which factor, by ranks."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from vaelib.check._draw import catalogue, limit, normal
from vaelib.check._exercise import Exercise, Property, Rng
from vaelib.check._probe import Probe

Array = Any  # of NumPy


def average_ranks(column: Array) -> Array:
    return stats.rankdata(column)


def correlation(a: Array, b: Array) -> float:
    return np.corrcoef(a, b)[0, 1]


def spearman_table(
    mu: Tensor,
    factors: Tensor,
    *,
    ranks: Callable[[Array], Array] = average_ranks,
    of: tuple[bool, bool] = (True, True),
    by_rows: bool = False,
    measure: Callable[[Array, Array], float] = correlation,
    give: Callable[[Array], Array] = lambda r: r,
    turn: bool = False,
    whole: bool = False,
) -> Tensor:
    """The correlations of the average ranks, (N, D), (N, F) -> (D, F)."""
    a, b = mu.numpy(), factors.numpy()
    if by_rows:
        a, b = stats.rankdata(a, axis=1), stats.rankdata(b, axis=1)
    else:
        both = zip(of, (a, b), strict=True)
        a, b = (np.apply_along_axis(ranks, 0, c) if ranked else c for ranked, c in both)
    if whole:
        a = b = np.concatenate([a, b], 1)
    table = give(np.array([[measure(x, y) for y in b.T] for x in a.T]))
    return torch.from_numpy(np.array(table.T if turn else table))


def shortcut(a: Array, b: Array) -> float:
    return 1 - 6 * ((a - b) ** 2).sum() / (len(a) * (len(a) ** 2 - 1))


def spearman_table_inputs(rng: Rng) -> list[Probe]:
    def draw(N: int, D: int, F: int, ties: bool = True) -> tuple[Tensor, Tensor]:
        """Curved in the factors, some falling; with ties, at different rows of the two."""
        factors = normal(rng, N, F)
        mixed = factors @ normal(rng, F, D) + normal(rng, N, D, std=0.5)
        if ties:
            mixed, factors = (2 * mixed).round() / 2, (2 * factors).round() / 2
            mixed[0], mixed[1], mixed[-1] = -1.0, 1.5, -1.0
            factors[0], factors[1], factors[2] = 0.5, -1.0, -1.0
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


# Sorts put equal values in orders of their own.
SORTS: tuple[Callable[[Array], Array], ...] = (
    lambda c: c.argsort(kind="stable"),
    lambda c: c.argsort(),
    lambda c: torch.from_numpy(c).argsort().numpy(),
)
WITHOUT_AVERAGING = ("ranks without averaging", "which rank have two values that are equal?")
SPEARMAN_TABLE = Exercise(
    *("7.3", "spearman_table", 3, 30, 3, "spearman_table(mu, factors)"),
    variant=spearman_table,
    inputs=spearman_table_inputs,
    axes=(("N", "D"), ("N", "F")),
    fixed=("mu", "factors"),
    mistakes=catalogue(
        ranks={
            lambda c: c: ("Pearson", "what does your table do when exp is put on a column?"),
            **{sort: ("argsort for ranks", "is argsort(z)[0] the rank of z[0]?") for sort in SORTS},
            **{(lambda c, sort=sort: sort(sort(c))): WITHOUT_AVERAGING for sort in SORTS},
            lambda c: stats.rankdata(c, "min"): ("lowest ranks for ties", "lowest, or average?"),
            lambda c: stats.rankdata(c, "max"): ("highest ranks for ties", "highest, or average?"),
            lambda c: stats.rankdata(c, "dense"): ("dense ranks", "the rank after two equal ones?"),
        },
        of={
            (False, True): ("mu not ranked", "are both ranked, mu and factors?"),
            (True, False): ("factors not ranked", "are both ranked, mu and factors?"),
        },
        by_rows={True: ("ranks along the wrong axis", "what is ranked, an example or a column?")},
        measure={
            shortcut: ("the shortcut 1 − 6Σd²/N(N² − 1)", "does it hold with ties?"),
            lambda a, b: np.cov(a, b)[0, 1]: ("covariance", "by what is it to be divided?"),
            lambda a, b: a @ b / np.sqrt(a @ a * (b @ b)): (
                "not centred",
                "what is taken off first?",
            ),
            lambda a, b: correlation(a, b) * (len(a) - 1) / len(a): (
                "N−1 beside N",
                "is the same number in the covariance and in the deviations?",
            ),
            lambda a, b: stats.kendalltau(a, b)[0]: ("Kendall", "which rank correlation is it?"),
        },
        give={
            abs: ("sign lost", "does a falling relation look like a rising one?"),
            np.square: ("squared", "does a falling relation look like a rising one?"),
            lambda r: -r: ("sign turned", "does mu rise with the factor?"),
        },
        turn={True: ("axes swapped", "which come first, dimensions or factors?")},
        whole={True: ("whole table, (D + F, D + F)", "which block of it is asked for?")},
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

EXERCISES = (SPEARMAN_TABLE,)
