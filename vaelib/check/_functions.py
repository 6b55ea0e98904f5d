"""Functions that exercises hand to a student's: of tensors, arrays and numbers alike, picklable."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class LogNormal:
    """z ↦ log N(z; mu, sigma²), elementwise."""

    mu: float
    sigma: float

    def __call__(self, z: Any) -> Any:
        return -0.5 * ((z - self.mu) / self.sigma) ** 2 - math.log(
            self.sigma * math.sqrt(2 * math.pi)
        )


def as_tensor(value: Any, like: Tensor | None = None) -> Tensor:
    """A tensor as it is, anything else in double precision."""
    return value if isinstance(value, Tensor) else torch.as_tensor(value, dtype=torch.float64)


def normal(rng: Any, *shape: int) -> Tensor:
    """Draws of N(0, 1) in double precision."""
    return torch.as_tensor(rng.standard_normal(shape), dtype=torch.float64)


def uniform(rng: Any, low: float, high: float, *shape: int) -> Tensor:
    """Draws from [low, high] in double precision."""
    return torch.as_tensor(rng.uniform(low, high, shape), dtype=torch.float64)


def constant(value: float, *shape: int) -> Tensor:
    return torch.full(shape, value, dtype=torch.float64)
