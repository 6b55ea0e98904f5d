"""The racers that are `vaelib.training.fit`, as a user calls it."""

from benchmarks.racers.turns import BATCH, HIDDEN, LATENT, LR, THREADS, turns

MANY = 10_000  # epochs; the race ends before


def dense(images, **options) -> None:
    from vaelib.models import dense

    vae = dense((28, 28), LATENT, hidden=(HIDDEN,), likelihood="bernoulli")
    train(vae, images, **options)


def convolutional(images, **options) -> None:
    from vaelib.models import conv

    train(conv((28, 28), LATENT, likelihood="bernoulli"), images, **options)


def train(vae, images, **options) -> None:
    """Train until the race ends; `options` are those of `fit`."""
    import torch

    from vaelib.training import fit

    def report(history) -> None:
        turns.report(history.seconds[-1], history.elbo[-1], history.compile_seconds)

    torch.set_num_threads(THREADS)
    x = torch.from_numpy(images)
    turns.wait()
    fit(vae, x, MANY, BATCH, LR, device="cpu", progress=report, **options)
