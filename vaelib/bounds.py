"""Lower bounds of log p(x): the ELBO in its forms and the importance-weighted bound.

A bound is to be *maximised*, per example, in nats; only the training loop turns it into a loss.
"""

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from vaelib import validation
from vaelib.distributions import normal_like
from vaelib.divergences import kl_to_standard_normal_per_dim

if TYPE_CHECKING:
    from vaelib.models import VAE


class Elbo(NamedTuple):
    """The ELBO and its two terms, (B,) each, in nats: total = reconstruction − kl."""

    reconstruction: Tensor
    kl: Tensor
    total: Tensor


def elbo(
    vae: "VAE",
    x: Float[Tensor, "B ..."],
    n_samples: int = 1,
    kl: Literal["analytic", "monte_carlo"] = "analytic",
    generator: torch.Generator | None = None,
    eps: Float[Tensor, "K B D"] | None = None,
) -> Elbo:
    """L(x) = E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)) ≤ log p(x), with K = `n_samples` draws from q.

    reconstruction: the mean over K of log p(x|z_k), z_k = μ + σ ⊙ ε_k. kl: in closed form, or
    (`kl="monte_carlo"`) the mean of log q(z_k|x) − log p(z_k) over the same draws. x: (B, *shape) →
    (B,) each, nats. The noise may be given as `eps`, (K, B, D). The model is in eval mode
    meanwhile. Raises as `VAE.posterior`, and ValueError for grey values under a Bernoulli decoder.
    Source: slides "Variational Auto-Encoders" (1) and (3).

    >>> from vaelib import models
    >>> elbo(models.dense((4,), 2), torch.zeros(3, 4)).total.shape
    torch.Size([3])
    """
    if kl not in ("analytic", "monte_carlo"):
        raise ValueError(f'kl is {kl!r}; expected "analytic" or "monte_carlo"')
    with vae.in_mode(training=False):
        q = vae.posterior(x)
        if eps is None:
            n_samples = validation.count("n_samples", n_samples)
            eps = normal_like((n_samples, *q.mu.shape), q.mu, generator)
        validation.floats("eps", eps, ("K", *q.mu.shape), q.mu.dtype)
        validation.finite("eps", eps)
        validation.count("K, the first size of eps,", len(eps))
        z = q.mu + q.sigma * eps
        reconstruction = vae.likelihood(z).log_prob(x).mean(0)
        divergence = kl_to_standard_normal_per_dim(q.mu, q.log_sigma).sum(-1)
        if kl == "monte_carlo":
            divergence = (q.log_prob(z) - vae.prior.log_prob(z)).mean(0)
    return Elbo(reconstruction, divergence, reconstruction - divergence)


def elbo_terms(
    vae: "VAE", x: Float[Tensor, "B ..."], eps: Float[Tensor, "*K B D"]
) -> tuple[Float[Tensor, "*K B"], Float[Tensor, " B"]]:
    """log p(x|z) at z = μ + σ ⊙ ε, and KL(q(z|x) ‖ p(z)), in nats: the ELBO before its mean.

    Unchecked: the compiled step calls it on data that has been checked before.
    """
    q = vae.encoder(x)
    z = q.mu + q.sigma * eps
    log_px_z = vae.decoder(z).log_prob_unchecked(x)
    return log_px_z, kl_to_standard_normal_per_dim(q.mu, q.log_sigma).sum(-1)


def log_mean_exp(log_w: Float[Tensor, "..."], dim: int = 0) -> Float[Tensor, "..."]:
    """log (1/K) Σ_k exp(log w_k) over the dimension `dim` of size K, without overflow, in nats.

    Raises ValueError for NaN or K = 0; −∞ is a weight of zero.

    >>> log_mean_exp(torch.full((5, 1), 1000.0))
    tensor([1000.])
    """
    validation.floats("log_w", log_w)
    if not -log_w.ndim <= dim < log_w.ndim or log_w.shape[dim] == 0:
        given = f"log_w has shape {tuple(log_w.shape)}"
        raise ValueError(f"{given}; expected at least one sample along dimension {dim}")
    if bad := int(log_w.isnan().sum()):
        raise ValueError(f"log_w holds {bad} NaN; expected none")
    return log_w.logsumexp(dim) - math.log(log_w.shape[dim])


def importance_weighted_bound(log_w: Float[Tensor, "K B"]) -> Float[Tensor, " B"]:
    """log (1/K) Σ_k w_k with log w_k = log p(x|z_k) + log p(z_k) − log q(z_k|x), z_k ~ q, in nats.

    (K, B) → (B,). At K = 1 it is the one-sample ELBO; it rises to log p(x) with K. Raises as
    `log_mean_exp`. Source: Burda, Grosse and Salakhutdinov (2016), eq. 8.

    >>> importance_weighted_bound(torch.zeros(1, 2))
    tensor([0., 0.])
    """
    validation.floats("log_w", log_w, ("K", "B"))
    return log_mean_exp(log_w, 0)
