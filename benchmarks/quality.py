"""How good the models are, beside the literature: `make bench-quality`.

    python benchmarks/quality.py [pythae] [burda] [options] [faces] [--epochs N] [--test N]

Nats, genuine MNIST, log p(x) by importance sampling; each part says its binarisation. `--epochs`
and `--test` (test images) make it shorter, and the tables say so.
"""

import argparse
import statistics
import time
from datetime import date
from functools import partial

import vaelib  # noqa: F401  (before torch: it sets how its threads wait)

import torch  # isort: skip

from vaelib import data, evaluation, training
from vaelib.models import dense
from vaelib.schedules import cosine_decay, linear_annealing

FAST = {"precision": "auto", "compile": True, "progress": False}


def images(download: bool):
    return data.load("mnist", download)


def drawn(x):
    """One fixed draw of 0/1 pixels, from seed 0."""
    return data.binarise(x, torch.Generator().manual_seed(0))


def decay(epochs: int, n: int, batch_size: int, lr: float):
    return partial(cosine_decay, steps=epochs * -(-n // batch_size), start=lr, hold=0.3)


def show_ladder(name: str, vae, test, samples=(5, 50, 5000)) -> None:
    found = evaluation.ladder(vae, test, samples, progress=False)
    cells = " | ".join(f"{m.value:.2f} ± {m.standard_error:.2f}" for m in found.values())
    print(f"| {name} | {len(test)} | {cells} |", flush=True)


def pythae(mnist, epochs: int, tests: int) -> None:
    """784-400-40 ReLU, batches of 100; there 89.78 and in its reference 89.9, 100 epochs."""
    print("\n### 784-400-40, ReLU, batches of 100, dynamic binarisation\n")
    print("| training | test images | ELBO | IW-5 | IW-50 | IW-5000 |\n|---|---|---|---|---|---|")
    vae = dense((28, 28), 40, hidden=(400,), likelihood="bernoulli")
    lr = decay(epochs, len(mnist.train), 100, 1e-3)
    history = training.fit(vae, mnist.train, epochs, 100, lr, binarise=True, **FAST)
    name = f"{epochs} epochs, {sum(history.seconds) + history.compile_seconds:.0f} s"
    show_ladder(name, vae, drawn(mnist.test[:tests]))


def burda(mnist, epochs: int, tests: int) -> None:
    """50 latents, 2 × 200 tanh, batches of 20, dynamic binarisation; there −86.76 with 5,000."""
    print("\n### One stochastic layer, 50 latents, 2 × 200 tanh, dynamic binarisation\n")
    print("| training | test images | ELBO | IW-5000 |\n|---|---|---|---|")
    vae = dense((28, 28), 50, hidden=(200, 200), likelihood="bernoulli", activation="tanh")
    lr = decay(epochs, len(mnist.train), 100, 1e-3)
    test, spent = drawn(mnist.test[:tests]), 0.0

    def tell(history) -> None:
        nonlocal spent
        done = len(history.elbo)
        if done in (1, 2, 5, 10, 20, 50, 100, 200, 500, epochs):
            show_ladder(f"{done} epochs, {sum(history.seconds):.0f} s", vae, test, (5000,))

    training.fit(vae, mnist.train, epochs, 100, lr, binarise=True, **FAST | {"progress": tell})


def options(mnist, epochs: int, tests: int) -> None:
    """What each option moves: the same model, seed and number of steps with it and without."""
    print("\n### What an option moves: 784-400-40, batches of 100, dynamic binarisation\n")
    print("| option | test images | ELBO | IW-500 | seconds |\n|---|---|---|---|---|")
    n, test = len(mnist.train), drawn(mnist.test[:tests])
    lr = decay(epochs, n, 100, 1e-3)
    for name, chosen in {
        "none": {},
        "warm-up of the KL over the first 20 %": {
            "beta": partial(linear_annealing, warmup=epochs * n // 500)
        },
        "learning rate decayed (cosine)": {"lr": lr},
        "mean of the weights, 0.999": {"average": 0.999},
        "iwae, k = 5": {"objective": "iwae", "k": 5},
        "dreg, k = 5": {"objective": "dreg", "k": 5},
        "decayed, and mean of the weights": {"lr": lr, "average": 0.999},
    }.items():
        vae = dense((28, 28), 40, hidden=(400,), likelihood="bernoulli")
        history = training.fit(
            vae, mnist.train, epochs, 100, binarise=True, precision="auto", progress=False, **chosen
        )
        found = evaluation.ladder(vae, test, (500,), progress=False)
        cells = " | ".join(f"{m.value:.2f} ± {m.standard_error:.2f}" for m in found.values())
        print(f"| {name} | {tests} | {cells} | {sum(history.seconds):.0f} |", flush=True)


def faces(_, epochs: int, __) -> None:
    """The default face model from ten seeds: ELBO on the test faces, and alignment."""
    print("\n### Faces, Gaussian likelihood, no binarisation, ten seeds\n")
    print("| | least | median | most |\n|---|---|---|---|")
    held, rows = data.load("faces"), []
    for seed in range(10):
        vae = training.face_vae(seed)
        training.fit_faces(vae, held.train, seed, epochs=epochs, progress=False)
        table = evaluation.factor_alignment(vae, held).max(0).values.tolist()
        with torch.no_grad():
            bound = evaluation.ladder(vae, held.test, (), progress=False)["ELBO"].value
        rows.append((bound, *table))
    for i, name in enumerate(("ELBO", "|ρ| expression", "|ρ| pose")):
        column = sorted(row[i] for row in rows)
        cells = (column[0], statistics.median(column), column[-1])
        print(f"| {name} | " + " | ".join(f"{c:.3f}" for c in cells) + " |", flush=True)


PARTS = {
    "pythae": (pythae, 10),
    "burda": (burda, 20),
    "options": (options, 5),
    "faces": (faces, 48),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help="of " + ", ".join(PARTS))
    parser.add_argument("--epochs", type=int, help="in place of each part's own")
    parser.add_argument("--train", type=int, default=60000)
    parser.add_argument("--test", type=int, default=10000)
    parser.add_argument("--download", action="store_true")
    arguments = parser.parse_args()
    if unknown := [part for part in arguments.parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]}: choose among {', '.join(PARTS)}")
    chosen, started = arguments.parts or list(PARTS), time.monotonic()
    mnist = None if chosen == ["faces"] else images(arguments.download)
    if mnist is not None and arguments.train < len(mnist.train):
        mnist = data.Data("mnist", mnist.train[: arguments.train], mnist.test)
    print(
        f"{date.today()}, torch {torch.__version__}, {torch.get_num_threads()} threads, trained on"
    )
    print(f"{arguments.train} images of MNIST where it is MNIST")
    for part in chosen:
        run, epochs = PARTS[part]
        run(mnist, arguments.epochs or epochs, arguments.test)
    print(f"\n{time.monotonic() - started:.0f} s in all")


if __name__ == "__main__":
    main()
