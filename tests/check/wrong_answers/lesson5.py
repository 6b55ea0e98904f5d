"""Wrong answers to the exercises of lesson 5, reparameterisation, written by hand."""

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


BANK = {"reparameterise_exponential": EXPONENTIAL}
