"""What the labs' computations share; `static/labs/maths.js` is the same in JavaScript."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Limits = tuple[float | int, float | int, float | int, float | int]
LOG_2PI = math.log(2 * math.pi)


class Scene(NamedTuple):
    """Everything that a lab shows in one state: the data of its marks, the numbers of its text.

    `series` holds (x, y) or (x, y, base) for each mark; NaN breaks a line. `limits` holds (left,
    right, bottom, top) of the panels whose axes follow the state.
    """

    series: dict[str, tuple[Array, ...]]
    numbers: dict[str, float | int | str]
    limits: dict[str, Limits]


def log_normal(z: Array, mu: float, sigma: float) -> Array:
    """log N(z; μ, σ²), elementwise, nats."""
    return -0.5 * ((z - mu) / sigma) ** 2 - math.log(sigma) - 0.5 * LOG_2PI


def reach(value: float | int, least: float = 0.1) -> float:
    """The smallest of …, 1, 2, 5, 10, … that is at least `value` and `least`: a calm axis limit.

    >>> reach(3.2)
    5.0
    """
    value = max(value, least)
    power = 10.0 ** math.floor(math.log10(value))
    return next(nice * power for nice in (1, 2, 5, 10) if nice * power >= value * (1 - 1e-9))


def noise(seed: int, count: int) -> Array:
    """`count` draws from N(0, 1), (count,): the same in Python and in the page.

    Mulberry32 (T. Ettinger, 2017) by counter, then Box and Muller's pairs.
    """
    pairs = (count + 1) // 2
    state = np.uint32(seed) + np.arange(1, 2 * pairs + 1, dtype=np.uint32) * np.uint32(0x6D2B79F5)
    t = (state ^ (state >> np.uint32(15))) * (state | np.uint32(1))
    t ^= t + (t ^ (t >> np.uint32(7))) * (t | np.uint32(61))
    uniform = ((t ^ (t >> np.uint32(14))).astype(np.float64) + 0.5) / 2.0**32
    radius = np.sqrt(-2 * np.log(uniform[0::2]))
    angle = 2 * math.pi * uniform[1::2]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).ravel()[:count]


def histogram(values: Array, low: float, high: float, bins: int) -> tuple[Array, Array]:
    """The outline of a histogram of fractions, (2 bins,) places and heights.

    Values outside [low, high] count in the outermost bins.
    """
    at = np.clip(np.floor((values - low) / (high - low) * bins), 0, bins - 1).astype(int)
    share = np.bincount(at, minlength=bins) / len(values)
    edges = low + np.arange(bins + 1) / bins * (high - low)
    return np.repeat(edges, 2)[1:-1], np.repeat(share, 2)
