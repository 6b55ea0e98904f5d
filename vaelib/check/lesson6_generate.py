"""Lesson 6: drawing from the model, which no comparison of numbers can judge.

A right answer may draw its noise in another order: what is looked at is the z that the decoder got.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaelib.check import _words
from vaelib.check._exercise import Exercise, Mistake, Rng, Run
from vaelib.check._functions import WEIGHT, LinearDecoder
from vaelib.check._probe import Outcome, Probe, Seeded
from vaelib.check._result import CheckResult

MANY, D, PIXELS = 4000, 3, 5


def generate(decoder: Any, n: int, latent_dim: int, generator: torch.Generator) -> Tensor:
    """decoder(z), z (n, D) ~ N(0, I)."""
    return decoder(torch.randn((n, latent_dim), generator=generator))


def probe(n: int, seed: int, dims: int = D) -> Probe:
    return Probe((LinearDecoder(dims), n, dims, Seeded(seed)))


def generate_inputs(rng: Rng) -> list[Probe]:
    seed, other = (int(s) for s in rng.integers(1, 2**31, 2))
    return [probe(MANY, seed), probe(MANY, seed), probe(MANY, other), probe(1, seed, 1)]


def judge(exercise: Exercise, run: Run, seed: int) -> CheckResult:
    """Right if the same generator gives the same, another another, and z is n draws of N(0, I)."""
    probes = generate_inputs(np.random.default_rng(seed))
    got = []
    for one in probes:
        got.append(run(one))
        if got[-1].kind != "value":
            said = _words.raised if got[-1].kind == "raised" else _words.ended
            return said(exercise, got[-1], one)
    for one, outcome in zip(probes, got, strict=True):
        if wrong := _shape(exercise, one, outcome):
            return wrong
    found = _source(got) or _draws(_latent(got[0], D))
    if found is None:
        return _words.right(exercise)
    return _words.known(exercise, (Mistake(*found, {}),), "")


def _shape(exercise: Exercise, one: Probe, got: Outcome) -> CheckResult | None:
    """Whether what came back is the decoder's answer for n codes."""
    decoder, n = one.args[:2]
    if got.several or len(got.value) != 1:
        return _words.wrong(exercise, "wrong type", f"it returns {got.type}; expected decoder(z)")
    shape = got.value[0].shape
    if shape == (n, PIXELS):
        latent = _latent(got, decoder.dims)
        answer = latent @ WEIGHT[: decoder.dims] + 1
        if np.allclose(answer, got.value[0], atol=1e-4):
            return None
        text = "what comes back is not what the decoder answered: is something done to it?"
        return _words.wrong(exercise, "decoder's answer changed", text)
    if shape == (n, decoder.dims):
        text = "it returns z itself; what does the decoder make of it?"
        return _words.wrong(exercise, "decoder forgotten", text)
    hint = {
        (PIXELS,): "one picture only: how many z are drawn?",
        (decoder.dims, PIXELS): "is z of shape (n, latent_dim)?",
        (n, 1, PIXELS): "is there an axis too many?",
    }.get(shape, "")
    text = f"it returns shape {shape}; for n = {n} expected the decoder's {(n, PIXELS)}"
    return _words.wrong(exercise, "wrong shape", text, hint)


def _latent(got: Outcome, dims: int) -> np.ndarray:
    """The z that the decoder was given, (n, D)."""
    return (got.value[0] - 1) @ np.linalg.pinv(WEIGHT[:dims])


def _source(got: list[Outcome]) -> tuple[str, str] | None:
    """Where the noise comes from: the name and the hint of what is wrong with it."""
    first, again, other = (outcome.value[0] for outcome in got[:3])
    if not np.allclose(first, again) or any(o.used_global_random for o in got):
        return "generator ignored", "the same generator should give the same z again"
    if np.allclose(first, other):
        return "always the same z", "another generator should give other draws: is a seed set?"
    return None


def _draws(z: np.ndarray) -> tuple[str, str] | None:
    """Whether z (n, D) are independent draws of N(0, 1), to some five standard errors."""
    n = len(z)
    if np.allclose(z, z[:1], atol=1e-5):
        return "one z for all", "are the n pictures different ones?"
    if np.allclose(z, z[:, :1], atol=1e-5):
        return "one number for all dimensions", "has each coordinate its own draw?"
    mean, var = z.mean(0), z.var(0)
    scaled = (z - mean) / np.sqrt(var)
    if abs((scaled**4).mean() - 1.8) < 0.2:
        return "uniform z", "is it N(0, 1) that is drawn from? (rand, or randn?)"
    if z.min() >= 0:
        return "positive z only", "has N(0, 1) no negative values?"
    if np.abs(mean).max() > 5 / np.sqrt(n):
        return "mean is not 0", "what is the mean of p(z)?"
    if np.abs(var - 1).max() > 5 * np.sqrt(2 / n):
        return "variance is not 1", "what is the variance of each coordinate of p(z)?"
    if abs((scaled**4).mean() - 3) > 0.5:
        return "not normal", "is it N(0, 1) that is drawn from?"
    together = np.corrcoef(z.T) - np.eye(z.shape[1])
    rows = [np.corrcoef(z[:-lag, d], z[lag:, d])[0, 1] for lag in (1, 2) for d in range(D)]
    if max(np.abs(together).max(), np.abs(rows).max()) > 6 / np.sqrt(n):
        return "draws are not independent", "does one draw depend on another?"
    if len(np.unique(z.round(6), axis=0)) < n - 5:
        return "draws are repeated", "are the n pictures different ones?"
    return None


GENERATE = Exercise(
    *("6.3", "generate", 1, 5, 1, "generate(decoder, n, latent_dim, generator)"),
    variant=generate,
    inputs=generate_inputs,
    mistakes=(),
    judge=judge,
)

EXERCISES = (GENERATE,)
