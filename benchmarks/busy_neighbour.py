"""What one other busy process costs: training the faces' model and a model of MNIST's size.

    python -m benchmarks.busy_neighbour [--epochs 5] [--races 5]

Every work is timed alone and next to a process that never rests, in turn; the ratio of each pair
is what counts.
"""

import argparse
import os
import subprocess
import sys
import time
from statistics import median

import vaelib  # noqa: F401  (before torch: it sets how torch's threads wait)

import torch  # isort: skip

from benchmarks.tables import circumstances, heading, line, table
from vaelib import training
from vaelib.data import load
from vaelib.models import dense

BUSY = "while True: pass"
SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def timed(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def pair(work) -> tuple[float, float]:
    """Seconds alone, and next to a busy process."""
    alone = timed(work)
    neighbour = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        time.sleep(0.2)
        return alone, timed(work)
    finally:
        neighbour.kill()
        neighbour.wait()


def works(epochs: int) -> dict:
    """What is timed, by name."""
    data = load("faces")
    faces_vae = training.face_vae()
    generator = torch.Generator().manual_seed(0)
    pixels = (torch.rand(12_800, 28, 28, generator=generator) < 0.2).float()
    large_vae = dense((28, 28), 20, hidden=(400,), likelihood="bernoulli")

    def train_faces() -> None:
        training.fit_faces(faces_vae, data.train, epochs=epochs, progress=False)

    def encode() -> None:
        for i in range(200):
            faces_vae.posterior(data.test[i : i + 1])

    def train_large() -> None:
        training.fit(large_vae, pixels, epochs, device="cpu", progress=False)

    def train_large_by_hand() -> None:
        """The same steps without what `fit` does about threads."""
        optimiser = torch.optim.Adam(large_vae.parameters(), lr=1e-3, fused=True)
        for _ in range(epochs):
            for index in torch.randperm(len(pixels), generator=generator).split(128):
                eps = torch.randn(len(index), large_vae.latent_dim, generator=generator)
                training.train_step(large_vae, optimiser, pixels.index_select(0, index), eps)

    return {
        f"`fit_faces`, {epochs} epochs": train_faces,
        "200 faces encoded": encode,
        f"`fit`, 784-400-20, 12,800 images, {epochs} epochs": train_large,
        "a loop around `train_step`, torch's threads throughout": train_large_by_hand,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--races", type=int, default=5)
    arguments = parser.parse_args()
    settings = {name: os.environ[name] for name in SETTINGS if name in os.environ}
    about = circumstances("torch", threads=str(torch.get_num_threads()), **settings)
    print(heading("## A busy neighbour", "python -m benchmarks.busy_neighbour", about))
    print(table(["work", "alone, s", "busy, s", "ratio"], []), end="")
    for name, work in works(arguments.epochs).items():
        work()
        races = [pair(work) for _ in range(arguments.races)]
        alone = median(race[0] for race in races)
        busy = median(race[1] for race in races)
        ratio = median(race[1] / race[0] for race in races)
        print(line([name, f"{alone:.2f}", f"{busy:.2f}", f"{ratio:.2f}"]), flush=True)


if __name__ == "__main__":
    main()
