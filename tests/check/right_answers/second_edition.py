"""Right answers to the exercises that the second edition brought, in ten styles and more."""

import math
from functools import partial

import numpy as np
import torch
from scipy import integrate, linalg, special, stats
from torch.distributions import Exponential, MultivariateNormal, Normal, kl_divergence

from right_answers.bank import answer
from vaelib import bounds, models, training

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


# 5.3


@answer("reparameterise_exponential")
def log1p(rate, u):
    return -torch.log1p(-u) / rate


@answer("reparameterise_exponential")
def plain_log(rate, u):
    return -torch.log(1 - u) / rate


@answer("reparameterise_exponential")
def icdf(rate, u):
    return Exponential(rate).icdf(u)


@answer("reparameterise_exponential")
def root_of_one_over(rate, u):
    return (1 / (1 - u)).log() * rate.reciprocal()


@answer("reparameterise_exponential")
def log_of_a_power(rate, u):
    return -torch.log((1 - u) ** (1 / rate))


@answer("reparameterise_exponential")
def scaled_standard_one(rate, u):
    standard = -(1 - u).log()
    return standard * (1.0 / rate)


@answer("reparameterise_exponential")
def log_sigmoid_of_a_logit(rate, u):
    return -torch.nn.functional.logsigmoid(-torch.logit(u)) / rate


@answer("reparameterise_exponential")
def noise_in_numpy(rate, u):
    """Only the noise may leave PyTorch: nothing has to be learned through it."""
    standard = torch.as_tensor(-np.log1p(-np.asarray(u)), dtype=torch.float64)
    return (standard / rate).to(torch.as_tensor(rate).dtype)


@answer("reparameterise_exponential")
def with_exp_of_log(rate, u):
    return torch.exp(torch.log(-torch.log1p(-u)) - torch.log(rate))


@answer("reparameterise_exponential")
def as_tensors(rate, u):
    rate, u = torch.as_tensor(rate), torch.as_tensor(u)
    return torch.neg(torch.log1p(u.neg())).div(rate)


answer("reparameterise_exponential")(lambda rate, u: -(1 - u).log() / rate)


# 6.1


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


# 6.3


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


# 7.3


@answer("aggregate_moments")
def law_of_total_variance(mu, sigma):
    mean = mu.mean(0)
    centred = mu - mean
    return mean, centred.T @ centred / len(mu) + torch.diag((sigma**2).mean(0))


@answer("aggregate_moments")
def second_moments(mu, sigma):
    mean = mu.mean(0)
    second = torch.einsum("nd,ne->de", mu, mu) / len(mu) + (sigma**2).mean(0).diag()
    return mean, second - torch.outer(mean, mean)


@answer("aggregate_moments")
def numpy_bias(mu, sigma):
    mu, sigma = np.asarray(mu), np.asarray(sigma)
    between = np.atleast_2d(np.cov(mu, rowvar=False, bias=True))
    return mu.mean(0), between + np.diag((sigma**2).mean(0))


@answer("aggregate_moments")
def torch_cov_without_correction(mu, sigma):
    between = torch.cov(mu.T, correction=0)
    return mu.mean(dim=0), between + torch.diag(sigma.square().mean(dim=0))


@answer("aggregate_moments")
def mean_of_matrices(mu, sigma):
    mean = torch.mean(mu, 0)
    each = torch.diag_embed(sigma**2) + (mu - mean)[:, :, None] * (mu - mean)[:, None, :]
    return mean, each.mean(0)


@answer("aggregate_moments")
def a_loop_over_faces(mu, sigma):
    N, D = mu.shape
    mean = sum(mu) / N
    covariance = torch.zeros(D, D, dtype=mu.dtype)
    for m, s in zip(mu, sigma, strict=True):
        covariance += (torch.outer(m - mean, m - mean) + torch.diag(s**2)) / N
    return mean, covariance


@answer("aggregate_moments")
def numbers_one_by_one(mu, sigma):
    N, D = mu.shape
    mean = [sum(mu[n, d].item() for n in range(N)) / N for d in range(D)]
    covariance = np.zeros((D, D))
    for i in range(D):
        for j in range(D):
            for n in range(N):
                covariance[i, j] += (mu[n, i] - mean[i]) * (mu[n, j] - mean[j]) / N
                covariance[i, j] += float(sigma[n, i]) ** 2 / N if i == j else 0
    return np.array(mean), covariance


@answer("aggregate_moments")
def vmapped_outer(mu, sigma):
    mean = mu.mean(0)
    outer = torch.vmap(torch.outer)(mu - mean, mu - mean).mean(0)
    return [mean, outer + torch.eye(mu.shape[1], dtype=mu.dtype) * sigma.pow(2).mean(0)]


@answer("aggregate_moments")
def stacked_sigma_points(mu, sigma):
    """A Gaussian has the moments of the points μ ± √D σ_d e_d, each equally often."""
    N, D = mu.shape
    steps = torch.diag_embed(sigma) * D**0.5
    points = torch.cat([mu[:, None] + steps, mu[:, None] - steps], 1).reshape(-1, D)
    mean = points.mean(0)
    return mean, (points - mean).T @ (points - mean) / len(points)


@answer("aggregate_moments")
def weighted_average(mu, sigma):
    weights = torch.full((len(mu),), 1 / len(mu), dtype=mu.dtype)
    mean = weights @ mu
    centred = mu - mean
    within = torch.diagflat(weights @ sigma**2)
    return mean, (centred * weights[:, None]).T @ centred + within
