"""One of the processes that torchrun starts for training.py: X.npy OUT.json BATCH."""

import json
import math
import sys
from pathlib import Path

import numpy as np

import vaelib  # noqa: F401  (before torch: it sets how torch's threads wait)

import torch  # isort: skip
import torch.distributed as dist

from benchmarks.scaling.training import epoch_seconds, model, shortest
from vaelib.run import process_group


def main(path: str, out: str, batch: int) -> None:
    """Train; then only exchange as many numbers as there are gradients."""
    x = torch.from_numpy(np.load(path))
    with process_group("gloo"):
        vae = model()
        seconds = epoch_seconds(x, vae, batch)
        numbers = torch.zeros(sum(p.numel() for p in vae.parameters()))
        exchange = shortest(lambda: dist.all_reduce(numbers), times=50, seconds=0.0)
        if dist.get_rank() == 0:
            steps = math.ceil(len(x) / batch)
            Path(out).write_text(json.dumps({"seconds": seconds, "exchange": exchange * steps}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
