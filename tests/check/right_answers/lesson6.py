"""Right answers to the exercises of lesson 6, the VAE."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch.distributions import Normal, kl_divergence

from right_answers.bank import answer


@answer("vae_loss")
def of_distributions(x, x_hat, mu, log_sigma, sigma_x, beta):
    log_px_z = Normal(x_hat, sigma_x).log_prob(x).flatten(1).sum(1)
    kl = kl_divergence(Normal(mu, log_sigma.exp()), Normal(torch.zeros_like(mu), 1.0)).sum(1)
    return -(log_px_z - beta * kl).mean()


@answer("vae_loss")
def by_hand(x, x_hat, mu, log_sigma, sigma_x, beta):
    P = x[0].numel()
    M = len(x)
    squares = ((x - x_hat) ** 2).sum() / (2 * sigma_x**2) / M
    constant = P * (math.log(float(sigma_x)) + 0.5 * math.log(2 * math.pi))
    kl = -0.5 * (1 + 2 * log_sigma - mu**2 - (2 * log_sigma).exp()).sum() / M
    return squares + constant + beta * kl


@answer("vae_loss")
def of_pytorchs_losses(x, x_hat, mu, log_sigma, sigma_x, beta):
    var = torch.as_tensor(sigma_x**2, dtype=x.dtype).expand_as(x)
    nll = F.gaussian_nll_loss(x_hat, x, var, full=True, eps=0.0, reduction="sum")
    kl = 0.5 * (mu.square() + torch.expm1(2 * log_sigma) - 2 * log_sigma)
    return (nll + beta * kl.sum()) / x.shape[0]


@answer("vae_loss")
def example_by_example(x, x_hat, mu, log_sigma, sigma_x, beta):
    losses = []
    for x_m, h_m, mu_m, s_m in zip(x, x_hat, mu, log_sigma, strict=True):
        log_px_z = Normal(h_m, sigma_x).log_prob(x_m).sum()
        kl = sum(0.5 * (m**2 + torch.exp(s) ** 2 - 1) - s for m, s in zip(mu_m, s_m, strict=True))
        losses.append(beta * kl - log_px_z)
    return torch.stack(losses).mean()


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


@answer("generate")
def randn(decoder, n, latent_dim, generator):
    return decoder(torch.randn(n, latent_dim, generator=generator))


@answer("generate")
def filled_in_place(decoder, n, latent_dim, generator):
    with torch.no_grad():
        return decoder(torch.empty(n, latent_dim).normal_(generator=generator))


@answer("generate")
def double_transposed(decoder, n, latent_dim, generator):
    z = torch.normal(0.0, 1.0, (latent_dim, n), generator=generator, dtype=torch.float64)
    return decoder(z.T)


@answer("generate")
def inverse_cdf(decoder, n, latent_dim, generator):
    u = torch.rand(n, latent_dim, generator=generator, dtype=torch.float64)
    return decoder(torch.special.ndtri(u.clamp(1e-9)))


@answer("generate")
def column_by_column(decoder, n, latent_dim, generator):
    columns = [torch.randn(n, generator=generator) for _ in range(latent_dim)]
    return decoder(torch.stack(columns, dim=1))
