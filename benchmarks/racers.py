"""One racer of `make bench`: trains the same VAE an epoch at a time, when told to.

    python racers.py MODEL NAME IMAGES.npy

MODEL "dense": 784-400-20-400-784, ReLU, Bernoulli likelihood, KL in closed form, Adam 1e-3, batches
of 128 in a new order each epoch, two threads; "conv": the same with the model of racers_conv.py.
Reads "go" and prints {"seconds": …, "elbo": …}. Each library is used as its documentation shows;
imports stand where only one environment has them.
"""

import sys
import time

from racers_conv import conv_jax, conv_plain
from racers_others import jax_scan, pyro, pythae
from racing import BATCH, HIDDEN, LATENT, LR, THREADS, told, torch_parts, turn


def vaelib_racer(images, model: str = "dense", **options) -> None:
    import vaelib  # noqa: F401, I001  (before torch: it sets how its threads wait)

    import torch
    from vaelib.models import conv, dense
    from vaelib.training import fit

    torch.set_num_threads(THREADS)
    x = torch.from_numpy(images)

    def epoch(history) -> None:
        told(history.seconds[-1], history.elbo[-1], compile_seconds=history.compile_seconds)

    if model == "dense":
        vae = dense((28, 28), LATENT, hidden=(HIDDEN,), likelihood="bernoulli")
    else:
        vae = conv((28, 28), LATENT, likelihood="bernoulli")
    turn()
    fit(vae, x, 10_000, BATCH, LR, device="cpu", progress=epoch, **options)


def examples(images) -> None:
    """The loop of pytorch/examples: one PIL image at a time through a DataLoader."""
    torch, net = torch_parts()
    import numpy
    from PIL import Image

    grey = torch.from_numpy((images * 255).astype("uint8"))
    labels = torch.zeros(len(grey), dtype=torch.int64)

    def to_tensor(picture):
        """What torchvision's ToTensor does (its builds do not fit every build of torch)."""
        pixels = torch.from_numpy(numpy.array(picture, numpy.uint8, copy=True)).view(28, 28, 1)
        return pixels.permute(2, 0, 1).contiguous().to(torch.float32).div(255)

    class Pictures(torch.utils.data.Dataset):
        """As torchvision's MNIST: image and label are looked up in tensors, one at a time."""

        def __len__(self) -> int:
            return len(grey)

        def __getitem__(self, i: int):
            return to_tensor(Image.fromarray(grey[i].numpy(), mode="L")), int(labels[i])

    loader = torch.utils.data.DataLoader(Pictures(), batch_size=BATCH, shuffle=True)
    optimiser = torch.optim.Adam(net.parameters(), lr=LR)
    turn()
    while True:
        started, total = time.perf_counter(), 0.0
        for x, _ in loader:
            optimiser.zero_grad()
            loss = net.loss(x.view(-1, 784))
            loss.backward()
            total += loss.item()
            optimiser.step()
        told(time.perf_counter() - started, -total / len(images))


def lightning(images) -> None:
    torch, net = torch_parts()
    import logging

    from lightning.pytorch import Callback, LightningModule, Trainer

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def training_step(self, batch, _):
            loss = self.net.loss(batch[0])
            self.total += loss.detach()
            return loss / len(batch[0])

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=LR)

    class Turns(Callback):
        def on_train_epoch_start(self, trainer, module) -> None:
            self.started, module.total = time.perf_counter(), 0.0

        def on_train_epoch_end(self, trainer, module) -> None:
            told(time.perf_counter() - self.started, -float(module.total) / len(images))

    tensors = torch.utils.data.TensorDataset(torch.from_numpy(images).flatten(1))
    loader = torch.utils.data.DataLoader(tensors, batch_size=BATCH, shuffle=True)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=10_000,
        enable_model_summary=False,
        callbacks=[Turns()],
        **quiet,
    )
    turn()
    trainer.fit(Module(), loader)


def products(images, mkl: bool) -> None:
    """The floor: a step's matrix products in float32, their operands prepared, and nothing else."""
    torch, _ = torch_parts()
    shapes = []  # (M, K) times (K, N): forwards, for the weights, and back to what came before
    for before, after, first in (
        (784, HIDDEN, True),
        *[(HIDDEN, LATENT, False)] * 2,
        (LATENT, HIDDEN, False),
        (HIDDEN, 784, False),
    ):
        shapes += [(BATCH, before, after), (after, BATCH, before)]
        shapes += [] if first else [(BATCH, after, before)]
    pairs = [(torch.rand(m, k), torch.rand(n, k)) for m, k, n in shapes]
    if not mkl:
        pairs = [(a.to_mkldnn(), b) for a, b in pairs]
    turn()
    while True:
        started = time.perf_counter()
        with torch.no_grad():
            for _ in range(-(-len(images) // BATCH)):
                for a, b in pairs:
                    torch.nn.functional.linear(a, b)
        told(time.perf_counter() - started, float("nan"))


FAST = {"precision": "bfloat16", "compile": "always"}
RACERS = {
    "pytorch/examples": examples,
    "Lightning, tensor data": lightning,
    "pythae": pythae,
    "Pyro SVI": pyro,
    "JAX, jitted scan": jax_scan,
    "vaelib fit": vaelib_racer,
    "vaelib fit, bfloat16": lambda x: vaelib_racer(x, precision="bfloat16"),
    "vaelib fit, bfloat16, compiled": lambda x: vaelib_racer(x, **FAST),
    "the products alone, MKL": lambda x: products(x, mkl=True),
    "the products alone, oneDNN": lambda x: products(x, mkl=False),
}
CONVOLUTIONAL = {
    "plain loop": conv_plain,
    "JAX, jitted step": conv_jax,
    "vaelib fit": lambda x: vaelib_racer(x, "conv"),
    "vaelib fit, bfloat16": lambda x: vaelib_racer(x, "conv", precision="bfloat16"),
}

if __name__ == "__main__":
    import numpy

    model, name, images = sys.argv[1:]
    (CONVOLUTIONAL if model == "conv" else RACERS)[name](numpy.load(images))
