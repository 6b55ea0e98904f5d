"""Functions that are arguments of exercises: for tensors, arrays and numbers, and picklable."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

DECODER_WEIGHT = np.array(
    [[0.5, -1.0, 2.0, 0.25, 1.5], [1.0, 0.75, -0.5, 2.0, -1.25], [-2.0, 1.0, 0.5, 1.0, 0.75]]
)


def as_tensor(value: Any) -> Tensor:
    """A tensor unchanged, anything else as a tensor in double precision."""
    return value if isinstance(value, Tensor) else torch.as_tensor(value, dtype=torch.float64)


@dataclass(frozen=True)
class LogNormal:
    """z ↦ log N(z; mu, sigma²), elementwise."""

    mu: float
    sigma: float

    def __call__(self, z: Any) -> Any:
        return -0.5 * ((z - self.mu) / self.sigma) ** 2 - math.log(
            self.sigma * math.sqrt(2 * math.pi)
        )


@dataclass(frozen=True)
class LogLaplace:
    """z ↦ log of the Laplace density with centre mu and scale b, elementwise."""

    mu: float
    b: float

    def __call__(self, z: Any) -> Any:
        return -abs(z - self.mu) / self.b - math.log(2 * self.b)


@dataclass(frozen=True)
class Polynomial:
    """z ↦ square z² + slope z + constant, elementwise."""

    square: float
    slope: float
    constant: float

    def __call__(self, z: Any) -> Any:
        return self.square * z * z + self.slope * z + self.constant


@dataclass(frozen=True)
class Exponential:
    """z ↦ exp(rate z), elementwise."""

    rate: float

    def __call__(self, z: Any) -> Any:
        return (self.rate * z).exp() if isinstance(z, Tensor) else np.exp(self.rate * np.asarray(z))


@dataclass(frozen=True)
class LinearDecoder:
    """z (…, D) ↦ z W + 1, (…, 5): five pixels, from which z can be computed."""

    dims: int

    def __call__(self, z: Any) -> Tensor:
        z = as_tensor(z)
        return z @ torch.as_tensor(DECODER_WEIGHT[: self.dims], dtype=z.dtype) + 1
