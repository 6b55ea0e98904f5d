"""Objectives beyond the ELBO of one sample, and averaged weights: what quality.py tries out.

Each objective is a function (vae, x, eps, beta) -> bound (B,) in nats, to be maximised; the noise
eps is (K, B, D), for K samples of z. A sample's weight is w_k, with
log w_k = log p(x|z_k) − β [log q(z_k|x) − log p(z_k)].

Sources: Burda, Grosse and Salakhutdinov (2016), eq. 8 and 13, for IWAE; Tucker, Lawson, Gu and
Maddison (2019), eq. 8, for DReG.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from vaelib.distributions import DiagonalGaussian
from vaelib.divergences import kl_to_standard_normal_per_dim
from vaelib.models import VAE

Objective = Callable[[VAE, Tensor, Tensor, float | Tensor], Tensor]


def elbo(vae: VAE, x: Tensor, eps: Tensor, beta: float | Tensor = 1.0) -> Tensor:
    """(1/K) Σ_k log p(x|z_k) − β KL(q(z|x) ‖ p(z)), the KL in closed form."""
    q = vae.encoder(x)
    z = q.mu + q.sigma * eps
    log_px_z = vae.decoder(z).log_prob_unchecked(x).mean(0)
    return log_px_z - beta * kl_to_standard_normal_per_dim(q.mu, q.log_sigma).sum(-1)


def iwae(vae: VAE, x: Tensor, eps: Tensor, beta: float | Tensor = 1.0) -> Tensor:
    """log (1/K) Σ_k w_k, with the gradient that autograd finds."""
    q = vae.encoder(x)
    z = q.mu + q.sigma * eps
    return log_mean(log_weights(vae, x, z, q, beta))


def dreg(vae: VAE, x: Tensor, eps: Tensor, beta: float | Tensor = 1.0) -> Tensor:
    """The same bound with the doubly reparameterised gradient, whose variance is smaller.

    Encoder: Σ_k w̃_k² ∂log w_k/∂z_k · ∂z_k/∂φ, where φ acts through z only. Decoder:
    Σ_k w̃_k ∂log w_k/∂θ, as before. w̃_k = w_k/Σ_j w_j.
    """
    q = vae.encoder(x)
    z = q.mu + q.sigma * eps
    frozen = DiagonalGaussian(q.mu.detach(), q.log_sigma.detach())
    log_w = log_weights(vae, x, z, frozen, beta)
    normalised = log_w.detach().softmax(0)
    if z.requires_grad:
        # The bound's own gradient has one factor w̃_k; on its way to φ it gets the second one.
        z.register_hook(lambda gradient: gradient * normalised.unsqueeze(-1))
    return log_mean(log_w)


def log_weights(
    vae: VAE, x: Tensor, z: Tensor, q: DiagonalGaussian, beta: float | Tensor
) -> Tensor:
    """log w_k of each sample, (K, B)."""
    log_px_z = vae.decoder(z).log_prob_unchecked(x)
    log_pz = -0.5 * (z**2 + math.log(2 * math.pi)).sum(-1)
    return log_px_z - beta * (q.log_prob_unchecked(z) - log_pz)


def log_mean(log_w: Tensor) -> Tensor:
    """log (1/K) Σ_k w_k, (B,)."""
    return log_w.logsumexp(0) - math.log(len(log_w))


class WeightEMA:
    """The running mean of a model's weights: ā ← ā + r (θ − ā), r = max(1 − decay, 1/(step + 1)).

    At first it is the plain mean of all steps, later of about the last 1/(1 − decay) of them.
    """

    def __init__(self, vae: VAE, decay: float) -> None:
        if not 0 <= decay <= 1:
            raise ValueError(f"decay is {decay}: it must be between 0 and 1")
        self.vae = vae
        self.decay = decay
        self.step = 0
        self.means = {name: p.detach().clone() for name, p in vae.named_parameters()}

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights after one more step into the mean."""
        rate = max(1 - self.decay, 1 / (self.step + 1))
        self.step += 1
        for name, weight in self.vae.named_parameters():
            self.means[name].lerp_(weight, rate)

    @torch.no_grad()
    def copy_to_model(self) -> None:
        """Give the model its averaged weights."""
        for name, weight in self.vae.named_parameters():
            weight.copy_(self.means[name])
