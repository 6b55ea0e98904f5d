"""The same VAE trained by several libraries, an epoch each in turn: seconds an epoch, and ratios.

    python benchmarks/race.py [--model dense] [--epochs 6] [--images 60000] [--download]

The others live in an environment of their own (benchmarks/peers.sh). Genuine MNIST, made 0/1 once
with seed 0; the first epoch of each, in which some compile, is not counted. A ratio is the median
over the epochs of the ratio within one turn, with the least and the most. CPU seconds are those of
all threads together: what is left to compare on a machine where others work.
"""

import argparse
import json
import math
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
from tqdm.auto import tqdm

import vaelib  # noqa: F401  (before torch: it sets how its threads wait)

import torch  # isort: skip

from racers import CONVOLUTIONAL, RACERS

from vaelib import data

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
PEERS = Path(os.environ.get("VAELIB_PEERS") or CACHE / "vaelib" / "peers") / "bin" / "python"
MODELS = {"dense": (RACERS, 6, 60000), "conv": (CONVOLUTIONAL, 4, 6400)}  # epochs, images


def processor() -> str:
    """Its name and the number of cores."""
    lines = Path("/proc/cpuinfo")
    names = [line for line in lines.read_text().splitlines() if "model name" in line]
    return f"{names[0].partition(': ')[2] if names else platform.machine()}, {os.cpu_count()} cores"


class Racer:
    """A process that trains one epoch when told to."""

    def __init__(self, model: str, name: str, images: Path) -> None:
        self.name, self.epochs = name, []
        own = name.startswith("vaelib")
        python = sys.executable if own else str(PEERS)
        self.process = None
        if Path(python).exists():
            environment = os.environ | {"PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "2"}
            for setting in () if own else ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
                environment.pop(setting, None)  # each as its users have it
            self.process = subprocess.Popen(
                [python, str(HERE / "racers.py"), model, name, str(images)],
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
    parser.add_argument("--model", choices=list(MODELS), default="dense")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--images", type=int)
    parser.add_argument("--only", nargs="*", help="names of racers")
    parser.add_argument("--download", action="store_true")
    arguments = parser.parse_args()
    known, epochs, images = MODELS[arguments.model]
    names = arguments.only or list(known)
    if unknown := [name for name in names if name not in known]:
        parser.error(f"there is no racer {unknown[0]!r}: choose among {', '.join(known)}")
    epochs, images = arguments.epochs or epochs, arguments.images or images
    grey = data.load("mnist", arguments.download).train[:images]
    pixels = data.binarise(grey, torch.Generator().manual_seed(0)).numpy()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "images.npy")
        np.save(path, pixels)
        racers = [Racer(arguments.model, name, path) for name in names]
        try:
            started = time.monotonic()
            for _ in tqdm(range(epochs), unit="turn"):
                for racer in racers:
                    racer.epoch()
        finally:
            for racer in racers:
                racer.end()
    print(f"{date.today()}, {processor()}, torch {torch.__version__}, {len(pixels)} images,")
    print(
        f"{epochs} epochs each in turn, {time.monotonic() - started:.0f} s; load of the machine at"
    )
    print(f"the end {os.getloadavg()[0]:.1f} (a machine that is ours alone: about 2)\n")
    show(racers, epochs)


def show(racers: list[Racer], epochs: int) -> None:
    """The table of the times, and the one of our ratios to each of the others."""
    print("| loop | precision | s/epoch (least to most) | CPU s/epoch (least to most) | ELBO |")
    print("|---|---|---|---|---|")
    for racer in racers:
        precision = "bfloat16 products" if "bfloat16" in racer.name else "float32"
        if len(racer.epochs) < epochs:
            print(f"| {racer.name} | {precision} | missing: not installed, or it failed | | |")
            continue
        cells = [spread([e[what] for e in racer.epochs[1:]]) for what in ("seconds", "cpu")]
        elbo = racer.epochs[-1]["elbo"]
        cells.append("" if math.isnan(elbo) else f"{elbo:.2f}")
        print(f"| {racer.name} | {precision} | {' | '.join(cells)} |")
    there = [racer for racer in racers if len(racer.epochs) == epochs]
    ours = [racer for racer in there if racer.name.startswith("vaelib")]
    others = [racer for racer in there if racer not in ours]
    print(f"\n| times as fast as | {' | '.join(r.name for r in ours)} |")
    print("|---|" + "---|" * len(ours))
    for other in others:
        pairs = [zip(other.epochs[1:], own.epochs[1:], strict=True) for own in ours]
        cells = [spread([a["seconds"] / b["seconds"] for a, b in pair]) for pair in pairs]
        print(f"| {other.name} | {' | '.join(cells)} |")
    for racer in there:
        if took := racer.epochs[0].get("compile_seconds"):
            print(f"\n{racer.name}: {took:.1f} s of compiling before the first epoch.")


def spread(values: list[float]) -> str:
    """The median, and the least and the most."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
