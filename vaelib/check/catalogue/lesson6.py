"""Lesson 6, the VAE: the loss of a batch, KL annealing, samples, and broken VAEs to diagnose."""

import json
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaelib import data
from vaelib.check.catalogue.functions import DECODER_WEIGHT, LinearDecoder
from vaelib.check.catalogue.gaussian import (
    CONSTANT,
    EXPONENT,
    KL,
    PIXELS,
    SIGMA,
    Function,
    kl_terms,
)
from vaelib.check.catalogue.inputs import dyadic, limit, normal
from vaelib.check.catalogue.lesson4 import gaussian_log_likelihood
from vaelib.check.machinery import wording
from vaelib.check.machinery.exercise import (
    Exercise,
    Mistake,
    Property,
    Rng,
    Run,
    mistakes_by_keyword,
)
from vaelib.check.machinery.probe import Outcome, Probe, Seeded
from vaelib.check.machinery.result import CheckResult

THREE = (1, 2, 3)  # the gradients in x_hat, mu and log_sigma


def vae_loss(
    x: Tensor,
    x_hat: Tensor,
    mu: Tensor,
    log_sigma: Tensor,
    sigma_x: Any,
    beta: Any,
    *,
    terms: tuple[int, int] = (-1, 1),
    beta_to: tuple[float, float] = (0, 1),  # its powers before log p(x|z) and before KL
    kl: tuple[float, int, int] = (0.5, 2, 1),
    latent: int = 0,  # power of D
    batch: Function = torch.mean,
    **changes: Any,
) -> Tensor:
    """(1/M) Σ_m −(log p(x_m|z_m) − β KL_m), a scalar, nats."""
    divergence = kl_terms(mu, log_sigma, kl).sum(-1) * float(mu.shape[-1]) ** latent
    log_px_z = gaussian_log_likelihood(x, x_hat, sigma_x, **changes)
    weights = (beta**power for power in beta_to)
    parts = zip(terms, weights, (log_px_z, divergence), strict=True)
    return batch(torch.stack([sign * weight * part for sign, weight, part in parts]).sum(0))


def vae_loss_inputs(rng: Rng) -> list[Probe]:
    def draw(sigma: Any, beta: float, D: int, *shape: int) -> tuple[Any, ...]:
        x = normal(rng, *shape, mean=0.5)
        mu = normal(rng, shape[0], D, mean=0.6)
        log_sigma = normal(rng, shape[0], D, mean=-0.7, std=0.4)
        return x, x + 1.3 * sigma * normal(rng, *shape), mu, log_sigma, sigma, beta

    x = normal(rng, 2, 3)
    zero = torch.zeros(2, 2, dtype=torch.float64)
    return [
        Probe(draw(dyadic(rng, 0.25, 0.6), dyadic(rng, 0.3, 0.7), 3, 2, 4), THREE),
        Probe(draw(0.4 + 0.1 * normal(rng).abs(), dyadic(rng, 1.5, 2.5), 2, 3, 2, 4), THREE),
        Probe(draw(dyadic(rng, 1.5, 2.5), dyadic(rng, 0.3, 0.7), 5, 4, 3), THREE),
        limit("x̂ = x, μ = 0, σ = 1", x, x.clone(), zero, zero.clone(), 0.5, 0.5, gradients=THREE),
        limit("β = 0", *draw(0.5, 0.0, 2, 3, 4), gradients=THREE),
        limit("β = 1", *draw(0.5, 1.0, 2, 3, 4), gradients=THREE),
        limit("a single example, M = 1", *draw(0.5, 0.5, 2, 1, 3), gradients=THREE),
        limit("D = 1 and a single pixel", *draw(0.5, 0.5, 1, 3, 1), gradients=THREE),
    ]


VAE_LOSS = Exercise(
    number="6.1",
    name="vae_loss",
    stars=2,
    minutes=15,
    points=2,
    signature="vae_loss(x, x_hat, mu, log_sigma, sigma_x, beta)",
    variant=vae_loss,
    inputs=vae_loss_inputs,
    axes=(("M", "…"), ("M", "…"), ("M", "D"), ("M", "D"), (), ()),
    mistakes=mistakes_by_keyword(
        terms={
            (1, -1): ("sign", "the optimiser goes down: is this to be made small, or large?"),
            (-1, -1): ("sign of KL", "is a q far from the prior cheap, or dear?"),
            (1, 1): ("sign of log p(x|z)", "is the loss lower or higher for a better x̂?"),
            (-1, 0): ("KL forgotten", "what keeps q near the prior?"),
            (0, 1): ("log p(x|z) forgotten", "what makes x̂ like x?"),
        },
        beta_to={
            (1, 0): ("β on the wrong term", "what does β weigh, the picture or its code?"),
            (1, 1): ("β on both terms", "what does β weigh, the picture or its code?"),
            (0, 0): ("β forgotten", "what changes when β does?"),
            (0, -1): ("divided by β", "is KL dearer or cheaper with a large β?"),
            (0, 2): ("β squared", "how often is KL multiplied by β?"),
        },
        pixels={
            (-1, 0): ("mean over pixels", PIXELS[-1, 0][1]),
            (-1, 1): ("mean over pixels in the squared error", PIXELS[-1, 1][1]),
            (0, 0): PIXELS[0, 0],
        },
        latent={-1: ("mean over D", "is KL averaged over dimensions, or added?")},
        batch={
            torch.sum: ("sum over batch", "does a mean grow with the number of examples?"),
            torch.clone: ("no mean over batch", "the optimiser wants one number"),
        },
        kl=KL,
        constant=CONSTANT,
        exponent=EXPONENT,
        sigma_to_the=SIGMA,
    ),
    properties=(
        Property(
            "a mean over the batch",
            "with every example twice the loss should stay what it was; it does not",
            lambda rng: [
                Probe((*(t.repeat(n, 1) for t in tensors), 0.5, 0.5))
                for tensors in [[normal(rng, 2, 3) for _ in range(4)]]
                for n in (1, 2)
            ],
            lambda out: bool(abs(out[0].value[0] - out[1].value[0]).max() < 1e-9),
        ),
    ),
)


def linear_annealing(
    step: Any,
    warmup: Any,
    *,
    way: Any = lambda step, warmup: step / warmup,
    clip: Any = lambda ratio: min(1.0, ratio),
    at_zero: float | None = 1.0,
) -> Tensor:
    """min(1, step/warmup), and 1 where warmup is 0."""
    step = float(step)
    warmup = float(warmup)
    if warmup == 0 and at_zero is not None:
        return torch.tensor(at_zero, dtype=torch.float64)
    return torch.tensor(clip(way(step, warmup)), dtype=torch.float64)


def linear_annealing_inputs(rng: Rng) -> list[Probe]:
    def whole_number(low: int, high: int) -> int:
        return int(rng.integers(low, high, endpoint=True))

    return [
        Probe((whole_number(2, 6), 16)),
        Probe((whole_number(10, 14), 16)),
        Probe((whole_number(30, 90), whole_number(100, 400))),
        Probe((whole_number(35, 99), 32)),
        Probe((whole_number(500, 999), whole_number(100, 400))),
        limit("step = 0", 0, 8),
        limit("step = warmup", 8, 8),
        limit("the first step after the warm-up", 9, 8),
        limit("warmup = 1", 3, 1),
        limit("warmup = 0", 5, 0),
        limit("warmup = 0 and step = 0", 0, 0),
    ]


NO_STEPS = ("division by a warmup of 0", "how long does a warm-up of 0 steps last?")
LINEAR_ANNEALING = Exercise(
    number="6.2",
    name="linear_annealing",
    stars=1,
    minutes=5,
    points=1,
    signature="linear_annealing(step, warmup)",
    variant=linear_annealing,
    inputs=linear_annealing_inputs,
    float32=False,
    axes=((), ()),
    mistakes=mistakes_by_keyword(
        clip={
            lambda ratio: ratio: ("over 1", "what is β long after the warm-up?"),
            lambda ratio: max(1.0, ratio): ("max for min", "what is β at step 0?"),
            lambda ratio: 1 - min(1.0, ratio): ("downwards", "where does β start?"),
            lambda ratio: ratio % 1: ("starts again", "what is β long after the warm-up?"),
            lambda ratio: ratio if ratio < 1 else 0.0: (
                "0 after the warm-up",
                "what is β long after the warm-up?",
            ),
        },
        way={
            lambda step, warmup: step // warmup if warmup else 0.0: (
                "integer division",
                "what does // make of 3/8?",
            ),
            lambda step, warmup: warmup / step if step else 9.0: (
                "upside down",
                "is β small or large at the start?",
            ),
            lambda step, warmup: (step + 1) / warmup: ("one step ahead", "what is β at step 0?"),
            lambda step, warmup: (step - 1) / warmup: ("one step late", "and at step = warmup?"),
            lambda step, warmup: step / (warmup + 1): ("warmup + 1", "and at step = warmup?"),
            lambda step, warmup: (step / warmup) ** 2: ("squared", "is it a straight line?"),
            lambda step, warmup: (step / warmup) ** 0.5: ("a square root", "a straight line?"),
            lambda step, warmup: 100 * step / warmup: ("in percent", "where does β end?"),
            lambda step, warmup: 1.0: ("always 1", "what is β at step 0?"),
        },
        at_zero={0.0: ("0 for a warmup of 0", NO_STEPS[1]), None: NO_STEPS},
    ),
    errors=(("ZeroDivisionError", *NO_STEPS),),
)


# How `generate` draws its noise cannot be compared with a reference: a right answer may draw it in
# another order. So the check looks at the z that the decoder received.
SAMPLES = 4000  # pictures in one call
LATENT_DIM = 3
DECODER_PIXELS = DECODER_WEIGHT.shape[1]


def generate(decoder: Any, n: int, latent_dim: int, generator: torch.Generator) -> Tensor:
    """decoder(z), z (n, D) ~ N(0, I)."""
    return decoder(torch.randn((n, latent_dim), generator=generator))


def generate_probe(n: int, seed: int, latent_dim: int = LATENT_DIM) -> Probe:
    return Probe((LinearDecoder(latent_dim), n, latent_dim, Seeded(seed)))


def generate_inputs(rng: Rng) -> list[Probe]:
    seed, other = (int(s) for s in rng.integers(1, 2**31, 2))
    return [
        generate_probe(SAMPLES, seed),
        generate_probe(SAMPLES, seed),
        generate_probe(SAMPLES, other),
        generate_probe(1, seed, 1),
    ]


def judge_generate(exercise: Exercise, run: Run, seed: int) -> CheckResult:
    """Right if equal seeds give equal z, other seeds other z, and z is n samples of N(0, I)."""
    probes = generate_inputs(np.random.default_rng(seed))
    outcomes = []
    for probe in probes:
        outcome = run(probe)
        if outcome.kind != "value":
            said = wording.raised if outcome.kind == "raised" else wording.ended
            return said(exercise, outcome, probe)
        outcomes.append(outcome)
    for probe, outcome in zip(probes, outcomes, strict=True):
        if wrong := wrong_pictures(exercise, probe, outcome):
            return wrong
    found = wrong_source(outcomes) or wrong_distribution(latent_of(outcomes[0], LATENT_DIM))
    if found is None:
        return wording.right(exercise)
    return wording.known(exercise, (Mistake(*found, {}),), "")


def wrong_pictures(exercise: Exercise, probe: Probe, got: Outcome) -> CheckResult | None:
    """What is wrong if the result is not the decoder's output for n codes."""
    decoder, n = probe.args[:2]
    if got.several or len(got.value) != 1:
        text = f"it returns {got.type}; expected decoder(z)"
        return wording.wrong(exercise, "wrong type", text)
    shape = got.value[0].shape
    if shape == (n, DECODER_PIXELS):
        pictures = latent_of(got, decoder.dims) @ DECODER_WEIGHT[: decoder.dims] + 1
        if np.allclose(pictures, got.value[0], atol=1e-4):
            return None
        text = "what comes back is not what the decoder answered: is something done to it?"
        return wording.wrong(exercise, "decoder's answer changed", text)
    if shape == (n, decoder.dims):
        text = "it returns z itself; what does the decoder make of it?"
        return wording.wrong(exercise, "decoder forgotten", text)
    hint = {
        (DECODER_PIXELS,): "one picture only: how many z are drawn?",
        (decoder.dims, DECODER_PIXELS): "is z of shape (n, latent_dim)?",
        (n, 1, DECODER_PIXELS): "is there an axis too many?",
    }.get(shape, "")
    expected = (n, DECODER_PIXELS)
    text = f"it returns shape {shape}; for n = {n} expected the decoder's {expected}"
    return wording.wrong(exercise, "wrong shape", text, hint)


def latent_of(got: Outcome, latent_dim: int) -> np.ndarray:
    """The z that the decoder received, (n, D)."""
    return (got.value[0] - 1) @ np.linalg.pinv(DECODER_WEIGHT[:latent_dim])


def wrong_source(outcomes: list[Outcome]) -> tuple[str, str] | None:
    """The name and the hint of what is wrong with the source of the noise."""
    first, again, other = (outcome.value[0] for outcome in outcomes[:3])
    if not np.allclose(first, again) or any(o.used_global_random for o in outcomes):
        return "generator ignored", "the same generator should give the same z again"
    if np.allclose(first, other):
        return "always the same z", "another generator should give other draws: is a seed set?"
    return None


def wrong_distribution(z: np.ndarray) -> tuple[str, str] | None:
    """What is wrong if z (n, D) are not independent N(0, 1), up to about five standard errors."""
    n = len(z)
    if np.allclose(z, z[:1], atol=1e-5):
        return "one z for all", "are the n pictures different ones?"
    if np.allclose(z, z[:, :1], atol=1e-5):
        return "one number for all dimensions", "has each coordinate its own draw?"
    mean = z.mean(0)
    variance = z.var(0)
    scaled = (z - mean) / np.sqrt(variance)
    kurtosis = (scaled**4).mean()
    if abs(kurtosis - 1.8) < 0.2:
        return "uniform z", "is it N(0, 1) that is drawn from? (rand, or randn?)"
    if z.min() >= 0:
        return "positive z only", "has N(0, 1) no negative values?"
    if np.abs(mean).max() > 5 / np.sqrt(n):
        return "mean is not 0", "what is the mean of p(z)?"
    if np.abs(variance - 1).max() > 5 * np.sqrt(2 / n):
        return "variance is not 1", "what is the variance of each coordinate of p(z)?"
    if abs(kurtosis - 3) > 0.5:
        return "not normal", "is it N(0, 1) that is drawn from?"
    between_dims = np.corrcoef(z.T) - np.eye(z.shape[1])
    between_rows = [
        np.corrcoef(z[:-lag, d], z[lag:, d])[0, 1] for lag in (1, 2) for d in range(LATENT_DIM)
    ]
    if max(np.abs(between_dims).max(), np.abs(between_rows).max()) > 6 / np.sqrt(n):
        return "draws are not independent", "does one draw depend on another?"
    if len(np.unique(z.round(6), axis=0)) < n - 5:
        return "draws are repeated", "are the n pictures different ones?"
    return None


GENERATE = Exercise(
    number="6.3",
    name="generate",
    stars=1,
    minutes=5,
    points=1,
    signature="generate(decoder, n, latent_dim, generator)",
    variant=generate,
    inputs=generate_inputs,
    mistakes=(),
    judge=judge_generate,
)

# The mistakes of 6.4, as the lesson numbers them, from 1.
BROKEN = ("sign", "half", "variance", "mean", "constant")
LETTERS = "ABC"
QUESTIONS = 6  # calls of `diagnose`, each with three broken VAEs


@cache
def broken_runs() -> dict[str, Any]:
    """The shipped numbers: of several training runs for each mistake."""
    return json.loads(data.shipped("broken_vaes.json").read_text(encoding="utf-8"))


def broken_vaes(chosen: tuple[str, ...] = ("variance", "mean", "half"), run: int = 0) -> Any:
    """The numbers of three broken VAEs: {"A": {"ELBO": …, "KL": …, …}, "B": …, "C": …}, in nats.

    data/make_broken_vaes.py has the program that trained them.
    """
    shipped = broken_runs()
    shared = {"sigma_x": shipped["sigma_x"], "pixels": shipped["pixels"]}
    vaes = (shipped["vaes"][name][run] | shared for name in chosen)
    return dict(zip(LETTERS, vaes, strict=True))


def diagnose(numbers: dict[str, dict[str, float]]) -> Tensor:
    """The number of each VAE's mistake, from 1."""
    found = []
    for vae in numbers.values():
        for number, name in enumerate(BROKEN, start=1):
            if any(run.items() <= vae.items() for run in broken_runs()["vaes"][name]):
                found.append(number)
    return torch.tensor(found)


def diagnose_inputs(rng: Rng) -> list[Probe]:
    """Three of the five mistakes in each probe, in any order, from any training run."""
    runs = len(broken_runs()["vaes"]["sign"])
    chosen = [rng.permutation(BROKEN)[: len(LETTERS)] for _ in range(QUESTIONS)]
    return [Probe((broken_vaes(tuple(names), int(rng.integers(runs))),)) for names in chosen]


def judge_diagnose(exercise: Exercise, run: Run, seed: int) -> CheckResult:
    """Right if every mistake is found in every probe; else which is taken for which."""
    confused: set[str] = set()
    for probe in diagnose_inputs(np.random.default_rng(seed)):
        got = run(probe)
        if got.kind != "value":
            said = wording.raised if got.kind == "raised" else wording.ended
            return said(exercise, got, probe)
        want = diagnose(probe.args[0]).tolist()
        answers = np.ravel(got.value).tolist() if got.value else []
        if len(answers) != len(want) or not set(answers) <= set(range(1, len(BROKEN) + 1)):
            text = f"it returns {answers or got.type}; expected three numbers of the list, 1 to 5"
            return wording.wrong(exercise, "wrong type", text)
        if got.changed:
            text = "it changes the numbers that it is given"
            return wording.wrong(exercise, "changes its inputs", text)
        for right, answer in zip(want, answers, strict=True):
            if right != answer:
                confused.add(f"{right} is taken for {answer:g}")
    if confused:
        pairs = sorted(confused)
        hint = "which of its numbers do not fit together, and which code would print them?"
        return wording.wrong(exercise, pairs[0], f"mistake {'; '.join(pairs)}", hint)
    return wording.right(exercise)


DIAGNOSE = Exercise(
    number="6.4",
    name="diagnose",
    stars=3,
    minutes=30,
    points=3,
    signature="diagnose(numbers)",
    variant=diagnose,
    inputs=diagnose_inputs,
    mistakes=(),
    float32=False,
    judge=judge_diagnose,
)


EXERCISES = (VAE_LOSS, LINEAR_ANNEALING, GENERATE, DIAGNOSE)
