"""What is said to the student."""

import numpy as np
from torch import Tensor

from vaelib.check._exercise import Exercise, Mistake
from vaelib.check._probe import Outcome, Probe
from vaelib.check._result import CheckResult


def _title(exercise: Exercise) -> str:
    return f"{exercise.number} {exercise.name}"


def right(exercise: Exercise) -> CheckResult:
    return CheckResult(True, True, f"✓ {_title(exercise)}: right")


def wrong(exercise: Exercise, name: str | None, headline: str, *more: str) -> CheckResult:
    return CheckResult(False, True, "\n".join([f"✗ {_title(exercise)}: {headline}", *more]), name)


def ended(exercise: Exercise, got: Outcome, probe: Probe) -> CheckResult:
    """No result at all."""
    if got.kind == "not attempted":
        return CheckResult(False, False, f"– {_title(exercise)}: not attempted yet")
    return wrong(exercise, got.kind, got.kind)


def known(exercise: Exercise, mistakes: tuple[Mistake, ...]) -> CheckResult:
    name = " + ".join(m.name for m in mistakes)
    return wrong(exercise, name, f"this looks like: {name}", *(m.hint for m in mistakes))


def broken(
    exercise: Exercise, probes: list[Probe], got: list[Outcome], want: list[Outcome]
) -> CheckResult | None:
    for outcome in got:
        if outcome.kind == "raised":
            return wrong(exercise, "raises an error", f"raises {outcome.error}")
        if not outcome.value:
            return wrong(exercise, "wrong type", f"returns {outcome.type}")
    return None


def single_precision(exercise: Exercise, probe: Probe, got: Outcome, want: Outcome) -> CheckResult:
    return wrong(exercise, "float32", "right in double precision, not for float32 inputs")


def different(
    exercise: Exercise,
    probes: list[Probe],
    got: list[Outcome],
    want: list[Outcome],
    related: str | None,
) -> CheckResult:
    return wrong(exercise, None, related or "differs")


def show(value: object) -> str:
    if isinstance(value, Tensor):
        value = value.detach().numpy()
    return np.array2string(np.asarray(value), precision=4) if value is not None else ""
