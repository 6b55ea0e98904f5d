"""Small models and data for training, the cases of every run, and Ctrl-C at a step."""

import signal

import torch
from torch import nn

from vaelib import models
from vaelib.schedules import cosine_decay, linear_annealing


def images(count: int = 37, size: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, size, size, generator=torch.Generator().manual_seed(seed))


def small(seed: int = 0, **options) -> models.VAE:
    return models.dense((6, 6), 2, hidden=(12,), sigma_x=0.5, seed=seed, **options)


def small_conv(seed: int = 0, **options) -> models.VAE:
    return models.conv((6, 6), 2, channels=(3,), hidden=8, sigma_x=0.5, seed=seed, **options)


def bernoulli(seed: int = 0) -> models.VAE:
    return small(seed, likelihood="bernoulli")


def with_layer(kind: str, seed: int = 0) -> models.VAE:
    """A model made by hand with dropout or BatchNorm in both networks."""
    layers = {"dropout": lambda: nn.Dropout(0.3), "batch norm": lambda: nn.BatchNorm1d(12)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = nn.Sequential(nn.Flatten(), nn.Linear(36, 12), layers[kind](), nn.ReLU())
        back = nn.Sequential(nn.Linear(2, 12), layers[kind](), nn.ReLU(), nn.Linear(12, 36))
        encoder = models.GaussianEncoder(body, 12, 2)
    return models.VAE(encoder, models.GaussianDecoder(back, (6, 6), 0.5))


# name: how to make the model, and the arguments of `fit`; 37 examples in batches of 8 are 5 steps.
CASES = {
    "dense": (small, {}),
    "schedules": (
        small,
        {
            "lr": lambda step: cosine_decay(step, 15, 1e-2),
            "beta": lambda step: linear_annealing(step, 7, 12.0),
        },
    ),
    "binarise": (bernoulli, {"binarise": True}),
    "conv": (small_conv, {"beta": 0.5}),
    "learnt-sigma": (lambda seed=0: small(seed, learn_sigma_x=True), {"lr": 1e-2}),
    "float64": (lambda seed=0: small(seed).double(), {}),
}


def the_case(name: str):
    """The maker of a model, data for it, and the arguments of a run of 15 steps."""
    make, options = CASES[name]
    x = images().to(make().dtype)
    return make, x, {"epochs": 3, "batch_size": 8, "seed": 4, "progress": False, **options}


def interrupt_at(vae: models.VAE, step: int, times: int = 1) -> None:
    """Ctrl-C in the middle of that step (from 1) of the next `fit`, as the decoder runs."""
    seen = 0

    def press(*_):
        nonlocal seen
        seen += 1
        if seen == step:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    vae.decoder.register_forward_hook(press)
