"""Functions and objects that are arguments of exercises, all picklable.

The functions work for tensors, arrays and numbers.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaelib.check.machinery.probe import Recipe


def as_tensor(value: Any) -> Tensor:
    """A tensor unchanged, anything else as a tensor in double precision."""
    return value if isinstance(value, Tensor) else torch.as_tensor(value, dtype=torch.float64)


@dataclass(frozen=True, repr=False)
class LogNormal:
    """z ↦ log N(z; mu, sigma²), elementwise."""

    mu: float
    sigma: float

    def __repr__(self) -> str:
        return f"torch.distributions.Normal({self.mu:.6g}, {self.sigma:.6g}).log_prob"

    def __call__(self, z: Any) -> Any:
        return -0.5 * ((z - self.mu) / self.sigma) ** 2 - math.log(
            self.sigma * math.sqrt(2 * math.pi)
        )


@dataclass(frozen=True, repr=False)
class LogLaplace:
    """z ↦ log of the Laplace density with centre mu and scale b, elementwise."""

    mu: float
    b: float

    def __repr__(self) -> str:
        return f"torch.distributions.Laplace({self.mu:.6g}, {self.b:.6g}).log_prob"

    def __call__(self, z: Any) -> Any:
        return -abs(z - self.mu) / self.b - math.log(2 * self.b)


@dataclass(frozen=True, repr=False)
class Polynomial:
    """z ↦ square z² + slope z + constant, elementwise."""

    square: float
    slope: float
    constant: float

    def __repr__(self) -> str:
        return f"lambda x: {self.square:.6g} * x**2 + {self.slope:.6g} * x + {self.constant:.6g}"

    def __call__(self, z: Any) -> Any:
        return self.square * z * z + self.slope * z + self.constant


@dataclass(frozen=True, repr=False)
class Exponential:
    """z ↦ exp(rate z), elementwise."""

    rate: float

    def __repr__(self) -> str:
        return f"lambda x: torch.exp({self.rate:.6g} * x)"

    def __call__(self, z: Any) -> Any:
        return (self.rate * z).exp() if isinstance(z, Tensor) else np.exp(self.rate * np.asarray(z))


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

        # The first call loads SymPy: here, and not in the time of the student's function.
        torch.broadcast_shapes((1,), (1,))
        noise: dict[str, Any] = {"sigma_x": 0.5, "learn_sigma_x": self.learn_sigma_x}
        noise = {"likelihood": "bernoulli"} if self.likelihood == "bernoulli" else noise
        vae = models.dense(self.shape, self.latent_dim, hidden=(3,), seed=self.seed, **noise)
        return vae.double()

    def after(self, made: Any) -> tuple[Tensor, ...]:
        return (torch.cat([weights.detach().flatten() for weights in made.parameters()]),)


class SGD(torch.optim.Optimizer):
    """torch.optim.SGD in short.

    The base class's own `__init__` is not called: it loads PyTorch's compiler, for seconds.
    """

    def __init__(self, weights: Iterable[Tensor], lr: float, momentum: float) -> None:
        weights = list(weights)
        self.param_groups = [{"params": weights, "lr": lr, "momentum": momentum}]
        self.state = defaultdict(dict)

    def zero_grad(self, set_to_none: bool = True) -> None:
        for weight in self.param_groups[0]["params"]:
            if set_to_none or weight.grad is None:
                weight.grad = None
            else:
                weight.grad.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = closure() if closure is not None else None
        group = self.param_groups[0]
        for weight in group["params"]:
            if weight.grad is not None:
                before = self.state[weight].get("momentum", torch.zeros_like(weight))
                now = group["momentum"] * before + weight.grad.detach()
                self.state[weight]["momentum"] = now
                weight.data -= group["lr"] * now
        return loss


@dataclass(frozen=True, repr=False)
class Optimiser(Recipe):
    """Gradient descent on the weights of the model before it."""

    lr: float
    momentum: float = 0.0

    def __repr__(self) -> str:
        options = f"lr={self.lr}, momentum={self.momentum}"
        return f"torch.optim.SGD(vae.parameters(), {options})"

    def make(self, before: list[Any]) -> Any:
        return SGD(before[-1].parameters(), self.lr, self.momentum)
