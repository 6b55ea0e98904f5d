"""Give a decoder the pixels that come before: lesson 6's study of a decoder that can ignore z.

    python data/evidence/make_strong_decoder.py [FILE] [--seeds 0 1 2 3 4]

On the 8 × 8 digits, binarised again for each batch, the probability of pixel i depends on z alone
("z"), or also on the pixels before it, through a linear map ("z and pixels, linear") or through a
small network for each pixel ("z and pixels, network"). "pixels, network" is the last one without z.
β is 1 throughout; for the network it is also raised from 0 to 1 over the first half of the steps
("annealed"): if its code brings nothing then either, that is no accident of the start. A seed draws
the first weights, the batches and the noise. The first seed trains three times as long as well,
with the network. Takes about four minutes on one core; writes strong_decoder.json.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vaelib import data
from vaelib.divergences import kl_to_standard_normal
from vaelib.schedules import cosine_decay, linear_annealing

KINDS = ("z", "z and pixels, linear", "z and pixels, network", "pixels, network")
PIXELS, LATENT, HIDDEN, UNITS = 64, 8, 200, 16
STEPS = 3000
BATCH = 100


class Decoder(nn.Module):
    """The logits of the pixels, from z and, if the kind says so, from the pixels before each."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.from_z = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, PIXELS))
        units = UNITS if kind.endswith("network") else 1
        self.into = nn.Parameter(0.1 * torch.randn(PIXELS, units, PIXELS))
        self.bias = nn.Parameter(torch.zeros(PIXELS, units))
        self.out = nn.Parameter(0.1 * torch.randn(PIXELS, units))
        before = torch.ones(PIXELS, PIXELS).tril(-1)  # pixel i sees the pixels j < i
        self.register_buffer("before", before[:, None])

    def forward(self, z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        logits = self.from_z(0 * z if self.kind == "pixels, network" else z)
        if self.kind == "z":
            return logits
        h = torch.einsum("bj,iuj->biu", x, self.into * self.before) + self.bias
        if self.kind == "z and pixels, linear":
            return logits + h.sum(-1)
        return logits + (nn.functional.silu(h) * self.out).sum(-1)


class Model(nn.Module):
    """An encoder of one hidden layer and a decoder."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.SiLU())
        self.mu = nn.Linear(HIDDEN, LATENT)
        self.log_sigma = nn.Linear(HIDDEN, LATENT)
        self.decoder = Decoder(kind)

    def forward(self, x: torch.Tensor, eps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """log p(x|z) and KL, (B,) each; the KL is 0 where the decoder cannot see z."""
        h = self.body(x)
        mu, log_sigma = self.mu(h), self.log_sigma(h)
        logits = self.decoder(mu + log_sigma.exp() * eps, x)
        log_px_z = -nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none")
        kl = kl_to_standard_normal(mu, log_sigma)
        return log_px_z.sum(1), 0 * kl if self.decoder.kind == "pixels, network" else kl


def run(kind: str, seed: int, warm_up: int, steps: int = STEPS) -> dict[str, float]:
    """Train one model; its ELBO and KL on the digits it was trained on and on new ones, in nats."""
    torch.manual_seed(seed)
    digits = data.load("digits")
    grey, new = digits.train.flatten(1), digits.test.flatten(1)
    model = Model(kind)
    optimiser = torch.optim.Adam(model.parameters())
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = cosine_decay(step, steps, 2e-3, hold=0.5)
        x = torch.bernoulli(grey[torch.randint(len(grey), (BATCH,))])
        log_px_z, kl = model(x, torch.randn(BATCH, LATENT))
        loss = -(log_px_z - linear_annealing(step, warm_up) * kl).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    found = {}
    with torch.no_grad():
        for name, pixels in (("", grey), ("new ", new)):
            x = torch.bernoulli(pixels)
            terms = [model(x, torch.randn(len(x), LATENT)) for _ in range(10)]
            reconstruction = torch.stack([log_px_z for log_px_z, _ in terms]).mean()
            found[f"{name}elbo"] = round((reconstruction - terms[0][1].mean()).item(), 2)
            found[f"{name}kl"] = round(terms[0][1].mean().item(), 3)
    return found


def main() -> None:
    """Train them all, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    here = Path(__file__).with_name("strong_decoder.json")
    parser.add_argument("file", nargs="?", type=Path, default=here)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    given = parser.parse_args()
    study: dict[str, Any] = {
        "command": "python data/evidence/make_strong_decoder.py",
        "unit": "nats per digit, means over the digits trained on, and over new ones",
        "steps": STEPS,
        "seeds": given.seeds,
        "runs": {},
        "annealed": {},
    }
    for kind in KINDS:
        for name, warm_up in (("runs", 0), ("annealed", STEPS // 2)):
            if name == "annealed" and kind != "z and pixels, network":
                continue
            study[name][kind] = []
            for seed in given.seeds:
                study[name][kind].append(run(kind, seed, warm_up))
                print(kind, name, seed, study[name][kind][-1], flush=True)
    study["longer"] = {}
    for kind in KINDS[2:]:
        study["longer"][kind] = [run(kind, given.seeds[0], 0, 3 * STEPS)]
        print(kind, "longer", study["longer"][kind], flush=True)
    given.file.write_text(json.dumps(study, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {given.file}")


if __name__ == "__main__":
    main()
