"""Right answers to the exercises of lesson 6, the VAE."""

import numpy as np
import torch

from right_answers.bank import answer


@answer("linear_annealing")
def shortest(step, warmup):
    return min(1.0, step / warmup) if warmup else 1.0


@answer("linear_annealing")
def with_if(step, warmup):
    if step >= warmup:
        return 1
    return step / warmup


@answer("linear_annealing")
def numpy_clip(step, warmup):
    return np.clip(step / max(warmup, 1), 0, 1) if warmup > 0 else np.float32(1)


@answer("linear_annealing")
def torch_clamp(step, warmup):
    return torch.tensor(step / warmup).clamp(max=1) if warmup else torch.tensor(1.0)
