"""The racers in JAX, with optax's Adam."""

import math
import time
from collections.abc import Iterator

from benchmarks.racers.turns import BATCH, HIDDEN, LATENT, LR, turns


def uniform_weights(key, shape, fan_in):
    """A weight and a bias with the distribution that PyTorch initialises them with."""
    import jax

    weight_key, bias_key = jax.random.split(key)
    bound = 1 / math.sqrt(fan_in)
    weight = jax.random.uniform(weight_key, shape, minval=-bound, maxval=bound)
    bias = jax.random.uniform(bias_key, shape[-1:], minval=-bound, maxval=bound)
    return weight, bias


def linear(layer, x):
    weight, bias = layer
    return x @ weight + bias


def kl_to_standard_normal(mu, log_sigma):
    import jax.numpy as jnp

    return 0.5 * (mu**2 + jnp.expm1(2 * log_sigma) - 2 * log_sigma).sum(-1)


def dense_scan(images) -> None:
    """The whole epoch jitted: see `dense_epochs`."""
    turns.wait()
    for seconds, elbo, compile_seconds in dense_epochs(images):
        turns.report(seconds, elbo, compile_seconds)


def dense_epochs(images) -> Iterator[tuple[float, float, float]]:
    """Train without end; after each epoch its seconds, its ELBO, and the seconds to compile.

    The whole epoch is jitted: a scan over the batches, then the smaller last one.
    """
    import jax
    import jax.numpy as jnp
    import optax

    sizes = [(784, HIDDEN), (HIDDEN, LATENT), (HIDDEN, LATENT), (LATENT, HIDDEN), (HIDDEN, 784)]
    keys = jax.random.split(jax.random.key(0), len(sizes))
    layers = [uniform_weights(key, size, size[0]) for key, size in zip(keys, sizes, strict=True)]
    x = jnp.asarray(images.reshape(-1, 784))
    n = len(x) // BATCH
    adam = optax.adam(LR)

    def loss(layers, x, key):
        hidden, to_mu, to_log_sigma, from_z, to_logits = layers
        h = jax.nn.relu(linear(hidden, x))
        mu = linear(to_mu, h)
        log_sigma = linear(to_log_sigma, h)
        z = mu + jnp.exp(log_sigma) * jax.random.normal(key, mu.shape)
        logits = linear(to_logits, jax.nn.relu(linear(from_z, z)))
        log_px_z = (x * logits - jax.nn.softplus(logits)).sum(-1)
        return -(log_px_z - kl_to_standard_normal(mu, log_sigma)).mean()

    def step(carry, inputs):
        layers, state = carry
        index, key = inputs
        value, gradient = jax.value_and_grad(loss)(layers, x[index], key)
        change, state = adam.update(gradient, state)
        return (optax.apply_updates(layers, change), state), value * len(index)

    @jax.jit
    def epoch(carry, key):
        order_key, noise_key, last_key = jax.random.split(key, 3)
        order = jax.random.permutation(order_key, len(x))
        full_batches = order[: n * BATCH].reshape(n, BATCH)
        noise_keys = jax.random.split(noise_key, n)
        carry, losses = jax.lax.scan(step, carry, (full_batches, noise_keys))
        total = losses.sum()
        if len(x) % BATCH:
            carry, last = step(carry, (order[n * BATCH :], last_key))
            total += last
        return carry, total

    carry = (layers, adam.init(layers))
    key = jax.random.key(1)
    started = time.perf_counter()
    compiled = epoch.lower(carry, key).compile()
    compile_seconds = time.perf_counter() - started
    while True:
        key, epoch_key = jax.random.split(key)
        started = time.perf_counter()
        carry, total = compiled(carry, epoch_key)
        elbo = -float(total) / len(x)
        yield time.perf_counter() - started, elbo, compile_seconds


def convolutional_step(images) -> None:
    """Each step jitted. (A scan over the epoch was 26 times slower when it was tried.)"""
    import jax
    import jax.numpy as jnp
    import optax

    loss, layers = convolutional_model()
    x = jnp.asarray(images[..., None])
    adam = optax.adam(LR)
    state = adam.init(layers)

    @jax.jit
    def step(layers, state, batch, key):
        value, gradient = jax.value_and_grad(loss)(layers, batch, key)
        change, state = adam.update(gradient, state)
        return optax.apply_updates(layers, change), state, value * len(batch)

    key = jax.random.key(1)
    turns.wait()
    started = time.perf_counter()
    for size in {BATCH, len(x) % BATCH} - {0}:
        # The first call with a new shape compiles; its result is thrown away.
        jax.block_until_ready(step(layers, state, x[:size], key))
    compile_seconds = time.perf_counter() - started
    while True:
        started = time.perf_counter()
        losses = []
        key, order_key = jax.random.split(key)
        order = jax.random.permutation(order_key, len(x))
        for first in range(0, len(x), BATCH):
            key, noise_key = jax.random.split(key)
            batch = x[order[first : first + BATCH]]
            layers, state, value = step(layers, state, batch, noise_key)
            losses.append(value)
        elbo = -float(sum(losses)) / len(x)
        turns.report(time.perf_counter() - started, elbo, compile_seconds)


def convolutional_model():
    """The loss of a batch and the initial weights; images are (B, 28, 28, 1), channels last."""
    import jax
    import jax.numpy as jnp

    units = 256
    flat = 7 * 7 * 64
    layout = ("NHWC", "HWIO", "NHWC")
    shapes = [  # and the fan-in of each
        ((4, 4, 1, 32), 16),
        ((4, 4, 32, 64), 512),
        ((flat, units), flat),
        ((units, LATENT), units),
        ((units, LATENT), units),
        ((LATENT, units), LATENT),
        ((units, flat), units),
        ((4, 4, 64, 32), 512),
        ((4, 4, 32, 1), 16),
    ]
    keys = jax.random.split(jax.random.key(0), len(shapes))
    layers = [uniform_weights(key, *shape) for key, shape in zip(keys, shapes, strict=True)]

    def half(layer, x):
        """A convolution that halves height and width."""
        weight, bias = layer
        pad = [(1, 1), (1, 1)]
        y = jax.lax.conv_general_dilated(x, weight, (2, 2), pad, dimension_numbers=layout)
        return y + bias

    def double(layer, x):
        """A transposed convolution that doubles height and width."""
        weight, bias = layer
        pad = [(2, 2), (2, 2)]
        y = jax.lax.conv_transpose(x, weight, (2, 2), pad, dimension_numbers=layout)
        return y + bias

    def loss(layers, x, key):
        first, second, hidden, to_mu, to_log_sigma, from_z, to_flat, up, to_logits = layers
        h = jax.nn.relu(half(second, jax.nn.relu(half(first, x))))
        h = jax.nn.relu(linear(hidden, h.reshape(len(x), -1)))
        mu = linear(to_mu, h)
        log_sigma = linear(to_log_sigma, h)
        z = mu + jnp.exp(log_sigma) * jax.random.normal(key, mu.shape)
        h = jax.nn.relu(linear(to_flat, jax.nn.relu(linear(from_z, z))))
        logits = double(to_logits, jax.nn.relu(double(up, h.reshape(-1, 7, 7, 64))))
        log_px_z = (x * logits - jax.nn.softplus(logits)).sum((1, 2, 3))
        return -(log_px_z - kl_to_standard_normal(mu, log_sigma)).mean()

    return loss, layers
