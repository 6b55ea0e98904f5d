"""The inputs on which answers are tried: random tensors and numbers, and limiting cases."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaelib.check.machinery.exercise import Rng
from vaelib.check.machinery.probe import Probe


def numbers(*values: float) -> Tensor:
    """The values as a float64 tensor, (n,)."""
    return torch.tensor(values, dtype=torch.float64)


def normal(rng: Rng, *shape: int, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Samples from N(mean, std²), float64."""
    return torch.from_numpy(np.asarray(rng.normal(mean, std, shape)))


def uniform(rng: Rng, low: float, high: float, *shape: int) -> Tensor:
    """Samples from the uniform distribution on [low, high], float64."""
    return torch.as_tensor(rng.uniform(low, high, shape), dtype=torch.float64)


def dyadic(rng: Rng, lo: float, hi: float) -> float:
    """A multiple of 1/64 in [lo, hi], which float32 holds exactly: PyTorch turns floats into it."""
    return int(rng.integers(round(64 * lo), round(64 * hi), endpoint=True)) / 64


def limit(label: str, *args: Any, gradients: tuple[int, ...] = ()) -> Probe:
    """A limiting case, described by `label`."""
    return Probe(args, gradients=gradients, label=label, limit=True)
