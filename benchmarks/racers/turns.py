"""What all racers share: the sizes, whose turn it is, and one network in PyTorch."""

import json
import sys
import time

BATCH = 128
HIDDEN = 400
LATENT = 20
LR = 1e-3
THREADS = 2


class Turns:
    """A racer's side of the conversation with race.py, over standard input and output."""

    def __init__(self) -> None:
        self.cpu_before = 0.0

    def wait(self) -> None:
        """Wait for the line "train"; anything else ends the race."""
        if sys.stdin.readline().strip() != "train":
            sys.exit(0)
        self.cpu_before = time.process_time()

    def report(self, seconds: float, elbo: float, compile_seconds: float = 0.0) -> None:
        """Send the numbers of one epoch, and wait for the next turn.

        `cpu` is the processor time of all threads together.
        """
        result = {
            "seconds": seconds,
            "cpu": time.process_time() - self.cpu_before,
            "elbo": elbo,
            "compile_seconds": compile_seconds,
        }
        print(json.dumps(result), flush=True)
        self.wait()


turns = Turns()


def examples_network():
    """The network of pytorch/examples/vae, with two heads: μ and log σ²."""
    import torch
    from torch import nn

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1 = nn.Linear(784, HIDDEN)
            self.fc21 = nn.Linear(HIDDEN, LATENT)
            self.fc22 = nn.Linear(HIDDEN, LATENT)
            self.fc3 = nn.Linear(LATENT, HIDDEN)
            self.fc4 = nn.Linear(HIDDEN, 784)

        def encode(self, x):
            h = self.fc1(x).relu()
            return self.fc21(h), self.fc22(h)

        def decode(self, z):
            return self.fc4(self.fc3(z).relu()).sigmoid()

        def loss(self, x):
            """Reconstruction and KL, summed over the batch."""
            mu, logvar = self.encode(x)
            z = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
            bce = nn.functional.binary_cross_entropy(self.decode(z), x, reduction="sum")
            return bce - 0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum()

    return Network()
