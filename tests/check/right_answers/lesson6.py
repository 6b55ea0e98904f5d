"""Right answers to the exercises of lesson 6, the VAE."""

import math
from fractions import Fraction
from functools import partial

import numpy as np
import torch
from scipy import linalg, stats
from torch.distributions import Normal, kl_divergence

from right_answers.bank import answer, answers
from vaelib import bounds, models, schedules, training


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


answers(
    "linear_annealing",
    lambda step, warmup: 1.0 if step >= warmup else step / warmup,
    lambda step, warmup: min(step, warmup) / warmup if warmup else 1,
    lambda step, warmup: float(np.interp(step, [0, warmup], [0, 1])) if warmup else 1.0,
    lambda step, warmup: max(0.0, min(1.0, step / max(warmup, 1e-9))) if warmup else 1.0,
    lambda step, warmup: 1 - max(0, warmup - step) / warmup if warmup > 0 else 1.0,
    lambda step, warmup: np.minimum(1.0, np.divide(step, warmup)) if warmup else np.float64(1),
    lambda step, warmup: (
        torch.clamp(torch.tensor(step / warmup, dtype=torch.float64), 0, 1) if warmup != 0 else 1.0
    ),
    lambda step, warmup: schedules.linear_annealing(step, warmup),
)


def by_relations(numbers):
    found = []
    for vae in numbers.values():
        px, kl, P, s = vae["log p(x|z)"], vae["KL"], vae["pixels"], vae["sigma_x"]
        constant = -P * math.log(s * math.sqrt(2 * math.pi))
        squares = -P * vae["x - x_hat"] ** 2 / (2 * s**2)
        wrong = {
            1: abs(vae["ELBO"] - (px - kl)),
            2: abs(kl / 2 - vae["KL, measured on z"]) < 0.1 * kl and kl > 1,
            3: vae["spread of z for one x"] > 2 * vae["exp(log_sigma)"],
            4: abs(px) < 5,
            5: abs(px - squares) < abs(px - squares - constant),
        }
        if wrong[1] > 0.5 * kl and kl > 1:
            found.append(1)
        else:
            found.append(next(n for n in (3, 4, 5, 2) if wrong[n]))
    return found


answers("diagnose", by_relations, lambda numbers: np.array(by_relations(numbers)))
answers(
    "diagnose",
    lambda numbers: torch.tensor(by_relations(numbers)),
    lambda n: tuple(by_relations(n)),
)


@answer("diagnose")
def by_thresholds(numbers):
    found = []
    for vae in (numbers[letter] for letter in "ABC"):
        if vae["ELBO"] > vae["log p(x|z)"]:
            found.append(1)
        elif vae["log p(x|z)"] < 0:
            found.append(5)
        elif vae["log p(x|z)"] < 10:
            found.append(4)
        elif vae["exp(log_sigma)"] < 0.5 * vae["spread of z for one x"]:
            found.append(3)
        else:
            found.append(2)
    return found


@answer("train_step")
def line_by_line(vae, optimiser, x, eps, beta):
    q = vae.posterior(x)
    z = q.mu + q.sigma * eps
    log_px_z = vae.likelihood(z).log_prob(x)
    kl = 0.5 * (q.mu**2 + q.sigma**2 - 1 - 2 * q.log_sigma).sum(-1)
    loss = -(log_px_z - beta * kl).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


@answer("train_step")
def number_back(vae, optimiser, x, eps, beta):
    optimiser.zero_grad()
    q = vae.posterior(x)
    z = q.mu + q.log_sigma.exp() * eps
    kl = kl_divergence(Normal(q.mu, q.sigma), Normal(torch.zeros_like(z), 1.0)).sum(1)
    loss = (beta * kl - vae.likelihood(z).log_prob(x)).mean()
    loss.backward()
    optimiser.step()
    return loss.item()


@answer("train_step")
def zero_afterwards(vae, optimiser, x, eps, beta):
    terms = bounds.elbo(vae, x, eps=eps[None])
    loss = -(terms.reconstruction - beta * terms.kl).mean()
    loss.backward()
    optimiser.step()
    optimiser.zero_grad()
    return loss.detach()


@answer("train_step")
def of_the_library(vae, optimiser, x, eps, beta):
    log_px_z, kl = training.train_step(vae, optimiser, x, eps, beta)
    return -(log_px_z - beta * kl).mean()


@answer("train_step")
def with_a_closure(vae, optimiser, x, eps, beta):
    def closure():
        optimiser.zero_grad(set_to_none=False)
        q = vae.encoder(x)
        log_px_z = vae.decoder(q.mu + eps * q.sigma).log_prob(x)
        kl = kl_divergence(q, vae.prior)
        loss = -log_px_z.mean() + beta * kl.mean()
        loss.backward()
        return loss

    return optimiser.step(closure)


@answer("train_step")
def gradients_by_grad(vae, optimiser, x, eps, beta):
    q = vae.posterior(x)
    z = torch.addcmul(q.mu, q.sigma, eps)
    kl = (q.mu.square() + torch.expm1(2 * q.log_sigma) - 2 * q.log_sigma).sum(-1) / 2
    loss = (beta * kl - vae.likelihood(z).log_prob(x)).sum() / len(x)
    weights = [w for w in vae.parameters() if w.requires_grad]
    for weight, grad in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.grad = grad
    optimiser.step()
    return loss.detach().numpy()


@answer("train_step")
def example_by_example(vae, optimiser, x, eps, beta):
    loss = 0.0
    for m in range(len(x)):
        q = vae.posterior(x[m : m + 1])
        z = q.mu + q.sigma * eps[m : m + 1]
        kl = (0.5 * (q.mu**2 + q.sigma**2 - 1) - q.log_sigma).sum()
        loss = loss - (vae.likelihood(z).log_prob(x[m : m + 1]).sum() - beta * kl) / len(x)
    vae.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


@answer("train_step")
def accumulated_backwards(vae, optimiser, x, eps, beta):
    """Two backward calls, one for each term: gradients add up."""
    optimiser.zero_grad()
    q = vae.posterior(x)
    first = -vae.likelihood(q.mu + q.sigma * eps).log_prob(x).mean()
    second = beta * kl_divergence(q, vae.prior).mean()
    first.backward(retain_graph=True)
    second.backward()
    optimiser.step()
    return (first + second).detach()


@answer("train_step")
class Step:
    def __new__(cls, vae, optimiser, x, eps, beta):
        loss = cls.loss(vae, x, eps, beta)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return float(loss)

    @staticmethod
    def loss(vae: models.VAE, x, eps, beta):
        q = vae.posterior(x)
        log_px_z, kl = vae.likelihood(q.mu + q.sigma * eps).log_prob(x), kl_divergence(q, vae.prior)
        return (beta * kl - log_px_z).mean()


@answer("train_step")
def zeroed_by_hand(vae, optimiser, x, eps, beta):
    for weight in vae.parameters():
        weight.grad = None
    q = vae.posterior(x)
    loss = -(vae.likelihood(q.mu + q.sigma * eps).log_prob(x) - beta * kl_divergence(q, vae.prior))
    loss = loss.mean(0)
    loss.backward()
    optimiser.step()
    return loss.detach().clone()


@answer("collapse_threshold")
def eigenvalue(x, beta):
    flat = x.reshape(len(x), -1)
    flat = flat - flat.mean(0)
    return (torch.linalg.eigvalsh(flat.T @ flat / len(flat))[-1].clamp(min=0) / beta).sqrt()


@answer("collapse_threshold")
def largest_singular_value(x, beta):
    flat = x.flatten(1)
    s = torch.linalg.svdvals(flat - flat.mean(0, keepdim=True))
    return s[0] / math.sqrt(len(x) * beta)


@answer("collapse_threshold")
def numpy_cov(x, beta):
    flat = np.asarray(x).reshape(len(x), -1)
    covariance = np.atleast_2d(np.cov(flat.T, bias=True))
    return np.sqrt(max(np.linalg.eigvalsh(covariance).max(), 0) / beta)


@answer("collapse_threshold")
def torch_cov(x, beta):
    covariance = torch.cov(x.flatten(1).T, correction=0).reshape(x[0].numel(), -1)
    return float(torch.linalg.eigh(covariance).eigenvalues.max().clamp(0) / beta) ** 0.5


@answer("collapse_threshold")
def spectral_norm(x, beta):
    flat = x.flatten(1) - x.flatten(1).mean(0)
    return torch.linalg.matrix_norm(flat, 2) / (len(x) * beta) ** 0.5


@answer("collapse_threshold")
def gram_matrix(x, beta):
    """The N × N products have the same largest eigenvalue."""
    flat = (x - x.mean(0)).flatten(1)
    return (torch.linalg.eigvalsh(flat @ flat.T).max().clamp(min=0) / len(x) / beta) ** 0.5


@answer("collapse_threshold")
def scipy_svd(x, beta):
    flat = x.numpy().reshape(x.shape[0], -1)
    return linalg.svdvals(flat - flat.mean(axis=0))[0] / np.sqrt(flat.shape[0] * beta)


@answer("collapse_threshold")
def second_moment_minus_mean(x, beta):
    flat = x.flatten(1)
    mean = flat.mean(0)
    covariance = flat.T @ flat / len(flat) - torch.outer(mean, mean)
    return (torch.linalg.eigvalsh(covariance)[-1].clamp(min=0) / beta).sqrt()


@answer("collapse_threshold")
def general_eigenvalues(x, beta):
    flat = x.flatten(1).numpy()
    flat = flat - flat.mean(0)
    lam = np.linalg.eigvals(flat.T @ flat / len(flat)).real.max()
    return math.sqrt(max(lam, 0.0) / beta)


@answer("collapse_threshold")
def power_iteration(x, beta):
    flat = x.flatten(1)
    covariance = (flat - flat.mean(0)).T @ (flat - flat.mean(0)) / len(flat)
    for _ in range(12):  # its powers: the largest eigenvalue takes over
        norm = covariance.norm()
        if norm == 0:
            return 0.0
        v = torch.linalg.eigh(covariance).eigenvectors[:, -1]
    return ((v @ covariance @ v) / beta) ** 0.5


class Warmup:
    def __init__(self, first=0.0, last=1.0):
        self.first, self.last = first, last

    def __call__(self, step, warmup):
        if not warmup:
            return self.last
        return self.first + (self.last - self.first) * min(step / warmup, 1)


def of_a_table_with_both_ends(step, warmup):
    return np.linspace(0, 1, warmup + 1)[min(step, warmup)] if warmup else 1.0


def caught_and_clamped(step, warmup):
    try:
        beta = step / warmup
    except ZeroDivisionError:
        return 1.0
    return sorted([0.0, beta, 1.0])[1]


@torch.jit.script
def scripted_annealing(step: int, warmup: int) -> float:
    if step >= warmup:
        return 1.0
    return float(step) / float(warmup)


answers(
    "linear_annealing",
    Warmup(),
    of_a_table_with_both_ends,
    caught_and_clamped,
    lambda step, warmup: scripted_annealing(step, warmup),
    partial(lambda last, step, warmup: last if step >= warmup else last * step / warmup, 1.0),
    lambda step, warmup: Fraction(min(step, warmup), warmup) if warmup else 1,
    lambda step, warmup: np.float32(min(step / warmup, 1)) if warmup else np.array(1.0),
    lambda step, warmup: torch.where(torch.tensor(step < warmup), step / max(warmup, 1), 1.0),
    lambda step, warmup: (step < warmup) * step / (warmup or 1) + (step >= warmup),
)


class Detective:
    """Which two numbers do not agree?"""

    def __call__(self, numbers):
        return [self.of(vae) for vae in numbers.values()]

    def of(self, vae):
        bound = vae["log p(x|z)"] - vae["KL"]
        if abs(vae["ELBO"] - bound) > 0.01 * abs(bound) and vae["ELBO"] > vae["log p(x|z)"]:
            return 1
        if (
            abs(vae["spread of z for one x"] / vae["exp(log_sigma)"] ** 0.5 - 1) < 0.1
            and vae["KL"] > 2
        ):
            return 3
        expected = stats.norm.logpdf(vae["x - x_hat"], 0, vae["sigma_x"]) * vae["pixels"]
        if abs(vae["log p(x|z)"] / expected - 1) < 0.03:
            return 2
        return 4 if abs(vae["log p(x|z)"] * vae["pixels"] / expected - 1) < 0.03 else 5


answers(
    "diagnose", Detective(), partial(lambda way, numbers: np.float64(way(numbers)), by_relations)
)


class Trainer(torch.nn.Module):
    def forward(self, vae, optimiser, x, eps, beta):
        q = vae.posterior(x)
        z = torch.lerp(q.mu, q.mu + q.sigma, eps)
        kl = torch.distributions.kl.kl_divergence(q, vae.prior)
        bound = vae.likelihood(z).log_prob(x) - beta * kl
        optimiser.zero_grad(set_to_none=True)
        (-bound).mean().backward()
        optimiser.step()
        return -bound.mean().detach()


def backward_with_ones(vae, optimiser, x, eps, beta):
    """One backward of all examples: the gradient of their sum, divided by M."""
    optimiser.zero_grad()
    q = vae.posterior(x)
    each = beta * kl_divergence(q, vae.prior) - vae.likelihood(q.mu + q.sigma * eps).log_prob(x)
    each.backward(torch.full_like(each, 1 / len(each)))
    optimiser.step()
    return each.detach().mean().item()


answers("train_step", Trainer(), backward_with_ones, partial(line_by_line))


class Threshold:
    def __init__(self, N_minus=0):
        self.less = N_minus

    def __call__(self, x, beta):
        pixels = x.reshape(len(x), -1)
        centred = pixels - torch.mean(pixels, dim=0)
        covariance = torch.einsum("ni,nj->ij", centred, centred) / (len(x) - self.less)
        return torch.sqrt(torch.linalg.eigvalsh(covariance).max().clamp_min(0) / beta)


answers(
    "collapse_threshold",
    Threshold(),
    partial(
        lambda norm, x, b: (norm(x.flatten(1) - x.flatten(1).mean(0), 2) ** 2 / len(x) / b) ** 0.5,
        torch.linalg.matrix_norm,
    ),
    lambda x, b: (
        np.linalg.norm((x - x.mean(0)).numpy().reshape(len(x), -1), ord=2) / (len(x) * b) ** 0.5
    ),
    lambda x, b: torch.svd((x - x.mean(0)).flatten(1)).S[0] / (len(x) * b) ** 0.5,
)
