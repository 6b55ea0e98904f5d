"""How much one other busy process costs: training the faces' model and one of MNIST's size.

    python benchmarks/busy_neighbour.py [--epochs 5] [--races 5]

Alone and beside a process that never rests, in turn; the ratio of each pair is what counts. For
comparison the larger model is also trained with all of torch's threads all the time.
"""

import argparse
import statistics
import subprocess
import sys
import time

import vaelib  # noqa: F401  (before torch: it sets how its threads wait)

import torch  # isort: skip

from vaelib import training
from vaelib._threads import thread_numbers
from vaelib.data import load
from vaelib.models import dense

BUSY = "while True: pass"


def seconds(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def pair(work) -> tuple[float, float]:
    """Seconds alone, and beside a busy process."""
    alone = seconds(work)
    neighbour = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        time.sleep(0.2)
        return alone, seconds(work)
    finally:
        neighbour.kill()
        neighbour.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--races", type=int, default=5)
    arguments = parser.parse_args()
    data, vae = load("faces"), training.face_vae()

    def train() -> None:
        training.fit_faces(vae, data.train, epochs=arguments.epochs, progress=False)

    def encode() -> None:
        for i in range(200):
            vae.posterior(data.test[i : i + 1])

    pixels = (torch.rand(12_800, 28, 28, generator=torch.Generator().manual_seed(0)) < 0.2).float()
    large = dense((28, 28), 20, hidden=(400,), likelihood="bernoulli")

    def train_large() -> None:
        training.fit(large, pixels, arguments.epochs, device="cpu", progress=False)

    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads by default\n")
    print("| work | alone, s | busy, s | ratio |\n|---|---|---|---|")
    for name, work, all_threads in (
        (f"`fit_faces`, {arguments.epochs} epochs (one thread)", train, False),
        ("200 encoded faces", encode, False),
        (f"`fit`, 784-400-20, 12,800 images, {arguments.epochs} epochs", train_large, False),
        ("the same, torch's threads all the time", train_large, True),
    ):
        # The comparison takes away what `fit` does about threads, and nothing else.
        fixed = (lambda vae, fixed: thread_numbers(vae, True)) if all_threads else thread_numbers
        training.thread_numbers = fixed
        work()
        races = [pair(work) for _ in range(arguments.races)]
        alone, busy = (statistics.median(race[i] for race in races) for i in (0, 1))
        ratio = statistics.median(b / a for a, b in races)
        print(f"| {name} | {alone:.2f} | {busy:.2f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
