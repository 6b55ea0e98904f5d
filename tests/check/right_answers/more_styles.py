"""More styles of right answers to the exercises that the second edition kept."""

import math
from functools import partial
from statistics import fmean, pstdev

import numpy as np
import torch
import torch.nn.functional as F
from scipy import linalg, special, stats
from torch.distributions import Independent, Normal, kl_divergence

from right_answers.bank import answer
from vaelib import distributions, divergences, evaluation, exact, schedules


def add(exercise, *functions):
    for function in functions:
        answer(exercise)(function)


# ------------------------------------------------------------------ lesson 1


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


add(
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


add(
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


add(
    "kl_monte_carlo",
    lambda q, p, z: (
        torch.std_mean(q(z) - p(z))[::-1][0:1] + (torch.std(q(z) - p(z)) / z.numel() ** 0.5,)
    ),
    lambda q, p, z: divergences.kl_monte_carlo(q, p, z),
    lambda q, p, z: (fmean((q(z) - p(z)).tolist()), pstdev((q(z) - p(z)).tolist()) / len(z) ** 0.5),
)

# ------------------------------------------------------------------ lesson 2


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


add(
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

add(
    "gaussian_mle",
    lambda x: torch.var_mean(x, correction=0)[1:] + (torch.var(x, correction=0).sqrt(),),
    lambda x: (fmean(x.tolist()), pstdev(x.tolist())),
    lambda x: stats.norm.fit(x.numpy()),
    lambda x: (x.sum() / len(x), ((x**2).mean() - x.mean() ** 2).clamp(min=0).sqrt()),
    lambda x: [np.average(x), np.sqrt(np.average((x - np.average(x)) ** 2))],
    lambda x: (x.mean(), torch.linalg.vector_norm(x - x.mean()) / math.sqrt(len(x))),
    lambda x: (x.mean(), x.std(unbiased=False)),
)

add(
    "log_marginal",
    lambda a: torch.logsumexp(a - math.log(len(a)), 0),
    lambda a: np.logaddexp.reduce(a.numpy(), axis=0) - np.log(a.shape[0]),
    lambda a: special.logsumexp(a.numpy(), axis=0, b=1 / len(a)),
    lambda a: torch.vmap(lambda c: c.max() + (c - c.max()).exp().mean().log(), in_dims=1)(a),
    lambda a: torch.stack([c.logsumexp(0) for c in a.T]) - math.log(a.shape[0]),
    lambda a: a.amax(0) - a.shape[0] ** 0 * math.log(len(a)) + (a - a.amax(0)).exp().sum(0).log(),
    partial(lambda axis, a: a.logsumexp(axis) - np.log(a.shape[axis]), 0),
)

# ------------------------------------------------------------------ lesson 3

add(
    "jensen_gap",
    lambda f, x, w: (f(x) - f((w * x).sum())) @ w,
    lambda f, x, w: torch.einsum("n,n->", w, f(x)) - f(torch.einsum("n,n->", w, x)),
    lambda f, x, w: torch.tensordot(w, f(x), 1) - f(torch.tensordot(w, x, 1)),
    lambda f, x, w: np.dot(w, f(x)) - float(f(torch.tensor(np.dot(w, x)))),
    lambda f, x, w: sum(a * f(b) for a, b in zip(w, x, strict=True)) - f(sum(w * x)),
    lambda f, x, w: torch.inner(w, torch.vmap(f)(x)) - f(torch.inner(w, x)),
    partial(lambda s, f, x, w: s(w * f(x)) - f(s(w * x)), torch.sum),
)
add(
    "lower_bound",
    lambda a, b, c: torch.stack([a, b, -c]).sum(0).mean(0),
    lambda a, b, c: torch.einsum("kb->b", a + b - c) / len(a),
    lambda a, b, c: (a.sum(0) + b.sum(0) - c.sum(0)) / a.shape[0],
    lambda a, b, c: np.average(a + b - c, axis=0),
    lambda a, b, c: torch.vmap(lambda x, y, z: (x + y - z).mean(), in_dims=1)(a, b, c),
    lambda a, b, c: torch.stack([(a + b - c)[:, i].mean() for i in range(a.shape[1])]),
    lambda a, b, c: torch.ones(len(a), dtype=a.dtype) @ (a + b - c) / len(a),
)

# ------------------------------------------------------------------ lesson 4


@answer("gaussian_log_likelihood")
def constants_first(x, x_hat, sigma_x):
    P = math.prod(x.shape[1:])
    C = -P * math.log(sigma_x) - P / 2 * math.log(2 * math.pi)
    return C - (x - x_hat).flatten(1).square().sum(1) / (2 * sigma_x**2)


add(
    "gaussian_log_likelihood",
    lambda x, h, s: stats.norm.logpdf(x, h, s).reshape(len(x), -1).sum(1),
    lambda x, h, s: Independent(Normal(h, s), x.ndim - 1).log_prob(x),
    lambda x, h, s: torch.vmap(lambda a, b: Normal(b, s, validate_args=False).log_prob(a).sum())(
        x, h
    ),
    lambda x, h, s: torch.stack(
        [Normal(b, s).log_prob(a).sum() for a, b in zip(x, h, strict=True)]
    ),
    lambda x, h, s: (
        -np.sum(
            (0.5 * ((x - h) / s) ** 2 + np.log(s * np.sqrt(2 * np.pi))).numpy(),
            axis=tuple(range(1, x.ndim)),
        )
    ),
    lambda x, h, s: (
        -F.gaussian_nll_loss(h, x, torch.full_like(x, s**2), full=True, eps=0.0, reduction="none")
        .flatten(1)
        .sum(1)
    ),
)


def kl_of(mu, log_sigma):
    return 0.5 * (mu**2 + (2 * log_sigma).exp() - 1 - 2 * log_sigma).sum(-1)


add(
    "elbo",
    lambda x, h, m, ls, s: Normal(h, s).log_prob(x).flatten(1).sum(1) - kl_of(m, ls),
    lambda x, h, m, ls, s: (
        stats.norm.logpdf(x, h, s).reshape(len(x), -1).sum(1) - kl_of(m, ls).numpy()
    ),
    lambda x, h, m, ls, s: (
        Independent(Normal(h, s), x.ndim - 1).log_prob(x)
        - kl_divergence(Normal(m, ls.exp()), Normal(torch.zeros_like(m), torch.ones_like(m))).sum(1)
    ),
    lambda x, h, m, ls, s: (
        distributions.DiagonalGaussian(h, torch.full_like(h, math.log(s)), h.ndim - 1).log_prob(x)
        - divergences.kl_to_standard_normal(m, ls)
    ),
    lambda x, h, m, ls, s: torch.stack(
        [Normal(h[i], s).log_prob(x[i]).sum() - kl_of(m[i], ls[i]) for i in range(len(x))]
    ),
    lambda x, h, m, ls, s: (
        -(
            ((x - h) ** 2 / s**2 + np.log(2 * np.pi * s**2)).flatten(1).sum(1)
            + (m**2 + torch.exp(ls) ** 2 - 2 * ls - 1).sum(1)
        )
        / 2
    ),
)


@answer("elbo")
def vmapped_over_examples(x, x_hat, mu, log_sigma, sigma_x):
    def one(a, b, m, s):
        return Normal(b, sigma_x, validate_args=False).log_prob(a).sum() - kl_of(m, s)

    return torch.vmap(one)(x, x_hat, mu, log_sigma)


@answer("linear_gaussian_posterior")
def by_woodbury(x, W, b, sigma_x):
    """Through the P × P matrix of x instead of the D × D one."""
    P, D = W.shape
    M = W @ W.T + sigma_x**2 * torch.eye(P, dtype=W.dtype)
    gain = torch.linalg.solve(M, W).T
    return (x - b) @ gain.T, torch.eye(D, dtype=W.dtype) - gain @ W


add(
    "linear_gaussian_posterior",
    lambda x, W, b, s: (
        torch.linalg.lstsq(
            torch.cat([W / s, torch.eye(W.shape[1], dtype=W.dtype)]),
            torch.cat([(x - b).T / s, torch.zeros(W.shape[1], len(x), dtype=W.dtype)]),
        ).solution.T,
        torch.linalg.inv(torch.eye(W.shape[1], dtype=W.dtype) + W.T @ W / s**2),
    ),
    lambda x, W, b, s: [
        np.linalg.solve(
            np.eye(W.shape[1]) + W.T.numpy() @ W.numpy() / s**2, ((x - b) @ W / s**2).numpy().T
        ).T,
        np.linalg.inv(np.eye(W.shape[1]) + W.T.numpy() @ W.numpy() / s**2),
    ],
    lambda x, W, b, s: (
        linalg.cho_solve(
            linalg.cho_factor(np.eye(W.shape[1]) + (W.T @ W / s**2).numpy()),
            ((x - b) @ W).T.numpy() / s**2,
        ).T,
        linalg.inv(np.eye(W.shape[1]) + (W.T @ W).numpy() / s**2),
    ),
    lambda x, W, b, s: (
        exact.LinearGaussian(W, b, s).posterior(x).mean,
        exact.LinearGaussian(W, b, s).posterior_covariance,
    ),
    lambda x, W, b, s: (
        torch.vmap(
            lambda a: (
                torch.linalg.inv(torch.eye(W.shape[1]).to(W) + W.T @ W / s**2)
                @ (W.T @ (a - b))
                / s**2
            )
        )(x),
        torch.linalg.pinv(torch.eye(W.shape[1]).to(W) + W.T @ W / s**2),
    ),
)

# ------------------------------------------------------------------ lesson 5

add(
    "reparameterise",
    lambda m, ls, e: torch.addcmul(m, ls.exp(), e),
    lambda m, ls, e: e * torch.exp(ls) + m,
    lambda m, ls, e: torch.stack([m, torch.exp(ls) * e]).sum(0),
    lambda m, ls, e: m + (2 * ls).exp().sqrt() * e,
    lambda m, ls, e: m + e / torch.exp(-ls),
    lambda m, ls, e: torch.vmap(lambda a, b, c: a + b.exp() * c)(m, ls, e),
    lambda m, ls, e: torch.distributions.AffineTransform(m, ls.exp())(e),
)


@answer("score_function_gradient")
def by_torch_func(f_z, z, mu, sigma):
    def log_q(at, z_k):
        return -((z_k - at) ** 2) / (2 * sigma**2)

    score = torch.vmap(torch.func.grad(log_q), (None, 0))(torch.tensor(mu, dtype=z.dtype), z)
    return (f_z * score).mean()


add(
    "score_function_gradient",
    lambda f, z, m, s: torch.dot(f, z - m) / (len(z) * s**2),
    lambda f, z, m, s: np.mean(f.numpy() * (z.numpy() - m)) / s**2,
    lambda f, z, m, s: torch.einsum("k,k->", f, (z - m) / s**2) / z.numel(),
    lambda f, z, m, s: torch.vmap(lambda a, b: a * (b - m) / s**2)(f, z).mean(),
    lambda f, z, m, s: fmean(
        a * (b - m) / s**2 for a, b in zip(f.tolist(), z.tolist(), strict=True)
    ),
    lambda f, z, m, s: ((z - m) / s * f).mean() / s,
    partial(lambda mean, f, z, m, s: mean(f * (z - m)) / s / s, torch.mean),
)
add(
    "optimal_baseline",
    lambda f, s: (f * s * s).sum() / (s * s).sum(),
    lambda f, s: torch.dot(f, s**2) / torch.dot(s, s),
    lambda f, s: np.dot(f, s**2) / np.dot(s, s),
    lambda f, s: torch.einsum("k,k,k->", f, s, s) / torch.einsum("k,k->", s, s),
    lambda f, s: (
        sum(a * b**2 for a, b in zip(f.tolist(), s.tolist(), strict=True))
        / sum(b**2 for b in s.tolist())
    ),
    lambda f, s: (f * (s**2 / (s**2).sum())).sum(),
)

# ------------------------------------------------------------------ lesson 6

add(
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


add("diagnose", by_relations, lambda numbers: np.array(by_relations(numbers)))
add(
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


# ------------------------------------------------------------------ lesson 7


@answer("traverse")
def in_a_list(z, dim, values):
    rows = []
    for value in values:
        row = z.clone()
        row[dim] = value
        rows.append(row)
    return torch.stack(rows)


add(
    "traverse",
    lambda z, dim, values: z + (values[:, None] - z[dim]) * torch.eye(len(z), dtype=z.dtype)[dim],
    lambda z, dim, values: torch.where(torch.arange(len(z)) == dim, values[:, None], z),
    lambda z, dim, values: (
        z.expand(len(values), -1).clone().index_fill(1, torch.tensor(dim), 0.0)
        + F.one_hot(torch.tensor(dim), len(z)) * values[:, None]
    ),
    lambda z, dim, values: torch.cat(
        [z[:dim].expand(len(values), -1), values[:, None], z[dim + 1 :].expand(len(values), -1)], 1
    ),
    lambda z, dim, values: np.array(
        [[v if d == dim else a for d, a in enumerate(z.tolist())] for v in values.tolist()]
    ),
    lambda z, dim, values: torch.vmap(lambda v: torch.where(torch.arange(len(z)) == dim, v, z))(
        values
    ),
    lambda z, dim, values: z.repeat(len(values), 1).scatter(
        1, torch.full((len(values), 1), dim), values[:, None]
    ),
)
add(
    "manifold_grid",
    lambda n: torch.cartesian_prod(
        *2 * [torch.special.ndtri((torch.arange(n).double() + 0.5) / n)]
    ),
    lambda n: np.array(
        [
            (stats.norm.ppf((i + 0.5) / n), stats.norm.ppf((j + 0.5) / n))
            for i in range(n)
            for j in range(n)
        ]
    ),
    lambda n: torch.stack(
        torch.meshgrid(
            *2 * [Normal(0.0, 1.0).icdf((torch.arange(n).double() + 0.5) / n)], indexing="ij"
        ),
        -1,
    ).reshape(-1, 2),
    lambda n: np.stack(
        np.meshgrid(*2 * [special.ndtri(np.linspace(0.5 / n, 1 - 0.5 / n, n))], indexing="ij"), -1
    ).reshape(-1, 2),
    lambda n: special.ndtri((np.indices((n, n)).reshape(2, -1).T + 0.5) / n),
    lambda n: torch.special.ndtri(
        torch.stack([torch.arange(n * n) // n, torch.arange(n * n) % n], 1).add(0.5).double() / n
    ),
    lambda n: (
        math.sqrt(2)
        * special.erfinv((2 * np.array([divmod(k, n) for k in range(n * n)]) + 1) / n - 1)
    ),
)
add(
    "spearman_table",
    lambda m, f: evaluation.spearman_table(m, f),
    lambda m, f: np.array(
        [[stats.spearmanr(a, b).statistic for b in f.numpy().T] for a in m.numpy().T]
    ),
    lambda m, f: np.corrcoef(stats.rankdata(m, axis=0), stats.rankdata(f, axis=0), rowvar=False)[
        : m.shape[1], m.shape[1] :
    ],
    lambda m, f: (
        stats.zscore(stats.rankdata(m, axis=0), axis=0).T
        @ stats.zscore(stats.rankdata(f, axis=0), axis=0)
        / len(m)
    ),
    lambda m, f: torch.tensor(
        [[stats.pearsonr(stats.rankdata(a), stats.rankdata(b))[0] for b in f.T] for a in m.T]
    ),
)


@answer("spearman_table")
def counting_smaller_and_equal(mu, factors):
    def ranks(a):
        less = (a[:, None] > a).sum(1).double()
        equal = (a[:, None] == a).sum(1)
        rank = less + (equal + 1) / 2
        rank = rank - rank.mean(0)
        return rank / rank.norm(dim=0)

    return ranks(mu).T @ ranks(factors)
