"""The one place that decides: outcomes in, a result out."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from vaelib.check import _diagnose, _words
from vaelib.check._compare import SINGLE, same_gradients, same_value
from vaelib.check._exercise import Exercise, Run
from vaelib.check._probe import Outcome, Probe, Seeded
from vaelib.check._recognise import bench, expected, recognise
from vaelib.check._result import CheckResult

ENDED = ("not attempted", "stopped", "timeout", "exit", "recursion", "memory")


class _Ended(Exception):
    """A call that did not come back of itself: there is nothing more to be asked."""

    def __init__(self, result: CheckResult) -> None:
        self.result = result


def judge(exercise: Exercise, run: Run, seed: int) -> CheckResult:
    """The verdict on a function that is called through `run`, on inputs drawn from `seed`."""
    if exercise.judge is not None:
        return exercise.judge(exercise, run, seed)

    def run_on(probe: Probe) -> Outcome:
        outcome = run(probe)
        if outcome.kind in ENDED:
            raise _Ended(_words.ended(exercise, outcome, probe))
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
    if exercise.elementwise and any(o.kind == "raised" for o in got):
        single = [_one_by_one(run, probe) for probe in probes]
        if all(o.kind == "value" for o in single):
            got, note = single, " (it takes one number at a time)"
            run = _by_numbers(run)
    alternatives = case.references()
    right = [
        [is_right(*both) for both in zip(got, want, probes, strict=True)] for want in alternatives
    ]
    if any(map(all, right)):
        return _in_single_precision(exercise, run, probes) or _words.right(exercise, note)
    best = max(range(len(right)), key=lambda i: sum(right[i]))  # the first of the best

    def reference(probe: Probe) -> Outcome:
        return expected(exercise, probe, **case.bases[best])

    wrong = _diagnose.Wrong(exercise, run, reference, seed, probes, got, alternatives[best])
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
    """The call made for each element, for an answer that knows only Python's numbers."""
    arrays = [torch.as_tensor(a, dtype=torch.float64) for a in probe.args]
    shape = torch.broadcast_shapes(*(a.shape for a in arrays))
    numbers = zip(*(a.broadcast_to(shape).ravel().tolist() for a in arrays), strict=True)
    outcomes = [run(Probe(args)) for args in numbers]
    good = all(o.kind == "value" and [v.size for v in o.value] == [1] for o in outcomes)
    if not good or probe.gradients:
        return next((o for o in outcomes if o.kind != "value"), Outcome("raised"))
    value = np.array([o.value[0].item() for o in outcomes]).reshape(tuple(shape))
    return replace(outcomes[0], value=(value,))


def in_single_precision(probe: Probe) -> Probe:
    """The probe with float32 tensors for float64 ones."""
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
            return _diagnose.single_precision(exercise, single, got, wants[0])
    return None
