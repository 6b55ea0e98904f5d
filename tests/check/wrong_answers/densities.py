"""Log-densities that wrong answers of several lessons use."""

import torch
from torch.distributions import Normal


def log_p(x, mean, sigma):
    """log N(x; mean, σ²), elementwise, of flattened pictures."""
    return Normal(mean, torch.as_tensor(sigma, dtype=x.dtype)).log_prob(x).reshape(len(x), -1)
