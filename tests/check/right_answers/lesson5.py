"""Right answers to the exercises of lesson 5, reparameterisation."""

import math

import numpy as np
import torch
from torch.distributions import Normal

from right_answers.bank import answer


@answer("reparameterise")
def as_the_lecture_has_it(mu, log_sigma, eps):
    return mu + log_sigma.exp() * eps


@answer("reparameterise")
def addcmul(mu, log_sigma, eps):
    return torch.addcmul(mu, torch.exp(log_sigma), eps)


@answer("reparameterise")
def row_by_row(mu, log_sigma, eps):
    return torch.stack([mu[i] + torch.exp(log_sigma[i]) * eps[i] for i in range(len(mu))])


@answer("reparameterise")
def with_logvar(mu, log_sigma, eps):
    logvar = 2 * log_sigma
    return eps.mul((0.5 * logvar).exp()).add(mu)


@answer("reparameterise")
def e_to_the(mu, log_sigma, eps):
    return mu + math.e**log_sigma * eps


@answer("score_function_gradient")
def vectorised(f_z, z, mu, sigma):
    return (f_z * (z - mu) / sigma**2).mean()


@answer("score_function_gradient")
def numpy_dot(f_z, z, mu, sigma):
    return np.dot(f_z, (np.asarray(z) - float(mu)) / float(sigma) ** 2) / len(f_z)


@answer("score_function_gradient")
def autograd_of_log_q(f_z, z, mu, sigma):
    mu = torch.as_tensor(mu, dtype=z.dtype).requires_grad_()
    surrogate = (f_z * Normal(mu, sigma).log_prob(z)).mean()
    return torch.autograd.grad(surrogate, mu)[0]


@answer("score_function_gradient")
def a_loop(f_z, z, mu, sigma):
    total = 0.0
    for f, at in zip(f_z.tolist(), z.tolist(), strict=True):
        total += f * (at - float(mu)) / float(sigma) ** 2
    return total / len(z)


@answer("optimal_baseline")
def ratio_of_means(f_z, score):
    return (f_z * score**2).mean() / (score**2).mean()


@answer("optimal_baseline")
def weighted_average(f_z, score):
    return np.average(f_z.numpy(), weights=np.square(score))


@answer("optimal_baseline")
def least_squares(f_z, score):
    """b minimises Σ (f s − b s)²."""
    return torch.linalg.lstsq(score[:, None], (f_z * score)[:, None]).solution.item()


@answer("optimal_baseline")
def a_parabolas_lowest_point(f_z, score):
    at = [(((f_z - b) * score) ** 2).mean().item() for b in (-1, 0, 1)]
    return (at[0] - at[2]) / (2 * (at[0] - 2 * at[1] + at[2]))
