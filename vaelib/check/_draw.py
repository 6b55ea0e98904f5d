"""Short words in which the lessons' catalogues are written: random inputs, limits, mistakes."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaelib.check._exercise import Mistake, Rng
from vaelib.check._probe import Probe


def numbers(*values: float) -> Tensor:
    """The values as a float64 tensor, (n,)."""
    return torch.tensor(values, dtype=torch.float64)


def normal(rng: Rng, *shape: int, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Draws of N(mean, std²), float64."""
    return torch.from_numpy(np.asarray(rng.normal(mean, std, shape)))


def dyadic(rng: Rng, lo: float, hi: float) -> float:
    """A multiple of 1/64 in [lo, hi]: the same number in float32, which PyTorch makes of floats."""
    return int(rng.integers(round(64 * lo), round(64 * hi), endpoint=True)) / 64


def limit(label: str, *args: Any, gradients: tuple[int, ...] = ()) -> Probe:
    """An input that is not ordinary, with the words for it."""
    return Probe(args, gradients=gradients, label=label, limit=True)


def catalogue(**by_keyword: dict[Any, Any]) -> tuple[Mistake, ...]:
    """The mistakes that one keyword of `variant` makes, from {its value: (name, hint)}.

    A third entry is the mistake's `looks`.

    >>> catalogue(over={"sum": ("sum for mean", "does an average grow with N?")})[0].change
    {'over': 'sum'}
    """
    return tuple(
        Mistake(name, hint, {keyword: value}, *looks)
        for keyword, mistakes in by_keyword.items()
        for value, (name, hint, *looks) in mistakes.items()
    )
