"""Measure how far the bounds of a face VAE are below log p(x): lesson 6's ladder, for ten seeds.

    python data/evidence/make_face_ladder.py [FILE] [--seeds 0 1 2 …]

The models are those of make_face_noise.py with σ_x learned. log p(x) is an integral over two
dimensions: 80 × 80 Gauss-Hermite nodes around q(z|x), for a Gaussian three times as wide as q.
Takes about two minutes on one core; writes face_ladder.json.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from make_face_noise import STEPS, faces, train

from vaelib import evaluation, models

FACES = 10
WIDTH = 3.0  # in σ of q
REPEATS = 50  # draws of each bound for each face, as one draw is noisy
SAMPLES = (5, 50)


@torch.no_grad()
def log_px(vae: models.VAE, x: torch.Tensor, n: int = 80) -> float:
    """log p(x) of one face (1, 1024), by Gauss-Hermite quadrature in float64."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n)
    t = torch.tensor(nodes)
    # The weight of a node without the Gaussian that the rule has in it.
    log_weight = torch.tensor(np.log(weights)) + t**2 / 2
    q = vae.posterior(x)
    z = q.mu + WIDTH * q.sigma * torch.cartesian_prod(t, t)
    log_area = (log_weight[:, None] + log_weight).flatten() + (WIDTH * q.sigma).log().sum()
    log_px_z = vae.likelihood(z).log_prob(x)
    log_pz = -(z**2).sum(1) / 2 - math.log(2 * math.pi)
    return (log_px_z + log_pz + log_area).logsumexp(0).item()


def below(vae: models.VAE, x: torch.Tensor) -> dict[str, float]:
    """log p(x) − bound for each rung, means over the faces x, in nats."""
    top = np.mean([log_px(vae, face[None]) for face in x])
    rungs = evaluation.ladder(vae, x.repeat(REPEATS, 1), SAMPLES, progress=False)
    return {name: round(float(top - rung.value), 3) for name, rung in rungs.items()}


def main() -> None:
    """Train the models again, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    here = Path(__file__).with_name("face_ladder.json")
    parser.add_argument("file", nargs="?", type=Path, default=here)
    parser.add_argument("--seeds", type=int, nargs="+", default=[*range(10)])
    given = parser.parse_args()
    train_x, test_x = faces("learned")
    study = {
        "command": "python data/evidence/make_face_ladder.py",
        "unit": f"nats per face below log p(x), means over {FACES} faces",
        "seeds": given.seeds,
        "test": [],
        "training": [],
    }
    for seed in given.seeds:
        vae = train("learned", seed, STEPS, train_x).double()
        for name, x in (("test", test_x), ("training", train_x)):
            study[name].append(below(vae, x[:FACES].double()))
            print(seed, name, study[name][-1], flush=True)
    given.file.write_text(json.dumps(study, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {given.file}")


if __name__ == "__main__":
    main()
