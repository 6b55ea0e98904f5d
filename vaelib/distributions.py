"""The two distributions that the networks return: torch's own, with a generator of one's choice.

`log_prob` sums over the event's dimensions, and `torch.distributions.kl_divergence` knows both.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch import distributions as td

from vaelib import validation

Shape = Sequence[int]


class DiagonalGaussian(td.Independent):
    """N(μ, diag σ²) with log σ given: log N(z; μ, σ²) = −½ Σ_d [((z−μ)/σ)² + log 2π + 2 log σ].

    `mu` and `log_sigma` have shape (…, event), the last `event_dims` dimensions being one event;
    `log_sigma` may broadcast. Nats. Source: slide "Designing the q distribution".

    >>> DiagonalGaussian(torch.zeros(2, 3), torch.zeros(2, 3)).log_prob(torch.zeros(2, 3)).shape
    torch.Size([2])
    """

    def __init__(self, mu: Tensor, log_sigma: Tensor, event_dims: int = 1) -> None:
        validation.floats("mu", mu)
        validation.floats("log_sigma", log_sigma)
        validation.count("event_dims", event_dims, at_least=0)
        self.shape = _broadcast("mu has shape", mu.shape, "log_sigma", log_sigma.shape)
        self.mu = mu
        self.log_sigma = log_sigma
        self.sigma = log_sigma.exp()
        super().__init__(td.Normal(mu, self.sigma, validate_args=False), event_dims, False)

    def rsample(self, sample_shape: Shape = (), generator: Generator | None = None) -> Tensor:
        """z = μ + σ ⊙ ε with ε ~ N(0, I) from `generator`; gradients reach μ and log σ."""
        eps = normal_like((*sample_shape, *self.shape), self.mu, generator)
        return self.mu + self.sigma * eps

    def sample(self, sample_shape: Shape = (), generator: Generator | None = None) -> Tensor:
        """The same draw as `rsample`, cut from the graph."""
        return self.rsample(sample_shape, generator).detach()

    def log_prob(self, z: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """log N(z; μ, diag σ²), summed over the event: (…, event) → (…), constant included.

        Raises TypeError for a wrong dtype, ValueError for another event shape or NaN.
        """
        _check_value("z", z, self)
        validation.finite("z", z)
        log_p = self.log_prob_unchecked(z)
        if log_p.isfinite().all() and (self.sigma >= torch.finfo(log_p.dtype).tiny).all():
            return log_p
        validation.finite("mu", self.mu)
        validation.finite("log_sigma", self.log_sigma)
        # Where σ leaves the range of its dtype: twice 1/√σ, in float64, is in range.
        root = (-0.5 * self.log_sigma.double().clamp(min=-1400)).exp()
        ratio = (z.double() - self.mu.double()) * root * root
        terms = ratio**2 + (math.log(2 * math.pi) + 2 * self.log_sigma.double())
        return (-0.5 * _sum_last(terms, self.reinterpreted_batch_ndims)).to(log_p.dtype)

    def log_prob_unchecked(self, z: Tensor) -> Tensor:
        """`log_prob` for values that have been checked before: the training loop's."""
        # The event's shape can differ from log_sigma's: the sum counts each broadcast copy.
        terms = ((z - self.mu) / self.sigma) ** 2 + (math.log(2 * math.pi) + 2 * self.log_sigma)
        return -0.5 * _sum_last(terms, self.reinterpreted_batch_ndims)


class Bernoulli(td.Independent):
    """Independent binary pixels: log p(x) = Σ_i [x_i log π_i + (1−x_i) log(1−π_i)], π = sigmoid(ℓ).

    `logits` ℓ have shape (…, event). Nats. `log_prob` refuses data that is not 0 or 1.

    >>> Bernoulli(torch.zeros(1, 2), 1).mean
    tensor([[0.5000, 0.5000]])
    """

    def __init__(self, logits: Tensor, event_dims: int = 1) -> None:
        validation.floats("logits", logits)
        validation.count("event_dims", event_dims, at_least=0)
        self.logits = logits
        super().__init__(td.Bernoulli(logits=logits, validate_args=False), event_dims, False)

    def sample(self, sample_shape: Shape = (), generator: Generator | None = None) -> Tensor:
        """Zeros and ones, (sample_shape, …, event), drawn with `generator`."""
        pixels = self.mean.detach().expand((*sample_shape, *self.logits.shape))
        pixels = pixels.to(_device(generator, self.logits)).bernoulli(generator=generator)
        return pixels.to(self.logits.device)

    def log_prob(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """log p(x), summed over the event: (…, event) → (…). Raises ValueError unless x is 0/1."""
        _check_value("x", x, self)
        validation.binary("x", x)
        log_p = self.log_prob_unchecked(x)
        if log_p.isnan().any():  # an infinite logit is a pixel that is certain
            validation.finite("logits", self.logits)
        return log_p

    def log_prob_unchecked(self, x: Tensor) -> Tensor:
        """`log_prob` for data that have been checked before: the training loop's."""
        # log sigmoid(±ℓ): as x ℓ − log(1 + e^ℓ) it would lose its digits for a large |ℓ|.
        terms = torch.nn.functional.logsigmoid((2 * x - 1) * self.logits)
        return _sum_last(terms, self.reinterpreted_batch_ndims)


def normal_like(shape: Shape, like: Tensor, generator: Generator | None) -> Tensor:
    """ε ~ N(0, I) of `shape`, with the dtype and on the device of `like`."""
    device = _device(generator, like)
    return torch.randn(shape, generator=generator, dtype=like.dtype, device=device).to(like.device)


def _device(generator: Generator | None, like: Tensor) -> torch.device:
    # Where the generator is: one seed gives the same noise for parameters on any device.
    return like.device if generator is None else generator.device


def _check_value(name: str, value: Tensor, p: td.Independent) -> None:
    """Refuse a value that is not of the event's shape or whose batch does not fit p's."""
    validation.floats(name, value, ("...", *p.event_shape))
    _broadcast(f"{name} has shape", value.shape, "the distribution", p.batch_shape + p.event_shape)


def _broadcast(first: str, a: torch.Size, second: str, b: torch.Size) -> torch.Size:
    """The shape that both broadcast to."""
    try:  # torch's own answer loads SymPy first, half a second
        return a if a == b else torch.broadcast_shapes(a, b)
    except RuntimeError:
        given = f"{first} {tuple(a)}, {second} {tuple(b)}"
        raise ValueError(f"{given}; expected shapes that broadcast to one") from None


def _sum_last(terms: Tensor, dims: int) -> Tensor:
    return terms.flatten(-dims).sum(-1) if dims else terms
