"""The relations that a wrong number may have to the right one, and what is said of them."""

import math
from collections.abc import Callable

import numpy as np

LN2 = math.log(2)
FACTORS = {
    2: "exactly twice the expected one",
    0.5: "exactly half the expected one",
    -1: "the expected one with the opposite sign",
    -2: "minus twice the expected one",
    -0.5: "minus half the expected one",
    LN2: "ln 2 times the expected one",
    1 / LN2: "the expected one divided by ln 2: bits for nats?",
    1 / math.log(10): "the expected one divided by ln 10: is it log10?",
}
FACTORS |= {-c: f"minus {FACTORS[c]}" for c in (LN2, 1 / LN2)}
OFFSETS = {0.5 * math.log(2 * math.pi): "½ log 2π", math.log(2 * math.pi): "log 2π", LN2: "log 2"}
SIZES: dict[str, Callable[[int], float]] = {
    "{}": lambda n: n,
    "1/{}": lambda n: 1 / n,
    "√{}": lambda n: math.sqrt(n),
    "1/√{}": lambda n: 1 / math.sqrt(n),
    "{0}/({0} − 1)": lambda n: n / (n - 1) if n > 1 else math.nan,
    "({0} − 1)/{0}": lambda n: (n - 1) / n,
    "√({0}/({0} − 1))": lambda n: math.sqrt(n / (n - 1)) if n > 1 else math.nan,
    "√(({0} − 1)/{0})": lambda n: math.sqrt((n - 1) / n),
}
CURVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "the square of the expected one": np.square,
    "the square root of the expected one": np.sqrt,
    "the exponential of the expected one: is a log missing?": np.exp,
    "the logarithm of the expected one: is there a log too many?": np.log,
    "one over the expected one": lambda v: 1 / v,
    "one minus the expected one": lambda v: 1 - v,
    "the expected one without its sign": np.abs,
    "the expected one, rounded to whole numbers": np.round,
    "the expected one, cut to whole numbers": np.floor,
    "the expected one, but 0 where that is negative": lambda v: np.maximum(v, 0),
}
TERMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "{}": lambda a: a,
    "{}²": np.square,
    "log {}": np.log,
    "exp {}": np.exp,
    "exp 2 {}": lambda a: np.exp(2 * a),
    "1/{}": lambda a: 1 / a,
    "1/{}²": lambda a: 1 / a**2,
}
