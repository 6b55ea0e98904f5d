"""Two counters count photons. One expects `rate_q` of them, the other `rate_p`, both more than 0.

Write `kl_poisson(rate_q, rate_p)`: the KL divergence from the Poisson distribution with mean
$\\lambda_q$ to the one with mean $\\lambda_p$, elementwise, in nats:

$$\\mathrm{KL} = \\mathbb{E}_q\\!\\left[\\log \\frac{q(k)}{p(k)}\\right], \\qquad
q(k) = \\frac{\\lambda_q^k e^{-\\lambda_q}}{k!} .$$

The sum over $k$ can be done by hand.
"""

from typing import Any

from torch import Tensor

from vaelib.check import Exercise, Probe
from vaelib.check.catalogue.functions import as_tensor
from vaelib.check.catalogue.inputs import limit, uniform
from vaelib.check.machinery.exercise import Rng, mistakes_by_keyword


def kl_poisson(
    rate_q: Any, rate_p: Any, *, swap: bool = False, ends: float = 1.0, sign: float = 1.0
) -> Tensor:
    """λ_q log λ_q/λ_p − λ_q + λ_p. Each keyword makes one mistake."""
    q, p = (as_tensor(a) for a in ((rate_p, rate_q) if swap else (rate_q, rate_p)))
    return sign * (q * (q / p).log() - ends * (q - p))


def cases(rng: Rng) -> list[Probe]:
    """Random inputs, the smallest first, then the limits at which wrong answers differ."""
    same = uniform(rng, 0.5, 3.0, 3)
    return [
        Probe((uniform(rng, 0.5, 3.0, 1), uniform(rng, 0.5, 3.0, 1))),
        Probe((uniform(rng, 0.5, 3.0, 5), uniform(rng, 0.5, 3.0, 5))),
        Probe((uniform(rng, 0.5, 3.0, 2, 3), uniform(rng, 0.5, 3.0, 2, 3))),
        limit("both counters expect the same", same, same.clone()),
        limit("a bright and a faint source", same * 1000, same / 1000),
    ]


EXERCISE = Exercise(
    number="8.1",
    name="kl_poisson",
    stars=2,
    minutes=15,
    points=2,
    signature="kl_poisson(rate_q, rate_p)",
    variant=kl_poisson,
    inputs=cases,
    elementwise=True,
    mistakes=mistakes_by_keyword(
        swap={True: ("arguments swapped", "over which of the two is the average?")},
        ends={
            0.0: ("a term left out", "what is left of e to the −λ?"),
            -1.0: ("a term with the wrong sign", "what if λ_p is small?"),
        },
        sign={-1.0: ("sign", "can a KL be negative?")},
    ),
)
