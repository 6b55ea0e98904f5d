"""The racers of `make bench`: each trains the same VAE, one epoch at a time, in its own process.

Dense: 784-400-20-400-784, ReLU. Convolutional: two 4 × 4 convolutions of stride 2 with 32 and 64
channels, a dense layer of 256, z of 20 dimensions, and the same mirrored. Both: Bernoulli
likelihood, KL in closed form, Adam 1e-3, batches of 128 in a new order each epoch, two threads.

Each library is used as its documentation shows. The modules of this folder import a library only
inside the function that needs it, since vaelib and the other libraries live in two environments.
"""

from collections.abc import Callable
from functools import partial

from benchmarks.racers import jax_loops, libraries, ours, torch_loops

DENSE: dict[str, Callable] = {
    "pytorch/examples": torch_loops.examples,
    "plain loop": torch_loops.plain_dense,
    "Lightning, tensor data": libraries.lightning,
    "pythae": libraries.pythae,
    "Pyro SVI": libraries.pyro,
    "JAX, jitted scan": jax_loops.dense_scan,
    "vaelib plain": ours.dense,
    "vaelib compiled": partial(ours.dense, engine="compiled"),
    "vaelib compiled, bfloat16": partial(ours.dense, engine="compiled", precision="bfloat16"),
    "the products alone, MKL": torch_loops.products,
    "the products alone, oneDNN": partial(torch_loops.products, through_onednn=True),
}
CONVOLUTIONAL: dict[str, Callable] = {
    "plain loop": torch_loops.plain_convolutional,
    "JAX, jitted step": jax_loops.convolutional_step,
    "vaelib plain": ours.convolutional,
    "vaelib plain, bfloat16": partial(ours.convolutional, precision="bfloat16"),
    "vaelib compiled": partial(ours.convolutional, engine="compiled"),
    "vaelib compiled, bfloat16": partial(
        ours.convolutional, engine="compiled", precision="bfloat16"
    ),
}
RACERS = {"dense": DENSE, "conv": CONVOLUTIONAL}
