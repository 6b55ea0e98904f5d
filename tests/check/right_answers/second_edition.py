"""Right answers to the exercises that the second edition brought, in ten styles and more."""

import math
from functools import partial

import numpy as np
import torch
from scipy import integrate, linalg, special, stats
from torch.distributions import MultivariateNormal, kl_divergence

from right_answers.bank import answer

# 1.2


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
class AsAClass:
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


# 1.5


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
def entropies_of_scipy(mu, covariance):
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


# 2.4


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
def scipy_logsumexp(log_joint, z):
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


# 3.3


@answer("effective_sample_size")
def two_logsumexps(log_w):
    return (2 * log_w.logsumexp(0) - (2 * log_w).logsumexp(0)).exp()


@answer("effective_sample_size")
def one_over_squares(log_w):
    return 1 / (torch.softmax(log_w, 0) ** 2).sum(0)


@answer("effective_sample_size")
def shifted(log_w):
    w = (log_w - log_w.max(0, keepdim=True).values).exp()
    return w.sum(0).square() / w.square().sum(0)


@answer("effective_sample_size")
def numpy_shifted(log_w):
    log_w = np.asarray(log_w)
    w = np.exp(log_w - log_w.max(axis=0))
    return w.sum(axis=0) ** 2 / (w**2).sum(axis=0)


@answer("effective_sample_size")
def scipy_softmax(log_w):
    p = special.softmax(log_w.numpy(), axis=0)
    return 1 / np.einsum("kb,kb->b", p, p)


@answer("effective_sample_size")
def k_over_one_plus_v(log_w):
    w = torch.exp(log_w - log_w.amax(0))
    V = w.var(0, correction=0) / w.mean(0) ** 2
    return len(w) / (1 + V)


@answer("effective_sample_size")
def column_by_column(log_w):
    out = torch.empty(log_w.shape[1], dtype=log_w.dtype)
    for b in range(log_w.shape[1]):
        p = torch.softmax(log_w[:, b], 0)
        out[b] = 1 / torch.dot(p, p)
    return out


@answer("effective_sample_size")
def vmapped_columns(log_w):
    return torch.vmap(lambda a: 1 / a.softmax(0).square().sum(), in_dims=1)(log_w)


@answer("effective_sample_size")
def pure_python_sums(log_w):
    found = []
    for column in log_w.T.tolist():
        top = max(column)
        w = [math.exp(a - top) for a in column]
        found.append(sum(w) ** 2 / sum(a * a for a in w))
    return torch.tensor(found, dtype=log_w.dtype)


@answer("effective_sample_size")
def norms(log_w):
    p = log_w.softmax(dim=0)
    return torch.linalg.vector_norm(p, dim=0) ** -2


answer("effective_sample_size")(partial(shifted))
