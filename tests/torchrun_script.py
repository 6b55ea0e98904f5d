"""What test_distributed runs under torchrun: the cases, and a program that keeps what came out."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save_file

from vaelib import models
from vaelib.run import process_group
from vaelib.schedules import linear_annealing
from vaelib.training import fit

# name: the model, how many examples, and what `fit` is told. 33 examples in batches of 8 leave a
# last batch of one, smaller than the number of processes; in batches of 1 every batch is.
CASES = {
    "dense": ("dense", 37, {"batch_size": 8, "beta": lambda step: linear_annealing(step, 7)}),
    "one left": ("dense", 33, {"batch_size": 8}),
    "single": ("dense", 5, {"batch_size": 1}),
    "conv": ("conv", 33, {"batch_size": 8}),
    "binarise": ("bernoulli", 37, {"batch_size": 8, "binarise": True}),
    "learnt": ("learnt", 37, {"batch_size": 8, "lr": 1e-2}),
}
OPTIONS = {"epochs": 3, "seed": 4, "progress": False, "device": "cpu"}


def make(kind: str, seed: int = 0) -> models.VAE:
    if kind == "conv":
        return models.conv((6, 6), 2, channels=(3,), hidden=8, sigma_x=0.5, seed=seed)
    likelihood = "bernoulli" if kind == "bernoulli" else "gaussian"
    options = {"likelihood": likelihood, "learn_sigma_x": kind == "learnt", "seed": seed}
    return models.dense((6, 6), 2, hidden=(12,), sigma_x=0.5, **options)


def images(count: int) -> torch.Tensor:
    return torch.rand(count, 6, 6, generator=torch.Generator().manual_seed(0))


def main(out: Path) -> None:
    torch.set_num_threads(1)
    rank = dist.get_rank()
    result: dict = {}

    def keep(name, vae, history):
        result[name] = asdict(history)
        weights = {key: t.contiguous() for key, t in vae.state_dict().items()}
        save_file(weights, out / f"{name}.{rank}")

    for name, (kind, count, options) in CASES.items():
        vae = make(kind, seed=rank)  # the first one's weights are everybody's
        keep(name, vae, fit(vae, images(count), **OPTIONS, **options))

    # kept and gone on with, by two and two, and by two after one was stopped within an epoch
    for name, path, epochs in (
        ("kept", "run", 1),
        ("longer", "run", 3),
        ("after one", "stopped", 3),
    ):
        vae, options = make("dense", seed=rank), OPTIONS | {"epochs": epochs}
        keep(name, vae, fit(vae, images(37), batch_size=8, checkpoint=out / path, **options))
        dist.barrier()

    calls: list[int] = []
    fit(make("dense"), images(8), **OPTIONS | {"progress": lambda h: calls.append(len(h.elbo))})
    result["calls"] = calls
    try:
        fit(make("dense"), images(8), **OPTIONS, lr=1e30)
    except ValueError as error:
        result["refusal"] = str(error)
    (out / f"result.{rank}.json").write_text(json.dumps(result))


def threads() -> int:
    return len(list(Path("/proc/self/task").glob("*")))


if __name__ == "__main__":
    with process_group("gloo"):
        joined = threads()
        main(Path(sys.argv[1]))
    # PyTorch's own must be gone when Python shuts down, or now and then one of them aborts it.
    assert threads() < joined or not joined, f"{threads()} threads are left of {joined}"
