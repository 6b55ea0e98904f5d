"""Wrong answers to the exercises of lesson 4, the ELBO, written by hand."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats
from torch.distributions import (
    Independent,
    Laplace,
    MultivariateNormal,
    Normal,
    kl_divergence,
)

from wrong_answers.densities import log_p


def kl(mu, log_sigma):
    return kl_divergence(Normal(mu, log_sigma.exp()), Normal(0 * mu, 1.0))


def squares(x, x_hat):
    return ((x - x_hat) ** 2).flatten(1)


def posterior(x, W, b, prior=1.0, spread=None, sigma_x=1.0):
    spread = float(sigma_x) ** 2 if spread is None else spread
    S = torch.linalg.inv(prior * torch.eye(W.shape[1], dtype=W.dtype) + W.T @ W / spread)
    return (x - b) @ W @ S / spread, S


LISTED = {
    "gaussian_log_likelihood": [
        (
            "constant dropped",
            lambda x, h, s: (-(((x - h) / s) ** 2) / 2 - math.log(s)).flatten(1).sum(1),
        ),
        ("constant dropped, log σ too", lambda x, h, s: -squares(x, h).sum(1) / (2 * s**2)),
        ("mean over pixels", lambda x, h, s: log_p(x, h, s).mean(1)),
        ("σ for σ²", lambda x, h, s: log_p(x, h, s**0.5).sum(1)),
        ("sign", lambda x, h, s: -log_p(x, h, s).sum(1)),
        (
            "constant dropped, log σ too + mean over pixels",
            lambda x, h, s: -squares(x, h).mean(1) / (2 * s**2),
        ),
    ],
    "elbo": [
        ("+ KL", lambda x, h, m, ls, s: log_p(x, h, s).sum(1) + kl(m, ls).sum(1)),
        (
            "mean over dimensions: pixels",
            lambda x, h, m, ls, s: log_p(x, h, s).mean(1) - kl(m, ls).sum(1),
        ),
        (
            "mean over dimensions: latent",
            lambda x, h, m, ls, s: log_p(x, h, s).sum(1) - kl(m, ls).mean(1),
        ),
        (
            "mean over dimensions: pixels and latent",
            lambda x, h, m, ls, s: log_p(x, h, s).mean(1) - kl(m, ls).mean(1),
        ),
        (
            "mean over batch",
            lambda x, h, m, ls, s: (log_p(x, h, s).sum(1) - kl(m, ls).sum(1)).mean(),
        ),
    ],
    "linear_gaussian_posterior": [
        ("prior precision forgotten", lambda x, W, b, s: posterior(x, W, b, 0.0, sigma_x=s)),
        ("σ for σ²", lambda x, W, b, s: posterior(x, W, b, spread=s)),
        ("b forgotten", lambda x, W, b, s: posterior(x, W, 0 * b, sigma_x=s)),
        (
            "prior precision forgotten + b forgotten",
            lambda x, W, b, s: posterior(x, W, 0 * b, 0.0, sigma_x=s),
        ),
    ],
}

UNLISTED = {
    "gaussian_log_likelihood": [
        (
            lambda x, h, s: -squares(x, h).sum(1) / (2 * s**2) - math.log(2 * math.pi * s**2) / 2,
            None,
        ),
        (lambda x, h, s: log_p(x, h, s).sum(), None),
        (lambda x, h, s: log_p(x, h, s).mean(), None),
        (lambda x, h, s: -F.mse_loss(h, x), None),
        (lambda x, h, s: Normal(h, s).log_prob(x).sum(-1), None),
        (lambda x, h, s: Laplace(h, s).log_prob(x).flatten(1).sum(1), None),
        (lambda x, h, s: log_p(x, h, s**2).sum(1), None),
    ],
    "elbo": [
        (lambda x, h, m, ls, s: kl(m, ls).sum(1) - log_p(x, h, s).sum(1), None),
        (lambda x, h, m, ls, s: log_p(x, h, s).sum(1) - kl(m, ls / 2).sum(1), None),
        (lambda x, h, m, ls, s: log_p(x, h, s).sum(1), None),
        (lambda x, h, m, ls, s: -squares(x, h).sum(1) - kl(m, ls).sum(1), None),
        (lambda x, h, m, ls, s: (log_p(x, h, s).sum() - kl(m, ls).sum()) / len(x), None),
        (lambda x, h, m, ls, s: log_p(x, h, s).sum(1) - 2 * kl(m, ls).sum(1), None),
    ],
    "linear_gaussian_posterior": [
        (
            lambda x, W, b, s: (
                posterior(x, W, b, sigma_x=s)[0],
                posterior(x, W, b, sigma_x=s)[1] * s,
            ),
            None,
        ),
        (lambda x, W, b, s: ((x - b) @ W, torch.eye(W.shape[1]).double()), None),
        (lambda x, W, b, s: (posterior(x, W, b, sigma_x=s)[0], W.T @ W / s**2), None),
        (lambda x, W, b, s: posterior(x, W, -b, sigma_x=s), None),
        (lambda x, W, b, s: posterior(x, W, b, prior=float(s) ** 2, sigma_x=s), None),
        (lambda x, W, b, s: (x - b) @ torch.linalg.pinv(W).T, None),
    ],
}


def constant(x, sigma, P=None):
    return -(x[0].numel() if P is None else P) * math.log(sigma * math.sqrt(2 * math.pi))


def only_the_constant_of_one_pixel(x, x_hat, sigma_x):
    error = torch.sum((x - x_hat) ** 2, dim=tuple(range(1, x.dim())))
    C = -0.5 * math.log(2 * math.pi * sigma_x**2)
    return C - error / (2 * sigma_x**2)


def pixels_of_the_batch(x, x_hat, sigma_x):
    P = x.numel()
    return -squares(x, x_hat).sum(1) / (2 * sigma_x**2) - P / 2 * np.log(2 * np.pi * sigma_x**2)


def one_by_one_and_averaged(x, x_hat, sigma_x):
    values = []
    for image, mean in zip(x, x_hat, strict=True):
        values.append(Normal(mean, sigma_x).log_prob(image).mean())
    return torch.stack(values)


def a_list_of_numbers(x, x_hat, sigma_x):
    return [float(Normal(m, sigma_x).log_prob(a).sum()) for a, m in zip(x, x_hat, strict=True)]


def variance_is_the_scale(x, x_hat, sigma_x):
    flat = x_hat.flatten(1)
    var = torch.full_like(flat, sigma_x**2)
    return Independent(Normal(flat, var), 1).log_prob(x.flatten(1))


def covariance_with_sigma(x, x_hat, sigma_x):
    flat = x_hat.flatten(1)
    C = sigma_x * torch.eye(flat.shape[1], dtype=x.dtype)
    return MultivariateNormal(flat, C).log_prob(x.flatten(1))


def differences_in_place(x, x_hat, sigma_x):
    x -= x_hat
    return (-0.5 * (x / sigma_x) ** 2).flatten(1).sum(1) + constant(x, sigma_x)


def without_return(x, x_hat, sigma_x):
    log_p(x, x_hat, sigma_x).sum(1)


def as_a_nested_loop(x, x_hat, sigma_x):
    """One number per example, but the loop over pixels overwrites where it should add."""
    out = torch.zeros(len(x), dtype=x.dtype)
    for i in range(len(x)):
        for a, b in zip(x[i].flatten(), x_hat[i].flatten(), strict=True):
            out[i] = Normal(b, sigma_x).log_prob(a)
    return out


def gaussian_nll(x, h, s, full=True):
    return F.gaussian_nll_loss(h, x, 0 * x + s, full=full, eps=0.0, reduction="none").flatten(1)


LOG_LIKELIHOOD = [
    ("σ² for σ", lambda x, h, s: stats.norm.logpdf(x, h, s**2).reshape(len(x), -1).sum(1)),
    ("σ² for σ", variance_is_the_scale),
    ("σ for σ²", covariance_with_sigma),
    ("σ for σ²", lambda x, h, s: -gaussian_nll(x, h, s).sum(1)),
    ("sign", lambda x, h, s: gaussian_nll(x, h, s**2).sum(1)),
    ("constant dropped", lambda x, h, s: -gaussian_nll(x, h, s**2, full=False).sum(1)),
    ("sign of the constant", lambda x, h, s: -squares(x, h).sum(1) / 2 / s**2 - constant(x, s)),
    (
        "σ for σ² in the logarithm",
        lambda x, h, s: (
            -squares(x, h).sum(1) / (2 * s**2) - x[0].numel() / 2 * math.log(2 * math.pi * s)
        ),
    ),
    (
        "no ½ in the constant",
        lambda x, h, s: (
            -0.5 * squares(x, h).sum(1) / s**2 - x[0].numel() * np.log(2 * np.pi * s**2)
        ),
    ),
    ("no ½ in the exponent", lambda x, h, s: -squares(x, h).sum(1) / s**2 + constant(x, s)),
    (
        "σ for σ² in the exponent",
        lambda x, h, s: -squares(x, h).sum(1) / (2 * s) + constant(x, s),
    ),
    (
        "times σ² in the exponent",
        lambda x, h, s: -squares(x, h).sum(1) / 2 * s**2 + constant(x, s),
    ),
    (
        "(2σ)² in the exponent",
        lambda x, h, s: -squares(x, h).sum(1) / (2 * s) ** 2 + constant(x, s),
    ),
    ("sign of the exponent", lambda x, h, s: squares(x, h).sum(1) / (2 * s**2) + constant(x, s)),
    ("constant of one pixel only", only_the_constant_of_one_pixel),
    (
        "P taken for x.shape[1]",
        lambda x, h, s: -squares(x, h).sum(1) / 2 / s**2 + constant(x, s, x.shape[1]),
    ),
    ("P taken for x.numel()", pixels_of_the_batch),
    (
        "P taken for the batch size",
        lambda x, h, s: -squares(x, h).sum(1) / (2 * s**2) + constant(x, s, len(x)),
    ),
    (
        "mean over pixels in the squared error",
        lambda x, h, s: -squares(x, h).mean(1) / (2 * s**2) + constant(x, s),
    ),
    ("mean over pixels", one_by_one_and_averaged),
    (
        "mean over pixels",
        lambda x, h, s: torch.vmap(
            lambda a, b: Normal(b, s, validate_args=False).log_prob(a).mean()
        )(x, h),
    ),
    ("mean over batch", lambda x, h, s: log_p(x, h, s).sum(1).mean(0)),
    ("sum over batch", lambda x, h, s: log_p(x, h, s).sum(1).sum()),
    ("no sum over pixels", lambda x, h, s: Normal(h, s).log_prob(x)),
    ("log2 for log", lambda x, h, s: log_p(x, h, s).sum(1) / np.log(2)),
    ("the exponential of it", lambda x, h, s: log_p(x, h, s).sum(1).exp()),
    ("the exponential of it", lambda x, h, s: log_p(x, h, s).exp().prod(1)),
    (
        "norm for its square",
        lambda x, h, s: -squares(x, h).sum(1).sqrt() / (2 * s**2) + constant(x, s),
    ),
    (
        "no square in the exponent",
        lambda x, h, s: -(x - h).abs().flatten(1).sum(1) / (2 * s**2) + constant(x, s),
    ),
    ("σ ignored", lambda x, h, s: log_p(x, h, 1.0).sum(1)),
    ("a list for a tensor", a_list_of_numbers),
    ("changes its inputs", differences_in_place),
    ("returns None", without_return),
    (None, as_a_nested_loop),
    (None, lambda x, h, s: -F.mse_loss(h, x, reduction="sum") / (2 * s**2)),
    (None, lambda x, h, s: -squares(x, h).sum(1)),
    (None, lambda x, h, s: -squares(x, h).sum(1) / 2),
    (None, lambda x, h, s: log_p(x, h, s).exp().sum(1)),
    (None, lambda x, h, s: log_p(x, h, s).exp().prod(1).log()),
    (None, lambda x, h, s: (log_p(x, h, s).exp() + 1e-8).log().sum(1)),
    (None, lambda x, h, s: log_p(x, h, s).sum(1).clamp(min=-1000)),
    (None, lambda x, h, s: log_p(x, h, max(s, 0.1)).sum(1)),
    (None, lambda x, h, s: log_p(x, h, min(s, 2.0)).sum(1)),
    (None, lambda x, h, s: log_p(x, h, s + 1e-6).sum(1)),
    (None, lambda x, h, s: log_p(x, h, s).sum(1, keepdim=True)),
    (None, lambda x, h, s: log_p(x, h, s).sum(1).squeeze()),
    (None, lambda x, h, s: log_p(x, h, s).amax(1)),
    (None, lambda x, h, s: log_p(x.float(), h.float(), s).sum(1).half()),
    (None, lambda x, h, s: log_p(x, h, s).sum(1).round()),
    (None, lambda x, h, s: (log_p(x, h, s).sum(1), constant(x, s))),
    (None, lambda x, h, s: -squares(x, h).sum(1) / (2 * s**2) - 0.9189 * x[0].numel()),
    (
        None,
        lambda x, h, s: (
            -squares(x, h).sum(1) / (2 * s**2) - x[0].numel() / 2 * math.log10(2 * math.pi * s**2)
        ),
    ),
    (None, lambda x, h, s: log_p(x, x.mean(), s).sum(1)),
    (None, lambda x, h, s: log_p(h, h, s).sum(1)),
    (None, lambda x, h, s: log_p(x, h, (x - h).std()).sum(1)),
    (None, lambda x, h, s: F.binary_cross_entropy(h, x, reduction="none").flatten(1).sum(1)),
]


def the_bound(x, x_hat, mu, log_sigma, sigma_x, **kl_terms):
    return log_p(x, x_hat, sigma_x).sum(1) - by_hand(mu, log_sigma, **kl_terms)


def by_hand(mu, log_sigma, half=0.5, square=2, one=1, log=2, exp=2):
    each = mu**square + torch.exp(exp * log_sigma) - one - log * log_sigma
    return half * each.sum(-1)


def as_kingmas_code_with_log_sigma(x, x_hat, mu, log_sigma, sigma_x):
    KLD = -0.5 * torch.sum(1 + log_sigma - mu.pow(2) - log_sigma.exp(), dim=1)
    return log_p(x, x_hat, sigma_x).sum(1) - KLD


def the_usual_loss(x, x_hat, mu, log_sigma, sigma_x):
    """What a PyTorch example of a VAE computes."""
    MSE = F.mse_loss(x_hat, x, reduction="sum")
    KLD = -0.5 * torch.sum(1 + 2 * log_sigma - mu.pow(2) - (2 * log_sigma).exp())
    return MSE + KLD


def from_one_draw(x, x_hat, mu, log_sigma, sigma_x):
    sigma = log_sigma.exp()
    z = mu + sigma * torch.randn_like(mu)
    log_q = Normal(mu, sigma).log_prob(z).sum(1)
    log_prior = Normal(0.0, 1.0).log_prob(z).sum(1)
    return log_p(x, x_hat, sigma_x).sum(1) + log_prior - log_q


def kl_the_other_way(x, x_hat, mu, log_sigma, sigma_x):
    prior = Normal(torch.zeros_like(mu), torch.ones_like(mu))
    q = Normal(mu, log_sigma.exp())
    return log_p(x, x_hat, sigma_x).sum(1) - kl_divergence(prior, q).sum(1)


def scale_from_log_variance(x, x_hat, mu, log_sigma, sigma_x):
    q = Normal(mu, torch.exp(log_sigma / 2))
    return log_p(x, x_hat, sigma_x).sum(1) - kl_divergence(q, Normal(0 * mu, 1.0)).sum(1)


def variance_as_the_scale(x, x_hat, mu, log_sigma, sigma_x):
    q = Normal(mu, torch.exp(log_sigma) ** 2)
    return log_p(x, x_hat, sigma_x).sum(1) - kl_divergence(q, Normal(0 * mu, 1.0)).sum(1)


def log_sigma_as_the_scale(x, x_hat, mu, log_sigma, sigma_x):
    q = Normal(mu, log_sigma)
    return log_p(x, x_hat, sigma_x).sum(1) - kl_divergence(q, Normal(0 * mu, 1.0)).sum(1)


def loop_over_the_batch(x, x_hat, mu, log_sigma, sigma_x):
    total = 0.0
    for i in range(len(x)):
        total += log_p(x[i : i + 1], x_hat[i : i + 1], sigma_x).sum()
        total -= kl(mu[i], log_sigma[i]).sum()
    return total / len(x)


def in_numpy_with_one_axis_too_few(x, x_hat, mu, log_sigma, sigma_x):
    log_px = stats.norm.logpdf(np.asarray(x), np.asarray(x_hat), sigma_x).sum(axis=1)
    return log_px - kl(mu, log_sigma).sum(1).numpy()


def both_terms(x, x_hat, mu, log_sigma, sigma_x):
    return log_p(x, x_hat, sigma_x).sum(1), kl(mu, log_sigma).sum(1)


def free_bits(x, x_hat, mu, log_sigma, sigma_x):
    return log_p(x, x_hat, sigma_x).sum(1) - kl(mu, log_sigma).clamp(min=0.05).sum(1)


def entropy_for_kl(x, x_hat, mu, log_sigma, sigma_x):
    return log_p(x, x_hat, sigma_x).sum(1) + Normal(mu, log_sigma.exp()).entropy().sum(1)


def sigma_in_place(x, x_hat, mu, log_sigma, sigma_x):
    sigma = log_sigma.exp_()
    penalty = (mu**2 + sigma**2 - 1).sum(1) / 2 - sigma.log().sum(1)
    return log_p(x, x_hat, sigma_x).sum(1) - penalty


ELBO = [
    ("sign", lambda x, h, m, ls, s: -the_bound(x, h, m, ls, s)),
    ("sign", lambda x, h, m, ls, s: kl(m, ls).sum(1) + gaussian_nll(x, h, s**2).sum(1)),
    ("sign of log p(x|z)", lambda x, h, m, ls, s: -log_p(x, h, s).sum(1) - kl(m, ls).sum(1)),
    ("KL forgotten", lambda x, h, m, ls, s: Independent(Normal(h, s), x.ndim - 1).log_prob(x)),
    ("log p(x|z) forgotten", lambda x, h, m, ls, s: -kl(m, ls).sum(1)),
    (None, lambda x, h, m, ls, s: kl(m, ls).sum(1)),
    ("no ½ in KL", lambda x, h, m, ls, s: the_bound(x, h, m, ls, s, half=1)),
    ("log σ taken for log σ² in KL", as_kingmas_code_with_log_sigma),
    ("log σ taken for log σ² in KL", scale_from_log_variance),
    ("σ² for σ in KL", variance_as_the_scale),
    ("log σ once in KL", lambda x, h, m, ls, s: the_bound(x, h, m, ls, s, log=1)),
    ("σ for σ² in KL", lambda x, h, m, ls, s: the_bound(x, h, m, ls, s, exp=1)),
    ("in mu", lambda x, h, m, ls, s: the_bound(x, h, m, ls, s, square=1)),
    ("−D forgotten in KL", lambda x, h, m, ls, s: the_bound(x, h, m, ls, s, one=0)),
    ("sign of log σ in KL", lambda x, h, m, ls, s: the_bound(x, h, m, ls, s, log=-2)),
    ("KL(p‖q) for KL(q‖p)", kl_the_other_way),
    ("mean over batch", loop_over_the_batch),
    ("sum over batch", lambda x, h, m, ls, s: log_p(x, h, s).sum() - kl(m, ls).sum()),
    (
        "mean over dimensions and batch",
        lambda x, h, m, ls, s: log_p(x, h, s).mean() - kl(m, ls).mean(),
    ),
    (
        "constant dropped",
        lambda x, h, m, ls, s: -gaussian_nll(x, h, s**2, full=False).sum(1) - kl(m, ls).sum(1),
    ),
    (
        "constant dropped, log σ too",
        lambda x, h, m, ls, s: -squares(x, h).sum(1) / (2 * s**2) - kl(m, ls).sum(1),
    ),
    (
        "constant of one pixel only",
        lambda x, h, m, ls, s: only_the_constant_of_one_pixel(x, h, s) - kl(m, ls).sum(1),
    ),
    (
        "P taken for x.shape[1]",
        lambda x, h, m, ls, s: (
            constant(x, s, x.shape[1]) - squares(x, h).sum(1) / 2 / s**2 - kl(m, ls).sum(1)
        ),
    ),
    (
        "P taken for x.numel()",
        lambda x, h, m, ls, s: pixels_of_the_batch(x, h, s) - kl(m, ls).sum(1),
    ),
    ("σ for σ²", lambda x, h, m, ls, s: log_p(x, h, s**0.5).sum(1) - kl(m, ls).sum(1)),
    ("σ² for σ", lambda x, h, m, ls, s: variance_is_the_scale(x, h, s) - kl(m, ls).sum(1)),
    ("σ ignored", lambda x, h, m, ls, s: log_p(x, h, 1.0).sum(1) - kl(m, ls).sum(1)),
    (
        "no ½ in the exponent",
        lambda x, h, m, ls, s: constant(x, s) - squares(x, h).sum(1) / s**2 - kl(m, ls).sum(1),
    ),
    (
        "sign of the constant",
        lambda x, h, m, ls, s: (
            -squares(x, h).sum(1) / (2 * s**2) - constant(x, s) - kl(m, ls).sum(1)
        ),
    ),
    (
        "mean over dimensions: pixels, squared error only",
        lambda x, h, m, ls, s: (
            constant(x, s) - squares(x, h).mean(1) / (2 * s**2) - kl(m, ls).sum(1)
        ),
    ),
    ("global random state", from_one_draw),
    ("returns None", lambda x, h, m, ls, s: None),
    ("several results", both_terms),
    ("changes its inputs", sigma_in_place),
    (None, the_usual_loss),
    (None, in_numpy_with_one_axis_too_few),
    (None, free_bits),
    (None, entropy_for_kl),
    (None, log_sigma_as_the_scale),
    (None, lambda x, h, m, ls, s: log_p(x, h, s).sum(1) - kl(m, ls)),
    (None, lambda x, h, m, ls, s: the_bound(x, h, m, ls.clamp(-10, 2), s)),
    (None, lambda x, h, m, ls, s: the_bound(x, h, m, ls.clamp(-20, 5), s)),
    (None, lambda x, h, m, ls, s: the_bound(x, h, m.clamp(-10, 10), ls, s)),
    (None, lambda x, h, m, ls, s: the_bound(x, h, m, ls, max(s, 0.5))),
    (None, lambda x, h, m, ls, s: the_bound(x, h, m, ls, s) + 1e-4),
    (None, lambda x, h, m, ls, s: the_bound(x, h, m, ls, s).clamp(min=-100)),
    (None, lambda x, h, m, ls, s: the_bound(x, h, m, ls, s).nan_to_num().clamp(max=0)),
    (None, lambda x, h, m, ls, s: log_p(x, h, s).sum(1) - 2 * kl(m, ls).sum(1)),
    (None, lambda x, h, m, ls, s: 2 * the_bound(x, h, m, ls, s)),
    (None, lambda x, h, m, ls, s: log_p(x, m.mean(), s).sum(1) - kl(m, ls).sum(1)),
    (None, lambda x, h, m, ls, s: log_p(x, h, s).sum(1) - kl(m, ls)[:, 0]),
    (None, lambda x, h, m, ls, s: log_p(x, h, s).sum(1) - kl(m, ls).sum()),
    (None, lambda x, h, m, ls, s: log_p(x, h, s).sum(1) - kl(m, ls).sum(1).mean()),
    (None, lambda x, h, m, ls, s: log_p(x, h, s).sum(1) - kl(m, ls).sum(0)),
    (None, lambda x, h, m, ls, s: the_bound(x, h, m, ls, s) / math.log(2)),
    (None, lambda x, h, m, ls, s: the_bound(x, h, m, ls, s).exp()),
]


def mean_and_covariance(x, W, b, sigma_x, precision=None, mean=None):
    D = W.shape[1]
    L = torch.eye(D, dtype=W.dtype) + W.T @ W / sigma_x**2 if precision is None else precision
    S = torch.linalg.inv(L)
    return ((x - b) @ W @ S / sigma_x**2 if mean is None else mean(S)), S


def eye_of(W):
    return torch.eye(W.shape[1], dtype=W.dtype)


def in_numpy_with_star(x, W, b, sigma_x):
    """Elementwise product where a matrix product is meant."""
    W = np.asarray(W)
    S = np.linalg.inv(np.eye(W.shape[1]) + (W * W).sum(0) / sigma_x**2)
    return np.asarray(x - b) @ W @ S / sigma_x**2, S


def the_data_instead_of_the_code(x, W, b, sigma_x):
    """Covariance of x, not of z."""
    C = W @ W.T + sigma_x**2 * torch.eye(W.shape[0], dtype=W.dtype)
    return (x - b) @ torch.linalg.inv(C), C


def gain_without_noise(x, W, b, sigma_x):
    gain = W.T @ torch.linalg.pinv(W @ W.T)
    return (x - b) @ gain.T, eye_of(W) - gain @ W


def example_by_example_as_columns(x, W, b, sigma_x):
    S = mean_and_covariance(x, W, b, sigma_x)[1]
    return torch.stack([S @ W.T @ (a - b) / sigma_x**2 for a in x], dim=1), S


def only_the_first_example(x, W, b, sigma_x):
    S = mean_and_covariance(x, W, b, sigma_x)[1]
    return S @ W.T @ (x[0] - b) / sigma_x**2, S


def one_matrix_for_all(x, W, b, sigma_x):
    mean, S = mean_and_covariance(x, W, b, sigma_x)
    return torch.cat([mean, S])


def a_distribution(x, W, b, sigma_x):
    mean, S = mean_and_covariance(x, W, b, sigma_x)
    return MultivariateNormal(mean, S)


def shifted_in_place(x, W, b, sigma_x):
    x -= b
    return mean_and_covariance(x, W, 0 * b, sigma_x)


def standard_deviations(x, W, b, sigma_x):
    mean, S = mean_and_covariance(x, W, b, sigma_x)
    return mean, S.diagonal().sqrt()


def from_the_likelihood_alone(x, W, b, sigma_x):
    """Least squares."""
    return torch.linalg.lstsq(W, (x - b).T).solution.T, torch.linalg.pinv(W.T @ W) * sigma_x**2


def change(of_mean=lambda m: m, of_covariance=lambda S: S):
    def answer(x, W, b, sigma_x):
        mean, S = mean_and_covariance(x, W, b, sigma_x)
        return of_mean(mean), of_covariance(S)

    return answer


POSTERIOR = [
    (
        "prior precision forgotten",
        lambda x, W, b, s: mean_and_covariance(x, W, b, s, W.T @ W / s**2 + 0 * eye_of(W)),
    ),
    ("σ ignored", lambda x, W, b, s: mean_and_covariance(x, W, b, 1.0)),
    ("σ² for σ", lambda x, W, b, s: mean_and_covariance(x, W, b, s**2)),
    (
        "σ for σ² in the precision",
        lambda x, W, b, s: mean_and_covariance(x, W, b, s, eye_of(W) + W.T @ W / s),
    ),
    (
        "σ for σ² in the mean",
        lambda x, W, b, s: mean_and_covariance(x, W, b, s, mean=lambda S: (x - b) @ W @ S / s),
    ),
    ("σ² for 1/σ²", lambda x, W, b, s: mean_and_covariance(x, W, b, 1 / s)),
    (
        "1/σ² forgotten in the mean",
        lambda x, W, b, s: mean_and_covariance(x, W, b, s, mean=lambda S: (x - b) @ W @ S),
    ),
    (
        "b forgotten",
        lambda x, W, b, s: mean_and_covariance(x, W, b, s, mean=lambda S: x @ W @ S / s**2),
    ),
    ("b added", lambda x, W, b, s: mean_and_covariance(x, W, -b, s)),
    ("precision for covariance", change(of_covariance=torch.inverse)),
    (
        "inverse forgotten",
        lambda x, W, b, s: (
            (x - b) @ W @ (eye_of(W) + W.T @ W / s**2) / s**2,
            eye_of(W) + W.T @ W / s**2,
        ),
    ),
    (
        "inverse forgotten in the mean",
        lambda x, W, b, s: mean_and_covariance(x, W, b, s, mean=lambda S: (x - b) @ W / s**2),
    ),
    ("variances only", change(of_covariance=torch.diagonal)),
    ("no covariances", change(of_covariance=lambda S: S.diagonal().diag())),
    (
        "entries inverted",
        lambda x, W, b, s: (
            mean_and_covariance(x, W, b, s)[0],
            torch.diag(1 / (1 + (W**2).sum(0) / s**2)),
        ),
    ),
    ("mean transposed", example_by_example_as_columns),
    ("order swapped", lambda x, W, b, s: mean_and_covariance(x, W, b, s)[::-1]),
    (
        "a covariance for each x",
        lambda x, W, b, s: (
            mean_and_covariance(x, W, b, s)[0],
            mean_and_covariance(x, W, b, s)[1].repeat(len(x), 1, 1),
        ),
    ),
    (
        "σ² forgotten in the covariance",
        lambda x, W, b, s: (
            torch.linalg.solve(s**2 * eye_of(W) + W.T @ W, W.T @ (x - b).T).T,
            torch.linalg.inv(s**2 * eye_of(W) + W.T @ W),
        ),
    ),
    ("changes its inputs", shifted_in_place),
    ("one result for several", one_matrix_for_all),
    ("one result for several", lambda x, W, b, s: mean_and_covariance(x, W, b, s)[0]),
    (None, in_numpy_with_star),
    (None, the_data_instead_of_the_code),
    (None, gain_without_noise),
    (None, only_the_first_example),
    (None, a_distribution),
    (None, standard_deviations),
    (None, from_the_likelihood_alone),
    (None, change(of_covariance=torch.linalg.cholesky)),
    (None, change(of_covariance=lambda S: S.sqrt())),
    (None, change(of_covariance=lambda S: S.abs())),
    (None, change(of_covariance=lambda S: S.triu())),
    (None, change(of_covariance=lambda S: 2 * S)),
    (None, change(of_covariance=lambda S: S + 1e-5 * torch.eye(len(S), dtype=S.dtype))),
    (None, change(of_covariance=torch.logdet)),
    (None, change(of_mean=lambda m: m.mean(0))),
    (None, change(of_mean=lambda m: m[:1])),
    (None, change(of_mean=lambda m: m.squeeze())),
    (None, change(of_mean=lambda m: m.squeeze(), of_covariance=lambda S: S.squeeze())),
    (None, change(of_mean=lambda m: -m)),
    (None, change(of_mean=lambda m: m.clamp(-3, 3))),
    (None, lambda x, W, b, s: mean_and_covariance(x, W, b, max(s, 0.1))),
    (None, lambda x, W, b, s: mean_and_covariance(x, W, b, s + 1e-4)),
    (None, lambda x, W, b, s: mean_and_covariance(x, W.T, b, s)),
    (None, lambda x, W, b, s: mean_and_covariance(x, W, b, s, eye_of(W) + W @ W.T / s**2)),
    (
        "1 in every entry for I",
        lambda x, W, b, s: mean_and_covariance(x, W, b, s, 1 + W.T @ W / s**2),
    ),
    (None, lambda x, W, b, s: mean_and_covariance(x, W, b.mean(), s)),
    (None, lambda x, W, b, s: mean_and_covariance(x - x.mean(0), W, 0 * b, s)),
]


BANK = {
    "gaussian_log_likelihood": LOG_LIKELIHOOD,
    "elbo": ELBO,
    "linear_gaussian_posterior": POSTERIOR,
}
