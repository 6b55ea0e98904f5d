"""Wrong answers to the exercises of lesson 5, reparameterisation, written by hand."""

import numpy as np
import torch
import torch.nn.functional as F

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
