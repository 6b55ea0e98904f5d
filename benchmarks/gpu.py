"""Training on a GPU: seconds per epoch, µs per step, the ELBO, and the memory after many runs.

    python -m benchmarks.gpu [--epochs 6] [--images 60000] [--json FILE]

It takes a few minutes. JAX takes part if it can be imported. `--device cpu` tries out the script
itself: `--device cpu --images 1000 --epochs 2 --runs 2`.
"""

import argparse
import itertools
import json
import os
import sys
from pathlib import Path
from statistics import median

import vaelib  # noqa: F401  (before torch: it sets how torch's threads wait)

import torch  # isort: skip

from benchmarks.racers import jax_loops
from benchmarks.tables import circumstances, heading, line, number, spread, table
from vaelib import data, engine
from vaelib.models import VAE, conv, dense
from vaelib.training import fit

BATCH = 128
WAYS = {
    "plain": ("plain", "float32"),
    "compiled": ("compiled", "float32"),
    "compiled, TF32": ("compiled", "tf32"),
    "compiled, bfloat16": ("compiled", "bfloat16"),
}
JAX_PRECISIONS = ("float32", "tensorfloat32")
HEADER = ["model", "way", "binarised", "s/epoch", "µs/step", "s to compile", "ELBO at the end"]


def dense_vae() -> VAE:
    return dense((28, 28), 20, hidden=(400,), likelihood="bernoulli")


def conv_vae() -> VAE:
    return conv((28, 28), 20, likelihood="bernoulli")


MODELS = {"784-400-20": dense_vae, "convolutional": conv_vae}


def row(names: list[str], seconds: list[float], steps: int, compiling: float, elbo: float) -> dict:
    """One row of the table, also as it is written to JSON. The first epoch is not counted."""
    counted = seconds[1:]
    cells = [*names, spread(counted, digits=3), f"{1e6 * median(counted) / steps:.0f}"]
    cells += [f"{compiling:.1f}", number(elbo)]
    print(line(cells), flush=True)
    return dict(zip(HEADER, cells, strict=True)) | {"seconds": seconds}


def epochs_table(grey: torch.Tensor, device: str, epochs: int) -> list[dict]:
    """Every way to train, with the images binarised once or for each batch."""
    once = data.binarise(grey, torch.Generator().manual_seed(0))
    steps = -(-len(grey) // BATCH)
    rows = []
    for name, make in MODELS.items():
        for way, (how, precision) in WAYS.items():
            if precision == "tf32" and device == "cpu":
                continue
            for binarise in (False, True):
                history = fit(
                    make(),
                    grey if binarise else once,
                    epochs,
                    BATCH,
                    device=device,
                    binarise=binarise,
                    engine=how,
                    precision=precision,
                    progress=False,
                )
                names = [name, way, "for each batch" if binarise else "once"]
                compiling = history.compile_seconds
                rows.append(row(names, history.seconds, steps, compiling, history.elbo[-1]))
    return rows


def jax_rows(grey: torch.Tensor, epochs: int) -> list[dict]:
    """JAX's jitted scan over the epoch, on the device that JAX chooses."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    try:
        import jax
    except ImportError:
        print("\nJAX cannot be imported here.")
        return []
    once = data.binarise(grey, torch.Generator().manual_seed(0)).numpy()
    steps = -(-len(once) // BATCH)
    rows = []
    for precision in JAX_PRECISIONS:
        jax.config.update("jax_default_matmul_precision", precision)
        reports = [*itertools.islice(jax_loops.dense_epochs(once), epochs)]
        names = ["784-400-20", f"JAX scan on {jax.default_backend()}, {precision}", "once"]
        seconds = [report[0] for report in reports]
        _, elbo, compiling = reports[-1]
        rows.append(row(names, seconds, steps, compiling, elbo))
    return rows


def memory_table(grey: torch.Tensor, device: str, runs: int) -> list[dict]:
    """MiB in use on the device after the first of many compiled runs, and after the last."""
    x = data.binarise(grey[: 10 * BATCH], torch.Generator().manual_seed(0))
    rows = []
    for i in range(runs):
        options = {"engine": "compiled", "device": device, "progress": False}
        fit(dense_vae(), x, 2, BATCH, **options)
        if i in (0, runs // 2, runs - 1):
            rows.append({"runs": i + 1, "MiB": used_memory(device)})
    cells = [[r["runs"], f"{r['MiB']:.0f}", f"{r['MiB'] - rows[0]['MiB']:+.0f}"] for r in rows]
    print("\n" + table(["compiled runs in one process", "MiB in use", "since the first"], cells))
    return rows


def used_memory(device: str) -> float:
    """MiB: of the whole device, or of this process on the CPU."""
    if device == "cpu":
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info()
    return (total - free) / 2**20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--epochs", type=int, default=6, help="the first is not counted")
    parser.add_argument("--images", type=int, default=60000)
    parser.add_argument("--runs", type=int, default=50, help="compiled runs in one process")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what was measured")
    parser.add_argument("--download", action="store_true", help="MNIST, if it is not there yet")
    arguments = parser.parse_args()
    device = arguments.device
    engine.WORTH_COMPILING = 0.0  # these runs are too short to earn the compilation back
    if device == "cuda" and not torch.cuda.is_available():
        print("There is no CUDA device here: nothing was measured.", file=sys.stderr)
        return 1
    grey = data.load("mnist", arguments.download).train[: arguments.images]
    about = circumstances("torch", images=str(len(grey)), batch=str(BATCH))
    if device == "cuda":
        about |= {"GPU": torch.cuda.get_device_name(), "CUDA": torch.version.cuda}
    print(heading("## On a GPU", "python -m benchmarks.gpu", about))
    print(table(HEADER, []), end="", flush=True)
    rows = epochs_table(grey, device, arguments.epochs)
    rows += jax_rows(grey, arguments.epochs)
    memory = memory_table(grey, device, arguments.runs)
    if arguments.json:
        found = {"about": about, "rows": rows, "memory": memory}
        arguments.json.write_text(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
