"""Right answers to the exercises of lesson 5, reparameterisation."""

import math
from functools import partial
from statistics import fmean

import numpy as np
import torch
from scipy import optimize
from torch.distributions import Exponential, Normal

from right_answers.bank import answer, answers


@answer("reparameterise")
def as_the_lecture_has_it(mu, log_sigma, eps):
    return mu + log_sigma.exp() * eps


@answer("reparameterise")
def addcmul(mu, log_sigma, eps):
    return torch.addcmul(mu, torch.exp(log_sigma), eps)


@answer("reparameterise")
def row_by_row(mu, log_sigma, eps):
    return torch.stack([mu[i] + torch.exp(log_sigma[i]) * eps[i] for i in range(len(mu))])


@answer("reparameterise")
def with_logvar(mu, log_sigma, eps):
    logvar = 2 * log_sigma
    return eps.mul((0.5 * logvar).exp()).add(mu)


@answer("reparameterise")
def e_to_the(mu, log_sigma, eps):
    return mu + math.e**log_sigma * eps


@answer("score_function_gradient")
def vectorised(f_z, z, mu, sigma):
    return (f_z * (z - mu) / sigma**2).mean()


@answer("score_function_gradient")
def numpy_dot(f_z, z, mu, sigma):
    return np.dot(f_z, (np.asarray(z) - float(mu)) / float(sigma) ** 2) / len(f_z)


@answer("score_function_gradient")
def autograd_of_log_q(f_z, z, mu, sigma):
    mu = torch.as_tensor(mu, dtype=z.dtype).requires_grad_()
    surrogate = (f_z * Normal(mu, sigma).log_prob(z)).mean()
    return torch.autograd.grad(surrogate, mu)[0]


@answer("score_function_gradient")
def a_loop(f_z, z, mu, sigma):
    total = 0.0
    for f, at in zip(f_z.tolist(), z.tolist(), strict=True):
        total += f * (at - float(mu)) / float(sigma) ** 2
    return total / len(z)


@answer("optimal_baseline")
def ratio_of_means(f_z, score):
    return (f_z * score**2).mean() / (score**2).mean()


@answer("optimal_baseline")
def weighted_average(f_z, score):
    return np.average(f_z.numpy(), weights=np.square(score))


@answer("optimal_baseline")
def least_squares(f_z, score):
    """b minimises Σ (f s − b s)²."""
    return torch.linalg.lstsq(score[:, None], (f_z * score)[:, None]).solution.item()


@answer("optimal_baseline")
def a_parabolas_lowest_point(f_z, score):
    at = [(((f_z - b) * score) ** 2).mean().item() for b in (-1, 0, 1)]
    return (at[0] - at[2]) / (2 * (at[0] - 2 * at[1] + at[2]))


answers(
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


answers(
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
answers(
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


@torch.jit.script
def scripted_z(mu: torch.Tensor, log_sigma: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
    return mu + torch.exp(log_sigma) * eps


class Reparameterisation(torch.nn.Module):
    def forward(self, mu, log_sigma, eps):
        return torch.exp(log_sigma).mul(eps).add(mu)


def through_the_inverse_cdf(mu, log_sigma, eps):
    u = Normal(0.0, 1.0).cdf(eps)
    return mu + log_sigma.exp() * math.sqrt(2) * torch.erfinv(2 * u - 1)


def element_by_element(mu, log_sigma, eps):
    flat = zip(mu.flatten(), log_sigma.flatten(), eps.flatten().tolist(), strict=True)
    return torch.stack([m + s.exp() * e for m, s, e in flat]).view_as(mu)


def a_copy_filled_in(mu, log_sigma, eps):
    z = mu.clone()
    z += log_sigma.exp() * eps
    return z


def of_a_transformed_distribution(mu, log_sigma, eps):
    return torch.distributions.TransformedDistribution(
        Normal(torch.zeros_like(mu), 1.0),
        [torch.distributions.AffineTransform(mu, log_sigma.exp())],
    ).transforms[0](eps)


answers(
    "reparameterise",
    lambda mu, log_sigma, eps: scripted_z(mu, log_sigma, eps),
    Reparameterisation(),
    through_the_inverse_cdf,
    element_by_element,
    a_copy_filled_in,
    of_a_transformed_distribution,
    partial(lambda scale, m, ls, e: torch.lerp(m, m + scale(ls), e), torch.exp),
    lambda m, ls, e: torch.einsum("...,...->...", ls.exp(), e) + m,
    lambda m, ls, e: m.float() + ls.float().exp() * e.float(),
)


@torch.jit.script
def scripted_score(f_z: torch.Tensor, z: torch.Tensor, mu: float, sigma: float) -> torch.Tensor:
    return (f_z * (z - mu)).mean() / (sigma * sigma)


class ScoreFunction:
    def __init__(self, reduce):
        self.reduce = reduce

    def score(self, z, mu, sigma):
        return (z - mu) / sigma**2

    def __call__(self, f_z, z, mu, sigma):
        return float(self.reduce(f_z.numpy() * self.score(z.numpy(), mu, sigma)))


def by_finite_differences_of_log_q(f_z, z, mu, sigma):
    h = 0.5 * sigma  # log q is a parabola: any step will do
    up, down = (Normal(torch.as_tensor(mu + a, dtype=z.dtype), sigma).log_prob(z) for a in (h, -h))
    return (f_z * (up - down)).mean() / (2 * h)


def backward_on_a_parameter(f_z, z, mu, sigma):
    mu = torch.nn.Parameter(torch.tensor(mu, dtype=z.dtype))
    loss = (f_z * -((z - mu) ** 2) / (2 * sigma**2)).mean()
    loss.backward()
    return mu.grad


answers(
    "score_function_gradient",
    lambda f_z, z, mu, sigma: scripted_score(f_z, z, mu, sigma),
    ScoreFunction(np.mean),
    by_finite_differences_of_log_q,
    backward_on_a_parameter,
    lambda f, z, m, s: np.average((z - m) / s**2, weights=f) * f.mean().item(),
    lambda f, z, m, s: np.float32((f * (z - m) / s**2).mean()),
    lambda f, z, m, s: torch.tensor([a * (b - m) for a, b in zip(f, z, strict=True)]).mean() / s**2,
    lambda f, z, m, s: torch.matmul(f, z.sub(m)).div(len(f) * math.pow(s, 2)),
)


def by_scipys_minimum(f_z, score):
    f, s = f_z.numpy(), score.numpy()
    scale = abs(f).max() + 1
    found = optimize.minimize(
        lambda b: (((f / scale - b) * s) ** 2).mean() / (s**2).mean(),
        x0=[0.0],
        jac=lambda b: np.atleast_1d(-2 * ((f / scale - b) * s**2).mean() / (s**2).mean()),
        tol=1e-14,
    )
    return scale * found.x[0]


def one_newton_step(f_z, score):
    b = torch.zeros((), dtype=f_z.dtype)
    objective = lambda at: (((f_z - at) * score) ** 2).mean()  # noqa: E731
    return b - torch.func.grad(objective)(b) / torch.func.grad(torch.func.grad(objective))(b)


def roots_of_the_derivative(f_z, score):
    A, B = (score**2).mean().item(), (f_z * score**2).mean().item()
    return np.roots([2 * A, -2 * B])[0]


@torch.jit.script
def scripted_baseline(f_z: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
    w = score.square()
    return (w * f_z).sum() / w.sum()


class Baseline:
    @staticmethod
    def __call__(f_z, score):
        top = bottom = 0.0
        for f, s in zip(f_z.tolist(), score.tolist(), strict=True):
            top += f * s * s
            bottom += s * s
        return top / bottom


answers(
    "optimal_baseline",
    by_scipys_minimum,
    one_newton_step,
    roots_of_the_derivative,
    lambda f_z, score: scripted_baseline(f_z, score),
    Baseline(),
    partial(lambda power, f, s: np.average(f, weights=s.numpy() ** power), 2),
    lambda f, s: torch.vmap(lambda a, b: a * b**2)(f, s).mean() / s.pow(2).mean(),
    lambda f, s: np.linalg.lstsq(s.numpy()[:, None], (f * s).numpy(), rcond=None)[0][0],
    lambda f, s: np.float64((f @ (s * s)) / (s @ s)),
    lambda f, s: fmean((f * s**2).tolist()) / fmean((s**2).tolist()),
)


@torch.jit.script
def scripted_exponential(rate: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    return -torch.log(1 - u) / rate


class InverseCDF:
    def __init__(self, log):
        self.log = log

    def __call__(self, rate, u):
        return self.log(1 / (1 - u)) / rate


answers(
    "reparameterise_exponential",
    lambda rate, u: scripted_exponential(torch.as_tensor(rate), torch.as_tensor(u)),
    InverseCDF(torch.log),
    lambda r, u: torch.distributions.Weibull(1 / torch.as_tensor(r), 1.0).icdf(torch.as_tensor(u)),
    lambda r, u: torch.special.xlog1py(-1 / torch.as_tensor(r), -torch.as_tensor(u)),
)
