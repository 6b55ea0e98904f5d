"""The exercises of lesson 1, KL divergence."""

import math
from typing import Any

import torch
from torch import Tensor

from vaelib.check._exercise import Exercise, Mistake, Property, Rng
from vaelib.check._functions import as_tensor, constant, uniform
from vaelib.check._probe import Outcome, Probe

# ------------------------------------------------------------------ 1.1 two coins


def _reduced(value: Tensor, over: str | None) -> Tensor:
    return value if over is None else value.sum() if over == "sum" else value.mean()


def _bernoulli(
    p: Any,
    q: Any,
    swap: bool = False,
    terms: str = "both",
    unit: float = 1.0,
    sign: int = 1,
    over: str | None = None,
) -> Tensor:
    p, q = as_tensor(p), as_tensor(q)
    if swap:
        p, q = q, p
    heads, tails = p * (p / q).log(), (1 - p) * ((1 - p) / (1 - q)).log()
    if terms == "cross":
        heads, tails = -p * q.log(), -(1 - p) * (1 - q).log()
    elif terms == "weights":
        tails = p * ((1 - p) / (1 - q)).log()
    elif terms == "unweighted":
        heads, tails = (p / q).log(), ((1 - p) / (1 - q)).log()
    elif terms == "difference":
        tails = -tails
    elif terms == "first":
        tails = torch.zeros_like(tails)
    elif terms == "second":
        heads = torch.zeros_like(heads)
    return _reduced(sign * unit * (heads + tails), over)


def _coins(rng: Rng) -> list[Probe]:
    def chance(*shape: int) -> Tensor:
        return uniform(rng, 0.05, 0.95, *shape)

    half = chance(3)
    return [
        Probe((chance(1), chance(1))),
        Probe((chance(5), chance(5))),
        Probe((chance(2, 3), chance(2, 3))),
        Probe((float(chance()), float(chance())), label="two plain numbers", limit=True),
        Probe((half, half.clone()), label="p = q", limit=True),
        Probe((constant(0.5, 3), chance(3)), label="p = ½", limit=True),
        Probe((constant(1e-3, 2), constant(0.999, 2)), label="p near 0, q near 1", limit=True),
    ]


def _same_coin(rng: Rng) -> list[Probe]:
    p = uniform(rng, 0.1, 0.9, 4)
    return [Probe((p, p.clone()))]


def _zero(outcomes: list[Outcome]) -> bool:
    return all(o.value and abs(o.value[0]).max() < 1e-6 for o in outcomes)


def _not_negative(outcomes: list[Outcome]) -> bool:
    return all(o.value and o.value[0].min() > -1e-9 for o in outcomes)


kl_bernoulli = Exercise(
    number="1.1",
    name="kl_bernoulli",
    stars=1,
    minutes=5,
    points=1,
    signature="kl_bernoulli(p, q)",
    variant=_bernoulli,
    inputs=_coins,
    elementwise=True,
    mistakes=(
        Mistake(
            "arguments swapped", "KL(p ‖ q): which of the two is the average over?", {"swap": True}
        ),
        Mistake(
            "one term only", "a coin has a second outcome, of probability 1 − p", {"terms": "first"}
        ),
        Mistake(
            "the second term only", "where is the outcome of probability p?", {"terms": "second"}
        ),
        Mistake(
            "log2", "the unit is nats: which logarithm goes with them?", {"unit": 1 / math.log(2)}
        ),
        Mistake(
            "sign",
            "a KL divergence is never negative: which of p and q is on top in the logarithm?",
            {"sign": -1},
        ),
        Mistake(
            "cross-entropy",
            "this is −E log q; what has to be taken off for q = p to give 0?",
            {"terms": "cross"},
        ),
        Mistake(
            "second term weighted by p", "how probable is the second outcome?", {"terms": "weights"}
        ),
        Mistake(
            "terms not weighted",
            "an average weighs each outcome by its probability: by which?",
            {"terms": "unweighted"},
        ),
        Mistake("terms subtracted", "is it a sum over the outcomes?", {"terms": "difference"}),
        Mistake(
            "summed over the elements",
            "one KL for each pair of coins: is there a sum too many?",
            {"over": "sum"},
        ),
        Mistake(
            "mean over the elements",
            "one KL for each pair of coins: is there a mean too many?",
            {"over": "mean"},
        ),
    ),
    properties=(
        Property("zero where both are equal", "it is not 0 where p = q", _same_coin, _zero),
        Property("never negative", "it is negative somewhere", _coins, _not_negative),
    ),
)

EXERCISES = (kl_bernoulli,)
