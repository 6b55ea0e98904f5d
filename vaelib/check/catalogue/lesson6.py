"""Lesson 6, the VAE: a training step, KL annealing, collapse, and broken VAEs to diagnose."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaelib import data
from vaelib.check.catalogue.functions import Optimiser, SmallVAE
from vaelib.check.catalogue.gaussian import KL, Function, kl_terms
from vaelib.check.catalogue.inputs import dyadic, limit, normal, numbers, uniform
from vaelib.check.machinery import wording
from vaelib.check.machinery.exercise import (
    Exercise,
    Property,
    Rng,
    Run,
    mistakes_by_keyword,
)
from vaelib.check.machinery.probe import Probe
from vaelib.check.machinery.result import CheckResult

Calls = tuple[str, ...]  # the methods of a training step, in order


def train_step(
    vae: Any,
    optimiser: Any,
    x: Tensor,
    eps: Tensor,
    beta: Any,
    *,
    draw: Callable[[Any, Tensor], Tensor] = lambda q, eps: q.mu + q.sigma * eps,
    explain: Callable[[Any, Tensor], Tensor] = lambda p_x, x: p_x.log_prob(x),
    kl: Any = (0.5, 2, 1),
    over_d: Function = lambda each: each.sum(-1),
    weigh: Callable[[Tensor, Tensor, Any], Tensor] = lambda log_px_z, kl, beta: (
        log_px_z - beta * kl
    ),
    over: Function = torch.mean,
    sign: float = -1.0,
    calls: Calls = ("zero_grad", "backward", "step"),
    give: Function = torch.clone,
) -> Tensor:
    """Lines 4 to 8: one step down −(1/M) Σ_m (log p(x_m|z_m) − β KL_m), which is returned."""
    q = vae.posterior(x)
    log_px_z = explain(vae.likelihood(draw(q, eps)), x)
    price = over_d(kl_terms(q.mu, q.log_sigma, kl))
    loss = sign * over(weigh(log_px_z, price, beta))
    for name in calls:
        loss.backward() if name == "backward" else getattr(optimiser, name)()
    return give(loss.detach())


def train_step_inputs(rng: Rng) -> list[Probe]:
    def draw(
        lr: float, momentum: float, beta: float, M: int, D: int, **model: Any
    ) -> tuple[Any, ...]:
        shape = model.pop("shape", (2, 2))
        vae = SmallVAE(shape, D, int(rng.integers(2**31)), **model)
        x = uniform(rng, 0.0, 1.0, M, *shape)
        if model.get("likelihood") == "bernoulli":
            x = (x > 0.5).double()
        return vae, Optimiser(lr, momentum), x, normal(rng, M, D), beta

    def twice(label: str, *args: Any) -> Probe:
        return Probe(args, label=label, limit=True, calls=2)

    return [
        Probe(draw(0.05, 0.0, dyadic(rng, 0.3, 0.7), 2, 2)),
        Probe(draw(0.05, 0.0, dyadic(rng, 1.5, 2.5), 3, 2), calls=2),
        Probe(draw(0.05, 0.5, dyadic(rng, 0.3, 0.7), 3, 2, shape=(5,)), calls=2),
        limit("a learned σ_x", *draw(0.02, 0.0, 0.5, 3, 2, learn_sigma_x=True)),
        limit("black and white pixels", *draw(0.05, 0.0, 2.0, 3, 2, likelihood="bernoulli")),
        limit("β = 0", *draw(0.05, 0.0, 0.0, 2, 2)),
        limit("β = 1", *draw(0.05, 0.5, 1.0, 2, 2)),
        limit("a single example, M = 1", *draw(0.05, 0.0, 0.5, 1, 2)),
        limit("a single dimension, D = 1", *draw(0.05, 0.0, 0.5, 3, 1)),
        twice("two steps with β = 1", *draw(0.05, 0.0, 1.0, 2, 2)),
    ]


def pixel_mean(p_x: Any, x: Tensor) -> Tensor:
    return p_x.log_prob(x) / x[0].numel()


def squared_error(p_x: Any, x: Tensor) -> Tensor:
    return -(p_x.mean - x).square().flatten(1).sum(1)


NOT_MOVED = ("weights not moved", "which of the three calls turns the loss into a step?")
TWO_STEPS = "is the gradient of a second step the gradient of that step alone?"
OWN_EPS = "line 5: by what is ε multiplied?"
TRAIN_STEP = Exercise(
    number="6.1",
    name="train_step",
    stars=3,
    minutes=25,
    points=3,
    signature="train_step(vae, optimiser, x, eps, beta)",
    results=("the loss", "the step of the weights"),
    shown="these lines, repeated over batches, are the whole training of a VAE.",
    variant=train_step,
    inputs=train_step_inputs,
    float32=False,
    axes=((), (), ("M", "…"), ("M", "D"), ()),
    fixed=("x", "eps"),
    errors=(
        (
            "backward through the graph a second time",
            "a second backward",
            "how often is backward called in a step?",
        ),
        (
            "grad can be implicitly created only for scalar",
            "no mean over batch",
            "of how many numbers does one take the gradient?",
        ),
        ("does not require grad", "graph cut", "does the loss still know the weights?"),
    ),
    mistakes=mistakes_by_keyword(
        calls={
            ("backward", "step"): ("gradients not set to zero", TWO_STEPS),
            ("backward", "zero_grad", "step"): NOT_MOVED,
            ("zero_grad", "backward"): NOT_MOVED,
            (): NOT_MOVED,
            ("zero_grad", "step"): NOT_MOVED,
            ("zero_grad", "backward", "step", "step"): ("two steps", "one step is asked for"),
        },
        sign={1.0: ("sign", "an optimiser goes down: should it go down the bound?")},
        weigh={
            lambda log_px_z, kl, beta: log_px_z - kl: ("β forgotten", "what changes when β does?"),
            lambda log_px_z, kl, beta: log_px_z + beta * kl: (
                "sign of KL",
                "is a q far from the prior cheap or expensive?",
            ),
            lambda log_px_z, kl, beta: beta * log_px_z - kl: (
                "β on the wrong term",
                "what does β weigh, the picture or its code?",
            ),
            lambda log_px_z, kl, beta: beta * (log_px_z - kl): (
                "β on both terms",
                "what does β weigh, the picture or its code?",
            ),
            lambda log_px_z, kl, beta: log_px_z: ("KL forgotten", "what keeps q near the prior?"),
            lambda log_px_z, kl, beta: -beta * kl: (
                "log p(x|z) forgotten",
                "what makes the reconstruction like x?",
            ),
            lambda log_px_z, kl, beta: -log_px_z - beta * kl: (
                "sign of log p(x|z)",
                "is the bound higher or lower for a better reconstruction?",
            ),
            lambda log_px_z, kl, beta: log_px_z - kl / beta if beta else log_px_z: (
                "divided by β",
                "is KL more or less expensive with a large β?",
            ),
        },
        draw={
            lambda q, eps: q.mu + q.log_sigma * eps: ("log σ for σ", OWN_EPS),
            lambda q, eps: q.mu + (q.log_sigma / 2).exp() * eps: ("half log σ", OWN_EPS),
            lambda q, eps: q.mu + q.sigma**2 * eps: ("σ² for σ", OWN_EPS),
            lambda q, eps: q.mu + eps: ("σ forgotten in z", OWN_EPS),
            lambda q, eps: q.sigma * eps: ("μ forgotten in z", "where is q's mean?"),
            lambda q, eps: q.mu: ("ε not used", "line 5: is z the mean of q, or a draw?"),
            lambda q, eps: eps: ("z from the prior", "line 5: has z seen x?"),
            lambda q, eps: (q.mu + q.sigma * eps).detach(): (
                "graph cut at z",
                "does the encoder learn anything from the picture?",
            ),
            lambda q, eps: q.mu + q.sigma.detach() * eps: (
                "graph cut at σ",
                "does σ learn anything from the picture?",
            ),
        },
        explain={
            pixel_mean: ("mean over pixels", "is the log-density of independent pixels a mean?"),
            squared_error: ("squared error for log p(x|z)", "where is σ_x?"),
        },
        over={torch.sum: ("sum over batch", "does the loss grow with the number of examples?")},
        over_d={lambda each: each.mean(-1): ("mean over D", "is KL averaged over dimensions?")},
        kl=KL,
        give={torch.neg: ("returns the bound", "the loss is what the optimiser lowers")},
    ),
    properties=(
        Property(
            "a mean over the batch",
            "with every example twice, loss and step should stay what they were; they do not",
            lambda rng: [
                Probe((vae, optimiser, x.repeat(n, 1, 1), eps.repeat(n, 1), beta))
                for vae, optimiser, x, eps, beta in [train_step_inputs(rng)[0].args]
                for n in (1, 2)
            ],
            lambda out: all(
                abs(a - b).max() < 1e-6 for a, b in zip(out[0].value, out[1].value, strict=True)
            ),
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
        limit("the last step of the warm-up", 7, 8),
        limit("the last step of a long warm-up", 9_999, 10_000),
        limit("warmup = 1", 3, 1),
        limit("warmup = 1 and step = 0", 0, 1),
        limit("warmup = 1 and step = 1", 1, 1),
        limit("warmup = 2 and step = 1", 1, 2),
        limit("warmup = 0", 5, 0),
        limit("warmup = 0 and step = 0", 0, 0),
    ]


# What becomes of step / (warmup − 1) where the warm-up is one step.
FOR_ONE_STEP: tuple[Callable[[float], float], ...] = (
    lambda step: 1.0,
    lambda step: 0.0,
    lambda step: 1.0 if step else step / 0,
    lambda step: step / 0,
)
AT_0 = "what is β at step 0?"
AT_THE_END = "what is β at step = warmup?"
STRAIGHT = "is β a straight line in the step?"
NO_STEPS = ("division by a warmup of 0", "how long does a warm-up of 0 steps last?")
LINEAR_ANNEALING = Exercise(
    number="6.2",
    name="linear_annealing",
    stars=1,
    minutes=5,
    points=1,
    signature="linear_annealing(step, warmup)",
    shown="annealing is a schedule, a function of the step and of nothing else.",
    variant=linear_annealing,
    inputs=linear_annealing_inputs,
    float32=False,
    axes=((), ()),
    mistakes=mistakes_by_keyword(
        clip={
            lambda ratio: ratio: ("over 1", "what is β long after the warm-up?"),
            lambda ratio: max(1.0, ratio): ("max for min", AT_0),
            lambda ratio: 1 - min(1.0, ratio): ("downwards", "where does β start?"),
            lambda ratio: ratio % 1: ("starts again", "what is β long after the warm-up?"),
            lambda ratio: ratio if ratio < 1 else 0.0: (
                "0 after the warm-up",
                "what is β long after the warm-up?",
            ),
        },
        way={
            lambda step, warmup: step // warmup if warmup else 0.0: (
                "0 during the warm-up",
                "is β a whole number in the middle of the warm-up?",
            ),
            lambda step, warmup: warmup / step if step else 9.0: (
                "upside down",
                "is β small or large at the start?",
            ),
            lambda step, warmup: (step + 1) / warmup: ("one step ahead", AT_0),
            lambda step, warmup: (step + 1) / (warmup + 1): ("one step ahead of warmup + 1", AT_0),
            lambda step, warmup: (step - 1) / warmup: ("one step late", AT_THE_END),
            lambda step, warmup: step / (warmup + 1): ("warmup + 1", AT_THE_END),
            **{
                (
                    lambda step, warmup, at_1=at_1: (
                        step / (warmup - 1) if warmup != 1 else at_1(step)
                    )
                ): (
                    "warmup − 1",
                    "at which step is β 1 for the first time?",
                )
                for at_1 in FOR_ONE_STEP
            },
            lambda step, warmup: max(step - warmup, 0.0) / warmup: (
                "starts after the warm-up",
                "does β rise during the warm-up, or after it?",
            ),
            lambda step, warmup: (step / warmup) ** 2: ("squared", STRAIGHT),
            lambda step, warmup: (step / warmup) ** 0.5: ("a square root", STRAIGHT),
            lambda step, warmup: 0.5 - 0.5 * math.cos(math.pi * min(1, step / warmup)): (
                "a cosine",
                STRAIGHT,
            ),
            lambda step, warmup: 100 * step / warmup: ("in percent", "where does β end?"),
            lambda step, warmup: 1.0: ("always 1", AT_0),
        },
        at_zero={0.0: ("0 for a warmup of 0", NO_STEPS[1]), None: NO_STEPS},
    ),
    errors=(("ZeroDivisionError", *NO_STEPS),),
)


def largest_variance(flat: Tensor, less: float = 0.0) -> Tensor:
    """The largest eigenvalue of the covariance of the centred rows (N, P), with 1/(N − less)."""
    return torch.linalg.matrix_norm(flat, 2) ** 2 / max(len(flat) - less, 1)


def collapse_threshold(
    x: Tensor,
    beta: Any,
    *,
    centre: Function = lambda flat: flat - flat.mean(0),
    largest: Function = largest_variance,
    combine: Callable[[Tensor, Any], Tensor] = lambda variance, beta: (variance / beta) ** 0.5,
) -> Tensor:
    """√(λ/β), with λ the largest eigenvalue of the covariance (1/N) of x, (N, …) -> scalar."""
    return combine(largest(centre(x.flatten(1))), beta)


def collapse_threshold_inputs(rng: Rng) -> list[Probe]:
    def draw(beta: float, N: int, *shape: int) -> tuple[Tensor, float]:
        P = math.prod(shape)
        mixed = normal(rng, N, P) @ (normal(rng, P, P, std=0.5) + torch.eye(P, dtype=torch.float64))
        return (mixed + normal(rng, P, mean=0.8)).reshape(N, *shape), beta

    return [
        Probe(draw(dyadic(rng, 1.5, 3.0), 3, 2)),
        Probe(draw(dyadic(rng, 0.3, 0.7), 6, 3)),
        Probe(draw(dyadic(rng, 1.5, 3.0), 5, 2, 3)),
        Probe(draw(4.0, 12, 4)),
        limit("β = 1", *draw(1.0, 4, 2)),
        limit("a single pixel, P = 1", *draw(2.0, 4, 1)),
        limit("as many examples as pixels", *draw(0.5, 4, 2, 2)),
        limit("fewer examples than pixels", *draw(2.0, 3, 2, 4)),
        limit("pixels far from 0", draw(2.0, 5, 3)[0] + 50, 2.0),
        limit("all examples are the same", numbers(0.5, -1.25).expand(4, 2).clone(), 2.0),
        limit("tiny pixels", draw(2.0, 5, 3)[0] / 1024, 2.0),
        limit("a tiny β", draw(1.0, 5, 3)[0], 1 / 1024),
    ]


ONE_DIRECTION = "in which direction of all pixels do the data vary most, and by how much?"
COLLAPSE_THRESHOLD = Exercise(
    number="6.3",
    name="collapse_threshold",
    stars=2,
    minutes=15,
    points=2,
    signature="collapse_threshold(x, beta)",
    shown="what a VAE keeps can be read off the data before training: the variance against βσ_x².",
    variant=collapse_threshold,
    inputs=collapse_threshold_inputs,
    axes=(("N", "…"), ()),
    fixed=("x",),
    mistakes=mistakes_by_keyword(
        combine={
            lambda v, beta: v / beta: ("λ/β without its root", "is σ_x a variance?"),
            lambda v, beta: v**0.5: ("β forgotten", "what changes when β does?"),
            lambda v, beta: (v * beta) ** 0.5: ("times β", "does a large β make codes cheaper?"),
            lambda v, beta: v**0.5 / beta: ("β outside the root", "is it β σ_x², or (β σ_x)²?"),
            lambda v, beta: v: ("λ itself", "is σ_x a variance? And where is β?"),
            lambda v, beta: (v / beta) ** 0.5 / 2: ("half of it", "λ against β σ_x²: which σ_x?"),
            lambda v, beta: (beta / v) ** 0.5: ("upside down", "is a large λ lost early or late?"),
            lambda v, beta: v**0.25 / beta**0.5: ("root of λ twice", "is λ a variance already?"),
            lambda v, beta: v / beta**0.5: (
                "λ not under the root",
                "is λ a variance, or its root?",
            ),
        },
        centre={
            torch.clone: ("not centred", "what if 100 is added to every pixel?"),
            lambda flat: flat - flat.mean(): ("one mean for all pixels", "has each pixel its own?"),
            lambda flat: flat - flat.mean(1, keepdim=True): (
                "each example centred",
                "whose mean is it: over pixels, or over examples?",
            ),
            lambda flat: flat - flat.median(0).values: ("median for mean", "which is it?"),
        },
        largest={
            lambda flat: largest_variance(flat, 1.0): (
                "N−1 for N",
                "the ELBO is a mean over the N examples: over how many?",
            ),
            lambda flat: largest_variance(flat) * len(flat): (
                "not divided by N",
                "does it grow with the number of examples?",
            ),
            lambda flat: (flat**2).mean(0).sum(): ("sum of all variances", ONE_DIRECTION),
            lambda flat: (flat**2).mean(0).max(): ("the pixel that varies most", ONE_DIRECTION),
            lambda flat: (flat**2).mean(0).mean(): ("mean of the variances", ONE_DIRECTION),
            lambda flat: torch.linalg.eigvalsh(flat.T @ flat / len(flat))[0].clamp(min=0): (
                "the smallest eigenvalue",
                "no dimension at all: which direction is given up last?",
            ),
            lambda flat: torch.linalg.matrix_norm(flat, 2) / len(flat): (
                "singular value not squared",
                "how are singular values of x related to eigenvalues of its covariance?",
            ),
            lambda flat: torch.linalg.matrix_norm(flat.T @ flat / len(flat)): (
                "norm of all entries",
                ONE_DIRECTION,
            ),
            lambda flat: (flat**2).sum(1).max(): ("the example farthest away", ONE_DIRECTION),
        },
    ),
    properties=(
        Property(
            "a shift",
            "with 3 added to every pixel it should stay what it was; here it does not",
            lambda rng: [
                Probe((x + by, 2.0))
                for x in [collapse_threshold_inputs(rng)[0].args[0]]
                for by in (0.0, 3.0)
            ],
            lambda out: bool(abs(out[0].value[0] - out[1].value[0]).max() < 1e-6),
        ),
        Property(
            "the unit of the pixels",
            "with pixels twice as large it should be twice as large; here it is not",
            lambda rng: [
                Probe((by * x, 2.0))
                for x in [collapse_threshold_inputs(rng)[0].args[0]]
                for by in (1.0, 2.0)
            ],
            lambda out: bool(abs(2 * out[0].value[0] - out[1].value[0]).max() < 1e-6),
        ),
        Property(
            "β and the noise",
            "with β four times as large it should be half as large; here it is not",
            lambda rng: [
                Probe((x, beta))
                for x in [collapse_threshold_inputs(rng)[0].args[0]]
                for beta in (1.0, 4.0)
            ],
            lambda out: bool(abs(out[0].value[0] - 2 * out[1].value[0]).max() < 1e-6),
        ),
    ),
)

# The mistakes of 6.4, as the lesson numbers them, from 1.
BROKEN = ("sign", "half", "variance", "mean", "constant")
LETTERS = "ABC"
QUESTIONS = 30  # calls of `diagnose`, each with three broken VAEs


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


def diagnose(vaes: dict[str, dict[str, float]]) -> Tensor:
    """The number of each VAE's mistake, from 1."""
    found = []
    for vae in vaes.values():
        squares = -vae["pixels"] * vae["x - x_hat"] ** 2 / (2 * vae["sigma_x"] ** 2)
        constant = -vae["pixels"] * math.log(vae["sigma_x"] * math.sqrt(2 * math.pi))
        log_px_z = vae["log p(x|z)"]
        if vae["ELBO"] > log_px_z:
            found.append(1)
        elif vae["spread of z for one x"] > 2 * vae["exp(log_sigma)"]:
            found.append(3)
        elif abs(log_px_z - (squares + constant)) < 0.1 * abs(constant):
            found.append(2)
        elif abs(log_px_z - squares) < 0.1 * abs(constant) and log_px_z < 0:
            found.append(5)
        else:
            found.append(4)
    return torch.tensor(found)


def made_up(rng: Rng, name: str) -> dict[str, float]:
    """What a VAE with this mistake could print, for codes that are drawn here.

    The reader has the shipped numbers, but not these.
    """
    sigma_x = round(float(rng.uniform(0.08, 0.25)), 3)
    error = float(rng.uniform(0.05, min(0.12, 1.2 * sigma_x)))
    n_faces, n_dims, pixels = 300, 4, 1024
    spread = rng.uniform(*SPREADS.get(name, (0.03, 0.06)), n_dims) * rng.uniform(
        0.9, 1 / 0.9, (n_faces, n_dims)
    )
    mu = rng.normal(0.0, 0.01 if name == "mean" else rng.uniform(0.8, 1.3), (n_faces, n_dims))
    sigma = spread**2 if name == "variance" else spread  # that is exp(log_sigma)
    half = 1.0 if name == "half" else 0.5
    kl = half * (mu**2 + sigma**2 - 1 - 2 * np.log(sigma)).sum(1).mean()
    measured = 0.5 * (mu**2 + spread**2 - 1 - 2 * np.log(spread)).sum(1).mean()
    squares = pixels * error**2 / (2 * sigma_x**2) * rng.uniform(0.995, 1.005)
    constant = pixels * math.log(sigma_x * math.sqrt(2 * math.pi))
    log_px_z = -squares - (0.0 if name == "constant" else constant)
    log_px_z = log_px_z / pixels if name == "mean" else log_px_z
    found = {
        "ELBO": log_px_z + (kl if name == "sign" else -kl),
        "log p(x|z)": log_px_z,
        "KL": kl,
        "KL, measured on z": measured + rng.uniform(0.005, 0.02),
        "exp(log_sigma)": sigma.mean(),
        "spread of z for one x": spread.mean() * rng.uniform(0.999, 1.001),
        "x - x_hat": error,
    }
    rounded = {key: float(f"{value:.4g}") for key, value in found.items()}
    return rounded | {"sigma_x": sigma_x, "pixels": pixels}


# Standard deviations of the codes of one face: the wrong sign makes them small, the mean large.
SPREADS = {"sign": (0.002, 0.01), "mean": (0.98, 0.999)}


def diagnose_questions(rng: Rng) -> list[tuple[list[int], Probe]]:
    """Three of the five mistakes each, in any order, and the numbers of three such VAEs."""
    questions = []
    for _ in range(QUESTIONS):
        names = list(rng.permutation(BROKEN)[: len(LETTERS)])
        vaes = dict(zip(LETTERS, (made_up(rng, name) for name in names), strict=True))
        questions.append(([BROKEN.index(name) + 1 for name in names], Probe((vaes,))))
    return questions


def diagnose_inputs(rng: Rng) -> list[Probe]:
    return [probe for _, probe in diagnose_questions(rng)]


def judge_diagnose(exercise: Exercise, run: Run, seed: int) -> CheckResult:
    """Right if every mistake is found in every probe; else which is taken for which."""
    confused: set[str] = set()
    inputs: dict[str, Any] = {}
    for want, probe in diagnose_questions(np.random.default_rng(seed)):
        got = run(probe)
        if got.kind != "value":
            said = wording.raised if got.kind == "raised" else wording.ended
            return replace(said(exercise, got, probe), inputs=wording.inputs(exercise, probe))
        answers = np.ravel(got.value).tolist() if got.value else []
        if len(answers) != len(want) or not set(answers) <= set(range(1, len(BROKEN) + 1)):
            listed = ", ".join(f"{answer:g}" for answer in answers)
            returned = f"[{listed}]" if answers else got.type
            text = f"it returns {returned}; expected three numbers from 1 to 5, one per VAE"
            return wording.wrong(exercise, "not three numbers from 1 to 5", text)
        if got.changed:
            text = "it changes the numbers that it is given"
            return wording.wrong(exercise, "changes its inputs", text)
        for right, answer in zip(want, answers, strict=True):
            if right != answer:
                confused.add(f"{right} is taken for {answer:g}")
                inputs = inputs or wording.inputs(exercise, probe)
    if confused:
        pairs = sorted(confused)
        listed = "; ".join(pairs[:4]) + ("; and so on" if len(pairs) > 4 else "")
        hint = "which of its numbers do not fit together, and which code would print them?"
        text = f"mistake {listed}"
        example = f"an example is in result.inputs[{exercise.arguments[0]!r}]"
        return replace(wording.wrong(exercise, pairs[0], text, hint, example), inputs=inputs)
    return wording.right(exercise)


DIAGNOSE = Exercise(
    number="6.4",
    name="diagnose",
    stars=3,
    minutes=30,
    points=3,
    signature="diagnose(numbers)",
    shown="two numbers that must agree find a mistake that a falling loss hides.",
    variant=diagnose,
    inputs=diagnose_inputs,
    mistakes=(),
    float32=False,
    judge=judge_diagnose,
)


EXERCISES = (TRAIN_STEP, LINEAR_ANNEALING, COLLAPSE_THRESHOLD, DIAGNOSE)
