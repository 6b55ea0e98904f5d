"""Objectives beyond the ELBO of one sample, and averaged weights: what quality.py tries out.

Both are steps for `fit(engine=…)`, called as `training.train_step` is:

    fit(vae, x, engine=ObjectiveStep(iwae, samples=5))
    fit(vae, x, engine=WeightEMA(0.999), checkpoint=path), and then load_average(vae, path)

Sources: Burda, Grosse and Salakhutdinov (2016), eq. 8 and 13, for IWAE; Tucker, Lawson, Gu and
Maddison (2019), eq. 8, for DReG.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from vaelib import checkpoint
from vaelib.distributions import DiagonalGaussian
from vaelib.divergences import kl_to_standard_normal_per_dim
from vaelib.engine import Step
from vaelib.models import VAE
from vaelib.training import train_step


class Bound(NamedTuple):
    """A bound on log p(x), (B,), and the two terms of its ELBO, means over the samples, (B,)."""

    value: Tensor
    log_px_z: Tensor
    kl: Tensor


# (vae, x, eps, beta) -> Bound, to be maximised; the noise eps is (K, B, D) for K samples of z. A
# sample's weight is w_k, with log w_k = log p(x|z_k) − β [log q(z_k|x) − log p(z_k)].
Objective = Callable[[VAE, Tensor, Tensor, float | Tensor], Bound]


def elbo(vae: VAE, x: Tensor, eps: Tensor, beta: float | Tensor = 1.0) -> Bound:
    """(1/K) Σ_k log p(x|z_k) − β KL(q(z|x) ‖ p(z)), the KL in closed form."""
    q = vae.encoder(x)
    z = q.mu + q.sigma * eps
    log_px_z = vae.decoder(z).log_prob_unchecked(x).mean(0)
    kl = kl_to_standard_normal_per_dim(q.mu, q.log_sigma).sum(-1)
    return Bound(log_px_z - beta * kl, log_px_z, kl)


def iwae(vae: VAE, x: Tensor, eps: Tensor, beta: float | Tensor = 1.0) -> Bound:
    """log (1/K) Σ_k w_k, with the gradient that autograd finds."""
    q = vae.encoder(x)
    z = q.mu + q.sigma * eps
    log_px_z, kl = weight_terms(vae, x, z, q)
    return Bound(log_mean(log_px_z - beta * kl), log_px_z.mean(0), kl.mean(0))


def dreg(vae: VAE, x: Tensor, eps: Tensor, beta: float | Tensor = 1.0) -> Bound:
    """The same bound with the doubly reparameterised gradient, whose variance is smaller.

    Encoder: Σ_k w̃_k² ∂log w_k/∂z_k · ∂z_k/∂φ, where φ acts through z only. Decoder:
    Σ_k w̃_k ∂log w_k/∂θ, as before. w̃_k = w_k/Σ_j w_j.
    """
    q = vae.encoder(x)
    z = q.mu + q.sigma * eps
    frozen = DiagonalGaussian(q.mu.detach(), q.log_sigma.detach())
    log_px_z, kl = weight_terms(vae, x, z, frozen)
    log_w = log_px_z - beta * kl
    normalised = log_w.detach().softmax(0)
    if z.requires_grad:
        # The bound's own gradient has one factor w̃_k; on its way to φ it gets the second one.
        z.register_hook(lambda gradient: gradient * normalised.unsqueeze(-1))
    return Bound(log_mean(log_w), log_px_z.mean(0), kl.mean(0))


OBJECTIVES: dict[str, Objective] = {"elbo": elbo, "iwae": iwae, "dreg": dreg}


def weight_terms(vae: VAE, x: Tensor, z: Tensor, q: DiagonalGaussian) -> tuple[Tensor, Tensor]:
    """log p(x|z_k) and log q(z_k|x) − log p(z_k) of each sample, (K, B)."""
    log_px_z = vae.decoder(z).log_prob_unchecked(x)
    log_pz = -0.5 * (z**2 + math.log(2 * math.pi)).sum(-1)
    return log_px_z, q.log_prob_unchecked(z) - log_pz


def log_mean(log_w: Tensor) -> Tensor:
    """log (1/K) Σ_k w_k, (B,)."""
    return log_w.logsumexp(0) - math.log(len(log_w))


class ObjectiveStep:
    """A training step that maximises an objective with K samples of z."""

    def __init__(self, objective: Objective, samples: int) -> None:
        if samples < 1:
            raise ValueError(f"samples is {samples}: at least one is needed")
        self.objective = objective
        self.n_samples = samples  # `fit` then gives ε as (K, B, D)
        name = getattr(objective, "__name__", "an objective of your own")
        self.name = f"{name}, samples: {samples}"

    def __call__(
        self, vae: VAE, optimiser: torch.optim.Optimizer, x: Tensor, eps: Tensor, beta: Tensor
    ) -> tuple[Tensor, Tensor]:
        bound = self.objective(vae, x, eps, beta)
        loss = -bound.value.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return bound.log_px_z.detach(), bound.kl.detach()


class WeightEMA:
    """A training step that also averages the weights: ā ← ā + r (θ − ā).

    r = max(1 − decay, 1/t) after t steps: at first the plain mean of all steps, later of about the
    last 1/(1 − decay) of them. The mean is part of the optimiser's state, so that a checkpoint
    saves it and a run that resumes goes on with it.
    """

    def __init__(self, decay: float, step: Step = train_step) -> None:
        if not 0 <= decay <= 1:
            raise ValueError(f"decay is {decay}: it must be between 0 and 1")
        self.decay = decay
        self.step = step
        self.n_samples = getattr(step, "n_samples", None)
        self.name = f"{getattr(step, 'name', 'plain')}, averaged weights: {decay}"

    def __call__(
        self, vae: VAE, optimiser: torch.optim.Optimizer, x: Tensor, eps: Tensor, beta: Tensor
    ) -> tuple[Tensor, Tensor]:
        terms = self.step(vae, optimiser, x, eps, beta)
        with torch.no_grad():
            for p, state in optimiser.state.items():
                rate = max(1 - self.decay, 1 / float(state["step"]))
                state.setdefault("ema", p.detach().clone()).lerp_(p, rate)
        return terms


@torch.no_grad()
def load_average(vae: VAE, path: str | Path) -> None:
    """Give the model the averaged weights of the run that was saved in this checkpoint."""
    tensors, _ = checkpoint.read(Path(path))
    for i, p in enumerate(vae.parameters()):
        p.copy_(tensors[f"optimiser.{i}.ema"])
