"""The same VAE trained by several libraries, an epoch each in turn: seconds an epoch, and ratios.

    python benchmarks/race.py [--epochs 6] [--images 60000] [--download]

The others live in an environment of their own (benchmarks/peers.sh). Genuine MNIST, made 0/1 once
with seed 0; the first epoch of each, in which some compile, is not counted. A ratio is the median
over the epochs of the ratio within one turn. CPU seconds are those of all threads together: what is
left to compare on a machine where others work.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np

import vaelib  # noqa: F401  (before torch: it sets how its threads wait)

import torch  # isort: skip

from racers import RACERS

from vaelib import data

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
PEERS = Path(os.environ.get("VAELIB_PEERS") or CACHE / "vaelib" / "peers") / "bin" / "python"
FIRST = "pytorch/examples"


def processor() -> str:
    """Its name and the number of cores."""
    lines = Path("/proc/cpuinfo")
    names = [line for line in lines.read_text().splitlines() if "model name" in line]
    return f"{names[0].partition(': ')[2] if names else platform.machine()}, {os.cpu_count()} cores"


class Racer:
    """A process that trains one epoch when told to."""

    def __init__(self, name: str, images: Path) -> None:
        self.name, self.epochs = name, []
        python = sys.executable if name.startswith("vaelib") else str(PEERS)
        self.process = None
        if Path(python).exists():
            environment = os.environ | {"PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "2"}
            if not name.startswith("vaelib"):  # each as its users have it
                environment.pop("OMP_WAIT_POLICY", None)
            self.process = subprocess.Popen(
                [python, str(HERE / "racers.py"), name, str(images)],
                **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True},
                **{"stderr": subprocess.DEVNULL, "env": environment},
            )

    def epoch(self) -> None:
        """Train one; a racer that fails is out."""
        if self.process is None:
            return
        try:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
            while line and not line.startswith("{"):
                line = self.process.stdout.readline()
            self.epochs.append(json.loads(line))
        except (OSError, ValueError):
            self.end()

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--images", type=int, default=60000)
    parser.add_argument("--only", nargs="*", default=list(RACERS), choices=list(RACERS))
    parser.add_argument("--download", action="store_true")
    arguments = parser.parse_args()
    grey = data.load("mnist", arguments.download).train[: arguments.images]
    images = data.binarise(grey, torch.Generator().manual_seed(0)).numpy()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "images.npy")
        np.save(path, images)
        racers = [Racer(name, path) for name in arguments.only]
        try:
            started = time.monotonic()
            for _ in range(arguments.epochs):
                for racer in racers:
                    racer.epoch()
        finally:
            for racer in racers:
                racer.end()
    print(f"{date.today()}, {processor()}, torch {torch.__version__}, {len(images)} images, ")
    print(
        f"{arguments.epochs} epochs each in turn, {time.monotonic() - started:.0f} s; load of the"
    )
    print(f"machine at the end {os.getloadavg()[0]:.1f} (a machine that is ours alone: about 2)\n")
    print("| loop | precision | s/epoch (least to most) | ratio | CPU s/epoch | ratio | ELBO |")
    print("|---|---|---|---|---|---|---|")
    first = next((r.epochs for r in racers if r.name == FIRST), [])
    for racer in racers:
        precision = "bfloat16 products" if "bfloat16" in racer.name else "float32"
        if len(racer.epochs) < arguments.epochs:
            print(f"| {racer.name} | {precision} | missing: not installed, or it failed | | | | |")
            continue
        cells = []
        for what in ("seconds", "cpu"):
            taken = [e[what] for e in racer.epochs[1:]]
            ratios = [a[what] / s for a, s in zip(first[1:], taken, strict=False)]
            cells.append(f"{statistics.median(taken):.2f} ({min(taken):.2f} to {max(taken):.2f})")
            cells.append(f"{statistics.median(ratios):.2f}" if ratios else "")
        elbo = f"{racer.epochs[-1]['elbo']:.2f}"
        print(f"| {racer.name} | {precision} | {' | '.join(cells)} | {elbo} |")
    for racer in racers:
        if racer.epochs and racer.epochs[0].get("compile_seconds"):
            took = racer.epochs[0]["compile_seconds"]
            print(f"\n{racer.name}: {took:.1f} s of compiling before the first epoch.")


if __name__ == "__main__":
    main()
