"""Training on a GPU beside the CPU: seconds an epoch, eager and captured, and the ELBO.

    python benchmarks/gpu.py [--epochs 6] [--images 60000] [--download]

Writes a table with device, versions and date. Without a CUDA device it says so and ends with 1.
"""

import argparse
import statistics
import sys
from datetime import date

import vaelib  # noqa: F401  (before torch: it sets how its threads wait)

import torch  # isort: skip

from vaelib import data
from vaelib.models import conv, dense
from vaelib.training import fit

WAYS = {
    "CPU, float32": {"device": "cpu"},
    "GPU, float32, eager": {"device": "cuda"},
    "GPU, float32, captured": {"device": "cuda", "compile": True},
    "GPU, TF32, captured": {"device": "cuda", "compile": True, "precision": "tf32"},
    "GPU, bfloat16, captured": {"device": "cuda", "compile": True, "precision": "bfloat16"},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--images", type=int, default=60000)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[128, 1024])
    parser.add_argument("--download", action="store_true")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("There is no CUDA device here: nothing was measured.", file=sys.stderr)
        return 1
    x = data.load("mnist", arguments.download).train[: arguments.images]
    x = data.binarise(x, torch.Generator().manual_seed(0))
    print(f"{date.today()}, {torch.cuda.get_device_name()}, torch {torch.__version__}, CUDA")
    print(f"{torch.version.cuda}, {len(x)} images, medians of {arguments.epochs - 1} epochs\n")
    print("| model | batch | way | s/epoch (least to most) | times the CPU | ELBO |")
    print("|---|---|---|---|---|---|")
    for name, maker in (
        ("784-400-20", lambda: dense((28, 28), 20, hidden=(400,), likelihood="bernoulli")),
        ("convolutional", lambda: conv((28, 28), 20, likelihood="bernoulli")),
    ):
        for batch_size in arguments.batch_sizes:
            cpu = 0.0
            for way, options in WAYS.items():
                options = {"epochs": arguments.epochs, "batch_size": batch_size, **options}
                history = fit(maker(), x, **options, progress=False)
                seconds = history.seconds[1:]  # the first has the warm-up and the capture
                middle = statistics.median(seconds)
                cpu = middle if way.startswith("CPU") else cpu
                spread = f"{middle:.3f} ({min(seconds):.3f} to {max(seconds):.3f})"
                row = (name, str(batch_size), way, spread, f"{cpu / middle:.1f}")
                print(f"| {' | '.join(row)} | {history.elbo[-1]:.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
