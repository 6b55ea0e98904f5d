"""When two outcomes are the same: numbers up to rounding, shapes, gradients, errors."""

import numpy as np

from vaelib.check.machinery.probe import Outcome

DOUBLE = 1e-7  # relative tolerance of double precision: one constant may be in single precision
SINGLE = 5e-5
HUGE = 1e13  # what is larger comes from dividing by what should be 0
NEAR = 1e-3  # what differs by less than this is a near miss
NEARLY_ZERO = {DOUBLE: 1e-9, SINGLE: 1e-5, NEAR: 1e-6}


def tolerance(outcome: Outcome) -> float:
    """The relative tolerance for rounding, larger where the results are in single precision.

    Half precision is given no tolerance of its own: three digits are too few.
    """
    return SINGLE if "float32" in outcome.type else DOUBLE


def close(a: np.ndarray, b: np.ndarray, tol: float) -> np.ndarray:
    """Elementwise, for equal shapes; infinities must be equal, and NaN is close to NaN."""
    finite = np.abs(b[np.isfinite(b)])
    scale = np.abs(b) + (finite.mean() if finite.size else 0.0)
    with np.errstate(invalid="ignore"):
        near = np.abs(a - b) <= tol * scale + NEARLY_ZERO[tol]
    finite_here = np.isfinite(a) & np.isfinite(b)
    return np.where(finite_here, near, (a == b) | (np.isnan(a) & np.isnan(b)))


def same_shapes(a: Outcome, b: Outcome) -> bool:
    return (
        a.kind == b.kind == "value"
        and len(a.value) == len(b.value) > 0
        and a.several == b.several
        and all(x.shape == y.shape for x, y in zip(a.value, b.value, strict=True))
    )


def same_value(a: Outcome, b: Outcome, tol: float | None = None) -> bool:
    """Whether the results agree, up to a tolerance relative to `b`."""
    tol = tolerance(a) if tol is None else tol
    return same_shapes(a, b) and all(
        close(x, y, tol).all() for x, y in zip(a.value, b.value, strict=True)
    )


def same_gradients(a: Outcome, b: Outcome) -> bool:
    tol = tolerance(a)
    return len(a.gradients) == len(b.gradients) and all(
        x is y if x is None or y is None else x.shape == y.shape and bool(close(x, y, tol).all())
        for x, y in zip(a.gradients, b.gradients, strict=True)
    )


def same(a: Outcome, b: Outcome) -> bool:
    """The same behaviour: result, gradients and changed inputs, or the same kind of error."""
    if a.kind != b.kind:
        return False
    if a.kind != "value":
        return a.error.split(":")[0] == b.error.split(":")[0]
    return same_value(a, b) and same_gradients(a, b) and a.changed == b.changed


def some_number(outcome: Outcome) -> bool:
    """A result with at least one finite number in it."""
    return any(np.isfinite(v).any() for v in outcome.value)


def finite(outcome: Outcome) -> bool:
    """A result that holds numbers, all finite."""
    return bool(outcome.value) and all(np.isfinite(v).all() for v in outcome.value)


def alike(a: Outcome, b: Outcome) -> bool:
    """The same behaviour at a limit, where NaN, infinity and an error count as equal: no number."""
    return same(a, b) or (_not_a_number(a) and _not_a_number(b))


def _not_a_number(outcome: Outcome) -> bool:
    if outcome.kind == "raised":
        return True
    huge = any(np.abs(v[np.isfinite(v)]).max(initial=0) > HUGE for v in outcome.value)
    return bool(outcome.value) and (huge or not finite(outcome))
