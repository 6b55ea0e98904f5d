"""Right answers to the exercises of lesson 2, maximum likelihood."""

import math
from collections import namedtuple
from functools import partial, reduce
from statistics import fmean, pstdev

import numpy as np
import torch
import torch.nn.functional as F
from scipy import integrate, special, stats
from torch.distributions import MultivariateNormal, Normal

from right_answers.bank import answer, answers

Fit = namedtuple("Fit", "mu sigma")


@answer("average_log_likelihood")
def torch_distributions(x, mu, sigma):
    return Normal(mu, sigma).log_prob(x).mean()


@answer("average_log_likelihood")
def scipy_logpdf(x, mu, sigma):
    return stats.norm(mu, sigma).logpdf(x).mean()


@answer("average_log_likelihood")
def loop_of_floats(x, mu, sigma):
    total = 0.0
    for value in x:
        total += -0.5 * math.log(2 * math.pi * sigma**2)
        total -= (float(value) - float(mu)) ** 2 / (2 * sigma**2)
    return total / len(x)


@answer("average_log_likelihood")
def by_hand(x, mu, sigma):
    spread = ((x - mu) / sigma).pow(2).sum() / x.numel()
    return -spread / 2 - np.log(np.sqrt(2 * np.pi) * float(sigma))


@answer("average_log_likelihood")
def with_pytorchs_loss(x, mu, sigma):
    mu = torch.as_tensor(mu, dtype=x.dtype).expand_as(x)
    variance = torch.as_tensor(sigma, dtype=x.dtype).expand_as(x) ** 2
    return -F.gaussian_nll_loss(mu, x, variance, full=True, eps=1e-12)


@answer("gaussian_mle")
def torch_biased(x):
    return x.mean(), x.std(correction=0)


@answer("gaussian_mle")
def numpy_list(x):
    x = np.asarray(x)
    return [np.mean(x), np.std(x)]


@answer("gaussian_mle")
def scipy_fit(x):
    return stats.norm.fit(x.numpy())


@answer("gaussian_mle")
def sums_in_python(x):
    values = x.tolist()
    mu = sum(values) / len(values)
    return mu, math.sqrt(sum((v - mu) ** 2 for v in values) / len(values))


@answer("gaussian_mle")
def moments(x):
    mu = x.sum() / len(x)
    return mu, torch.sqrt((x * x).mean() - mu**2)


@answer("log_marginal")
def torch_logsumexp(log_px_z):
    return torch.logsumexp(log_px_z, dim=0) - math.log(log_px_z.shape[0])


@answer("log_marginal")
def scipy_logsumexp(log_px_z):
    return special.logsumexp(log_px_z.numpy(), axis=0, b=1 / len(log_px_z))


@answer("log_marginal")
def own_maximum(log_px_z):
    top = log_px_z.max(dim=0, keepdim=True).values
    return (top + (log_px_z - top).exp().mean(dim=0, keepdim=True).log()).squeeze(0)


@answer("log_marginal")
def one_pair_at_a_time(log_px_z):
    K, B = log_px_z.shape
    out = np.empty(B)
    for b in range(B):
        total = -np.inf
        for k in range(K):
            total = np.logaddexp(total, log_px_z[k, b].item())
        out[b] = total - np.log(K)
    return out


@answer("average_log_likelihood")
def numpy_formula(x, mu, sigma):
    return np.mean(
        -0.5 * np.log(2 * np.pi) - np.log(sigma) - (np.asarray(x) - mu) ** 2 / (2 * sigma**2)
    )


@answer("average_log_likelihood")
def with_math(x, mu, sigma):
    constant = -math.log(sigma * math.sqrt(2 * math.pi))
    return constant - ((x - mu) ** 2).mean() / (2 * sigma**2)


@answer("average_log_likelihood")
def pytorchs_loss(x, mu, sigma):
    var = torch.full_like(x, float(sigma) ** 2)
    return -F.gaussian_nll_loss(torch.full_like(x, float(mu)), x, var, full=True, eps=0.0)


@answer("average_log_likelihood")
def log_of_a_density(x, mu, sigma):
    density = Normal(mu, sigma)
    return sum(density.log_prob(x_n) for x_n in x) / len(x)


answers(
    "average_log_likelihood",
    lambda x, m, s: (
        torch.vmap(lambda a: -0.5 * ((a - m) / s) ** 2)(x).mean() - np.log(s * (2 * np.pi) ** 0.5)
    ),
    lambda x, m, s: stats.norm(m, s).logpdf(x).mean(),
    lambda x, m, s: fmean(
        -0.5 * ((a - m) / s) ** 2 - math.log(s) - 0.5 * math.log(2 * math.pi) for a in x.tolist()
    ),
    lambda x, m, s: (
        torch.log(torch.exp(-((x - m) ** 2) / s**2 / 4)).mean() * 2
        - math.log(s)
        - 0.918938533204673
        if abs(float((x - m).abs().max())) < 20
        else (-((x - m) ** 2) / (2 * s**2)).mean() - math.log(s) - 0.918938533204673
    ),
)

answers(
    "gaussian_mle",
    lambda x: torch.var_mean(x, correction=0)[1:] + (torch.var(x, correction=0).sqrt(),),
    lambda x: (fmean(x.tolist()), pstdev(x.tolist())),
    lambda x: stats.norm.fit(x.numpy()),
    lambda x: (x.sum() / len(x), ((x**2).mean() - x.mean() ** 2).clamp(min=0).sqrt()),
    lambda x: [np.average(x), np.sqrt(np.average((x - np.average(x)) ** 2))],
    lambda x: (x.mean(), torch.linalg.vector_norm(x - x.mean()) / math.sqrt(len(x))),
    lambda x: (x.mean(), x.std(unbiased=False)),
)

answers(
    "log_marginal",
    lambda a: torch.logsumexp(a - math.log(len(a)), 0),
    lambda a: np.logaddexp.reduce(a.numpy(), axis=0) - np.log(a.shape[0]),
    lambda a: special.logsumexp(a.numpy(), axis=0, b=1 / len(a)),
    lambda a: torch.vmap(lambda c: c.max() + (c - c.max()).exp().mean().log(), in_dims=1)(a),
    lambda a: torch.stack([c.logsumexp(0) for c in a.T]) - math.log(a.shape[0]),
    lambda a: a.amax(0) - a.shape[0] ** 0 * math.log(len(a)) + (a - a.amax(0)).exp().sum(0).log(),
    partial(lambda axis, a: a.logsumexp(axis) - np.log(a.shape[axis]), 0),
)


@answer("posterior_on_grid")
def shift_and_trapezoid(log_joint, z):
    top = log_joint.max()
    w = (log_joint - top).exp()
    area = torch.trapezoid(w, z)
    return top + area.log(), w / area


@answer("posterior_on_grid")
def logsumexp_and_spacing(log_joint, z):
    dz = z[1] - z[0]
    log_px = torch.logsumexp(log_joint, 0) + torch.log(dz)
    return log_px, torch.exp(log_joint - log_px)


@answer("posterior_on_grid")
def softmax_over_spacing(log_joint, z):
    step = float(z[-1] - z[0]) / (len(z) - 1)
    return log_joint.logsumexp(-1) + math.log(step), log_joint.softmax(-1) / step


@answer("posterior_on_grid")
def numpy_trapezoid(log_joint, z):
    log_joint, z = np.asarray(log_joint), np.asarray(z)
    p = np.exp(log_joint - np.max(log_joint))
    area = np.trapezoid(p, z)
    return np.log(area) + np.max(log_joint), p / area


@answer("posterior_on_grid")
def scipy_simpson(log_joint, z):
    top = log_joint.max().item()
    p = np.exp(log_joint.numpy() - top)
    area = integrate.simpson(p, x=z.numpy())
    return top + np.log(area), p / area


@answer("posterior_on_grid")
def scipy_logsumexp_on_a_grid(log_joint, z):
    log_px = special.logsumexp(log_joint.numpy()) + np.log(np.diff(z)[0])
    return [log_px, np.exp(log_joint.numpy() - log_px)]


@answer("posterior_on_grid")
def running_maximum(log_joint, z):
    """The streaming logsumexp."""
    top, total = -math.inf, 0.0
    for value in log_joint.tolist():
        if value > top:
            total = total * math.exp(top - value) + 1.0
            top = value
        else:
            total += math.exp(value - top)
    step = (z[1] - z[0]).item()
    log_px = top + math.log(total * step)
    return log_px, torch.exp(log_joint - log_px)


@answer("posterior_on_grid")
def logaddexp(log_joint, z):
    log_px = np.logaddexp.reduce(log_joint.numpy()) + math.log(z[1] - z[0])
    return torch.tensor(log_px), (log_joint - log_px).exp()


@answer("posterior_on_grid")
def log_weights_of_the_trapezoid(log_joint, z):
    weights = torch.full_like(z, (z[1] - z[0]).item())
    weights[0] /= 2
    weights[-1] /= 2
    log_px = torch.logsumexp(log_joint + weights.log(), dim=0)
    return log_px, (log_joint - log_px).exp()


@answer("posterior_on_grid")
def cumulative(log_joint, z):
    p = torch.exp(log_joint - torch.amax(log_joint))
    area = torch.cumulative_trapezoid(p, z)[-1]
    return torch.amax(log_joint) + area.log(), p.div(area)


answers(
    "average_log_likelihood",
    lambda x, m, s: (
        MultivariateNormal(torch.full_like(x, m), s**2 * torch.eye(len(x)).to(x))
        .log_prob(x)
        .div(len(x))
    ),
    lambda x, m, s: (
        -F.mse_loss(x, torch.full_like(x, m)) / (2 * s**2) - math.log(s) - math.log(2 * math.pi) / 2
    ),
    lambda x, m, s: (
        -(np.log(2 * np.pi * s**2) + (x.var(correction=0) + (x.mean() - m) ** 2) / s**2) / 2
    ),
    lambda x, m, s: torch.tensor([stats.norm(m, s).logpdf(x_n) for x_n in x]).mean(),
    lambda x, m, s: reduce(
        lambda total, x_n: (
            total - (((x_n - m) / s) ** 2 / 2 + math.log(s * math.sqrt(2 * math.pi))) / len(x)
        ),
        x,
        0.0,
    ),
)


@answer("gaussian_mle")
def welford(x):
    n, mean, total = 0, 0.0, 0.0
    for value in x.tolist():
        n += 1
        away = value - mean
        mean += away / n
        total += away * (value - mean)
    return mean, math.sqrt(total / n)


answers(
    "gaussian_mle",
    lambda x: Fit(mu=x.mean(), sigma=x.std(correction=0)),
    lambda x: tuple(torch.std_mean(x, correction=0))[::-1],
    lambda x: (np.average(x), math.sqrt(np.cov(x, bias=True))),
    lambda x: (x.mean(), ((x[:, None] - x) ** 2).mean().div(2).sqrt()),
    lambda x: (x.mean(), F.mse_loss(x, x.mean().expand_as(x)) ** 0.5),
    lambda x: np.array([x.mean(), x.std(correction=0)]).tolist(),
    lambda x: (x.mean(), stats.tstd(x) * ((len(x) - 1) / len(x)) ** 0.5 if len(x) > 1 else 0.0),
)


@torch.jit.script
def scripted_log_mean(log_px_z: torch.Tensor) -> torch.Tensor:
    return torch.logsumexp(log_px_z, 0) - torch.log(torch.tensor(float(log_px_z.shape[0])))


answers(
    "log_marginal",
    scripted_log_mean,
    lambda a: reduce(torch.logaddexp, a) - math.log(len(a)),
    lambda a: torch.logcumsumexp(a, 0)[-1] - math.log(len(a)),
    lambda a: np.log(np.mean(np.exp(a.numpy().astype(np.longdouble)), axis=0)),
    lambda a: np.array([special.logsumexp(column) - np.log(len(column)) for column in a.numpy().T]),
    lambda a: torch.tensor(
        [max(c) + math.log(fmean(math.exp(v - max(c)) for v in c)) for c in a.T.tolist()]
    ),
)
answers(
    "posterior_on_grid",
    lambda a, z: (lambda log_px: (log_px, (a - log_px).exp()))(
        torch.logsumexp(a, 0) + math.log(z[1] - z[0])
    ),
    lambda a, z: [
        float(a.logsumexp(0) + (z[1] - z[0]).log()),
        (a.log_softmax(0) - (z[1] - z[0]).log()).exp(),
    ],
    lambda a, z: (lambda w, area: (a.max() + area.log(), w / area))(
        (a - a.max()).exp(), torch.trapezoid((a - a.max()).exp(), dx=float(z[1] - z[0]))
    ),
)
