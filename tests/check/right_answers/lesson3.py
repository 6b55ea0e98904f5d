"""Right answers to the exercises of lesson 3, Jensen's bound."""

import numpy as np
import torch

from right_answers.bank import answer


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
