"""The racers whose loop is written out in PyTorch, and the floor: the matrix products alone."""

import time

from benchmarks.racers.turns import BATCH, HIDDEN, LATENT, LR, THREADS, examples_network, turns


def examples(images) -> None:
    """The loop of pytorch/examples: one PIL image at a time through a DataLoader."""
    import numpy
    import torch
    from PIL import Image

    network = examples_network()
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
    optimiser = torch.optim.Adam(network.parameters(), lr=LR)
    turns.wait()
    while True:
        started = time.perf_counter()
        total = 0.0
        for x, _ in loader:
            optimiser.zero_grad()
            loss = network.loss(x.view(-1, 784))
            loss.backward()
            total += loss.item()
            optimiser.step()
        turns.report(time.perf_counter() - started, -total / len(images))


def plain_dense(images) -> None:
    """The plain loop, dense: see `plain`."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(784, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 * LATENT))
    decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 784))
    plain(encoder, decoder, torch.from_numpy(images).flatten(1))


def plain_convolutional(images) -> None:
    """The plain loop, convolutional: see `plain`."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    units = 256
    encoder = nn.Sequential(
        nn.Conv2d(1, 32, 4, 2, 1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 4, 2, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, units),
        nn.ReLU(),
        nn.Linear(units, 2 * LATENT),
    )
    decoder = nn.Sequential(
        nn.Linear(LATENT, units),
        nn.ReLU(),
        nn.Linear(units, 64 * 7 * 7),
        nn.ReLU(),
        nn.Unflatten(1, (64, 7, 7)),
        nn.ConvTranspose2d(64, 32, 4, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, 2, 1),
    )
    plain(encoder, decoder, torch.from_numpy(images)[:, None])


def plain(encoder, decoder, x) -> None:
    """A readable loop over one tensor: logits, fused Adam, float32, no other attempt at speed."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    torch.set_num_threads(THREADS)
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=LR, fused=True)
    turns.wait()
    while True:
        started = time.perf_counter()
        total = 0.0
        for index in torch.randperm(len(x)).split(BATCH):
            batch = x.index_select(0, index)
            mu, log_sigma = encoder(batch).chunk(2, -1)
            z = mu + log_sigma.exp() * torch.randn_like(mu)
            bce = binary_cross_entropy_with_logits(decoder(z), batch, reduction="sum")
            kl = 0.5 * (mu**2 + (2 * log_sigma).exp() - 2 * log_sigma - 1).sum()
            loss = (bce + kl) / len(batch)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += (bce + kl).item()
        turns.report(time.perf_counter() - started, -total / len(x))


def products(images, through_onednn: bool = False) -> None:
    """The floor: a step's matrix products in float32, operands prepared, and nothing else.

    A layer has three products (M, K) · (K, N): one forward, one for the gradient in its weights,
    one for the gradient in its input, which the first layer does not need.
    """
    import torch

    torch.set_num_threads(THREADS)
    layers = [(784, HIDDEN), (HIDDEN, LATENT), (HIDDEN, LATENT), (LATENT, HIDDEN), (HIDDEN, 784)]
    shapes = []
    for i, (n_in, n_out) in enumerate(layers):
        shapes += [(BATCH, n_in, n_out), (n_out, BATCH, n_in)]
        shapes += [(BATCH, n_out, n_in)] if i > 0 else []
    pairs = [(torch.rand(m, k), torch.rand(n, k)) for m, k, n in shapes]
    if through_onednn:
        pairs = [(a.to_mkldnn(), b) for a, b in pairs]
    steps = -(-len(images) // BATCH)
    turns.wait()
    while True:
        started = time.perf_counter()
        with torch.no_grad():
            for _ in range(steps):
                for a, b in pairs:
                    torch.nn.functional.linear(a, b)
        turns.report(time.perf_counter() - started, float("nan"))
