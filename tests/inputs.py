"""Random inputs for the tests, the same at every run, and the place of the repository."""

from pathlib import Path

import torch

HOME = Path(__file__).resolve().parents[1]
F64 = torch.float64


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0, dtype: torch.dtype = F64) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=dtype)
