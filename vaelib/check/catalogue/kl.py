"""The mistakes that students make with every KL divergence, and two properties that it has."""

import math
from typing import Any

import torch

from vaelib.check.machinery.probe import Outcome

OVER: dict[Any, tuple[str, str]] = {
    torch.sum: ("summed over the elements", "one KL for each element: is there a sum too many?"),
    torch.mean: ("mean over the elements", "one KL for each element: is there a mean too many?"),
}
BITS: dict[Any, tuple[str, str]] = {math.log(2): ("log2", "in nats: which logarithm is that?")}
SIGN: dict[Any, tuple[str, str]] = {
    -1.0: ("sign", "is a KL divergence ever negative? Which density is on top in the log?")
}


def is_zero(outcomes: list[Outcome]) -> bool:
    return all(bool(abs(o.value[0]).max() < 1e-6) for o in outcomes)


def is_not_negative(outcomes: list[Outcome]) -> bool:
    return all(bool(o.value[0].min() > -1e-6) for o in outcomes)
