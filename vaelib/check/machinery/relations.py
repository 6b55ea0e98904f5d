"""How wrong numbers are related to the right ones, where no known mistake explains them."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vaelib.check.machinery.compare import DOUBLE, close
from vaelib.check.machinery.exercise import Exercise
from vaelib.check.machinery.probe import Probe

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
OFFSETS = {
    0.5 * math.log(2 * math.pi): "½ log 2π",
    math.log(2 * math.pi): "log 2π",
    LN2: "log 2",
}
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


def _rounded(decimals: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda v: np.round(v, decimals)


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
CURVES |= {
    f"the expected one, rounded to {word} decimals": _rounded(n)
    for n, word in enumerate(("one", "two", "three", "four", "five", "six"), start=1)
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


class Case(NamedTuple):
    """One result on one ordinary input: the answer's, the reference's, and the input."""

    got: np.ndarray
    want: np.ndarray
    probe: Probe
    tol: float = DOUBLE

    def is_close(self, got: np.ndarray, want: np.ndarray) -> bool:
        return got.shape == want.shape and bool(close(got, want, self.tol).all())


def relation(exercise: Exercise, cases: list[Case]) -> tuple[str, str] | None:
    """The relation's name and its words ("your result is …"), if it holds in all the cases."""
    if sum(case.want.size for case in cases) < 2:
        return None
    with np.errstate(all="ignore"):
        if not all(np.isfinite(case.got).all() for case in cases):
            return _curve(exercise, cases)
        for test in (_factor, _offset, _order, _curve, _part, _term, _where):
            found = test(exercise, cases)
            if found:
                return found
    return None


def factor(exercise: Exercise, cases: list[Case], subject: str = "your result") -> str:
    """The words for a result that is a multiple of the right one; else nothing."""
    with np.errstate(all="ignore"):
        enough = sum(case.want.size for case in cases) > 1
        known = enough and all(np.isfinite(case.got).all() for case in cases)
        found = _factor(exercise, cases) if known else None
    return f"({subject} is {found[1].split(':')[0]})" if found else ""


def _constant(values: list[float]) -> float | None:
    """The number to which all of them are equal, up to rounding."""
    if not values or not all(map(math.isfinite, values)):
        return None
    low = min(values)
    high = max(values)
    middle = float(low + high) / 2
    return middle if high - middle <= 1e-6 * max(abs(middle), 1e-3) else None


def _constants(arrays: list[np.ndarray]) -> list[float]:
    """For each array the number to which its elements are equal; NaN where they differ."""
    found = [_constant(list(a[np.isfinite(a)])) if a.size else None for a in arrays]
    return [math.nan if c is None else c for c in found]


def _sizes(exercise: Exercise, cases: list[Case]) -> Iterator[tuple[str, list[int]]]:
    """Each axis of an argument: its name, and its size in each case."""
    for i, name in enumerate(exercise.arguments):
        shapes = [np.shape(case.probe.args[i]) for case in cases]
        if not all(isinstance(case.probe.args[i], Tensor) for case in cases):
            continue
        for axis in range(min(map(len, shapes))):
            known = exercise.axes[i] if i < len(exercise.axes) else ()
            label = known[axis] if axis < len(known) else f"the size of axis {axis} of {name}"
            yield label, [shape[axis] for shape in shapes]


def _of_size(
    exercise: Exercise, cases: list[Case], numbers: list[float]
) -> tuple[str, float] | None:
    """The size of an axis, in words, to which the numbers are proportional, and the constant."""
    for label, sizes in _sizes(exercise, cases):
        if len(set(sizes)) < 2:
            continue
        for form, f in SIZES.items():
            found = _constant(list(np.array(numbers) / [f(n) for n in sizes]))
            if found is not None:
                return form.format(label), found
    return None


def _factor(exercise: Exercise, cases: list[Case]) -> tuple[str, str] | None:
    quotients = []
    not_zero = []
    for case in cases:
        got, want, _, tol = case
        zero = np.abs(want) <= 10 * tol * np.abs(want).max(initial=0) + 1e-9
        if (np.abs(got[zero]) > 1e-6).any():
            return None
        if not zero.all():
            quotients.append(np.where(zero, math.nan, got / want))
            not_zero.append(case)
    cases = not_zero
    ratios = _constants(quotients)
    found = _constant(ratios)
    if found is not None and abs(found) < 1e-6:
        return "always 0", "0 on every input"
    if found is not None:
        for known, text in FACTORS.items():
            if abs(found - known) < 1e-4 * abs(known):
                return f"factor {found:.3g}", text
        return f"factor {found:.3g}", f"{found:.5g} times the expected one"
    size = _of_size(exercise, cases, ratios)
    if size is None:
        return None
    amount = size[0] if abs(size[1] - 1) < 1e-4 else f"{size[1]:.4g} × {size[0]}"
    question = "N, or N − 1?" if "− 1" in amount else "is a sum taken for a mean, or the reverse?"
    if " × " in amount:
        question = "does a fixed number stand where a size should?"
    return f"factor {amount}", f"{amount} times the expected one: {question}"


def _offset(exercise: Exercise, cases: list[Case]) -> tuple[str, str] | None:
    shifts = _constants([np.asarray(case.got - case.want) for case in cases])
    found = _constant(shifts)
    each = ""
    if found is None:
        size = _of_size(exercise, cases, shifts)
        if size is None:
            return None
        each = f" × {size[0]}"
        found = size[1]
    if abs(found) < 1e-7:
        return None
    known = [text for c, text in OFFSETS.items() if abs(abs(found) - c) < 1e-5]
    amount = (known[0] if known else f"{abs(found):.5g}") + each
    amount = amount.replace("1 × ", "")
    more = "more" if found > 0 else "less"
    return f"off by {amount}", f"always {amount} {more} than the expected one"


def _order(exercise: Exercise, cases: list[Case]) -> tuple[str, str] | None:
    large = [c for c in cases if c.want.size > 1]
    if large and all(c.is_close(c.got.T, c.want) for c in cases):
        if any(c.want.ndim == 2 for c in large):
            return "transposed", "the expected one transposed: which axis comes first?"
    if large and all(c.is_close(np.sort(c.got, None), np.sort(c.want, None)) for c in cases):
        return "another order", "made of the expected numbers, in another order"
    return None


def _curve(exercise: Exercise, cases: list[Case]) -> tuple[str, str] | None:
    if all(c.is_close(np.abs(c.got), np.abs(c.want)) for c in cases):
        if any((c.got < 0).any() for c in cases):
            return "some signs", "the expected one, but for the sign of some numbers"
    for text, f in CURVES.items():
        if all(c.is_close(c.got, f(c.want)) for c in cases):
            return text.split(":")[0].replace("the expected one", "it"), text
    return None


def _part(exercise: Exercise, cases: list[Case]) -> tuple[str, str] | None:
    """Right for some of the elements only, or the same for all."""
    large = [c for c in cases if c.want.ndim and len(c.want) > 1]
    if not large:
        return None
    good = [close(c.got, c.want, c.tol) for c in large]
    single = [c for c in cases if not (c.want.ndim and len(c.want) > 1)]
    for at, word in ((0, "first"), (-1, "last")):
        if all(c.is_close(c.got, c.want) for c in single) and all(
            g[at].all() and not np.delete(g, at, 0).any() for g in good
        ):
            return (
                f"the {word} only",
                f"right for the {word} one along the first axis only",
            )
    if all(np.ptp(c.got) < 1e-9 < np.ptp(c.want) for c in large):
        return (
            "one number for all",
            "one and the same number everywhere; expected one for each",
        )
    wrong = sum(int((~g).sum()) for g in good)
    small = [c for c in cases if c.want.size == 1]
    if small and all(c.is_close(c.got, c.want) for c in small):
        varied = [g for g, c in zip(good, large, strict=True) if np.ptp(c.want) > 1e-9]
        if 3 * wrong > 2 * sum(g.size for g in good) and not any(g.all() for g in varied):
            return (
                "one number at a time",
                "right where one number is expected, wrong where several are",
            )
    return None


def _where(exercise: Exercise, cases: list[Case]) -> tuple[str, str] | None:
    """Right for some of the elements only: those above or below a bound, if there is one."""
    good = np.concatenate([close(c.got, c.want, c.tol).ravel() for c in cases])
    ordinary = [close(c.got, c.want, c.tol).sum() for c in cases if not c.probe.limit]
    if good.all() or sum(ordinary) < 2:
        return None
    inside = [close(c.got, c.want, c.tol) for c in cases if c.want.size > 1]
    if inside and not any(g.any() and not g.all() for g in inside):
        return None  # whole inputs are right or wrong: a bound that separates them is chance
    if not inside and min(good.sum(), (~good).sum()) < 4:
        return None  # the same
    values = {"the expected result": [c.want for c in cases]}
    for i, name in enumerate(exercise.arguments):
        args = [c.probe.args[i] for c in cases]
        if all(
            isinstance(a, Tensor | float) and np.shape(a) == c.want.shape
            for a, c in zip(args, cases, strict=True)
        ):
            values[name] = [np.asarray(a) for a in args]
    for name, arrays in values.items():
        a = np.concatenate([array.ravel() for array in arrays])
        for low, high, side in (
            (a[good], a[~good], "above"),
            (a[~good], a[good], "below"),
        ):
            if low.max() < high.min() and good.sum() > 2:
                sign = low.max() < 0 < high.min()
                at = "0" if sign else f"{(low.max() + high.min()) / 2:.2g} or so"
                return (
                    f"where {name} is {side} a bound",
                    f"wrong only where {name} is {side} {at}",
                )
    return None


def _term(exercise: Exercise, cases: list[Case]) -> tuple[str, str] | None:
    """The difference is a multiple of one term: it is missing, counted twice or badly weighted."""
    for i, name in enumerate(exercise.arguments):
        if not all(isinstance(case.probe.args[i], Tensor | float) for case in cases):
            continue
        arguments = [torch.as_tensor(case.probe.args[i]).double().numpy() for case in cases]
        for form, f in TERMS.items():
            terms = [f(argument) for argument in arguments]
            if any(
                t.shape[: c.want.ndim] != c.want.shape for t, c in zip(terms, cases, strict=True)
            ):
                continue
            for reduce in (np.sum, np.mean):
                ratios: list[float] = []
                for term, case in zip(terms, cases, strict=True):
                    total = reduce(term, axis=tuple(range(case.want.ndim, term.ndim)))
                    ratios.extend(np.ravel((case.got - case.want) / total))
                if len(ratios) > 3 and _constant(ratios) is not None:
                    text = form.format(name)
                    question = "is it there, once, with its sign and its factor?"
                    return f"the term {text}", f"off by a multiple of {text}: {question}"
    return None
