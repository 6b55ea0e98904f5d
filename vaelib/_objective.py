"""What one batch gives to the objective: its terms, the bound made of them, in which precision.

Sources: slide "Combining all the ingredients"; Burda, Grosse and Salakhutdinov (2016), eq. 8 and
13, for "iwae"; Tucker, Lawson, Gu and Maddison (2019), eq. 8, for "dreg".
"""

import math
import time
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from vaelib import _compiler
from vaelib.distributions import DiagonalGaussian
from vaelib.divergences import kl_to_standard_normal_per_dim
from vaelib.models import VAE

Objective = Literal["elbo", "iwae", "dreg"]
Precision = Literal["float32", "bfloat16", "tf32", "auto"]


class Terms(nn.Module):
    """log p(x|z) and the KL term of each example, with z = μ + σ ⊙ ε: encoder, then decoder.

    For "elbo" both are (M,): the mean over K draws if ε is (K, M, D), and KL(q(z|x) ‖ p(z)) in
    closed form. For "iwae" and "dreg" both are (K, M), the second log q(z_k|x) − log p(z_k). The
    data has been checked before, so nothing here checks it again or waits for the device.
    """

    def __init__(
        self, vae: VAE, objective: Objective = "elbo", k: int = 1, rounded: bool = False
    ) -> None:
        super().__init__()
        self.vae, self.objective = vae, objective
        self.rounded = rounded  # the matrix products, to bfloat16
        self.draws = () if objective == "elbo" and k == 1 else (k,)  # the leading shape of ε
        self.share = torch.empty(0)  # of each draw in the gradient, "dreg" only
        self.compiled: tuple[int, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]] | None = None

    def forward(self, x: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        # A last batch that is smaller would be compiled a second time for a single step an epoch.
        whole, compiled = self.compiled or (-1, self.terms)
        terms = compiled if len(x) == whole else self.terms
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.rounded):
            return terms(x, eps)

    def terms(self, x: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        q = self.vae.encoder(x)
        z = q.mu + q.sigma * eps
        log_px_z = self.vae.decoder(z).log_prob_unchecked(x)
        if self.objective == "elbo":
            kl = kl_to_standard_normal_per_dim(q.mu, q.log_sigma).sum(-1)
            return (log_px_z.mean(0) if eps.ndim == 3 else log_px_z), kl
        if self.objective == "dreg":
            # φ acts through z only, where each draw's gradient is scaled by its share once more.
            q = DiagonalGaussian(q.mu.detach(), q.log_sigma.detach())
            if z.requires_grad:
                z.register_hook(lambda gradient: gradient * self.share.unsqueeze(-1))
        log_pz = -0.5 * (z**2 + math.log(2 * math.pi)).sum(-1)
        return log_px_z, q.log_prob_unchecked(z) - log_pz

    def bound(self, log_w: Tensor) -> Tensor:
        """What is maximised, (M,), of log w = log p(x|z) − β KL: itself, or log (1/K) Σ_k w_k."""
        if self.objective == "elbo":
            return log_w
        self.share = log_w.detach().softmax(0)
        return log_w.logsumexp(0) - math.log(len(log_w))

    def rehearse(self, size: int) -> None:
        """A forward and a backward pass over `size` examples that leave no trace."""
        like = next(self.vae.parameters())
        buffers = [(b, b.clone()) for b in self.vae.buffers()]  # batch statistics, for one
        x = like.new_zeros(size, *self.vae.shape)
        log_px_z, kl = self(x, like.new_zeros(*self.draws, size, self.vae.latent_dim))
        self.bound(log_px_z - kl).sum().backward()
        for parameter in self.vae.parameters():
            parameter.grad = None
        for buffer, before in buffers:
            buffer.copy_(before)

    def compile_for(self, size: int, work: float, always: bool, talk: bool) -> float:
        """Compile for batches of that size if a run of so much work earns it back; the seconds."""
        if not always and work < _compiler.EARNS:
            if talk:
                print(f"Not compiled: {_compiler.TOO_SHORT}")
            return 0.0
        started = time.perf_counter()
        with _compiler.explained(self.vae.device):
            self.compiled = size, _compiler.compiled(self.terms)
            self.rehearse(size)
        seconds = time.perf_counter() - started
        if talk:
            print(f"Compiled in {seconds:.1f} s; torch keeps it on disk for the next run like it.")
        return seconds
