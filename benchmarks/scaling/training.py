"""What an epoch of `fit` costs against data, batch, width, latent size and processes.

784-400-20-400-784, Bernoulli likelihood, genuine MNIST binarised once with seed 0, Adam 1e-3,
batches of 128 unless a column says otherwise. The settings of one part take turns, and the first
epoch of every run is not counted.
"""

import functools
import itertools
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

import vaelib  # noqa: F401  (before torch: it sets how torch's threads wait)

import torch  # isort: skip
from torch.nn import functional

from benchmarks.tables import heading, spread, table
from vaelib import data
from vaelib.models import VAE, dense
from vaelib.training import fit

ROOT = Path(__file__).resolve().parents[2]
IMAGES = 60_000
ROUNDS = 2
EPOCHS = 3
SIZES = (3_750, 7_500, 15_000, 30_000, 60_000, 120_000)  # above 60,000 the images repeat
ON_DISK = (120_000, 360_000)
BATCHES = (16, 32, 64, 128, 256, 512, 1024, 2048)
WIDTHS = (50, 100, 200, 400, 800, 1600)
LATENTS = (2, 5, 20, 50, 200)


def images(count: int, download: bool) -> torch.Tensor:
    """`count` rows of 784 zeros and ones; MNIST repeats where that is more than MNIST has."""
    grey = data.load("mnist", download).train
    x = data.binarise(grey, torch.Generator().manual_seed(0)).flatten(1)
    return x.repeat(math.ceil(count / len(x)), 1)[:count].contiguous()


def model(width: int = 400, latent: int = 20) -> VAE:
    return dense((784,), latent, hidden=(width,), likelihood="bernoulli")


def flops(vae: VAE) -> float:
    """Floating-point operations of one example's matrix products: one forward, two backward.

    The gradient in x is not needed, which saves one product of the first layer.
    """
    weights = [m.weight.numel() for m in vae.modules() if isinstance(m, torch.nn.Linear)]
    return 6.0 * sum(weights) - 2.0 * weights[0]


def shortest(work, seconds: float = 0.3, times: int = 5) -> float:
    """The shortest time that `work` takes, of at least `times` calls and `seconds` seconds."""
    work()
    taken = []
    end = time.perf_counter() + seconds
    while len(taken) < times or time.perf_counter() < end:
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


def linear_layers() -> list:
    """A linear layer in float32 as PyTorch computes it, and through oneDNN where that exists."""
    found = [functional.linear]
    if torch.backends.mkldnn.is_available():
        found.append(lambda x, w: functional.linear(x.to_mkldnn(), w).to_dense())
    return found


def shortest_with_any_threads(work, seconds: float = 0.3) -> float:
    """The shortest time of `work`, with one thread or with torch's number of them."""
    found = []
    threads = torch.get_num_threads()
    for used in {1, threads}:
        torch.set_num_threads(used)
        found.append(shortest(work, seconds))
    torch.set_num_threads(threads)
    return min(found)


def best_rate() -> float:
    """Operations per second of the best of some square products."""
    rates = []
    for n, product in itertools.product((512, 1024, 2048), linear_layers()):
        a = torch.randn(n, n)
        b = torch.randn(n, n)
        rates.append(2 * n**3 / shortest_with_any_threads(functools.partial(product, a, b)))
    return max(rates)


def product_seconds(vae: VAE, batch: int) -> float:
    """Seconds of one step's linear layers alone, forward and backward."""
    layers = [m for m in vae.modules() if isinstance(m, torch.nn.Linear)]
    inputs = [torch.randn(batch, m.in_features, requires_grad=i > 0) for i, m in enumerate(layers)]
    gradients = [torch.randn(batch, m.out_features) for m in layers]

    def step(product) -> None:
        for m, x, gradient in zip(layers, inputs, gradients, strict=True):
            m.weight.grad = None
            x.grad = None
            product(x, m.weight).backward(gradient)

    times = [shortest_with_any_threads(functools.partial(step, way)) for way in linear_layers()]
    return min(times)


def adam_seconds(vae: VAE) -> float:
    """Seconds of one Adam step, with torch's threads or with one."""
    for p in vae.parameters():
        p.grad = torch.randn_like(p)
    optimiser = torch.optim.Adam(vae.parameters(), lr=1e-3, fused=True)
    return shortest_with_any_threads(optimiser.step)


def epoch_seconds(x, vae: VAE, batch: int = 128, epochs: int = EPOCHS) -> list[float]:
    """Seconds of the epochs after the first."""
    history = fit(vae, x, epochs=epochs, batch_size=batch, progress=False, device="cpu")
    return history.seconds[1:]


# Measuring


def data_sizes(download: bool) -> dict:
    x = images(max(SIZES), download)
    rows = [{"value": n, "seconds": []} for n in SIZES]
    for _ in range(ROUNDS):
        for row in rows:
            row["seconds"] += epoch_seconds(x[: row["value"]], model())
            print(f"N {row['value']}: {row['seconds'][-1]:.2f} s", flush=True)
    return {"rows": rows}


def series(name: str, values, download: bool) -> dict:
    """An epoch for each value of batch, width or latent size, and what it consists of."""
    x = images(IMAGES, download)
    rows = [{"value": value, "seconds": []} for value in values]
    rates = [best_rate()]

    def chosen(row) -> tuple[VAE, int]:
        if name == "batch":
            return model(), row["value"]
        return model(**{name: row["value"]}), 128

    for _ in range(ROUNDS):
        for row in rows:
            vae, batch = chosen(row)
            row["seconds"] += epoch_seconds(x, vae, batch)
            print(f"{name} {row['value']}: {row['seconds'][-1]:.2f} s", flush=True)
        rates.append(best_rate())
    for row in rows:
        vae, batch = chosen(row)
        steps = math.ceil(len(x) / batch)
        row["steps"] = steps
        row["flops"] = flops(vae) * len(x)
        row["products"] = product_seconds(vae, batch) * steps
        row["adam"] = adam_seconds(vae) * steps
        row["weights"] = sum(p.numel() for p in vae.parameters())
    return {"rows": rows, "rate": max(rates), "images": len(x)}


def peak_memory(reset: bool = False) -> float:
    """The most MiB that this process has had in memory, since the last call with `reset`."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**10


def mapped(download: bool) -> dict:
    """The same images in memory and in a mapped file, and a mapped file three times as large."""
    x = images(ON_DISK[0], download)
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        sources = [("memory", x)]
        for n in ON_DISK:
            path = Path(folder, f"{n}.npy")
            file = np.lib.format.open_memmap(path, "w+", np.float32, (n, 784))
            for start in range(0, n, len(x)):
                file[start : start + len(x)] = x
            file.flush()
            sources.append(("a mapped file", torch.from_numpy(np.load(path, mmap_mode="r+"))))
        rows = [
            {"where": where, "value": len(rows_of), "seconds": [], "bytes": rows_of.nbytes}
            for where, rows_of in sources
        ]
        # The largest comes first, so that its peak is not one that an earlier run left behind.
        for _ in range(ROUNDS):
            for row, (_, rows_of) in reversed([*zip(rows, sources, strict=True)]):
                before = peak_memory(reset=True)
                row["seconds"] += epoch_seconds(rows_of, model(), epochs=2)
                row["added"] = peak_memory() - before
                print(row["where"], row["value"], row["seconds"], flush=True)
    return {"rows": rows}


def processes(download: bool) -> dict:
    """One process and two under torchrun, each with one thread; one process with two threads."""
    rows = [
        {"processes": p, "threads": t, "batch": b, "seconds": []}
        for b in (128, 1024)
        for p, t in ((1, 1), (2, 1), (1, 2))
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.npy")
        out = Path(folder, "out.json")
        np.save(path, images(IMAGES, download).numpy())
        for _ in range(ROUNDS):
            for row in rows:
                command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
                command += ["--nproc-per-node", str(row["processes"])]
                command += ["-m", "benchmarks.scaling.worker", str(path), str(out)]
                command += [str(row["batch"])]
                environment = os.environ | {"OMP_NUM_THREADS": str(row["threads"])}
                environment["PYTHONPATH"] = str(ROOT)
                subprocess.run(
                    command, check=True, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
                )
                found = json.loads(out.read_text())
                row["seconds"] += found["seconds"]
                row["exchange"] = min(found["exchange"], row.get("exchange", float("inf")))
                print({k: v for k, v in row.items() if k != "seconds"}, found["seconds"])
    return {"rows": rows}


PARTS = {
    "data": data_sizes,
    "mapped": mapped,
    "batch": functools.partial(series, "batch", BATCHES),
    "width": functools.partial(series, "width", WIDTHS),
    "latent": functools.partial(series, "latent", LATENTS),
    "processes": processes,
}


# Showing


def tables(found: dict[str, dict]) -> list[str]:
    """The tables of the parts that were measured."""
    show = {
        "data": data_table,
        "mapped": mapped_table,
        "batch": functools.partial(series_table, "batch", "batch size"),
        "width": functools.partial(series_table, "width", "width of the hidden layers"),
        "latent": functools.partial(series_table, "latent", "number of latent dimensions"),
        "processes": processes_table,
    }
    blocks = ["## Training"]
    for part, shown in show.items():
        if part in found:
            blocks.append(shown(found[part]))
    if "batch" in found:
        blocks.append(fixed_cost_table(found["batch"]))
    return [*blocks, shared_setting_table(found)]


def middle(row: dict) -> float:
    return median(row["seconds"])


def above(title: str, part: str, about: dict[str, str]) -> str:
    return heading(f"### {title}", f"make bench-scaling PARTS={part}", about)


def data_table(part: dict) -> str:
    rows = part["rows"]
    per_image = next(middle(r) / r["value"] for r in rows if r["value"] == IMAGES)
    lines = []
    for r in rows:
        linear = per_image * r["value"]
        ratio = middle(r) / linear
        lines.append([f"{r['value']:,}", spread(r["seconds"]), f"{linear:.2f}", f"{ratio:.2f}"])
    header = ["images", "s/epoch", "linear through 60,000", "ratio"]
    top = above("Against the number of images", "data", part["about"])
    return f"{top}\n{table(header, lines)}"


def mapped_table(part: dict) -> str:
    rows = part["rows"]
    per_image = next(middle(r) / r["value"] for r in rows if r["where"] == "memory")
    lines = []
    for r in rows:
        linear = per_image * r["value"]
        cells = [r["where"], f"{r['value']:,}", f"{r['bytes'] / 2**30:.2f}", spread(r["seconds"])]
        cells += [f"{linear:.2f}", f"{middle(r) / linear:.2f}", f"{r['added']:.0f}"]
        lines.append(cells)
    header = ["images in", "images", "GiB", "s/epoch", "linear", "ratio", "MiB added at most"]
    top = above("From a file mapped into memory", "mapped", part["about"])
    return f"{top}\n{table(header, lines)}"


def series_table(name: str, what: str, part: dict) -> str:
    lines = []
    for r in part["rows"]:
        perfect = r["flops"] / part["rate"]
        rest = middle(r) - r["products"] - r["adam"]
        cells = [r["value"], f"{r['steps']:,}", f"{r['weights'] / 1e3:,.0f}", spread(r["seconds"])]
        cells += [f"{perfect:.2f}", f"{middle(r) / perfect:.1f}"]
        cells += [f"{r['products']:.2f}", f"{r['adam']:.2f}", f"{rest:.2f}"]
        lines.append(cells)
    header = [name, "steps", "thousand weights", "s/epoch", "perfect", "ratio"]
    header += ["products", "Adam", "the rest"]
    about = part["about"] | {"best rate": f"{part['rate'] / 1e9:.0f} GFLOP/s"}
    return f"{above(f'Against the {what}', name, about)}\n{table(header, lines)}"


def fixed_cost_table(part: dict) -> str:
    """The line "so much per step and so much per example" that is nearest to the rows in ratio."""
    rows = part["rows"]
    counts = np.array([[r["steps"], part["images"]] for r in rows]) / [[middle(r)] for r in rows]
    step, example = np.linalg.lstsq(counts, np.ones(len(rows)), rcond=None)[0]
    perfect = rows[0]["flops"] / part["rate"] / part["images"]
    cells = [f"{1e3 * step:.2f}", f"{1e6 * example:.1f}", f"{1e6 * perfect:.1f}"]
    header = ["ms per step", "µs per example", "perfect: µs per example"]
    top = above("What a step and an example cost", "batch", part["about"])
    return f"{top}\n{table(header, [cells])}"


def processes_table(part: dict) -> str:
    alone = {
        r["batch"]: middle(r) for r in part["rows"] if r["processes"] == 1 and r["threads"] == 1
    }
    lines = []
    for r in part["rows"]:
        perfect = alone[r["batch"]] / (r["processes"] * r["threads"])
        cells = [r["batch"], r["processes"], r["threads"], spread(r["seconds"])]
        cells += [f"{perfect:.2f}", f"{middle(r) / perfect:.2f}"]
        cells += [f"{r['exchange']:.2f}" if r["processes"] > 1 else ""]
        lines.append(cells)
    header = ["batch", "processes", "threads each", "s/epoch", "perfect", "ratio"]
    header += ["exchange, s/epoch"]
    top = above("Against the processes", "processes", part["about"])
    return f"{top}\n{table(header, lines)}"


def shared_setting_table(found: dict[str, dict]) -> str:
    """What the one setting that several tables share took in each of them."""
    shared = {"data": IMAGES, "batch": 128, "width": 400, "latent": 20}
    lines = [
        [part, spread(row["seconds"])]
        for part, value in shared.items()
        for row in found.get(part, {}).get("rows", [])
        if row["value"] == value
    ]
    title = "### The setting that the tables share"
    return f"{title}\n\n{table(['table', 's/epoch'], lines)}" if len(lines) > 1 else ""
