"""Right answers to the exercises of lesson 3, Jensen's bound."""

import math
from functools import partial, reduce
from operator import mul
from statistics import fmean

import numpy as np
import torch
import torch.nn.functional as F
from scipy import special

from right_answers.bank import answer, answers


@answer("jensen_gap")
def sums(f, x, weights):
    return torch.sum(weights * f(x)) - f(torch.sum(weights * x))


@answer("jensen_gap")
def dot_products(f, x, weights):
    return weights @ f(x) - f(weights @ x)


@answer("jensen_gap")
def numpy_average(f, x, weights):
    return np.average(f(np.asarray(x)), weights=weights) - f(np.average(x, weights=weights))


@answer("jensen_gap")
def a_loop(f, x, weights):
    mean_f = mean_x = 0.0
    for x_n, w in zip(x, weights, strict=True):
        mean_f = mean_f + w * f(x_n)
        mean_x = mean_x + w * x_n
    return float(mean_f - f(mean_x))


@answer("lower_bound")
def mean_of_log_w(log_px_z, log_pz, log_qz):
    return (log_px_z + log_pz - log_qz).mean(0)


@answer("lower_bound")
def reconstruction_minus_kl(log_px_z, log_pz, log_qz):
    return log_px_z.mean(dim=0) - (log_qz - log_pz).mean(dim=0)


@answer("lower_bound")
def numpy_axis(log_px_z, log_pz, log_qz):
    return np.mean(np.asarray(log_px_z) + np.asarray(log_pz) - np.asarray(log_qz), axis=0)


@answer("lower_bound")
def each_example(log_px_z, log_pz, log_qz):
    K, B = log_px_z.shape
    out = torch.zeros(B, dtype=log_px_z.dtype)
    for b in range(B):
        for k in range(K):
            out[b] += (log_px_z[k, b] + log_pz[k, b] - log_qz[k, b]) / K
    return out


answers(
    "jensen_gap",
    lambda f, x, w: (f(x) - f((w * x).sum())) @ w,
    lambda f, x, w: torch.einsum("n,n->", w, f(x)) - f(torch.einsum("n,n->", w, x)),
    lambda f, x, w: torch.tensordot(w, f(x), 1) - f(torch.tensordot(w, x, 1)),
    lambda f, x, w: np.dot(w, f(x)) - float(f(torch.tensor(np.dot(w, x)))),
    lambda f, x, w: sum(a * f(b) for a, b in zip(w, x, strict=True)) - f(sum(w * x)),
    lambda f, x, w: torch.inner(w, torch.vmap(f)(x)) - f(torch.inner(w, x)),
    partial(lambda s, f, x, w: s(w * f(x)) - f(s(w * x)), torch.sum),
)
answers(
    "lower_bound",
    lambda a, b, c: torch.stack([a, b, -c]).sum(0).mean(0),
    lambda a, b, c: torch.einsum("kb->b", a + b - c) / len(a),
    lambda a, b, c: (a.sum(0) + b.sum(0) - c.sum(0)) / a.shape[0],
    lambda a, b, c: np.average(a + b - c, axis=0),
    lambda a, b, c: torch.vmap(lambda x, y, z: (x + y - z).mean(), in_dims=1)(a, b, c),
    lambda a, b, c: torch.stack([(a + b - c)[:, i].mean() for i in range(a.shape[1])]),
    lambda a, b, c: torch.ones(len(a), dtype=a.dtype) @ (a + b - c) / len(a),
)


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


answers(
    "jensen_gap",
    lambda f, x, w: (lambda E: E(f(x)) - f(E(x)))(lambda values: (w * values).sum()),
    lambda f, x, w: float(w @ f(x)) - f(float(w @ x)),
    lambda f, x, w: sum(map(mul, w, f(x))) - f(sum(map(mul, w, x))),
    lambda f, x, w: torch.cumsum(w * f(x), 0)[-1] - f(torch.cumsum(w * x, 0)[-1]),
    lambda f, x, w: np.vectorize(f)(x.numpy()) @ w.numpy() - f(x.numpy() @ w.numpy()),
    lambda f, x, w: (w * (f(x) - f((w * x).sum()))).sum(),
    lambda f, x, w: (w[None] @ f(x)[:, None]).squeeze() - f((w[None] @ x[:, None]).squeeze()),
    lambda f, x, w: (
        math.fsum(a * float(f(b)) for a, b in zip(w.tolist(), x.tolist(), strict=True))
        - float(f(math.fsum((w * x).tolist())))
    ),
)
answers(
    "lower_bound",
    lambda a, b, c: reduce(torch.add, a + b - c) / len(a),
    lambda a, b, c: (a - (c - b)).mean(-2),
    lambda a, b, c: torch.std_mean(a + b - c, 0, correction=0)[1],
    lambda a, b, c: np.add.reduce((a + b - c).numpy()) / len(a),
    lambda a, b, c: torch.tensor([fmean(column) for column in (a + b - c).T.tolist()]),
    lambda a, b, c: F.avg_pool1d((a + b - c).T[None], len(a))[0, :, 0],
)
answers(
    "effective_sample_size",
    lambda a: F.normalize(a.softmax(0), p=1, dim=0).norm(dim=0) ** -2,
    lambda a: torch.exp(-torch.logsumexp(2 * F.log_softmax(a, 0), 0)),
    lambda a: (lambda w: w.sum(0) ** 2 / (w**2).sum(0))(np.exp(a.numpy().astype(np.longdouble))),
)
