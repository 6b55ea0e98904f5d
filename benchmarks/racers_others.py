"""The racers of `make bench` whose loop is a library's own or not torch's: see racers.py."""

import math
import time

from racing import BATCH, HIDDEN, LATENT, LR, told, torch_parts, turn


def pythae(images) -> None:
    torch, net = torch_parts()
    import logging
    import tempfile

    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.WARNING)

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x):
            mu, log_var = self.net.encode(x.reshape(-1, 784))
            return ModelOutput(embedding=mu, log_covariance=log_var)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, z):
            return ModelOutput(reconstruction=self.net.decode(z).reshape(-1, 1, 28, 28))

    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=LATENT, reconstruction_loss="bce")
    x = torch.from_numpy(images)[:, None]
    with tempfile.TemporaryDirectory() as folder:
        trainer = BaseTrainer(
            VAE(config, encoder=Encoder(), decoder=Decoder()),
            BaseDataset(x, torch.zeros(len(x))),
            training_config=BaseTrainerConfig(
                output_dir=folder,
                per_device_train_batch_size=BATCH,
                learning_rate=LR,
                no_cuda=True,
            ),
        )
        trainer.prepare_training()
        turn()
        for epoch in range(1, 10_000):
            started = time.perf_counter()
            loss = trainer.train_step(epoch)
            told(time.perf_counter() - started, -float(loss))


def pyro(images) -> None:
    torch, net = torch_parts()
    import pyro
    from pyro import distributions as d
    from pyro.infer import SVI, TraceMeanField_ELBO
    from pyro.optim import Adam

    d.enable_validation(False)
    pyro.set_rng_seed(0)
    data = torch.from_numpy(images).flatten(1)

    def model(x):
        pyro.module("net", net)
        with pyro.plate("data", len(x)):
            zero = x.new_zeros(len(x), LATENT)
            z = pyro.sample("z", d.Normal(zero, zero + 1).to_event(1))
            pyro.sample("x", d.Bernoulli(net.decode(z), validate_args=False).to_event(1), obs=x)

    def guide(x):
        pyro.module("net", net)
        with pyro.plate("data", len(x)):
            mu, logvar = net.encode(x)
            pyro.sample("z", d.Normal(mu, (0.5 * logvar).exp()).to_event(1))

    # The mean over a batch, as everywhere else: Adam's steps do not depend on it but through ε.
    svi = SVI(model, guide, Adam({"lr": LR}), loss=TraceMeanField_ELBO())
    turn()
    while True:
        started, total = time.perf_counter(), 0.0
        for index in torch.randperm(len(data)).split(BATCH):
            total += svi.step(data[index])
        told(time.perf_counter() - started, -total / len(images))


def jax_scan(images) -> None:
    """The whole epoch jitted: a scan over the batches, the ragged last one as one more step."""
    import jax
    import jax.numpy as jnp
    import optax

    def dense(key, n, m):
        a, b = jax.random.split(key)
        bound = 1 / math.sqrt(n)  # as torch draws them
        return (
            jax.random.uniform(a, (n, m), minval=-bound, maxval=bound),
            jax.random.uniform(b, (m,), minval=-bound, maxval=bound),
        )

    sizes = [(784, HIDDEN), (HIDDEN, LATENT), (HIDDEN, LATENT), (LATENT, HIDDEN), (HIDDEN, 784)]
    keys = jax.random.split(jax.random.key(0), len(sizes))
    weights = [dense(key, *size) for key, size in zip(keys, sizes, strict=True)]

    def loss(weights, x, key):
        linear = [lambda v, w=w, b=b: v @ w + b for w, b in weights]
        h = jax.nn.relu(linear[0](x))
        mu, log_sigma = linear[1](h), linear[2](h)
        z = mu + jnp.exp(log_sigma) * jax.random.normal(key, mu.shape)
        logits = linear[4](jax.nn.relu(linear[3](z)))
        log_px_z = (x * logits - jax.nn.softplus(logits)).sum(-1)
        kl = 0.5 * (mu**2 + jnp.expm1(2 * log_sigma) - 2 * log_sigma).sum(-1)
        return -(log_px_z - kl).mean()

    adam, x = optax.adam(LR), jnp.asarray(images.reshape(-1, 784))
    state, n = adam.init(weights), len(images) // BATCH

    def step(carry, inputs):
        weights, state = carry
        index, key = inputs
        value, gradient = jax.value_and_grad(loss)(weights, x[index], key)
        change, state = adam.update(gradient, state)
        return (optax.apply_updates(weights, change), state), value * len(index)

    @jax.jit
    def epoch(carry, key):
        a, b, c = jax.random.split(key, 3)
        order = jax.random.permutation(a, len(x))
        whole = order[: n * BATCH].reshape(n, BATCH)
        carry, losses = jax.lax.scan(step, carry, (whole, jax.random.split(b, n)))
        total = losses.sum()
        if len(x) % BATCH:
            carry, last = step(carry, (order[n * BATCH :], c))
            total += last
        return carry, total

    carry, key = (weights, state), jax.random.key(1)
    turn()
    while True:
        key, now = jax.random.split(key)
        started = time.perf_counter()
        carry, total = epoch(carry, now)
        total = float(total)
        told(time.perf_counter() - started, -total / len(images))
