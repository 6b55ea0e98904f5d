"""Wrong answers to the exercises of lesson 5, reparameterisation, written by hand."""

import math
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats
from torch.distributions import Exponential

LISTED = {
    "reparameterise": [
        ("log σ as σ", lambda m, ls, e: m + ls * e),
        ("half log σ", lambda m, ls, e: m + torch.exp(0.5 * ls) * e),
        ("(ε + μ)σ", lambda m, ls, e: (e + m) * ls.exp()),
        ("graph cut", lambda m, ls, e: (m + ls.exp() * e).detach()),
        ("graph cut", lambda m, ls, e: m.data + ls.data.exp() * e),
        (
            "graph cut",
            lambda m, ls, e: m.detach().numpy() + np.exp(ls.detach().numpy()) * e.numpy(),
        ),
        (
            "graph cut",
            lambda m, ls, e: torch.tensor(m.tolist()) + torch.tensor(ls.tolist()).exp() * e,
        ),
        ("graph cut", lambda m, ls, e: m.numpy() + np.exp(ls.numpy()) * e.numpy()),
        ("graph cut at log σ", lambda m, ls, e: m + ls.exp().detach() * e),
        ("one ε for all", lambda m, ls, e: m + ls.exp() * e.flatten()[0]),
        ("one ε for all", lambda m, ls, e: m + ls.exp() * e.mean()),
        ("one ε for all dimensions", lambda m, ls, e: m + ls.exp() * e[:, :1]),
        ("one ε for all examples", lambda m, ls, e: m + ls.exp() * e[0]),
    ],
    "score_function_gradient": [
        ("σ for σ²", lambda f, z, m, s: (f * (z - m) / s).mean()),
        ("sign", lambda f, z, m, s: (f * (m - z) / s**2).mean()),
        ("gradient of f used", lambda f, z, m, s: np.gradient(f.numpy(), z.numpy()).mean()),
        (
            "gradient of f used",
            lambda f, z, m, s: (torch.gradient(f, spacing=(z,))[0] * (z - m) / s**2).mean(),
        ),
        ("gradient of f used", lambda f, z, m, s: (2 * z).mean()),
        ("gradient of f used", lambda f, z, m, s: torch.autograd.grad(f.sum(), z)[0].mean()),
    ],
    "optimal_baseline": [
        ("mean of f only", lambda f, s: f.mean()),
    ],
}

UNLISTED = {
    "reparameterise": [
        (lambda m, ls, e: m + (2 * ls).exp() * e, None),
        (lambda m, ls, e: m + ls.exp() * torch.randn_like(m), None),
        (lambda m, ls, e: torch.normal(m, ls.exp()), None),
        (lambda m, ls, e: m + F.softplus(ls) * e, None),
        (lambda m, ls, e: m - ls.exp() * e, None),
        (lambda m, ls, e: m + ls.exp() + e, None),
        (lambda m, ls, e: m + ls.exp() * e.mean(0), None),
    ],
    "score_function_gradient": [
        (
            lambda f, z, m, s: np.polyval(np.polyder(np.polyfit(z, f, 2)), z).mean(),
            "does not change when mu does",
        ),
        (lambda f, z, m, s: (f * (z - m) / s**2).sum(), None),
        (lambda f, z, m, s: ((f - f.mean()) * (z - m) / s**2).mean(), None),
        (lambda f, z, m, s: (f * z / s**2).mean(), None),
        (lambda f, z, m, s: f.mean(), None),
        (lambda f, z, m, s: (f * (z - m)).mean(), None),
        (lambda f, z, m, s: (f * (z - m).abs() / s**2).mean(), None),
    ],
    "optimal_baseline": [
        (lambda f, s: (f * s).mean() / s.mean(), None),
        (lambda f, s: (f * s**2).mean(), None),
        (lambda f, s: (f * s).mean() / (s**2).mean(), None),
        (lambda f, s: f.median(), None),
        (lambda f, s: (f * s.abs()).sum() / s.abs().sum(), None),
        (lambda f, s: np.cov(f * s, s)[0, 1] / np.var(s.numpy(), ddof=1), None),
    ],
}


EXPONENTIAL = [
    ("falls with u", lambda r, u: -torch.log(u) / r),
    ("sign", lambda r, u: torch.log1p(-u) / r),
    ("sign", lambda r, u: torch.log(1 - u) / r),
    ("log u", lambda r, u: torch.log(u) / r),
    ("mean for rate", lambda r, u: -torch.log1p(-u) * r),
    ("rate forgotten", lambda r, u: -torch.log1p(-u)),
    (None, lambda r, u: -torch.log1p(-u) + 0 * r),
    ("log(1 + u)", lambda r, u: torch.log1p(u) / r),
    ("no logarithm", lambda r, u: u / r),
    ("1 − u, no logarithm", lambda r, u: (1 - u) / r),
    ("F for its inverse", lambda r, u: 1 - torch.exp(-r * u)),
    ("the density", lambda r, u: r * torch.exp(r * torch.log1p(-u))),
    ("graph cut", lambda r, u: -torch.log1p(-u) / r.detach()),
    ("graph cut", lambda r, u: (-torch.log1p(-u) / r).detach()),
    ("graph cut", lambda r, u: -np.log1p(-u.numpy()) / r.numpy()),
    ("graph cut", lambda r, u: -torch.log1p(-u) / torch.tensor(r.tolist(), dtype=u.dtype)),
    ("graph cut", lambda r, u: stats.expon.ppf(u, scale=1 / r.detach().numpy())),
    ("rate squared", lambda r, u: -torch.log1p(-u) / r**2),
    ("root of the rate", lambda r, u: -torch.log1p(-u) / r.sqrt()),
    ("exp for log", lambda r, u: torch.exp(u) / r),
    ("logistic for exponential", lambda r, u: torch.logit(u) / r),
    ("normal for exponential", lambda r, u: torch.special.ndtri(u) / r),
    ("mean over u", lambda r, u: (-torch.log1p(-u) / r).mean()),
    ("sum over u", lambda r, u: (-torch.log1p(-u) / r).sum()),
    ("moved, not scaled", lambda r, u: 1 / r - torch.log1p(-u)),
    ("moved by the mean", lambda r, u: 1 / r - torch.log1p(-u) / r),
    ("log2", lambda r, u: -torch.log2(1 - u) / r),
    ("no logarithm: u/(1 − u)", lambda r, u: u / (1 - u) / r),
    ("log of the rate", lambda r, u: torch.log(1 / (r * (1 - u)))),
    (None, lambda r, u: Exponential(r).rsample()),
    (None, lambda r, u: Exponential(r).sample()),
    (None, lambda r, u: -torch.log1p(-torch.rand_like(u)) / r),
    (None, lambda r, u: 1 / r + u / r),
    (None, lambda r, u: r + u),
    (None, lambda r, u: -torch.log1p(-u * r) / r),
    (None, lambda r, u: -torch.log1p(-(u**r)) / r),
    (None, lambda r, u: (-torch.log1p(-u) / r).clamp(max=2)),
    (None, lambda r, u: -torch.log(1 - u + 1e-3) / r),
    (None, lambda r, u: -torch.log10(1 - u) / r),
    (None, lambda r, u: -torch.log1p(-u[..., :1]) / r if u.ndim else -torch.log1p(-u) / r + 1),
    (None, lambda r, u: torch.sqrt(-torch.log1p(-u)) / r),
    (None, lambda r, u: -torch.log1p(-u.mean()) / r),
    (None, lambda r, u: (-torch.log1p(-u) / r).float().half().double()),
    (None, lambda r, u: -(u + u**2 / 2 + u**3 / 3 + u**4 / 4) / -r),
    (None, lambda r, u: torch.where(u < 0.5, u, -torch.log1p(-u)) / r),
]


def without_gradients(mu, log_sigma, eps):
    with torch.no_grad():
        return mu + log_sigma.exp() * eps


def number_by_number(mu, log_sigma, eps):
    z = torch.zeros_like(eps)
    flat = zip(mu.flatten(), log_sigma.flatten(), eps.flatten(), strict=True)
    for i, (m, s, e) in enumerate(flat):
        z.view(-1)[i] = m.item() + math.exp(s.item()) * e.item()
    return z


def a_new_tensor(mu, log_sigma, eps):
    return torch.tensor(mu + torch.exp(log_sigma) * eps)


def noise_in_place(mu, log_sigma, eps):
    eps *= torch.exp(log_sigma.detach())
    return mu + eps


def mean_in_place(mu, log_sigma, eps):
    mu += log_sigma.exp() * eps
    return mu


def own_noise(mu, log_sigma, eps):
    std = torch.exp(log_sigma)
    eps = torch.randn_like(std)
    return mu + eps * std


def own_noise_with_a_seed(mu, log_sigma, eps):
    torch.manual_seed(0)
    return mu + log_sigma.exp() * torch.randn(mu.shape, dtype=mu.dtype)


def rsample(mu, log_sigma, eps):
    return torch.distributions.Normal(mu, log_sigma.exp()).rsample()


def sample(mu, log_sigma, eps):
    return torch.distributions.Normal(mu, log_sigma.exp()).sample()


def detached_sigma(mu, log_sigma, eps):
    sigma = torch.as_tensor(np.exp(log_sigma.detach().numpy()))
    return mu + sigma * eps


def detached_mu(mu, log_sigma, eps):
    return mu.detach() + torch.exp(log_sigma) * eps


def loop_with_one_index_too_few(mu, log_sigma, eps):
    return torch.stack([mu[i] + log_sigma.exp()[0] * eps[i] for i in range(len(mu))])


class LogVariance:
    def __call__(self, mu, log_sigma, eps):
        std = torch.exp(0.5 * log_sigma)
        return eps.mul(std).add_(mu)


REPARAMETERISED = [
    ("half log σ", LogVariance()),
    ("half log σ", lambda m, ls, e: m + ls.exp().sqrt() * e),
    ("σ² for σ", lambda m, ls, e: m + ls.exp() ** 2 * e),
    ("σ² for σ", lambda m, ls, e: torch.addcmul(m, ls.exp().square(), e)),
    ("1/σ for σ", lambda m, ls, e: m + e / ls.exp()),
    ("softplus for exp", lambda m, ls, e: m + torch.log(1 + ls.exp()) * e),
    ("another base than e", lambda m, ls, e: m + 10**ls * e),
    ("another base than e", lambda m, ls, e: m + torch.exp2(ls) * e),
    ("σ forgotten", lambda m, ls, e: m + e),
    ("μ forgotten", lambda m, ls, e: ls.exp() * e),
    ("ε forgotten", lambda m, ls, e: m + ls.exp()),
    ("log_sigma not used", lambda m, ls, e: 1 * m),
    ("μ and σ in each other's place", lambda m, ls, e: ls.exp() + m * e),
    ("μ and σ in each other's place", lambda m, ls, e: m * e + torch.exp(ls)),
    ("(ε + μ)σ", lambda m, ls, e: ls.exp() * (m + e)),
    ("(μ + σ)ε", lambda m, ls, e: (m + ls.exp()) * e),
    ("− for +", partial(lambda sign, m, ls, e: m + sign * ls.exp() * e, -1)),
    ("ε squared", lambda m, ls, e: m + ls.exp() * e**2),
    ("σ added", lambda m, ls, e: m + ls.exp() + e),
    ("mean of ε over batch", lambda m, ls, e: m + ls.exp() * e.mean(dim=0, keepdim=True)),
    ("one ε for all dimensions", lambda m, ls, e: m + ls.exp() * e.narrow(-1, 0, 1)),
    ("graph cut", without_gradients),
    ("graph cut", number_by_number),
    ("graph cut", a_new_tensor),
    ("graph cut at log σ", detached_sigma),
    ("graph cut at μ", detached_mu),
    ("changes its inputs", noise_in_place),
    ("changes its inputs", mean_in_place),
    ("global random state", own_noise),
    ("global random state", rsample),
    ("global random state", own_noise_with_a_seed),
    ("several results", lambda m, ls, e: (m + ls.exp() * e, m, ls)),
    ("returns None", lambda m, ls, e: print(end="")),
    (None, sample),
    (None, loop_with_one_index_too_few),
    (None, lambda m, ls, e: m + ls.abs() * e),
    (None, lambda m, ls, e: m + torch.sigmoid(ls) * e),
    (None, lambda m, ls, e: m + ls.expm1() * e),
    (None, lambda m, ls, e: m + (ls.exp() + 1e-3) * e),
    (None, lambda m, ls, e: m + (ls.exp() + 1e-8) * e),
    (None, lambda m, ls, e: m + ls.clamp(-10, 10).exp() * e),
    (None, lambda m, ls, e: m + ls.clamp(-20, 2).exp() * e),
    (None, lambda m, ls, e: m + ls.exp().clamp(min=1e-6) * e),
    (None, lambda m, ls, e: (m + ls.exp() * e).clamp(-3, 3)),
    (None, lambda m, ls, e: m + ls.exp() * e.clamp(-1, 1)),
    (None, lambda m, ls, e: (m + ls.exp() * e).sum(-1)),
    (None, lambda m, ls, e: (m + ls.exp() * e).mean(0)),
    (None, lambda m, ls, e: (m + ls.exp() * e).T),
    (None, lambda m, ls, e: m + ls.exp() @ e.mT),
    (None, lambda m, ls, e: m + 2 * ls.exp() * e),
    (None, lambda m, ls, e: m + ls.exp() * e.flip(0)),
    (None, lambda m, ls, e: m.mean() + ls.exp() * e),
    (None, lambda m, ls, e: torch.tanh(m + ls.exp() * e)),
    (None, lambda m, ls, e: (m + ls.exp() * e).half()),
]


def with_a_loop(f_z, z, mu, sigma):
    total = 0.0
    for k in range(1, len(z)):
        total += f_z[k] * (z[k] - mu) / sigma**2
    return total / len(z)


def log_prob_times_f(f_z, z, mu, sigma):
    return (f_z * torch.distributions.Normal(mu, sigma).log_prob(z)).mean()


def in_sigma(f_z, z, mu, sigma):
    sigma = torch.tensor(sigma, dtype=z.dtype, requires_grad=True)
    surrogate = (f_z * torch.distributions.Normal(mu, sigma).log_prob(z)).mean()
    return torch.autograd.grad(surrogate, sigma)[0]


def in_z(f_z, z, mu, sigma):
    z = z.clone().requires_grad_()
    log_q = torch.distributions.Normal(mu, sigma).log_prob(z)
    return (f_z * torch.autograd.grad(log_q.sum(), z)[0]).mean()


def variance_as_the_scale(f_z, z, mu, sigma):
    mu = torch.tensor(mu, dtype=z.dtype, requires_grad=True)
    log_q = torch.distributions.Normal(mu, sigma**2).log_prob(z)
    return torch.autograd.grad((f_z * log_q).mean(), mu)[0]


def not_weighted_by_f(f_z, z, mu, sigma):
    mu = torch.tensor(mu, dtype=z.dtype, requires_grad=True)
    torch.distributions.Normal(mu, sigma).log_prob(z).mean().backward()
    return mu.grad


def pathwise(f_z, z, mu, sigma):
    z = z.requires_grad_()
    f_z.mean().backward()
    return z.grad.mean()


def with_the_density(f_z, z, mu, sigma):
    """The derivative of the density, where that of its logarithm is meant."""
    q = np.exp(torch.distributions.Normal(mu, sigma).log_prob(z).numpy())
    return np.mean(f_z.numpy() * q * (z.numpy() - mu) / sigma**2)


SCORE = [
    ("σ for σ²", lambda f, z, m, s: np.mean(f.numpy() * (z.numpy() - m) / s)),
    ("σ² for σ", variance_as_the_scale),
    ("1/σ² forgotten", lambda f, z, m, s: torch.dot(f, z - m) / len(z)),
    ("in sigma", lambda f, z, m, s: (f * (z - m)).mean() * s**2),
    ("½ left over", lambda f, z, m, s: (f * (z - m) / (2 * s**2)).mean()),
    ("2 left over", lambda f, z, m, s: (f * 2 * (z - m) / s**2).mean()),
    ("μ forgotten", lambda f, z, m, s: torch.mean(f * z) / s**2),
    ("derivative in σ, not in μ", in_sigma),
    ("log q for its derivative", lambda f, z, m, s: -(f * (z - m) ** 2 / (2 * s**2)).mean()),
    ("log q for its derivative", log_prob_times_f),
    ("score forgotten", lambda f, z, m, s: f.mean()),
    ("f forgotten", not_weighted_by_f),
    ("product of the means", lambda f, z, m, s: f.mean() * ((z - m) / s**2).mean()),
    ("f̄ or z̄ subtracted", lambda f, z, m, s: ((f - f.mean()) * (z - m)).mean() / s**2),
    ("sum for mean", lambda f, z, m, s: torch.einsum("k,k->", f, z - m) / s**2),
    ("sum for mean", lambda f, z, m, s: sum(f * (z - m) / s**2)),
    ("no mean", lambda f, z, m, s: f * (z - m) / s**2),
    ("several results", lambda f, z, m, s: [a * (b - m) / s**2 for a, b in zip(f, z, strict=True)]),
    ("K−1 for K", lambda f, z, m, s: (f * (z - m) / s**2).sum() / (len(z) - 1)),
    ("sign", in_z),
    ("sign", lambda f, z, m, s: -(f * (z - m) / s**2).mean()),
    ("gradient of f used", pathwise),
    ("mu not used", lambda f, z, m, s: (torch.diff(f) / torch.diff(z)).mean()),
    (None, lambda f, z, m, s: (f * (z - m) ** 2 / s**2).mean()),
    ("f̄ or z̄ subtracted", lambda f, z, m, s: (f * (z - z.mean()) / s**2).mean()),
    ("sigma not used", lambda f, z, m, s: (f * (z - m) / z.std() ** 2).mean()),
    ("returns None", lambda f, z, m, s: None),
    (None, with_a_loop),
    (None, with_the_density),
    (None, lambda f, z, m, s: (f * (z - m) / s**2).median()),
    (None, lambda f, z, m, s: (f * (z - m) / s**2).std()),
    (None, lambda f, z, m, s: (f * (z + m) / s**2).mean()),
    (None, lambda f, z, m, s: (f * (z - m) / (s**2 + 1e-6)).mean()),
    (None, lambda f, z, m, s: (f * (z - m) / max(s, 0.1) ** 2).mean()),
    (None, lambda f, z, m, s: (f * ((z - m) / s**2).clamp(-2, 2)).mean()),
    (None, lambda f, z, m, s: (f * (z - m) / s**2).clamp(-5, 5).mean()),
    (None, lambda f, z, m, s: (f / f.abs().max() * (z - m) / s**2).mean()),
    (None, lambda f, z, m, s: ((f - f.mean()) / f.std() * (z - m) / s**2).mean()),
    (None, lambda f, z, m, s: (f * f * (z - m) / s**2).mean()),
    (None, lambda f, z, m, s: (f.log() * (z - m) / s**2).mean()),
    (None, lambda f, z, m, s: f[0] * (z[0] - m) / s**2),
    (None, lambda f, z, m, s: (f * torch.randn_like(z) / s).mean()),
    (None, lambda f, z, m, s: (f @ (z - m)[:, None]) / s**2 / len(z)),
    (None, lambda f, z, m, s: ((f * (z - m) / s**2).mean(), (f * (z - m) / s**2).std())),
    (None, lambda f, z, m, s: (f[:, None] * (z - m) / s**2).mean()),
    (None, lambda f, z, m, s: (f * (z - m) / s**2).mean().round(decimals=2)),
]


def of_variances(f_z, score):
    """Cov(f s, s) / Var(s), as control variates have it."""
    C = torch.cov(torch.stack([f_z * score, score]))
    return C[0, 1] / C[1, 1]


def by_a_search(f_z, score):
    """The lowest of a hundred values."""
    grid = torch.linspace(float(f_z.min()), float(f_z.max()), 100, dtype=f_z.dtype)
    spread = torch.stack([((f_z - b) * score).var() for b in grid])
    return grid[spread.argmin()]


def by_the_sample_variance(f_z, score):
    """The b at which the sample variance of (f − b) s, not its second moment, is smallest."""
    at = [np.var(((f_z - b) * score).numpy()) for b in (-1.0, 0.0, 1.0)]
    return (at[0] - at[2]) / (2 * (at[0] - 2 * at[1] + at[2]))


def of_the_gradient(f_z, score):
    gradient = f_z * score
    return gradient.mean() / score.square().mean()


def weighted_by_size(f_z, score):
    return np.average(f_z, weights=np.abs(score))


def running_mean(f_z, score, decay=0.9):
    b = 0.0
    for f in f_z:
        b = decay * b + (1 - decay) * f
    return b


def leave_one_out(f_z, score):
    return (f_z.sum() - f_z) / max(len(f_z) - 1, 1)


BASELINES = [
    ("mean of f only", lambda f, s: np.mean(f.numpy())),
    ("mean of f only", lambda f, s: sum(f.tolist()) / len(f)),
    ("s for s²", lambda f, s: (f * s).sum() / s.sum()),
    ("s for s²", lambda f, s: torch.dot(f, s) / s.sum()),
    ("|s| for s²", weighted_by_size),
    ("s for s² above", of_the_gradient),
    ("s for s² below", lambda f, s: (f * s**2).mean() / s.mean()),
    ("not divided by E[s²]", lambda f, s: torch.einsum("k,k,k->", f, s, s) / len(s)),
    ("not divided by Σ s²", lambda f, s: f @ s**2),
    ("the gradient itself", lambda f, s: torch.mean(f * s)),
    ("E[s]² for E[s²]", lambda f, s: (f * s**2).mean() / s.mean() ** 2),
    ("sum over mean", lambda f, s: (f * s**2).sum() / (s**2).mean()),
    ("mean over sum", lambda f, s: (f * s**2).mean() / (s**2).sum()),
    ("upside down", lambda f, s: (s**2).sum() / (f * s**2).sum()),
    ("f and s exchanged", lambda f, s: (f**2 * s).sum() / (f**2).sum()),
    ("product of the means", lambda f, s: f.mean() * (s**2).mean()),
    ("means subtracted", of_variances),
    ("means subtracted", by_the_sample_variance),
    ("sign", lambda f, s: -(f * s**2).sum() / (s**2).sum()),
    ("no mean", lambda f, s: f * s**2 / (s**2).mean()),
    (None, lambda f, s: (f * s**2).mean() / (s**2).mean().sqrt()),
    (None, lambda f, s: f.mean() / (s**2).mean()),
    (None, lambda f, s: (f**2 * s**2).mean() / (s**2).mean()),
    ("variance of s for E[s²]", lambda f, s: (f * s**2).mean() / s.var()),
    (None, lambda f, s: f.median()),
    ("returns None", lambda f, s: None),
    (None, by_a_search),
    (None, running_mean),
    (None, leave_one_out),
    (None, lambda f, s: 0.0),
    (None, lambda f, s: f),
    (None, lambda f, s: (f.max() + f.min()) / 2),
    (None, lambda f, s: f[s.abs().argmax()]),
    (None, lambda f, s: (f * s**4).mean() / (s**4).mean()),
    (None, lambda f, s: (f * s**2).mean() / (s**2).mean() / 2),
    (None, lambda f, s: (f * s**2).mean() / ((s**2).mean() + 1e-6)),
    (None, lambda f, s: (f * s**2).mean() / ((s**2).mean() + 1e-8)),
    (None, lambda f, s: (f * s**2).mean() / (s**2).mean().clamp(min=0.1)),
    (None, lambda f, s: ((f * s**2).mean() / (s**2).mean()).clamp(0, 2)),
    (None, lambda f, s: (f * s**2).sum() / (len(s) - 1) / (s**2).mean()),
    (None, lambda f, s: np.polyfit(s, f, 1)[1]),
    (None, lambda f, s: np.cov(f, s**2)[0, 1] / np.var(s.numpy() ** 2, ddof=1)),
    (None, lambda f, s: torch.linalg.lstsq(s[:, None], f[:, None]).solution.item()),
    (None, lambda f, s: (f * s.softmax(0)).sum()),
    (None, lambda f, s: ((f * s**2).mean() / (s**2).mean(), f.mean())),
    (None, lambda f, s: [(f * s**2).mean() / (s**2).mean()]),
    (None, lambda f, s: ((f * s**2).mean() / (s**2).mean()).reshape(1)),
    (None, lambda f, s: (f.abs() * s**2).mean() / (s**2).mean()),
]

BANK = {
    "reparameterise": REPARAMETERISED,
    "score_function_gradient": SCORE,
    "reparameterise_exponential": EXPONENTIAL,
    "optimal_baseline": BASELINES,
}
