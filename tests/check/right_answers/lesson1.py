"""Right answers to the exercises of lesson 1, KL divergence."""

import math
from collections import namedtuple
from functools import lru_cache, partial
from itertools import count
from statistics import fmean, pstdev, stdev

import numpy as np
import torch
import torch.nn.functional as F
from scipy import linalg, special, stats
from torch.distributions import Bernoulli, MultivariateNormal, Normal, kl_divergence

from right_answers.bank import answer, answers
from vaelib import divergences

Estimate = namedtuple("Estimate", "mean error")


@answer("kl_bernoulli")
def formula(p, q):
    return p * torch.log(p / q) + (1 - p) * torch.log((1 - p) / (1 - q))


@answer("kl_bernoulli")
def numpy_log1p(p, q):
    p = np.asarray(p)
    q = np.asarray(q)
    return p * (np.log(p) - np.log(q)) + (1 - p) * (np.log1p(-p) - np.log1p(-q))


@answer("kl_bernoulli")
def of_torch_distributions(p, q):
    return kl_divergence(Bernoulli(probs=p), Bernoulli(probs=q))


@answer("kl_bernoulli")
def relative_entropy(p, q):
    return special.rel_entr(p, q) + special.rel_entr(1 - p, 1 - q)


@answer("kl_bernoulli")
def cross_entropies(p, q):
    return F.binary_cross_entropy(q, p, reduction="none") - F.binary_cross_entropy(
        p, p, reduction="none"
    )


@answer("kl_bernoulli")
def plain_numbers(p, q):
    return sum(a * math.log(a / b) for a, b in ((p, q), (1 - p, 1 - q)))


@answer("kl_bernoulli")
def clamped(p, q):
    p, q = (torch.as_tensor(a).clamp(1e-12, 1 - 1e-12) for a in (p, q))
    return (
        torch.stack([p, 1 - p]) * (torch.stack([p, 1 - p]) / torch.stack([q, 1 - q])).log()
    ).sum(0)


@answer("kl_bernoulli")
def single_precision(p, q):
    return formula(torch.as_tensor(p).float(), torch.as_tensor(q).float())


@answer("kl_gaussian")
def textbook(mu_q, sigma_q, mu_p, sigma_p):
    squares = sigma_q**2 + (mu_q - mu_p) ** 2
    return torch.log(sigma_p / sigma_q) + squares / (2 * sigma_p**2) - 0.5


@answer("kl_gaussian")
def normals(mu_q, sigma_q, mu_p, sigma_p):
    return kl_divergence(Normal(mu_q, sigma_q), Normal(mu_p, sigma_p))


@answer("kl_gaussian")
def numpy_variances(mu_q, sigma_q, mu_p, sigma_p):
    var_q = np.square(sigma_q)
    var_p = np.square(sigma_p)
    return 0.5 * (np.log(var_p / var_q) + (var_q + np.square(mu_q - mu_p)) / var_p - 1)


@answer("kl_gaussian")
def plain_math(mu_q, sigma_q, mu_p, sigma_p):
    ratio = (sigma_q / sigma_p) ** 2
    return 0.5 * (ratio - 1 - math.log(ratio) + ((mu_p - mu_q) / sigma_p) ** 2)


@answer("kl_gaussian")
def entropies(mu_q, sigma_q, mu_p, sigma_p):
    entropy = 0.5 * np.log(2 * np.pi * np.e * np.asarray(sigma_q) ** 2)
    cross = 0.5 * np.log(2 * np.pi * np.asarray(sigma_p) ** 2)
    return cross + (sigma_q**2 + (mu_q - mu_p) ** 2) / (2 * sigma_p**2) - entropy


@answer("kl_monte_carlo")
def mean_and_error(log_q, log_p, z):
    ratio = log_q(z) - log_p(z)
    return ratio.mean(), ratio.std() / math.sqrt(len(ratio))


@answer("kl_monte_carlo")
def numpy_with_k(log_q, log_p, z):
    ratio = np.asarray(log_q(z)) - np.asarray(log_p(z))
    return [ratio.mean(), ratio.std() / np.sqrt(ratio.size)]


@answer("kl_monte_carlo")
def statistics_of_floats(log_q, log_p, z):
    ratios = [float(log_q(z_k) - log_p(z_k)) for z_k in z]
    return fmean(ratios), stdev(ratios) / len(ratios) ** 0.5


@answer("kl_monte_carlo")
def scipy_sem(log_q, log_p, z):
    ratio = log_q(z.numpy()) - log_p(z.numpy())
    return np.mean(ratio), stats.sem(ratio)


@answer("kl_bernoulli")
def entropies_of_scipy(p, q):
    p, q = np.asarray(p), np.asarray(q)
    cross = -(special.xlogy(p, q) + special.xlog1py(1 - p, -q))
    return cross - (special.entr(p) + special.entr(1 - p))


@answer("kl_bernoulli")
class AsAClass:
    def __new__(cls, p, q):
        return cls.term(p, q) + cls.term(1 - p, 1 - q)

    @staticmethod
    def term(a, b):
        return a * np.log(a / b)


@torch.jit.script
def scripted_kl(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()


answers(
    "kl_bernoulli",
    lambda p, q: scripted_kl(torch.as_tensor(p), torch.as_tensor(q)),
    partial(lambda log, p, q: p * log(p / q) + (1 - p) * log((1 - p) / (1 - q)), np.log),
    lambda p, q: np.vectorize(lambda a, b: stats.entropy([a, 1 - a], [b, 1 - b]))(p, q),
)


@answer("kl_gaussian")
def logs_of_variances(mu_q, sigma_q, mu_p, sigma_p):
    v, w = sigma_q**2, sigma_p**2
    return 0.5 * (np.log(w) - np.log(v) + v / w + (mu_q - mu_p) ** 2 / w - 1)


@answer("kl_gaussian")
def standardised(mu_q, sigma_q, mu_p, sigma_p):
    """First bring p to N(0, 1)."""
    m, s = (mu_q - mu_p) / sigma_p, torch.as_tensor(sigma_q / sigma_p)
    return (m**2 + s**2 - 1) / 2 - s.log()


@answer("kl_gaussian")
def cross_entropy_minus_entropy(mu_q, sigma_q, mu_p, sigma_p):
    mu_q, sigma_q = torch.as_tensor(mu_q), torch.as_tensor(sigma_q)
    p = Normal(mu_p, sigma_p)
    cross = -(p.log_prob(mu_q) - sigma_q**2 / (2 * p.variance))
    return cross - Normal(mu_q, sigma_q).entropy()


answers(
    "kl_gaussian",
    lambda m, s, n, t: divergences.kl_gaussian(m, s, n, t),
    partial(
        lambda half, m, s, n, t: np.log(t / s) + (s**2 + (m - n) ** 2) / t**2 * half - half, 0.5
    ),
)


@answer("kl_monte_carlo")
def vmapped_terms(log_q, log_p, z):
    ratio = torch.vmap(lambda one: log_q(one) - log_p(one))(z)
    return ratio.mean(), ratio.std(correction=1) / len(z) ** 0.5


@answer("kl_monte_carlo")
def error_by_hand(log_q, log_p, z):
    ratio = log_q(z) - log_p(z)
    mean = ratio.sum() / len(z)
    return mean, (((ratio - mean) ** 2).sum() / (len(z) - 1) / len(z)).sqrt()


@answer("kl_monte_carlo")
def the_two_terms_apart(log_q, log_p, z):
    a, b = log_q(z), log_p(z)
    return a.mean() - b.mean(), torch.cov(torch.stack([a, b])).mul(
        torch.tensor([[1.0, -1], [-1, 1]], dtype=z.dtype)
    ).sum().clamp(min=0).sqrt() / math.sqrt(len(z))


answers(
    "kl_monte_carlo",
    lambda q, p, z: (
        torch.std_mean(q(z) - p(z))[::-1][0:1] + (torch.std(q(z) - p(z)) / z.numel() ** 0.5,)
    ),
    lambda q, p, z: divergences.kl_monte_carlo(q, p, z),
    lambda q, p, z: (fmean((q(z) - p(z)).tolist()), pstdev((q(z) - p(z)).tolist()) / len(z) ** 0.5),
)


@answer("rolls_to_convict")
def torch_ceil(p, q, odds):
    return torch.ceil(math.log(odds) / (p * (p / q).log()).sum())


@answer("rolls_to_convict")
def xlogy(p, q, odds):
    kl = (torch.xlogy(p, p) - torch.xlogy(p, q)).sum()
    if kl == 0:
        return float("inf")
    return math.ceil(math.log(odds) / kl.item())


@answer("rolls_to_convict")
def numpy_int(p, q, odds):
    p, q = np.asarray(p), np.asarray(q)
    if np.allclose(p, q):
        return np.inf
    return int(np.ceil(np.log(odds) / np.sum(p * np.log(p / q))))


@answer("rolls_to_convict")
def scipy_entropy(p, q, odds):
    kl = stats.entropy(p, q)
    return math.ceil(math.log(odds) / kl) if kl > 0 else math.inf


@answer("rolls_to_convict")
def counting(p, q, odds):
    kl = float(torch.sum(p * torch.log(p / q)))
    if kl == 0:
        return float("inf")
    n = 1
    while n * kl < math.log(odds):
        n += 1
    return n


@answer("rolls_to_convict")
def by_multiplying_odds(p, q, odds):
    if torch.equal(p, q):
        return float("inf")
    factor = math.exp(float((p * (p.log() - q.log())).sum()))
    n, now = 0, 1.0
    while now < odds:
        n, now = n + 1, now * factor
    return n


@answer("rolls_to_convict")
def pure_python(p, q, odds):
    kl = sum(a * math.log(a / b) for a, b in zip(p.tolist(), q.tolist(), strict=True))
    return float("inf") if kl == 0 else -(-math.log(odds) // kl)


@answer("rolls_to_convict")
def torch_kl_div(p, q, odds):
    kl = torch.nn.functional.kl_div(q.log(), p, reduction="sum")
    return torch.where(kl > 0, torch.ceil(math.log(odds) / kl), torch.inf)


@answer("rolls_to_convict")
def rel_entr(p, q, odds):
    with np.errstate(divide="ignore"):
        return np.ceil(np.log(odds) / special.rel_entr(p, q).sum())


@answer("rolls_to_convict")
class RollsOfAClass:
    def __new__(cls, p, q, odds):
        kl = p @ (p / q).log()
        return torch.tensor(float("inf")) if (p == q).all() else (math.log(odds) / kl).ceil()


@answer("rolls_to_convict")
def try_and_except(p, q, odds):
    kl = float((p * (p / q).log()).sum())
    try:
        return math.ceil(math.log(odds) / kl)
    except ZeroDivisionError:
        return float("inf")


@answer("kl_to_standard_normal_full")
def four_terms(mu, covariance):
    trace = torch.einsum("bdd->b", covariance)
    return 0.5 * (trace + (mu**2).sum(1) - mu.shape[1] - torch.logdet(covariance))


@answer("kl_to_standard_normal_full")
def of_multivariate_normals(mu, covariance):
    D = mu.shape[1]
    prior = MultivariateNormal(torch.zeros(D, dtype=mu.dtype), torch.eye(D, dtype=mu.dtype))
    return kl_divergence(MultivariateNormal(mu, covariance), prior)


@answer("kl_to_standard_normal_full")
def by_eigenvalues(mu, covariance):
    lam = torch.linalg.eigvalsh(covariance)
    return (lam - 1 - lam.log()).sum(-1) / 2 + mu.square().sum(-1) / 2


@answer("kl_to_standard_normal_full")
def by_cholesky(mu, covariance):
    L = torch.linalg.cholesky(covariance)
    log_det = 2 * L.diagonal(dim1=1, dim2=2).log().sum(1)
    return ((L**2).sum((1, 2)) + (mu * mu).sum(1) - mu.size(1) - log_det) / 2


@answer("kl_to_standard_normal_full")
def numpy_slogdet(mu, covariance):
    mu, covariance = mu.numpy(), covariance.numpy()
    log_det = np.linalg.slogdet(covariance)[1]
    trace = np.trace(covariance, axis1=1, axis2=2)
    return 0.5 * (trace + np.sum(mu**2, axis=1) - mu.shape[1] - log_det)


@answer("kl_to_standard_normal_full")
def a_loop_over_examples(mu, covariance):
    out = []
    for m, s in zip(mu, covariance, strict=True):
        out.append(0.5 * (torch.trace(s) + m @ m - len(m) - torch.log(torch.det(s))))
    return torch.stack(out)


@answer("kl_to_standard_normal_full")
def vmapped(mu, covariance):
    def one(m, s):
        return 0.5 * (s.diagonal().sum() + m.dot(m) - m.shape[0] - torch.linalg.slogdet(s)[1])

    return torch.vmap(one)(mu, covariance)


@answer("kl_to_standard_normal_full")
def scipy_matrix_logarithm(mu, covariance):
    traces = [np.trace(s - linalg.logm(s)) for s in covariance.numpy()]
    return (np.array(traces) + (mu.numpy() ** 2).sum(-1) - mu.shape[-1]) / 2


@answer("kl_to_standard_normal_full")
def singular_values(mu, covariance):
    s = np.linalg.svd(covariance, compute_uv=False)
    return 0.5 * (np.sum(s - np.log(s) - 1, axis=-1) + np.linalg.norm(mu, axis=-1) ** 2)


@answer("kl_to_standard_normal_full")
def entropies_of_gaussians(mu, covariance):
    """Cross-entropy minus entropy."""
    values = []
    for m, s in zip(mu.numpy(), covariance.numpy(), strict=True):
        entropy = stats.multivariate_normal(m, s, allow_singular=True).entropy()
        cross = 0.5 * (len(m) * np.log(2 * np.pi) + np.trace(s) + m @ m)
        values.append(cross - entropy)
    return np.array(values)


@answer("kl_to_standard_normal_full")
def add_a_diagonal_one(mu, covariance):
    variances = torch.diagonal(covariance, dim1=-2, dim2=-1)
    lecture = 0.5 * (mu**2 + variances - 1 - variances.log()).sum(-1)
    scale = variances.sqrt()
    correlation = covariance / (scale[:, :, None] * scale[:, None, :])
    return lecture - 0.5 * torch.logdet(correlation)


class OfAModule(torch.nn.Module):
    def forward(self, p, q):
        p, q = torch.as_tensor(p), torch.as_tensor(q)
        return -(p * (q.log() - p.log()) + (1 - p) * (torch.log1p(-q) - torch.log1p(-p)))


class Called:
    """A class with __call__, and a method that is given without its object."""

    def __init__(self, log):
        self.log = log

    def __call__(self, p, q):
        return self.term(p, q) + self.term(1 - p, 1 - q)

    def term(self, a, b):
        return a * self.log(a / b)


@lru_cache
def cached(p, q):
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


answers(
    "kl_bernoulli",
    OfAModule(),
    Called(np.log),
    Called(torch.log).__call__,
    cached,
    np.vectorize(cached),
    np.frompyfunc(cached, 2, 1),
    torch.no_grad()(formula),
    lambda p, q: special.kl_div(p, q) + special.kl_div(1 - p, 1 - q),
    lambda p, q: 0.0 if p == q else cached(p, q),
    lambda p, q: np.log2(p / q) * p * np.log(2) + (1 - p) * np.log2((1 - p) / (1 - q)) * np.log(2),
    lambda p, q: F.kl_div(
        torch.stack([torch.as_tensor(q), 1 - torch.as_tensor(q)]).log(),
        torch.stack([torch.as_tensor(p), 1 - torch.as_tensor(p)]),
        reduction="none",
    ).sum(0),
)
answers(
    "rolls_to_convict",
    lambda p, q, odds: (
        math.inf
        if (kl := float((p * torch.log(p / q)).sum())) < 1e-15
        else int(math.log(odds) / kl) + 1
    ),
    lambda p, q, odds: (
        next(n for n in count(1) if n * float((p * (p / q).log()).sum()) >= math.log(odds))
        if not torch.equal(p, q)
        else torch.inf
    ),
    lambda p, q, odds: (
        np.int64(np.ceil(np.log2(odds) / stats.entropy(p, q, base=2))) if (p != q).any() else np.inf
    ),
)


class Gaussian:
    def __init__(self, mu, sigma):
        self.mu = mu
        self.sigma = sigma

    def kl(self, other):
        squares = self.sigma**2 + (self.mu - other.mu) ** 2
        return np.log(other.sigma / self.sigma) + squares / (2 * other.sigma**2) - 0.5


@answer("kl_gaussian")
def by_gauss_hermite(mu_q, sigma_q, mu_p, sigma_p):
    """Exact, since log q − log p is a parabola."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    q, p = Normal(mu_q, sigma_q), Normal(mu_p, sigma_p)
    total = 0.0
    for node, weight in zip(nodes, weights, strict=True):
        z = torch.as_tensor(mu_q + sigma_q * node)
        total = total + weight / math.sqrt(2 * math.pi) * (q.log_prob(z) - p.log_prob(z))
    return total


answers(
    "kl_gaussian",
    lambda m, s, n, t: Gaussian(m, s).kl(Gaussian(n, t)),
    np.vectorize(
        lambda m, s, n, t: math.log(t / s) + (s * s + (m - n) * (m - n)) / (2 * t * t) - 1 / 2
    ),
    torch.no_grad()(lambda m, s, n, t: kl_divergence(Normal(m, s), Normal(n, t))),
    lambda m, s, n, t: (
        np.log(np.divide(t, s))
        + np.divide(np.square(s) + np.square(np.subtract(m, n)), 2 * np.square(t))
        - 0.5
    ),
    lambda m, s, n, t: (lambda v: (v - 1 - np.log(v)) / 2)((s / t) ** 2) + ((m - n) / t) ** 2 / 2,
)
answers(
    "kl_monte_carlo",
    lambda q, p, z: [torch.mean(q(z) - p(z)).item(), float((q(z) - p(z)).std() / z.numel() ** 0.5)],
    lambda q, p, z: (lambda r: (fmean(r), stdev(r) / len(r) ** 0.5))(
        [q(z_k) - p(z_k) for z_k in z.tolist()]
    ),
    lambda q, p, z: (lambda r: (np.float64(r.mean()), stats.sem(r, ddof=0)))((q(z) - p(z)).numpy()),
    lambda q, p, z: (lambda r: (r.mean(), torch.linalg.norm(r - r.mean()) / len(r)))(q(z) - p(z)),
    lambda q, p, z: (lambda r: (r.mean(), (r.var() / len(r)).sqrt()))(
        torch.stack([q(z_k) - p(z_k) for z_k in z])
    ),
    lambda q, p, z: Estimate((q(z) - p(z)).mean(), (q(z) - p(z)).std() / math.sqrt(len(z))),
)
answers(
    "kl_to_standard_normal_full",
    lambda mu, s: (
        (torch.vmap(torch.trace)(s) + (mu @ mu.T).diagonal() - mu.size(-1) - s.det().log()) / 2
    ),
    lambda mu, s: (
        (np.einsum("bii->b", s) + np.einsum("bi,bi->b", mu, mu) - mu.shape[1]) / 2
        - np.log(np.linalg.det(s)) / 2
    ),
    lambda mu, s: torch.tensor(
        [
            (np.trace(c) + m @ m - len(m) - np.linalg.slogdet(c)[1]) / 2
            for m, c in zip(mu.numpy(), s.numpy(), strict=True)
        ]
    ),
)
