"""How much one other busy process costs: training the default face model, and encoding a face.

    python benchmarks/busy_neighbour.py [--epochs 5] [--races 5]

Alone and beside a process that never rests, in turn; the ratio of each pair is what counts. Torch's
own two threads are measured the same way, for comparison.
"""

import argparse
import statistics
import subprocess
import sys
import time

import vaelib  # noqa: F401  (before torch: it sets how its threads wait)

import torch  # isort: skip

from vaelib import training
from vaelib._threads import few_threads
from vaelib.data import load

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

    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads by default")
    print(f"{'work':<40} {'alone, s':>9} {'busy, s':>9} {'ratio':>6}")
    rest = few_threads
    for name, work, threads in (
        (f"fit_faces, {arguments.epochs} epochs", train, rest),
        ("200 encoded faces", encode, rest),
        ("fit_faces with torch's default threads", train, None),
    ):
        # The comparison takes away what `fit` does about threads, and nothing else.
        training.few_threads = threads or (lambda work: few_threads(float("inf")))
        work()
        races = [pair(work) for _ in range(arguments.races)]
        alone, busy = (statistics.median(race[i] for race in races) for i in (0, 1))
        ratio = statistics.median(b / a for a, b in races)
        print(f"{name:<40} {alone:9.2f} {busy:9.2f} {ratio:6.2f}")


if __name__ == "__main__":
    main()
