"""The racers whose training loop is a library's own: Lightning, pythae, Pyro."""

import time

from benchmarks.racers.turns import BATCH, LATENT, LR, examples_network, turns

MANY = 10_000  # epochs; the race ends before


def lightning(images) -> None:
    import logging

    import torch
    from lightning.pytorch import Callback, LightningModule, Trainer

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    network = examples_network()

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def training_step(self, batch, _):
            loss = self.network.loss(batch[0])
            self.total += loss.detach()
            return loss / len(batch[0])

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=LR)

    class Reports(Callback):
        def on_train_epoch_start(self, trainer, module) -> None:
            self.started = time.perf_counter()
            module.total = 0.0

        def on_train_epoch_end(self, trainer, module) -> None:
            seconds = time.perf_counter() - self.started
            turns.report(seconds, -float(module.total) / len(images))

    tensors = torch.utils.data.TensorDataset(torch.from_numpy(images).flatten(1))
    loader = torch.utils.data.DataLoader(tensors, batch_size=BATCH, shuffle=True)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=MANY,
        callbacks=[Reports()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    turns.wait()
    trainer.fit(Module(), loader)


def pythae(images) -> None:
    import logging
    import tempfile

    import torch
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.WARNING)
    network = examples_network()

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x):
            mu, log_var = self.network.encode(x.reshape(-1, 784))
            return ModelOutput(embedding=mu, log_covariance=log_var)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, z):
            x_hat = self.network.decode(z).reshape(-1, 1, 28, 28)
            return ModelOutput(reconstruction=x_hat)

    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=LATENT, reconstruction_loss="bce")
    x = torch.from_numpy(images)[:, None]
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder,
            per_device_train_batch_size=BATCH,
            learning_rate=LR,
            no_cuda=True,
        )
        trainer = BaseTrainer(
            VAE(config, encoder=Encoder(), decoder=Decoder()),
            BaseDataset(x, torch.zeros(len(x))),
            training_config=settings,
        )
        trainer.prepare_training()
        turns.wait()
        for epoch in range(1, MANY):
            started = time.perf_counter()
            loss = trainer.train_step(epoch)
            turns.report(time.perf_counter() - started, -float(loss))


def pyro(images) -> None:
    import pyro
    import torch
    from pyro import distributions as d
    from pyro.infer import SVI, TraceMeanField_ELBO
    from pyro.optim import Adam

    network = examples_network()
    d.enable_validation(False)
    pyro.set_rng_seed(0)
    data = torch.from_numpy(images).flatten(1)

    def model(x):
        pyro.module("network", network)
        with pyro.plate("data", len(x)):
            zero = x.new_zeros(len(x), LATENT)
            z = pyro.sample("z", d.Normal(zero, zero + 1).to_event(1))
            p_x = d.Bernoulli(network.decode(z), validate_args=False).to_event(1)
            pyro.sample("x", p_x, obs=x)

    def guide(x):
        pyro.module("network", network)
        with pyro.plate("data", len(x)):
            mu, logvar = network.encode(x)
            pyro.sample("z", d.Normal(mu, (0.5 * logvar).exp()).to_event(1))

    # Pyro's loss is the sum over a batch, not the mean. Adam divides a gradient by its own size,
    # so the scale changes its steps only through the small constant in the denominator.
    svi = SVI(model, guide, Adam({"lr": LR}), loss=TraceMeanField_ELBO())
    turns.wait()
    while True:
        started = time.perf_counter()
        total = 0.0
        for index in torch.randperm(len(data)).split(BATCH):
            total += svi.step(data[index])
        turns.report(time.perf_counter() - started, -total / len(images))
