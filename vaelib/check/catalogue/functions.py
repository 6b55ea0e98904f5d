"""Functions and objects that are arguments of exercises, all picklable.

The functions work for tensors, arrays and numbers.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaelib.check.machinery.probe import Recipe

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


@dataclass(frozen=True, repr=False)
class SmallVAE(Recipe):
    """A VAE with few weights, in double precision; its weights are a result of the call."""

    shape: tuple[int, ...]
    latent_dim: int
    seed: int
    likelihood: str = "gaussian"
    learn_sigma_x: bool = False

    def __repr__(self) -> str:
        noise = f", sigma_x=0.5, learn_sigma_x={self.learn_sigma_x}"
        noise = f', likelihood="{self.likelihood}"' if self.likelihood == "bernoulli" else noise
        size = f"{self.shape}, {self.latent_dim}, hidden=(3,)"
        return f"models.dense({size}{noise}, seed={self.seed}).double()"

    def make(self, before: list[Any]) -> Any:
        from vaelib import models

        noise: dict[str, Any] = {"sigma_x": 0.5, "learn_sigma_x": self.learn_sigma_x}
        noise = {"likelihood": "bernoulli"} if self.likelihood == "bernoulli" else noise
        vae = models.dense(self.shape, self.latent_dim, hidden=(3,), seed=self.seed, **noise)
        return vae.double()

    def after(self, made: Any) -> tuple[Tensor, ...]:
        return (torch.cat([weights.detach().flatten() for weights in made.parameters()]),)


@dataclass(frozen=True, repr=False)
class Optimiser(Recipe):
    """An optimiser of the weights of the model before it."""

    name: str
    lr: float

    def __repr__(self) -> str:
        return f"torch.optim.{self.name}(vae.parameters(), lr={self.lr})"

    def make(self, before: list[Any]) -> Any:
        return getattr(torch.optim, self.name)(before[-1].parameters(), lr=self.lr)
