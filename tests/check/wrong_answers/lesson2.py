"""Wrong answers to the exercises of lesson 2, maximum likelihood, written by hand."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy import special, stats
from torch.distributions import Normal

from wrong_answers.densities import log_p

LISTED = {
    "average_log_likelihood": [
        ("sum for mean", lambda x, m, s: log_p(x, m, s).sum()),
        ("constant dropped", lambda x, m, s: (-(((x - m) / s) ** 2) / 2 - math.log(s)).mean()),
        ("constant dropped, log σ too", lambda x, m, s: -((x - m) ** 2).mean() / 2 / s**2),
        ("σ for σ²", lambda x, m, s: log_p(x, m, s**0.5).mean()),
        (
            "σ for σ² in the exponent",
            lambda x, m, s: (-((x - m) ** 2) / (2 * s) - math.log(2 * math.pi * s**2) / 2).mean(),
        ),
    ],
    "gaussian_mle": [
        ("N−1 for N", lambda x: (x.mean(), x.std())),
        ("variance for σ", lambda x: (x.mean(), ((x - x.mean()) ** 2).mean())),
        ("N−1 for N + variance for σ", lambda x: (x.mean(), x.var())),
    ],
    "log_marginal": [
        ("mean of logs", lambda a: a.mean(0)),
        ("sum of logs", lambda a: a.sum(0)),
        ("no log K", lambda a: torch.logsumexp(a, 0)),
        ("overflow: exp before log", lambda a: np.log(np.exp(a.numpy()).mean(0))),
        ("overflow: exp before log + no log K", lambda a: a.exp().sum(0).log()),
    ],
}

UNLISTED = {
    "average_log_likelihood": [
        (lambda x, m, s: -log_p(x, m, s).mean(), None),
        (lambda x, m, s: log_p(x, m, s**2).mean(), None),
        (lambda x, m, s: np.log(stats.norm.pdf(x, m, s).mean()), None),
        (lambda x, m, s: log_p(x, m, x.std()).mean(), None),
        (lambda x, m, s: log_p(x, m, s).max(), None),
        (lambda x, m, s: log_p(x, m, s**0.5).sum(), None),
    ],
    "gaussian_mle": [
        (lambda x: (np.median(x), np.median(np.abs(x - np.median(x)))), None),
        (lambda x: (x.mean(), (x**2).mean().sqrt()), None),
        (lambda x: (x.mean(), x.std() / len(x) ** 0.5), None),
        (lambda x: (x.std(correction=0), x.mean()), None),
        (lambda x: (x.mean(), (x.max() - x.min()) / 2), None),
    ],
    "log_marginal": [
        (lambda a: torch.logsumexp(a, 1) - math.log(a.shape[1]), None),
        (lambda a: (a.exp().mean(0) + 1e-12).log(), None),
        (lambda a: a.exp().mean(0), None),
        (lambda a: torch.logsumexp(a.flatten(), 0) - math.log(a.numel()), None),
        (lambda a: (a - a.mean(0)).exp().mean(0).log(), None),
        (lambda a: a.max(0).values - math.log(len(a)), None),
    ],
}


def integral(a, z, shift=True, rule=torch.trapezoid, back=True):
    top = a.max() if shift else 0.0 * a[0]
    p = (a - top).exp()
    area = rule(p, z)
    return area.log() + (top if back else 0), p / area


def step(z):
    return z[1] - z[0]


GRID = [
    ("underflow: exp before log", lambda a, z: integral(a, z, shift=False)),
    (
        "underflow: exp before log",
        lambda a, z: (torch.trapezoid(a.exp(), z).log(), a.exp() / torch.trapezoid(a.exp(), z)),
    ),
    ("largest value not added back", lambda a, z: integral(a, z, back=False)),
    ("spacing of the grid forgotten", lambda a, z: integral(a, z, rule=lambda p, z: p.sum())),
    ("spacing of the grid forgotten", lambda a, z: (a.logsumexp(0), a.softmax(0))),
    ("the values sum to 1", lambda a, z: (integral(a, z)[0], a.softmax(0))),
    ("mean for integral", lambda a, z: integral(a, z, rule=lambda p, z: p.mean())),
    (
        "one point too many",
        lambda a, z: integral(a, z, rule=lambda p, z: p.mean() * (z[-1] - z[0])),
    ),
    (
        "density not normalised: largest value 1",
        lambda a, z: (integral(a, z)[0], (a - a.max()).exp()),
    ),
    ("log of the density", lambda a, z: (integral(a, z)[0], a - integral(a, z)[0])),
    ("order swapped", lambda a, z: integral(a, z)[::-1]),
    ("p(x) for log p(x)", lambda a, z: (integral(a, z)[0].exp(), integral(a, z)[1])),
    ("spacing squared", lambda a, z: integral(a, z, rule=lambda p, z: p.sum() * step(z) ** 2)),
    ("divided by the spacing", lambda a, z: integral(a, z, rule=lambda p, z: p.sum() / step(z))),
    ("spacing twice", lambda a, z: (integral(a, z)[0], integral(a, z)[1] / step(z))),
    ("the largest value only", lambda a, z: integral(a, z, rule=lambda p, z: p.max())),
    ("the density twice", lambda a, z: (integral(a, z)[1], integral(a, z)[1])),
    ("log p(x) twice", lambda a, z: (integral(a, z)[0], integral(a, z)[0])),
    ("times z", lambda a, z: integral(a, z, rule=lambda p, z: torch.trapezoid(p * z, z))),
    ("distribution function for density", lambda a, z: (integral(a, z)[0], a.softmax(0).cumsum(0))),
    ("divided by the range", lambda a, z: (integral(a, z)[0], integral(a, z)[1] / (z[-1] - z[0]))),
    (None, lambda a, z: (integral(a, z)[0], a.exp())),
    (None, lambda a, z: integral(a, z)[0]),
    (None, lambda a, z: integral(a, z)[1]),
    (None, lambda a, z: (integral(a, z)[0], integral(a, z)[1].sum())),
    (None, lambda a, z: (-integral(a, z)[0], integral(a, z)[1])),
    (None, lambda a, z: (integral(a, z)[0] / math.log(2), integral(a, z)[1])),
    (None, lambda a, z: (integral(a, z)[0] + 1, integral(a, z)[1])),
    (None, lambda a, z: (integral(a, z)[0], integral(a, z)[1].flip(0))),
    (None, lambda a, z: (integral(a, z)[0], integral(a, z)[1] ** 2)),
    (None, lambda a, z: (integral(a, z)[0].clamp(min=-700), integral(a, z)[1])),
    (None, lambda a, z: (torch.trapezoid((a.clamp(min=-700)).exp(), z).log(), integral(a, z)[1])),
    (None, lambda a, z: (a.mean(), integral(a, z)[1])),
    (None, lambda a, z: (torch.trapezoid(a, z), integral(a, z)[1])),
    (None, lambda a, z: (integral(a, z)[0], Normal(0.0, 1.0).log_prob(z).exp())),
    (None, lambda a, z: (integral(a, z)[0], a / torch.trapezoid(a, z))),
    (None, lambda a, z: ((a.exp() + 1e-300).sum().log() + step(z).log(), integral(a, z)[1])),
    (None, lambda a, z: integral(a, z / 2)),
    (None, lambda a, z: integral(a - z, z)),
    (None, lambda a, z: (integral(a, z)[0], integral(a, z)[1] + 1e-3)),
    (None, lambda a, z: (integral(a, z)[0].half().double(), integral(a, z)[1])),
    (None, lambda a, z: integral(a, 0.0625 * torch.arange(len(a)))),
    (
        None,
        lambda a, z: (integral(a, z)[0], a.softmax(0) / (a.softmax(0) ** 2).sum()),
    ),
    (None, lambda a, z: torch.stack([integral(a, z)[0], integral(a, z)[1].max()])),
]


def bell(x, m, s):
    return -0.5 * ((x - m) / s) ** 2 - np.log(s) - 0.5 * np.log(2 * np.pi)


def returns_in_the_loop(x, mu, sigma):
    total = 0.0
    for x_n in x:
        total += -((x_n - mu) ** 2) / (2 * sigma**2) - math.log(sigma * math.sqrt(2 * math.pi))
        return total / len(x)


def off_by_one(x, mu, sigma):
    total = 0.0
    for n in range(len(x) - 1):
        total += bell(float(x[n]), mu, sigma)
    return total / len(x)


def constant_once(x, mu, sigma):
    """The constant is added once, not N times."""
    squares = -((x - mu) ** 2).sum() / (2 * sigma**2)
    return (squares - math.log(sigma) - 0.5 * math.log(2 * math.pi)) / len(x)


def fits_first(x, mu, sigma):
    mu, sigma = x.mean(), x.std(correction=0)
    return Normal(mu, sigma).log_prob(x).mean()


def product_of_densities(x, mu, sigma):
    product = 1.0
    for x_n in x.tolist():
        product *= math.exp(bell(x_n, mu, sigma))
    return math.log(product) / len(x)


def clipped(x, mu, sigma):
    density = stats.norm.pdf(x, mu, sigma)
    return np.log(np.maximum(density, 1e-300)).mean()


AVERAGE = [
    ("sum for mean", lambda x, m, s: bell(x, m, s).sum()),
    ("sum for mean", lambda x, m, s: stats.norm.logpdf(x, m, s).sum()),
    ("sum for mean", lambda x, m, s: sum(bell(a, m, s) for a in x.tolist())),
    ("no average", lambda x, m, s: bell(x, m, s)),
    ("sign", lambda x, m, s: -bell(x, m, s).mean()),
    (
        "sign",
        lambda x, m, s: F.gaussian_nll_loss(
            torch.full_like(x, m), x, torch.full_like(x, s**2), full=True
        ),
    ),
    (
        "constant dropped",
        lambda x, m, s: -F.gaussian_nll_loss(torch.full_like(x, m), x, torch.full_like(x, s**2)),
    ),
    (
        "σ for σ²",
        lambda x, m, s: (
            -F.gaussian_nll_loss(torch.full_like(x, m), x, torch.full_like(x, s), full=True)
        ),
    ),
    ("sigma not used", lambda x, m, s: -F.mse_loss(x, torch.full_like(x, m))),
    ("constant dropped, log σ too", lambda x, m, s: -((x - m) ** 2).mean() / (2 * s**2)),
    ("constant dropped", lambda x, m, s: (-0.5 * ((x - m) / s) ** 2 - np.log(s)).mean()),
    (
        "log σ forgotten",
        lambda x, m, s: (-0.5 * ((x - m) / s) ** 2 - 0.5 * np.log(2 * np.pi)).mean(),
    ),
    (
        "no ½ before log 2π",
        lambda x, m, s: (-0.5 * ((x - m) / s) ** 2 - np.log(s) - np.log(2 * np.pi)).mean(),
    ),
    (
        "no ½ in the constant",
        lambda x, m, s: (-0.5 * ((x - m) / s) ** 2 - np.log(2 * np.pi * s**2)).mean(),
    ),
    (
        "σ for σ² in the logarithm",
        lambda x, m, s: (-0.5 * ((x - m) / s) ** 2 - 0.5 * np.log(2 * np.pi * s)).mean(),
    ),
    (
        "no ½ before log 2π",
        lambda x, m, s: (-0.5 * ((x - m) / s) ** 2 - np.log(2 * np.pi * s)).mean(),
    ),
    (
        "sign of the constant",
        lambda x, m, s: (-0.5 * ((x - m) / s) ** 2 + np.log(s) + 0.5 * np.log(2 * np.pi)).mean(),
    ),
    (
        "sign of log σ",
        lambda x, m, s: (-0.5 * ((x - m) / s) ** 2 + np.log(s) - 0.5 * np.log(2 * np.pi)).mean(),
    ),
    (
        "sign of the exponent",
        lambda x, m, s: (0.5 * ((x - m) / s) ** 2 - np.log(s) - 0.5 * np.log(2 * np.pi)).mean(),
    ),
    (
        "no ½ in the exponent",
        lambda x, m, s: (-(((x - m) / s) ** 2) - np.log(s) - 0.5 * np.log(2 * np.pi)).mean(),
    ),
    (
        "σ for σ² in the exponent",
        lambda x, m, s: (-((x - m) ** 2) / (2 * s) - np.log(s) - 0.5 * np.log(2 * np.pi)).mean(),
    ),
    (
        "times σ² in the exponent",
        lambda x, m, s: (-((x - m) ** 2) / 2 * s**2 - np.log(s) - 0.5 * np.log(2 * np.pi)).mean(),
    ),
    (
        "not divided by σ²",
        lambda x, m, s: (-0.5 * (x - m) ** 2 - np.log(s) - 0.5 * np.log(2 * np.pi)).mean(),
    ),
    (
        "no square in the exponent",
        lambda x, m, s: (-0.5 * abs(x - m) / s - np.log(s) - 0.5 * np.log(2 * np.pi)).mean(),
    ),
    (
        "no square in the exponent",
        lambda x, m, s: (-0.5 * (x - m) / s**2 - np.log(s) - 0.5 * np.log(2 * np.pi)).mean(),
    ),
    (
        "x + μ for x − μ",
        lambda x, m, s: (-0.5 * ((x + m) / s) ** 2 - np.log(s) - 0.5 * np.log(2 * np.pi)).mean(),
    ),
    (
        "μ forgotten",
        lambda x, m, s: (-0.5 * (x / s) ** 2 - np.log(s) - 0.5 * np.log(2 * np.pi)).mean(),
    ),
    (
        "in mu",
        lambda x, m, s: (-0.5 * (x**2 - m**2) / s**2 - np.log(s) - 0.5 * np.log(2 * np.pi)).mean(),
    ),
    ("σ² for σ", lambda x, m, s: Normal(m, s**2).log_prob(x).mean()),
    ("σ for σ²", lambda x, m, s: Normal(m, s**0.5).log_prob(x).mean()),
    ("μ forgotten + σ ignored", lambda x, m, s: Normal(0.0, 1.0).log_prob(x).mean()),
    ("σ ignored", lambda x, m, s: Normal(m, 1.0).log_prob(x).mean()),
    (None, lambda x, m, s: Normal(s, abs(m)).log_prob(x).mean()),
    ("σ taken for log σ", lambda x, m, s: Normal(m, math.exp(s)).log_prob(x).mean()),
    ("σ taken for log σ²", lambda x, m, s: Normal(m, math.exp(s / 2)).log_prob(x).mean()),
    ("log-density of the mean example", lambda x, m, s: Normal(m, s).log_prob(x.mean())),
    ("log-density of the mean example", lambda x, m, s: bell(np.mean(x.numpy()), m, s)),
    ("log of the mean", lambda x, m, s: np.log(stats.norm.pdf(x, m, s).mean())),
    ("no logarithm", lambda x, m, s: stats.norm.pdf(x, m, s).mean()),
    ("underflow", lambda x, m, s: np.log(stats.norm.pdf(x, m, s)).mean()),
    (None, lambda x, m, s: torch.log(torch.exp(Normal(m, s).log_prob(x)) + 1e-8).mean()),
    ("log of the product", lambda x, m, s: np.log(np.prod(stats.norm.pdf(x, m, s)))),
    ("underflow", product_of_densities),
    (None, clipped),
    ("log2 for log", lambda x, m, s: bell(x, m, s).mean() / np.log(2)),
    (
        None,
        lambda x, m, s: (-0.5 * ((x - m) / s) ** 2 - np.log2(s) - 0.5 * np.log2(2 * np.pi)).mean(),
    ),
    (
        None,
        lambda x, m, s: (
            -0.5 * ((x - m) / s) ** 2 - np.log10(s) - 0.5 * np.log10(2 * np.pi)
        ).mean(),
    ),
    (
        "a near miss",
        lambda x, m, s: (-0.5 * ((x - m) / s) ** 2 - np.log(s) - 0.5 * np.log(2 * 3.14)).mean(),
    ),
    ("a near miss", lambda x, m, s: (-0.5 * ((x - m) / s) ** 2 - np.log(s) - 0.919).mean()),
    (None, lambda x, m, s: bell(x, m, s + 1e-3).mean()),
    ("N−1 for N", lambda x, m, s: bell(x, m, s).sum() / (len(x) - 1)),
    ("median for mean", lambda x, m, s: bell(x, m, s).median()),
    ("the largest only", lambda x, m, s: bell(x, m, s).max()),
    ("the first example only", lambda x, m, s: bell(x, m, s)[0]),
    (None, lambda x, m, s: bell(x, m, s).clamp(min=-100).mean()),
    (None, lambda x, m, s: bell(x, m, s).clamp(max=0).mean()),
    (None, lambda x, m, s: np.mean(np.logaddexp(bell(x.numpy(), m, s), -700))),
    ("the first example only, divided by N", returns_in_the_loop),
    ("one example left out", off_by_one),
    ("the constant divided by N", constant_once),
    ("fitted to x", fits_first),
    ("spread of x for σ", lambda x, m, s: Normal(m, x.std()).log_prob(x).mean()),
    ("log σ forgotten", lambda x, m, s: stats.norm.logpdf((x - m) / s).mean()),
    (None, lambda x, m, s: stats.laplace.logpdf(x, m, s).mean()),
    ("sum for mean", lambda x, m, s: stats.multivariate_normal(np.full(len(x), m), s**2).logpdf(x)),
    ("mu not used", lambda x, m, s: -Normal(m, s).entropy()),
    ("wrong shape", lambda x, m, s: bell(x, m, s).mean(0, keepdim=True)),
    ("several results", lambda x, m, s: (bell(x, m, s).mean(), bell(x, m, s).std())),
    (None, lambda x, m, s: round(float(bell(x, m, s).mean()), 2)),
    ("half precision", lambda x, m, s: torch.tensor(float(bell(x, m, s).mean())).half()),
    ("returns None", lambda x, m, s: print(bell(x, m, s).mean())),
    ("^ for **", lambda x, m, s: (-0.5 * ((x - m) / s) ^ 2 - np.log(s)).mean()),
    (
        None,
        lambda x, m, s: math.log(
            1 / (s * math.sqrt(2 * math.pi)) * math.exp(-((x - m) ** 2) / (2 * s**2))
        ),
    ),
    (
        "times σ² in the exponent",
        lambda x, m, s: (
            -((x - m) ** 2) / 2 * s**2 - math.log(s) - math.log(2 * math.pi) / 2
        ).mean(),
    ),
    (
        None,
        lambda x, m, s: -((x - m) ** 2) / (2 * s**2) - torch.log(s) - torch.log(2 * torch.pi) / 2,
    ),
    (
        "wrong shape",
        lambda x, m, s: (-0.5 * ((x - m) / s) ** 2 - np.log(s * np.sqrt(2 * np.pi))) / len(x),
    ),
    (
        "squares summed, not averaged",
        lambda x, m, s: ((x - m) / s).norm() ** 2 / -2 - np.log(s) - 0.5 * np.log(2 * np.pi),
    ),
]


def by_gradient(x):
    mu, rho = (
        torch.zeros((), dtype=x.dtype, requires_grad=True),
        torch.zeros((), dtype=x.dtype, requires_grad=True),
    )
    for _ in range(5):
        loss = -Normal(mu, rho.exp()).log_prob(x).mean()
        g = torch.autograd.grad(loss, (mu, rho))
        mu = (mu - 0.1 * g[0]).detach().requires_grad_()
        rho = (rho - 0.1 * g[1]).detach().requires_grad_()
    return mu.detach(), rho.exp().detach()


def loop_with_n_minus_1(x):
    n, total = 0, 0.0
    for value in x:
        total += float(value)
        n += 1
    mu = total / n
    squares = 0.0
    for value in x:
        squares += (float(value) - mu) ** 2
    return mu, math.sqrt(squares / max(n - 1, 1))


def centres_in_place(x):
    mu = x.mean()
    x -= mu
    return mu, (x**2).mean().sqrt()


def standardises(x):
    z = (x - x.mean()) / x.std(correction=0)
    return z.mean(), z.std(correction=0)


def old_mean(x):
    """Welford's recursion with the old mean in both factors."""
    mean, m2 = 0.0, 0.0
    for n, value in enumerate(x.tolist(), 1):
        delta = value - mean
        mean += delta / n
        m2 += delta * delta
    return mean, math.sqrt(m2 / len(x))


MLE = [
    ("N−1 for N", lambda x: (x.mean(), x.std())),
    ("N−1 for N", lambda x: (x.mean(), torch.std(x, unbiased=True))),
    ("N−1 for N", lambda x: (np.mean(x.numpy()), np.std(x.numpy(), ddof=1))),
    ("N−1 for N", lambda x: torch.std_mean(x)[::-1]),
    ("N−1 for N", loop_with_n_minus_1),
    ("variance for σ", lambda x: (x.mean(), x.var(correction=0))),
    ("variance for σ", lambda x: (np.mean(x.numpy()), np.var(x.numpy()))),
    ("N−1 for N + variance for σ", lambda x: (x.mean(), x.var())),
    ("N−1 for N + variance for σ", lambda x: torch.var_mean(x)[::-1]),
    ("sum for mean in σ", lambda x: (x.mean(), ((x - x.mean()) ** 2).sum().sqrt())),
    ("variance for σ + sum for mean in σ", lambda x: (x.mean(), ((x - x.mean()) ** 2).sum())),
    ("sum for mean in σ", lambda x: (x.mean(), (x - x.mean()).norm())),
    ("|x − μ| for (x − μ)²", lambda x: (x.mean(), (x - x.mean()).abs().mean())),
    ("always 0", lambda x: (x.mean(), (x - x.mean()).mean())),
    ("always 0", lambda x: (x.mean(), (x - x.mean()).sum() ** 2 / len(x))),
    ("not centred", lambda x: (x.mean(), (x**2).mean().sqrt())),
    ("μ for μ²", lambda x: (x.mean(), ((x**2).mean() - x.mean()).abs().sqrt())),
    ("squares added, not subtracted", lambda x: (x.mean(), ((x**2).mean() + x.mean() ** 2).sqrt())),
    ("variance for σ", lambda x: (x.mean(), (x**2).mean() - x.mean() ** 2)),
    ("log σ for σ", lambda x: (x.mean(), x.std(correction=0).log())),
    ("log σ² for σ", lambda x: (x.mean(), x.var(correction=0).log())),
    ("1/σ for σ", lambda x: (x.mean(), 1 / x.std(correction=0))),
    ("1/σ² for σ", lambda x: (x.mean(), 1 / x.var(correction=0))),
    (None, lambda x: (x.mean(), x.std(correction=0) ** 4)),
    ("σ/√N for σ", lambda x: (x.mean(), x.std(correction=0) / math.sqrt(len(x)))),
    ("N−1 for N + σ/√N for σ", lambda x: (x.mean(), stats.sem(x.numpy()))),
    ("N−1 for N + σ/√N for σ", lambda x: (x.mean(), x.std() / math.sqrt(len(x)))),
    ("factor 1/N", lambda x: (x.mean(), x.std(correction=0) / len(x))),
    ("σ/√N for σ", lambda x: (x.mean(), ((x - x.mean()) ** 2).sum().sqrt() / len(x))),
    ("factor 0.5", lambda x: (x.mean(), x.std(correction=0) / 2)),
    ("variance/2 for σ", lambda x: (x.mean(), ((x - x.mean()) ** 2).mean() / 2)),
    (None, lambda x: (x.mean(), torch.ones(()).to(x))),
    (None, lambda x: (x.mean(), (x.max() - x.min()) / 2)),
    (None, lambda x: (x.mean(), stats.median_abs_deviation(x.numpy()))),
    (None, lambda x: (x.mean(), x.quantile(0.75) - x.quantile(0.25))),
    ("spread about the median", lambda x: (x.mean(), ((x - x.median()) ** 2).mean().sqrt())),
    ("sum for mean in μ", lambda x: (x.sum(), x.std(correction=0))),
    (
        "N−1 in μ",
        lambda x: (x.sum() / (len(x) - 1) if len(x) > 1 else x.sum(), x.std(correction=0)),
    ),
    ("median for mean", lambda x: (x.median(), x.std(correction=0))),
    ("median for mean", lambda x: (np.median(x.numpy()), np.std(x.numpy()))),
    ("the middle of the range for μ", lambda x: ((x.max() + x.min()) / 2, x.std(correction=0))),
    ("always 0", lambda x: (0.0, (x**2).mean().sqrt())),
    ("the first example for μ", lambda x: (x[0], x.std(correction=0))),
    (None, lambda x: (x.abs().mean(), x.std(correction=0))),
    ("NaN", lambda x: (x.log().mean().exp(), x.std(correction=0))),
    ("order swapped", lambda x: (x.std(correction=0), x.mean())),
    ("order swapped", lambda x: torch.std_mean(x, correction=0)),
    ("μ twice", lambda x: (x.mean(), x.mean())),
    ("one result for several", lambda x: x.mean()),
    ("one result for several", lambda x: x.std(correction=0)),
    ("wrong number of results", lambda x: (x.mean(),)),
    ("one result for several", lambda x: torch.stack([x.mean(), x.std(correction=0)])),
    ("one result for several", lambda x: np.array([x.mean(), x.std(correction=0)])),
    ("wrong type", lambda x: Normal(x.mean(), x.std(correction=0))),
    ("wrong type", lambda x: {"mu": x.mean(), "sigma": x.std(correction=0)}),
    ("wrong number of results", lambda x: (x.mean(), x.std(correction=0), x.var(correction=0))),
    (
        "wrong number of results",
        lambda x: (
            x.mean(),
            x.std(correction=0),
            Normal(x.mean(), x.std(correction=0)).log_prob(x).mean(),
        ),
    ),
    ("wrong shape", lambda x: (x.mean(0, keepdim=True), x.std(0, correction=0, keepdim=True))),
    ("wrong shape", lambda x: (x.mean(), ((x - x.mean()) ** 2).sqrt())),
    ("wrong shape", lambda x: (x.mean(), (x - x.mean()) ** 2)),
    ("off by 0.001", lambda x: (x.mean(), x.std(correction=0) + 1e-3)),
    ("a near miss", lambda x: (x.mean(), (x.var(correction=0) + 1e-5).sqrt())),
    (None, lambda x: (x.mean(), x.std(correction=0).clamp(min=0.5))),
    (None, lambda x: (x.mean().clamp(-100, 100), x.std(correction=0).clamp(max=100))),
    (None, lambda x: (x.mean(), x.std(correction=0).clamp(min=1e-3))),
    (None, lambda x: (x.mean(), x.std(correction=0) if len(x) > 1 else torch.ones(()).double())),
    (None, lambda x: (x.mean(), x[1:].std(correction=0))),
    ("one example left out", lambda x: (x[:-1].mean(), x[:-1].std(correction=0))),
    (
        "it, rounded to two decimals",
        lambda x: (round(x.mean().item(), 2), round(x.std(correction=0).item(), 2)),
    ),
    ("whole numbers", lambda x: (int(x.mean()), x.std(correction=0))),
    ("it, cut to whole numbers", lambda x: (x.mean() // 1, x.std(correction=0))),
    ("half precision", lambda x: (x.mean().half(), x.std(correction=0).half())),
    ("returns a function", lambda x: (x.mean, x.std)),
    ("−σ for σ", lambda x: (x.mean(), -x.std(correction=0))),
    (None, by_gradient),
    ("changes its inputs", centres_in_place),
    (None, standardises),
    (None, old_mean),
    ("whole numbers", lambda x: (torch.argmax(x), x.std(correction=0))),
    ("N−1 for N", lambda x: (x.mean(), np.sqrt(np.cov(x.numpy())))),
    (None, lambda x: (x.mean(1), x.std(1))),
    ("order swapped", lambda x: stats.norm.fit(x.numpy())[::-1]),
    ("variance for σ", lambda x: (stats.norm.fit(x.numpy())[0], stats.norm.fit(x.numpy())[1] ** 2)),
    (None, lambda x, mu: (x.mean(), x.std())),
    (None, lambda x: (x.mean(), math.sqrt(sum((a - x.mean()) ** 2 for a in x) / len(x) - 1))),
    (
        "variance for σ",
        lambda x: (x.mean(), (x - x.mean()).pow(2).mean().sqrt().log().exp().pow(2)),
    ),
]


def loop_over_draws(a):
    total = torch.zeros(a.shape[1], dtype=a.dtype)
    for k in range(a.shape[0]):
        total += torch.exp(a[k])
    return torch.log(total / a.shape[0])


def pairwise(a):
    total = a[0]
    for row in a[1:]:
        total = torch.logaddexp(total, row)
    return total


def skips_first(a):
    total = np.full(a.shape[1], -np.inf)
    for row in a[1:].numpy() if len(a) > 1 else a.numpy():
        total = np.logaddexp(total, row)
    return total - np.log(len(a))


def in_place_shift(a):
    top = a.max(0).values
    a -= top
    return top + a.exp().mean(0).log()


def running_mean_of_logs(a):
    mean = a[0].clone()
    for k in range(1, len(a)):
        mean += (a[k] - mean) / (k + 1)
    return mean


def minimum_out(a):
    low = a.min(0).values
    return low + (a - low).exp().mean(0).log()


def first_out(a):
    return a[0] + (a - a[0]).exp().mean(0).log()


def top_of_wrong_axis(a):
    top = a.max(1, keepdim=True).values
    return ((a - top).exp().mean(0)).log() + top.max()


MARGINAL = [
    ("mean of logs", lambda a: a.mean(0)),
    ("sum of logs", lambda a: a.sum(0)),
    ("mean of logs", lambda a: a.sum(0) / len(a)),
    ("mean of logs", running_mean_of_logs),
    ("sum of logs", lambda a: a.sum(0) - math.log(len(a))),
    ("mean of logs", lambda a: a.mean(0) - math.log(len(a))),
    ("no log K", lambda a: torch.logsumexp(a, 0)),
    ("no log K", pairwise),
    ("no log K", lambda a: special.logsumexp(a.numpy(), axis=0)),
    ("no log K", lambda a: a.amax(0) + (a - a.amax(0)).exp().sum(0).log()),
    ("+ log K for − log K", lambda a: torch.logsumexp(a, 0) + math.log(len(a))),
    ("K for log K", lambda a: torch.logsumexp(a, 0) - len(a)),
    ("divided by K outside the logarithm", lambda a: torch.logsumexp(a, 0) / len(a)),
    (None, lambda a: torch.logsumexp(a, 0) * math.log(len(a))),
    (None, lambda a: torch.logsumexp(a, 0) / math.log(len(a) + 1)),
    ("log B for log K", lambda a: torch.logsumexp(a, 0) - math.log(a.shape[1])),
    ("log KB for log K", lambda a: torch.logsumexp(a, 0) - math.log(a.numel())),
    ("log(K − 1) for log K", lambda a: torch.logsumexp(a, 0) - math.log(max(len(a) - 1, 1))),
    ("log2 K for log K", lambda a: torch.logsumexp(a, 0) - math.log2(len(a))),
    (None, lambda a: torch.logsumexp(a, 0) - math.log10(len(a))),
    (None, lambda a: torch.logsumexp(a, 0) - math.sqrt(len(a))),
    (None, lambda a: torch.logsumexp(a, 0) - math.log(1000)),
    (None, lambda a: torch.logsumexp(a / len(a), 0)),
    ("wrong axis", lambda a: torch.logsumexp(a, 1) - math.log(a.shape[1])),
    ("wrong axis + no log K", lambda a: torch.logsumexp(a, 1)),
    ("wrong axis", lambda a: torch.logsumexp(a, -1) - math.log(a.shape[-1])),
    ("mean over B too", lambda a: torch.logsumexp(a, (0, 1)) - math.log(a.numel())),
    ("mean over B too", lambda a: special.logsumexp(a.numpy()) - math.log(a.numel())),
    ("wrong shape", lambda a: (torch.logsumexp(a, 0) - math.log(len(a))).mean()),
    ("wrong shape", lambda a: (torch.logsumexp(a, 0) - math.log(len(a))).sum()),
    ("overflow: exp before log", lambda a: a.exp().mean(0).log()),
    ("overflow: exp before log", lambda a: torch.log(torch.mean(torch.exp(a), dim=0))),
    ("overflow: exp before log", lambda a: np.log(np.mean(np.exp(a.numpy()), axis=0))),
    ("overflow: exp before log", loop_over_draws),
    (
        "overflow: exp before log",
        lambda a: torch.tensor(
            [math.log(sum(math.exp(v) for v in c) / len(c)) for c in a.T.tolist()]
        ),
    ),
    ("overflow: exp before log + no log K", lambda a: a.exp().sum(0).log()),
    ("overflow: exp before log", lambda a: a.exp().sum(0).log() - math.log(len(a))),
    ("no logarithm", lambda a: a.exp().mean(0)),
    ("no logarithm + no log K", lambda a: a.exp().sum(0)),
    ("wrong shape", lambda a: a.exp().mean()),
    ("wrong shape", lambda a: a.exp().mean().log()),
    ("overflow: exp before log + wrong axis", lambda a: a.exp().mean(1).log()),
    ("infinite", lambda a: (a.exp().mean(0) + 1e-12).log()),
    ("infinite", lambda a: torch.log(a.exp().mean(0).clamp(min=1e-300))),
    (None, lambda a: a.clamp(-700, 700).exp().mean(0).log()),
    (None, lambda a: a.clamp(min=-1000).logsumexp(0) - math.log(len(a))),
    ("overflow: one maximum for all", lambda a: (a - a.max()).exp().mean(0).log() + a.max()),
    (
        "overflow: one maximum for all",
        lambda a: np.log(np.exp(a.numpy() - a.numpy().max()).mean(0)) + a.numpy().max(),
    ),
    ("maximum not added back", lambda a: (a - a.amax(0)).exp().mean(0).log()),
    ("maximum subtracted again", lambda a: (a - a.amax(0)).exp().mean(0).log() - a.amax(0)),
    (
        "no logarithm before the maximum comes back",
        lambda a: (a - a.amax(0)).exp().mean(0) + a.amax(0),
    ),
    (
        "overflow: not the largest taken out",
        lambda a: (a - a.mean(0)).exp().mean(0).log() + a.mean(0),
    ),
    ("overflow: not the largest taken out", minimum_out),
    ("overflow: not the largest taken out", first_out),
    (None, top_of_wrong_axis),
    ("one number for all", lambda a: a.softmax(0).mean(0).log()),
    (None, lambda a: a.log_softmax(0).mean(0)),
    ("always 0", lambda a: a.log_softmax(0).logsumexp(0)),
    (None, lambda a: (a.softmax(0) * a).sum(0)),
    ("the largest draw only", lambda a: a.amax(0)),
    ("several results", lambda a: a.max(0)),
    ("the largest draw only", lambda a: a.amax(0) - math.log(len(a))),
    (None, lambda a: a.median(0).values),
    ("the first draw only", lambda a: a[0]),
    (None, lambda a: a[-1]),
    ("sign", lambda a: -(torch.logsumexp(a, 0) - math.log(len(a)))),
    ("log2 for log", lambda a: (torch.logsumexp(a, 0) - math.log(len(a))) / math.log(2)),
    ("no logarithm", lambda a: (torch.logsumexp(a, 0) - math.log(len(a))).exp()),
    (None, lambda a: torch.logsumexp(a.exp(), 0) - math.log(len(a))),
    ("NaN", lambda a: torch.log(a.mean(0))),
    ("NaN", lambda a: a.log().mean(0)),
    (None, lambda a: a.abs().log().mean(0)),
    (None, lambda a: torch.logsumexp(-a, 0) - math.log(len(a))),
    (None, lambda a: -(torch.logsumexp(-a, 0) - math.log(len(a)))),
    (None, lambda a: torch.logsumexp(2 * a, 0) / 2 - math.log(len(a))),
    ("wrong shape", lambda a: torch.logsumexp(a[:, :1], 0) - math.log(len(a))),
    (None, skips_first),
    ("wrong shape", lambda a: torch.logsumexp(a, 0, keepdim=True) - math.log(len(a))),
    ("a list for a tensor", lambda a: (torch.logsumexp(a, 0) - math.log(len(a))).tolist()),
    ("half precision", lambda a: (torch.logsumexp(a, 0) - math.log(len(a))).half()),
    ("it, rounded to whole numbers", lambda a: (torch.logsumexp(a, 0) - math.log(len(a))).round()),
    ("several results", lambda a: (torch.logsumexp(a, 0) - math.log(len(a)), len(a))),
    ("changes its inputs", in_place_shift),
    (None, lambda a: torch.logsumexp(a) - math.log(len(a))),
    (None, lambda a: torch.logsumexp(a, dim=0) - torch.log(len(a))),
    (
        "global random state",
        lambda a: torch.logsumexp(a + torch.randn_like(a) * 1e-3, 0) - math.log(len(a)),
    ),
    (
        "global random state",
        lambda a: torch.logsumexp(a[torch.randint(len(a), (len(a),))], 0) - math.log(len(a)),
    ),
    (None, lambda a: torch.logsumexp(a, 0) - torch.log(torch.tensor(a.shape))),
    (
        "overflow: exp before log",
        lambda a: np.log(np.average(np.exp(a.numpy().astype(np.float32)), axis=0)),
    ),
    (None, lambda a: (a.exp().mean(0) - 0.5 * a.exp().var(0)).log()),
    (None, lambda a: a.mean(0) + 0.5 * a.var(0, correction=0)),
    (None, lambda a: torch.log1p(a.exp().mean(0))),
]


BANK = {
    "average_log_likelihood": AVERAGE,
    "gaussian_mle": MLE,
    "log_marginal": MARGINAL,
    "posterior_on_grid": GRID,
}
