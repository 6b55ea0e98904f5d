"""The convolutional racers of `make bench --model conv`: see racers.py.

As `vaelib.models.conv`: two 4 × 4 convolutions of stride 2 with 32 and 64 channels, a dense layer
of 256, z of 20, and the same mirrored; ReLU, Bernoulli likelihood.
"""

import math
import time

from racing import BATCH, LATENT, LR, THREADS, told, turn

DENSE = 256


def conv_plain(images) -> None:
    """A plain loop: one tensor, Adam, float32, nothing to make it faster."""
    import torch
    from torch import nn

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    down = nn.Sequential(
        *(nn.Conv2d(1, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 4, 2, 1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(3136, DENSE), nn.ReLU(), nn.Linear(DENSE, 2 * LATENT)),
    )
    up = nn.Sequential(
        *(nn.Linear(LATENT, DENSE), nn.ReLU(), nn.Linear(DENSE, 3136), nn.ReLU()),
        *(nn.Unflatten(1, (64, 7, 7)), nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ReLU()),
        nn.ConvTranspose2d(32, 1, 4, 2, 1),
    )
    data = torch.from_numpy(images)[:, None]
    optimiser = torch.optim.Adam([*down.parameters(), *up.parameters()], lr=LR)
    turn()
    while True:
        started, total = time.perf_counter(), 0.0
        for index in torch.randperm(len(data)).split(BATCH):
            x = data[index]
            mu, log_sigma = down(x).chunk(2, -1)
            logits = up(mu + log_sigma.exp() * torch.randn_like(mu))
            bce = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
            kl = 0.5 * (mu**2 + (2 * log_sigma).exp() - 2 * log_sigma - 1).sum()
            loss = (bce + kl) / len(x)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += (bce + kl).item()
        told(time.perf_counter() - started, -total / len(images))


def conv_jax(images) -> None:
    """Each step jitted. (A scan over the epoch was 26 times slower when it was tried.)"""
    import jax
    import jax.numpy as jnp
    import optax

    def draw(key, shape, fan_in):
        a, b = jax.random.split(key)
        bound = 1 / math.sqrt(fan_in)  # as torch draws them
        bias = shape[-1]
        return (
            jax.random.uniform(a, shape, minval=-bound, maxval=bound),
            jax.random.uniform(b, (bias,), minval=-bound, maxval=bound),
        )

    keys = jax.random.split(jax.random.key(0), 9)
    weights = [
        draw(keys[0], (4, 4, 1, 32), 16),
        draw(keys[1], (4, 4, 32, 64), 512),
        draw(keys[2], (3136, DENSE), 3136),
        draw(keys[3], (DENSE, LATENT), DENSE),
        draw(keys[4], (DENSE, LATENT), DENSE),
        draw(keys[5], (LATENT, DENSE), LATENT),
        draw(keys[6], (DENSE, 3136), DENSE),
        draw(keys[7], (4, 4, 64, 32), 512),
        draw(keys[8], (4, 4, 32, 1), 16),
    ]
    layout, pad = ("NHWC", "HWIO", "NHWC"), [(1, 1), (1, 1)]

    def smaller(x, wb):
        y = jax.lax.conv_general_dilated(x, wb[0], (2, 2), pad, dimension_numbers=layout)
        return jax.nn.relu(y + wb[1])

    def larger(x, wb):  # a transposed convolution: each side grows to twice its size
        both = [(2, 2), (2, 2)]
        return jax.lax.conv_transpose(x, wb[0], (2, 2), both, dimension_numbers=layout) + wb[1]

    def linear(x, wb):
        return x @ wb[0] + wb[1]

    def loss(w, x, key):
        h = smaller(smaller(x, w[0]), w[1]).reshape(len(x), -1)
        h = jax.nn.relu(linear(h, w[2]))
        mu, log_sigma = linear(h, w[3]), linear(h, w[4])
        z = mu + jnp.exp(log_sigma) * jax.random.normal(key, mu.shape)
        h = jax.nn.relu(linear(jax.nn.relu(linear(z, w[5])), w[6])).reshape(-1, 7, 7, 64)
        logits = larger(jax.nn.relu(larger(h, w[7])), w[8])
        log_px_z = (x * logits - jax.nn.softplus(logits)).sum((1, 2, 3))
        kl = 0.5 * (mu**2 + jnp.expm1(2 * log_sigma) - 2 * log_sigma).sum(-1)
        return -(log_px_z - kl).mean()

    adam, x = optax.adam(LR), jnp.asarray(images[..., None])
    state = adam.init(weights)

    @jax.jit
    def step(weights, state, x, key):
        value, gradient = jax.value_and_grad(loss)(weights, x, key)
        change, state = adam.update(gradient, state)
        return optax.apply_updates(weights, change), state, value * len(x)

    key = jax.random.key(1)
    turn()
    while True:
        started, losses = time.perf_counter(), []
        key, a = jax.random.split(key)
        order = jax.random.permutation(a, len(x))
        for first in range(0, len(x), BATCH):
            key, b = jax.random.split(key)
            batch = x[order[first : first + BATCH]]
            weights, state, value = step(weights, state, batch, b)
            losses.append(value)
        total = float(sum(losses))
        told(time.perf_counter() - started, -total / len(images))
