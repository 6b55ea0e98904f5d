"""What an epoch of `fit` costs against data, batch, width, latent size and processes.

A part of scaling.py. 784-400-20-400-784, Bernoulli, genuine MNIST made 0/1 once with seed 0, Adam
1e-3, batches of 128 unless a column says otherwise. The settings of a part take turns; of each turn
the epochs after the first count.
"""

import functools
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

import vaelib  # noqa: F401  (before torch: it sets how its threads wait)

import torch  # isort: skip
import torch.distributed as dist
from torch.nn import functional

from vaelib import data
from vaelib._cuda import adam
from vaelib._run import process_group
from vaelib.models import VAE, dense
from vaelib.training import fit

HERE = Path(__file__).resolve().parent
IMAGES = 60_000
ROUNDS, EPOCHS = 2, 3
SIZES = (3_750, 7_500, 15_000, 30_000, 60_000, 120_000)  # above 60,000 the images come again
ON_DISK = (120_000, 360_000)
BATCHES = (16, 32, 64, 128, 256, 512, 1024, 2048)
WIDTHS = (50, 100, 200, 400, 800, 1600)
LATENTS = (2, 5, 20, 50, 200)


def images(count: int, download: bool):
    """So many rows of 784 zeros and ones; MNIST over and over where it is more than MNIST."""
    grey = data.load("mnist", download).train
    x = data.binarise(grey, torch.Generator().manual_seed(0)).flatten(1)
    return x.repeat(-(-count // len(x)), 1)[:count].contiguous()


def model(width: int = 400, latent: int = 20) -> VAE:
    return dense((784,), latent, hidden=(width,), likelihood="bernoulli")


def operations(vae: VAE) -> float:
    """Floating-point operations of the matrix products of one example: forward, two backward.

    Nothing asks for the gradient in x, which saves one product of the first layer.
    """
    weights = [m.weight.numel() for m in vae.modules() if isinstance(m, torch.nn.Linear)]
    return 6.0 * sum(weights) - 2.0 * weights[0]


def least(work, seconds: float = 0.3, times: int = 5) -> float:
    """The least seconds that `work` takes, of `times` or as many as fit into `seconds`."""
    work()
    taken, end = [], time.perf_counter() + seconds
    while len(taken) < times or time.perf_counter() < end:
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


def ways():
    """A linear layer in float32 as PyTorch takes it, and through oneDNN where there is that."""
    found = [functional.linear]
    if torch.backends.mkldnn.is_available():
        found.append(lambda x, w: functional.linear(x.to_mkldnn(), w).to_dense())
    return found


def with_any_threads(work, seconds: float = 0.3) -> float:
    """The least seconds of `work`, with one thread or with torch's number of them."""
    found, threads = [], torch.get_num_threads()
    for used in {1, threads}:
        torch.set_num_threads(used)
        found.append(least(work, seconds))
    torch.set_num_threads(threads)
    return min(found)


def best_rate() -> float:
    """Operations a second of the best of some square products."""
    rates = []
    for n, product in itertools.product((512, 1024, 2048), ways()):
        a, b = torch.randn(n, n), torch.randn(n, n)
        rates.append(2 * n**3 / with_any_threads(functools.partial(product, a, b)))
    return max(rates)


def products(vae: VAE, batch: int) -> float:
    """Seconds of one step's linear layers, forward and backward, and of nothing else."""
    layers = [m for m in vae.modules() if isinstance(m, torch.nn.Linear)]
    given = [torch.randn(batch, m.in_features, requires_grad=i > 0) for i, m in enumerate(layers)]
    asked = [torch.randn(batch, m.out_features) for m in layers]

    def step(product) -> None:
        for m, x, g in zip(layers, given, asked, strict=True):
            m.weight.grad = x.grad = None
            product(x, m.weight).backward(g)

    return min(with_any_threads(functools.partial(step, product)) for product in ways())


def adams(vae: VAE) -> float:
    """Seconds of one of Adam's steps, with torch's threads or with one."""
    for p in vae.parameters():
        p.grad = torch.randn_like(p)
    return with_any_threads(adam(vae, 1e-3, captured=False).step)


def epochs(x, batch: int = 128, **sizes) -> list[float]:
    """Seconds of the epochs after the first, of a new model."""
    return fit(model(**sizes), x, EPOCHS, batch, progress=False, device="cpu").seconds[1:]


def series(name: str, values, x, batch: int = 128) -> dict:
    """An epoch for each value of batch, width or latent size, and what it is made of."""
    rows, rates = [{"value": value, "seconds": []} for value in values], [best_rate()]
    for _ in range(ROUNDS):
        for row in rows:
            chosen = {"batch": batch, name: row["value"]}
            row["seconds"] += epochs(x, **chosen)
            print(f"{name} {row['value']}: {row['seconds'][-1]:.2f} s", flush=True)
        rates.append(best_rate())
    for row in rows:
        size = row["value"] if name == "batch" else batch
        vae = model(**({} if name == "batch" else {name: row["value"]}))
        steps = -(-len(x) // size)
        row |= {"steps": steps, "operations": operations(vae) * len(x)}
        row |= {"products": products(vae, size) * steps, "adam": adams(vae) * steps}
        row["weights"] = sum(p.numel() for p in vae.parameters())
    return {"rows": rows, "rate": max(rates), "images": len(x), "batch": batch}


def sizes(download: bool) -> dict:
    """Against the number of images."""
    x, rows = images(max(SIZES), download), [{"value": n, "seconds": []} for n in SIZES]
    for _ in range(ROUNDS):
        for row in rows:
            row["seconds"] += epochs(x[: row["value"]])
            print(f"N {row['value']}: {row['seconds'][-1]:.2f} s", flush=True)
    return {"rows": rows}


def peak(anew: bool = False) -> float:
    """MiB that this process has had in memory at most, since it was last asked `anew`."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**10


def mapped(download: bool) -> dict:
    """The same images in memory and in a file mapped into it, and a file four times as large."""
    x, rows = images(ON_DISK[0], download), []
    with tempfile.TemporaryDirectory(dir=HERE.parent / "build") as folder:
        paths = {n: Path(folder, f"{n}.npy") for n in ON_DISK}
        for n, path in paths.items():
            file = np.lib.format.open_memmap(path, "w+", np.float32, (n, 784))
            for start in range(0, n, len(x)):
                file[start : start + len(x)] = x
            file.flush()
        opened = {n: torch.from_numpy(np.load(p, mmap_mode="r+")) for n, p in paths.items()}
        ways = [("a mapped file", opened[ON_DISK[-1]]), ("a mapped file", opened[ON_DISK[0]])]
        for way, rows_of in [*ways, ("memory", x)]:
            rows.append({"way": way, "value": len(rows_of), "seconds": [], "gib": rows_of.nbytes})
        for _ in range(ROUNDS):
            for row, rows_of in zip(rows, [t for _, t in ways] + [x], strict=True):
                before = peak(anew=True)
                history = fit(model(), rows_of, 2, progress=False, device="cpu")
                row["seconds"] += history.seconds[1:]
                row["added"] = peak() - before
                print(row["way"], row["value"], history.seconds, flush=True)
    return {"rows": rows[::-1]}


def processes(download: bool) -> dict:
    """One process and two under torchrun, each with one thread; one process with two threads."""
    rows = [
        {"processes": p, "threads": t, "batch": b, "seconds": []}
        for b in (128, 1024)
        for p, t in ((1, 1), (2, 1), (1, 2))
    ]
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, "x.npy"), Path(folder, "out.json")
        np.save(path, images(IMAGES, download).numpy())
        for _ in range(ROUNDS):
            for row in rows:
                command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
                command += ["--nproc-per-node", str(row["processes"]), __file__]
                command += [str(path), str(out), str(row["batch"])]
                environment = os.environ | {"OMP_NUM_THREADS": str(row["threads"])}
                environment["PYTHONPATH"] = str(HERE.parent)
                subprocess.run(command, check=True, env=environment, stderr=subprocess.DEVNULL)
                found = json.loads(out.read_text())
                row["seconds"] += found["seconds"]
                row["exchange"] = min(found["exchange"], row.get("exchange", float("inf")))
                print({k: v for k, v in row.items() if k != "seconds"}, found["seconds"])
    return {"rows": rows}


def worker(path: str, out: str, batch: int) -> None:
    """One of torchrun's processes: train; then exchange numbers as many as the gradients' alone."""
    x = torch.from_numpy(np.load(path))
    with process_group("gloo"):
        vae = model()
        seconds = fit(vae, x, EPOCHS, batch, progress=False, device="cpu").seconds[1:]
        numbers = torch.zeros(sum(p.numel() for p in vae.parameters()))
        exchange = least(lambda: dist.all_reduce(numbers), times=50, seconds=0.0)
        if dist.get_rank() == 0:
            result = {"seconds": seconds, "exchange": exchange * -(-len(x) // batch)}
            Path(out).write_text(json.dumps(result))


def batch(download: bool) -> dict:
    """Against the batch size."""
    return series("batch", BATCHES, images(IMAGES, download))


def width(download: bool) -> dict:
    """Against the width of the hidden layers."""
    return series("width", WIDTHS, images(IMAGES, download))


def latent(download: bool) -> dict:
    """Against the number of latent dimensions."""
    return series("latent", LATENTS, images(IMAGES, download))


PARTS = {
    "data": sizes,
    "mapped": mapped,
    "batch": batch,
    "width": width,
    "latent": latent,
    "processes": processes,
}


def middle(row: dict) -> float:
    return median(row["seconds"])


def spread(row: dict) -> str:
    return f"{middle(row):.2f} ({min(row['seconds']):.2f} to {max(row['seconds']):.2f})"


if __name__ == "__main__":
    worker(sys.argv[1], sys.argv[2], int(sys.argv[3]))
