"""What `fit` is given, checked before anything is begun."""

from collections.abc import Callable
from typing import get_args

import torch
from torch import Tensor, nn

from vaelib import validation
from vaelib._mapped import parts
from vaelib._objective import Objective, Precision
from vaelib.models import VAE
from vaelib.models import BernoulliDecoder

Schedule = float | Callable[[int], float]


def check_data(vae: VAE, x: object, binarise: bool) -> None:
    """Refuse data that is not for this model; part by part, as it may be larger than memory."""
    if not isinstance(vae, VAE):
        raise TypeError(f"vae must be a vaelib VAE, not {type(vae).__name__}")
    validation.floats("x", x, ("N", *vae.shape))
    assert isinstance(x, Tensor)
    bernoulli = isinstance(vae.decoder, BernoulliDecoder)
    for part in parts(x):
        vae.check_data("x", part.to(vae.device))
        if bernoulli:
            (validation.unit_interval if binarise else validation.binary)("x", part)
    if len(x) == 0:
        raise ValueError("x holds no examples; expected at least one")
    if binarise and not bernoulli:
        raise ValueError("binarise=True goes with a Bernoulli decoder; this decoder is Gaussian")


def choose_speed(
    objective: Objective,
    k: int,
    precision: Precision,
    compile: object,
    dtype: torch.dtype,
    device: torch.device,
) -> tuple[int, Precision]:
    """The number of draws and the precision, checked; "auto" is decided for the device."""
    k = validation.count("k", k)
    for name, given, known in (
        ("objective", objective, get_args(Objective)),
        ("precision", precision, get_args(Precision)),
        ("compile", compile, (False, True, "always")),
    ):
        if given not in known:
            raise ValueError(f"{name} is {given!r}; expected one of {list(known)}")
    if compile and objective == "dreg":
        raise ValueError('objective="dreg" works on gradients as they pass: it is not compiled')
    if precision == "auto":
        precision = "bfloat16" if dtype == torch.float32 and _has_bfloat16(device) else "float32"
    if precision != "float32" and dtype != torch.float32:
        raise ValueError(f'precision="{precision}" is for a float32 model; this one is {dtype}')
    if precision == "tf32" and device.type != "cuda":
        raise ValueError(f'precision="tf32" is for CUDA, not for {device}; see "bfloat16"')
    return k, precision


def schedule(name: str, value: Schedule) -> Callable[[int], float]:
    """The function of the step that a number or a function stands for; its values are checked."""

    def at(step: int) -> float:
        given = validation.number(f"{name} at step {step}", value(step)) if callable(value) else fixed
        if given < 0:
            raise ValueError(f"{name} is {given} at step {step}; expected a finite number ≥ 0")
        return given

    fixed = 0.0 if callable(value) else validation.number(name, value)
    return at


def choose_device(device: str | torch.device) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f'device "{device}" cannot be used here ({reason}); try "auto"') from None
    return chosen


def operations(vae: VAE, batch_size: int) -> float:
    """Floating-point operations of one step, roughly: 6 for each weight and example."""
    weights = sum(p.numel() for p in vae.parameters())
    spread = 50 if any(isinstance(m, nn.Conv2d) for m in vae.modules()) else 1  # reuse of weights
    return 6.0 * weights * batch_size * spread


def _has_bfloat16(device: torch.device) -> bool:
    """Has the processor instructions for it? (On a GPU small models gain nothing.)"""
    names = ("avx512_bf16", "amx_bf16", "bf16")
    return device.type == "cpu" and any(torch.cpu.get_capabilities().get(n) for n in names)
