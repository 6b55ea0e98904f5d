"""Small explorers and models for the tests of this folder."""

import torch
from torch import nn

from vaelib import models
from vaelib.models import VAE, GaussianDecoder

X = torch.rand(40, 8, 8, generator=torch.Generator().manual_seed(0))


class Sine(nn.Module):
    """A layer that the page does not know."""

    def forward(self, x):
        return x.sin()


class Brighter(GaussianDecoder):
    """A decoder whose mean is more than its body."""

    def mean(self, z):
        return super().mean(z) + 0.25


def with_body(*modules, shape=(8, 8), latent_dim=2):
    """A model whose decoder runs these modules one after the other."""
    encoder = models.dense(shape, latent_dim, hidden=()).encoder
    return VAE(encoder, GaussianDecoder(nn.Sequential(*modules), shape), latent_dim)
