"""Encoder and decoder networks: each call returns a distribution."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vaelib import _require
from vaelib.distributions import Bernoulli, DiagonalGaussian


class GaussianEncoder(nn.Module):
    """q_φ(z|x) = N(μ_φ(x), diag σ_φ(x)²): a body and two linear heads, μ and log σ.

    `body` maps (B, *shape) to (B, features). Source: slide "Designing the q distribution".
    """

    def __init__(self, body: nn.Module, features: int, latent_dim: int) -> None:
        super().__init__()
        self.body = body
        self.mu = nn.Linear(features, latent_dim)
        self.log_sigma = nn.Linear(features, latent_dim)

    def forward(self, x: Tensor) -> DiagonalGaussian:
        h = self.body(x)
        # Under autocast the layers give bfloat16, in which no sum is to be taken.
        return DiagonalGaussian(self.mu(h).to(x.dtype), self.log_sigma(h).to(x.dtype))


class _Decoder(nn.Module):
    """A body that maps (B, D) to (B, prod(shape)); z may have any leading dimensions."""

    def __init__(self, body: nn.Module, shape: Sequence[int]) -> None:
        super().__init__()
        self.body = body
        self.shape = tuple(shape)

    def output(self, z: Tensor) -> Tensor:
        """G_θ(z): (…, D) → (…, *shape)."""
        return self.body(z.flatten(0, -2)).to(z.dtype).reshape(*z.shape[:-1], *self.shape)


class GaussianDecoder(_Decoder):
    """p_θ(x|z) = N(G_θ(z), σ_x² I), with σ_x fixed or (`learn_sigma_x`) a parameter.

    Raises ValueError for σ_x ≤ 0. Source: slide "Maximum Likelihood Estimation" (2).
    """

    log_sigma_x: Tensor

    def __init__(
        self,
        body: nn.Module,
        shape: Sequence[int],
        sigma_x: float = 0.1,
        learn_sigma_x: bool = False,
    ) -> None:
        super().__init__(body, shape)
        log_sigma_x = math.log(_require.number("sigma_x", sigma_x, above=0.0))
        if learn_sigma_x:
            self.log_sigma_x = nn.Parameter(torch.tensor(log_sigma_x))
        else:
            # Double precision, so that a model turned to float64 has just the σ_x asked for.
            self.register_buffer("log_sigma_x", torch.tensor(log_sigma_x, dtype=torch.float64))

    @property
    def sigma_x(self) -> Tensor:
        return self.log_sigma_x.exp()

    def mean(self, z: Tensor) -> Tensor:
        """x̂ = G_θ(z): (…, D) → (…, *shape)."""
        return self.output(z)

    def forward(self, z: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(self.output(z), self.log_sigma_x.to(z.dtype), len(self.shape))


class BernoulliDecoder(_Decoder):
    """p_θ(x|z) = Π_i Bernoulli(x_i; sigmoid(ℓ_i(z))) for binary pixels: the body gives logits ℓ."""

    def mean(self, z: Tensor) -> Tensor:
        """x̂ = sigmoid(ℓ(z)): (…, D) → (…, *shape)."""
        return self.output(z).sigmoid()

    def forward(self, z: Tensor) -> Bernoulli:
        return Bernoulli(self.output(z), len(self.shape))
