"""What the racers of `make bench` share: the sizes, whose turn it is, and one network in torch."""

import json
import sys
import time

BATCH, HIDDEN, LATENT, LR, THREADS = 128, 400, 20, 1e-3, 2


_cpu = 0.0


def turn() -> None:
    """Wait to be told to go on; anything else ends the race."""
    global _cpu
    if sys.stdin.readline().strip() != "go":
        sys.exit(0)
    _cpu = time.process_time()


def told(seconds: float, elbo: float, **more: float) -> None:
    """Say what an epoch took, also in processor time of all threads, and wait."""
    result = {"seconds": seconds, "cpu": time.process_time() - _cpu, "elbo": elbo, **more}
    print(json.dumps(result), flush=True)
    turn()


def torch_parts():
    """The network of pytorch/examples/vae: two heads, μ and log σ²."""
    import torch
    from torch import nn

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.fc4 = nn.Linear(784, HIDDEN), nn.Linear(HIDDEN, 784)
            self.fc21, self.fc22 = nn.Linear(HIDDEN, LATENT), nn.Linear(HIDDEN, LATENT)
            self.fc3 = nn.Linear(LATENT, HIDDEN)

        def encode(self, x):
            h = self.fc1(x).relu()
            return self.fc21(h), self.fc22(h)

        def decode(self, z):
            return self.fc4(self.fc3(z).relu()).sigmoid()

        def loss(self, x):
            """The sum over the batch of reconstruction and KL."""
            mu, logvar = self.encode(x)
            z = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
            bce = nn.functional.binary_cross_entropy(self.decode(z), x, reduction="sum")
            return bce - 0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum()

    return torch, Net()
