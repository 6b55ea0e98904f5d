"""Lesson 7, latent traversals: a row of pictures, and a whole sheet of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import special
from torch import Tensor

from vaelib.check._draw import catalogue, limit, normal
from vaelib.check._exercise import Exercise, Rng
from vaelib.check._gaussian import Function
from vaelib.check._probe import Outcome, Probe

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


TRAVERSE = Exercise(
    *("7.1", "traverse", 1, 5, 1, "traverse(z, dim, values)"),
    variant=traverse,
    inputs=traverse_inputs,
    axes=(("D",), (), ("n",)),
    mistakes=catalogue(
        in_place={
            "rows": ("in place", "is z after the call what it was before?"),
            "one row": ("in place, and one row n times", "is each row a tensor of its own?"),
        },
        put={
            lambda old, new: old + new: ("adds for replaces", "what is z[dim] in row i to be?"),
            lambda old, new: old + new.cumsum(0): ("adds up from row to row", "what is row 2?"),
            lambda old, new: old * new: ("multiplies for replaces", "what is z[dim] in row i?"),
            lambda old, new: old - new: ("subtracts for replaces", "what is z[dim] in row i?"),
            lambda old, new: new[-1:]: ("last value in every row", "is each row its own tensor?"),
            lambda old, new: new[:1]: ("first value in every row", "which value is for row i?"),
        },
        at={
            lambda dim, D: slice(None): ("other dims moved", "which dimensions stay as in z?"),
            lambda dim, D: slice(dim, None): ("dims after dim moved too", "which ones stay?"),
            lambda dim, D: slice(0, dim + 1): ("dims before dim moved too", "which ones stay?"),
            lambda dim, D: (dim + 1) % D: ("dim one too high", "does dim count from 0?"),
            lambda dim, D: dim - 1: ("dim one too low", "does dim count from 0?"),
        },
        base={
            torch.zeros_like: ("other dims set to 0", "where does the traversal start from?"),
            lambda z: z.mean().expand(len(z)): ("other dims set to their mean", "where from?"),
        },
        rows={
            torch.t: ("axes swapped", "is a row one code, or one dimension?"),
            lambda a: a.flip(0): ("rows in reverse", "which value comes first?"),
            lambda a: a[0]: ("first row only", "how many codes are asked for?"),
        },
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
    return [*(Probe((n,)) for n in sizes), limit("n = 1", 1), limit("n = 20", 20)]


def evenly(levels: Callable[[Array], Array]) -> Callable[[list[Probe], list[Outcome]], bool]:
    """Whether levels(coordinates) are evenly spaced in every result with enough of them."""

    def looks(probes: list[Probe], outcomes: list[Outcome]) -> bool:
        found = []
        for outcome in outcomes:
            values = levels(np.concatenate([np.ravel(v) for v in outcome.value] or [np.zeros(0)]))
            steps = np.diff(np.unique(values.round(5)))
            if len(steps) > 2 and np.isfinite(steps).all():
                found.append(np.ptp(steps) < 1e-3 * steps.max())
        return bool(found) and all(found)

    return looks


MANIFOLD_GRID = Exercise(
    *("7.2", "manifold_grid", 2, 10, 2, "manifold_grid(n)"),
    variant=manifold_grid,
    inputs=manifold_grid_inputs,
    float32=False,
    axes=((),),
    mistakes=catalogue(
        levels={
            lambda i, n: i / max(n - 1, 1): (
                "0 and 1 included (infinite)",
                "where is the 0-quantile of N(0, 1)?",
            ),
            lambda i, n: i / n: ("0 included (infinite)", "where is the 0-quantile of N(0, 1)?"),
            lambda i, n: (i + 1) / n: ("1 included (infinite)", "where is the 1-quantile?"),
            lambda i, n: (i + 1) / (n + 1): (
                "(i + 1)/(n + 1)",
                "cut (0, 1) into n equal parts: where are their middles?",
            ),
        },
        inverse={
            lambda u: u: (
                "linear grid",
                "equal steps of probability, or of z? Which function is missing?",
            ),
            special.ndtr: ("Φ for Φ⁻¹", "from a probability to z, or from z to a probability?"),
            lambda u: special.logit(u): ("logistic for normal", "whose quantiles are they?"),
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
                "second coordinate upside down",
                "from low to high?",
            ),
            lambda a, b: np.stack([-a, b], -1): (
                "first coordinate upside down",
                "from low to high?",
            ),
        },
        shape={
            lambda g, n: g.reshape(n, n, 2): ("not flattened: (n, n, 2)", "how many rows?"),
            lambda g, n: g.T: ("axes swapped", "is a row one code?"),
            lambda g, n: g[:: n + 1]: ("n codes only", "how many pairs are there?"),
        },
    ),
)

EXERCISES = (TRAVERSE, MANIFOLD_GRID)
