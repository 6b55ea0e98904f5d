"""What a run leaves besides the trained weights: its curve, and the weights' running mean."""

from dataclasses import dataclass, field

import torch

from vaelib.models import VAE


@dataclass
class History:
    """One value an epoch: means over the examples as they were trained on, in nats.

    `beta` and `lr` are those of the epoch's last step; `bound` is what was maximised, β included.
    `seconds` are an epoch's, without the `compile_seconds` before the first.
    """

    elbo: list[float] = field(default_factory=list)
    reconstruction: list[float] = field(default_factory=list)
    kl: list[float] = field(default_factory=list)
    beta: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    bound: list[float] = field(default_factory=list)
    compile_seconds: float = 0.0
    steps: int = 0
    interrupted: bool = False

    def __repr__(self) -> str:
        last = f", ELBO {self.elbo[-1]:.1f} nats" if self.elbo else ""
        cut = ", interrupted" if self.interrupted else ""
        return f"History({len(self.elbo)} epochs, {self.steps} steps{last}{cut})"


class Average:
    """The weights' running mean: ā ← ā + r (θ − ā), r = max(1 − decay, 1/(step + 1)).

    At first the plain mean of all steps, later of about the last 1/(1 − decay).
    """

    def __init__(self, vae: VAE, decay: float) -> None:
        self.decay = decay
        self.means = {name: p.detach().clone() for name, p in vae.named_parameters()}

    @torch.no_grad()
    def update(self, vae: VAE, step: int) -> None:
        rate = max(1 - self.decay, 1 / (step + 1))
        for name, weight in vae.named_parameters():
            self.means[name].lerp_(weight, rate)
