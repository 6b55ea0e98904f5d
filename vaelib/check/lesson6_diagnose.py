"""Lesson 6: which of three broken VAEs is which, by the numbers they print."""

import json
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaelib import data
from vaelib.check import _words
from vaelib.check._exercise import Exercise, Rng, Run
from vaelib.check._probe import Probe
from vaelib.check._result import CheckResult

MENU = ("sign", "half", "variance", "mean", "constant")  # as the statement numbers them, from 1
LETTERS = "ABC"
TIMES = 6  # how often three of them are asked about


@cache
def _shipped() -> dict[str, Any]:
    return json.loads(data.shipped("broken_vaes.json").read_text(encoding="utf-8"))


def broken_vaes(chosen: tuple[str, ...] = ("variance", "mean", "half"), run: int = 0) -> Any:
    """The numbers of three broken VAEs: {"A": {"ELBO": …, "KL": …, …}, "B": …, "C": …}, in nats.

    What they are trained with, and how, stands in data/make_broken_vaes.py.
    """
    shipped = _shipped()
    shared = {"sigma_x": shipped["sigma_x"], "pixels": shipped["pixels"]}
    vaes = (shipped["vaes"][name][run] | shared for name in chosen)
    return dict(zip(LETTERS, vaes, strict=True))


def diagnose(numbers: dict[str, dict[str, float]]) -> Tensor:
    """The number in the menu, from 1, of each VAE's mistake."""
    found = []
    for vae in numbers.values():
        runs = (
            (i, run) for i, name in enumerate(MENU, start=1) for run in _shipped()["vaes"][name]
        )
        found += [i for i, run in runs if run.items() <= vae.items()]
    return torch.tensor(found)


def diagnose_inputs(rng: Rng) -> list[Probe]:
    """Three of the five each time, in any order, of any training run."""
    runs = len(_shipped()["vaes"]["sign"])
    chosen = [rng.permutation(MENU)[: len(LETTERS)] for _ in range(TIMES)]
    return [Probe((broken_vaes(tuple(names), int(rng.integers(runs))),)) for names in chosen]


def judge(exercise: Exercise, run: Run, seed: int) -> CheckResult:
    """Right if every mistake is found every time; else which of them is taken for which."""
    confused: set[str] = set()
    for probe in diagnose_inputs(np.random.default_rng(seed)):
        got = run(probe)
        if got.kind != "value":
            said = _words.raised if got.kind == "raised" else _words.ended
            return said(exercise, got, probe)
        want = diagnose(probe.args[0]).tolist()
        answers = np.ravel(got.value).tolist() if got.value else []
        if len(answers) != len(want) or not set(answers) <= set(range(1, len(MENU) + 1)):
            text = f"it returns {answers or got.type}; expected three numbers of the list, 1 to 5"
            return _words.wrong(exercise, "wrong type", text)
        if got.changed:
            text = "it changes the numbers that it is given"
            return _words.wrong(exercise, "changes its inputs", text)
        for right, answer in zip(want, answers, strict=True):
            if right != answer:
                confused.add(f"{right} is taken for {answer:g}")
    if confused:
        pairs = sorted(confused)
        hint = "which of its numbers do not fit together, and which code would print them?"
        return _words.wrong(exercise, pairs[0], f"mistake {'; '.join(pairs)}", hint)
    return _words.right(exercise)


DIAGNOSE = Exercise(
    *("6.4", "diagnose", 3, 30, 3, "diagnose(numbers)"),
    variant=diagnose,
    inputs=diagnose_inputs,
    mistakes=(),
    float32=False,
    judge=judge,
)

EXERCISES = (DIAGNOSE,)
