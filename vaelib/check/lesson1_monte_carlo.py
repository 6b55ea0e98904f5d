"""Lesson 1, KL divergence: by Monte Carlo."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vaelib.check._draw import catalogue, limit, normal
from vaelib.check._exercise import Exercise, Property, Rng
from vaelib.check._functions import LogLaplace, LogNormal, as_tensor
from vaelib.check._gaussian import Function
from vaelib.check._kl import BITS, zero
from vaelib.check._probe import Probe

Terms = Callable[[Tensor, Tensor], Tensor]


def root_k(terms: Tensor, ddof: int) -> Tensor:
    return terms.std(correction=ddof) / len(terms) ** 0.5


def normalised(log_q: Tensor, log_p: Tensor) -> Tensor:
    return len(log_q) * (log_p - log_q).softmax(0)


def kl_monte_carlo(
    log_q: Any,
    log_p: Any,
    z: Any,
    *,
    swap: bool = False,
    terms: Terms = lambda q, p: q - p,
    weight: tuple[Terms, bool] = (lambda q, p: torch.ones_like(q), True),
    centre: Function = torch.mean,
    error: Callable[[Tensor, int], Tensor] = root_k,
    ddof: int = 1,
    unit: float = 1.0,
    order: tuple[int, ...] = (0, 1),
) -> Any:
    """The mean of log q(z_k) − log p(z_k), and its standard deviation over √K."""
    q, p = (as_tensor(f(z)) for f in ((log_p, log_q) if swap else (log_q, log_p)))
    plain = terms(q, p) / unit
    weighted = weight[0](q, p) * plain
    both = centre(weighted), error(weighted if weight[1] else plain, ddof)
    return tuple(both[i] for i in order) if len(order) > 1 else both[order[0]]


def kl_monte_carlo_inputs(rng: Rng) -> list[Probe]:
    def draw(K: int, p: Any = LogNormal) -> Probe:
        mu, sigma, nu, tau = rng.normal(0.8, 0.3), rng.uniform(0.4, 0.8), -0.3, rng.uniform(1, 2)
        log_q, log_p = LogNormal(float(mu), float(sigma)), p(nu, float(tau))
        return Probe((log_q, log_p, normal(rng, K, mean=mu, std=sigma)))

    log_q, log_p, z = draw(4).args
    return [
        draw(3),
        draw(5, LogLaplace),
        draw(8),
        limit("K = 2", *draw(2).args),
        limit("q = p", log_q, log_q, z),
        limit("most draws lie where p is denser than q", log_q, log_p, z - 2.5),
        limit("q is very narrow", LogNormal(0.5, 1e-3), log_p, 0.5 + 1e-3 * z),
    ]


IMPORTANCE = ("importance weights", "from which density is z drawn?")
WEIGHTS: dict[Terms, tuple[str, str]] = {
    lambda q, p: (p - q).exp(): IMPORTANCE,
    lambda q, p: (q - p).exp(): IMPORTANCE,
    normalised: IMPORTANCE,
    lambda q, p: normalised(p, q): IMPORTANCE,
    lambda q, p: q.exp(): ("weighted by q", "z is drawn from q: does q weigh it again?"),
    lambda q, p: p.exp(): ("weighted by p", "over draws of which density is the average?"),
}
KL_MONTE_CARLO = Exercise(
    *("1.4", "kl_monte_carlo", 2, 15, 2, "kl_monte_carlo(log_q, log_p, z)"),
    variant=kl_monte_carlo,
    inputs=kl_monte_carlo_inputs,
    axes=((), (), ("K",)),
    outputs=2,
    also=({"ddof": 0},),
    fixed=("z",),
    mistakes=catalogue(
        swap={True: ("arguments swapped", "the draws are of q: the average of log q − …?")},
        terms={
            lambda q, p: q: ("log p forgotten", "KL compares two densities"),
            lambda q, p: p: ("log q forgotten", "KL compares two densities"),
            lambda q, p: q + p: ("sum of the logs", "the logarithm of q/p is what?"),
            lambda q, p: (q - p).exp(): (
                "no logarithm",
                "the average of q/p, or of its logarithm?",
            ),
            lambda q, p: q.exp() - p.exp(): ("densities for logs", "of what is the difference?"),
            lambda q, p: (q - p).abs(): ("absolute values", "may a single log q − log p be < 0?"),
            lambda q, p: (p - q).expm1() + q - p: (
                "another estimator",
                "a good one, but the plain mean of log q − log p is asked for",
            ),
        },
        weight={
            (way, in_error): hint for way, hint in WEIGHTS.items() for in_error in (True, False)
        },
        centre={
            torch.sum: ("sum for mean", "does an average grow with K?"),
            torch.median: ("median for mean", "is an expectation a median?"),
            lambda a: a.exp().mean().log(): ("log of the mean", "logarithm, or average first?"),
            lambda a: a.sum() / (len(a) - 1): ("K−1 in the mean", "of K numbers?"),
            lambda a: a.mean().abs(): ("absolute value", "may an estimate be below 0?"),
            lambda a: a.mean().clamp(min=0): ("cut at 0", "may an estimate be below 0?"),
        },
        error={
            lambda a, d: a.std(correction=d): ("std without √K", "should it shrink with K?"),
            lambda a, d: a.std(correction=d) / len(a): ("std/K for std/√K", "how fast with K?"),
            lambda a, d: a.std(correction=d) * len(a) ** 0.5: ("√K times", "should it grow?"),
            lambda a, d: a.var(correction=d) / len(a): ("variance of the mean", "and its root?"),
            lambda a, d: a.var(correction=d) / len(a) ** 0.5: ("variance for std", "the root?"),
            lambda a, d: a.var(correction=d): ("variance", "of one term, or of their mean?"),
            lambda a, d: a.std(correction=d) / (len(a) - 1) ** 0.5: ("K−1 twice", "√K of K draws"),
        },
        unit=BITS,
        order={
            (1, 0): ("order swapped", "which of the two comes first?"),
            (0, 0): ("the estimate twice", "look at the second of the two"),
            (0,): ("no standard error", "two numbers are asked for"),
        },
    ),
    properties=(
        Property(
            "zero where both are equal",
            "both numbers should be 0 where q = p",
            lambda rng: [Probe((LogNormal(0.5, 2.0), LogNormal(0.5, 2.0), normal(rng, 4)))],
            zero,
        ),
    ),
)

EXERCISES = (KL_MONTE_CARLO,)
