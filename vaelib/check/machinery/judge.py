"""The one place that decides whether an answer is right."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from vaelib.check.machinery import diagnose, wording
from vaelib.check.machinery.compare import SINGLE, same_gradients, same_value
from vaelib.check.machinery.exercise import Exercise, Run
from vaelib.check.machinery.probe import LEFT_IN, Outcome, Probe, Seeded
from vaelib.check.machinery.recognise import bench, expected, recognise
from vaelib.check.machinery.result import CheckResult

ENDED = ("not attempted", "stopped", "timeout", "exit", "recursion", "memory")


class _Ended(Exception):
    """Raised at a call that did not return by itself, after which no other call is made."""

    def __init__(self, result: CheckResult) -> None:
        self.result = result


def judge(exercise: Exercise, run: Run, seed: int) -> CheckResult:
    """The result of a function that `run` calls, on inputs drawn from `seed`."""
    if exercise.judge is not None:
        return exercise.judge(exercise, run, seed)

    def run_on(probe: Probe) -> Outcome:
        outcome = run(probe)
        if outcome.kind in ENDED:
            raise _Ended(wording.ended(exercise, outcome, probe))
        return outcome

    try:
        return _judge(exercise, run_on, seed)
    except _Ended as ended:
        return ended.result


def _judge(exercise: Exercise, run: Run, seed: int) -> CheckResult:
    case = bench(exercise, seed)
    probes = case.probes
    got = [run(probe) for probe in probes]
    note = ""
    raised = {o.error for o in got if o.kind == "raised"}
    if exercise.elementwise and raised and LEFT_IN not in raised:
        single = [_one_by_one(run, probe) for probe in probes]
        if any(a.kind != "value" == b.kind for a, b in zip(got, single, strict=True)):
            got = single
            note = " (it takes one number at a time)"
            run = _by_numbers(run)
    alternatives = case.references()
    right = [
        [is_right(*both) for both in zip(got, want, probes, strict=True)] for want in alternatives
    ]
    if any(map(all, right)):
        return _in_single_precision(exercise, run, probes) or wording.right(exercise, note)
    best = max(range(len(right)), key=lambda i: sum(right[i]))  # on a tie, the first

    def reference(probe: Probe) -> Outcome:
        return expected(exercise, probe, **case.bases[best])

    wrong = diagnose.Wrong(exercise, run, reference, seed, probes, got, alternatives[best])
    known = recognise(case, got)
    return wrong.known(known) if known else wrong.unknown()


def is_right(got: Outcome, want: Outcome, probe: Probe) -> bool:
    return (
        same_value(got, want)
        and same_gradients(got, want)
        and not got.changed
        and not (seeded(probe) and got.used_global_random)
    )


def seeded(probe: Probe) -> bool:
    return any(isinstance(a, Seeded) for a in probe.args)


def _by_numbers(run: Run) -> Run:
    return lambda probe: _one_by_one(run, probe)


def _one_by_one(run: Run, probe: Probe) -> Outcome:
    """One call per element, for an answer that accepts only Python's numbers."""
    arrays = [torch.as_tensor(a, dtype=torch.float64) for a in probe.args]
    shape = torch.broadcast_shapes(*(a.shape for a in arrays))
    numbers = zip(*(a.broadcast_to(shape).ravel().tolist() for a in arrays), strict=True)
    outcomes = [run(Probe(args)) for args in numbers]
    all_numbers = all(o.kind == "value" and [v.size for v in o.value] == [1] for o in outcomes)
    if not all_numbers or probe.gradients:
        return next((o for o in outcomes if o.kind != "value"), Outcome("raised"))
    value = np.array([o.value[0].item() for o in outcomes]).reshape(tuple(shape))
    return replace(outcomes[0], value=(value,))


def in_single_precision(probe: Probe) -> Probe:
    """The probe with its float64 tensors in float32."""
    args = [
        a.to(torch.float32) if isinstance(a, Tensor) and a.dtype == torch.float64 else a
        for a in probe.args
    ]
    return replace(probe, args=tuple(args))


def _in_single_precision(exercise: Exercise, run: Run, probes: list[Probe]) -> CheckResult | None:
    """None if the answer is right for float32 as well."""
    if not exercise.float32:
        return None
    for probe in [p for p in probes if not p.limit][:2]:
        single = in_single_precision(probe)
        got = run(single)
        wants = [expected(exercise, single, **a) for a in ({}, *exercise.also)]
        if not any(same_value(got, want, SINGLE) for want in wants):
            return diagnose.single_precision(exercise, single, got, wants[0])
    return None
