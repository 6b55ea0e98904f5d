"""Training a VAE: the loop of lesson 6, with a progress bar, a device, a stop button, checkpoints.

`train_step` is lines 4 to 8 of the lecture's pseudo-code; `fit` is lines 2 and 3 around it. Line 1
is the model that `fit` is given. What a long run needs besides (its state on disk, the stop button,
several processes) is in `vaelib.run`, and the same step made faster is in `vaelib.engine`.
Source: slides "Combining all the ingredients", "Practical implementation" and "KL annealing".
"""

import math
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from vaelib import models
from vaelib.divergences import kl_to_standard_normal_per_dim
from vaelib.engine import Engine, Precision, Speed
from vaelib.models import VAE, BernoulliDecoder
from vaelib.run import EarlyStopping, History, StopButton, TrainingRun, chunks, training_mode
from vaelib.schedules import annealing_from_above, cosine_decay, linear_annealing
from vaelib.validation import binary, count, floats, number, unit_interval

__all__ = [
    "EarlyStopping",
    "History",
    "annealing_from_above",
    "cosine_decay",
    "face_vae",
    "fit",
    "fit_faces",
    "linear_annealing",
    "train_step",
]

Schedule = float | Callable[[int], float]
FACE_MODEL: dict[str, Any] = {
    "latent_dim": 4,
    "hidden": (128, 128),
    "sigma_x": 0.12,
    "activation": "silu",
}


def train_step(
    vae: VAE,
    optimiser: torch.optim.Optimizer,
    x: Float[Tensor, "M ..."],
    eps: Float[Tensor, "*K M D"],
    beta: Tensor | float = 1.0,
) -> tuple[Float[Tensor, "*K M"], Float[Tensor, " M"]]:
    """Lines 4 to 8 of the pseudo-code for one batch: one step up the ELBO, with β on the KL.

    Returns log p(x|z) and KL(q(z|x) ‖ p(z)) of each example, (M,), in nats. `fit` gives ε as
    (M, D); with (K, M, D), K samples of z for each example, log p(x|z) is (K, M).
    Nothing is checked here, as it is called thousands of times: `fit` has checked the data before.
    The calls below are lesson 6's `posterior`, `likelihood`, `log_prob` and `kl_to_standard_normal`
    without their checks.
    """
    q = vae.encoder(x)  # 4
    z = q.mu + q.sigma * eps  # 5
    log_px_z = vae.decoder(z).log_prob_unchecked(x)  # 6
    kl = kl_to_standard_normal_per_dim(q.mu, q.log_sigma).sum(-1)
    loss = -(log_px_z - beta * kl).mean()  # 7
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()  # 8
    return log_px_z.detach(), kl.detach()


def fit(
    vae: VAE,
    x: Float[Tensor, "N ..."],
    epochs: int = 10,
    batch_size: int = 128,
    lr: Schedule = 1e-3,
    beta: Schedule = 1.0,
    device: str | torch.device = "auto",
    seed: int = 0,
    progress: bool | Callable[[History], object] = True,
    checkpoint: str | Path | None = None,
    binarise: bool = False,
    engine: Engine = "plain",
    precision: Precision = "float32",
    validation: Float[Tensor, "V ..."] | None = None,
) -> History:
    """Maximise the mean over x of log p(x|z) − β KL(q(z|x) ‖ p(z)), z ~ q(z|x), with Adam.

    x: (N, *shape), in memory or memory-mapped from a file. `lr` and `beta` are numbers or functions
    of the step 0, 1, 2, … (see `vaelib.schedules`). `device`: "auto" takes CUDA where there is one;
    the model comes back to where it was. `progress`: True shows a bar, False nothing, a function
    gets the History after each epoch (with the bar as well), and ends the run by returning False.
    `binarise` draws new 0/1 pixels for each batch (dynamic binarisation). Ctrl-C, or the notebook's
    stop button ■, ends the run after the current step and keeps everything trained. With
    `checkpoint` (the name of a file with a suffix, or of a folder) the run is saved as it goes; an
    interrupted one resumes when `fit` is called again with the same arguments, on a CPU with the
    very same weights. With `validation`, data as x, the History has its ELBO after each epoch; then
    `progress=EarlyStopping(5)` ends a run that is no better for 5 epochs, and a run that was ended
    in such a way has the best weights.

    The rest is for long runs, and the lessons need none of it.
    `engine`: "plain" calls `train_step`; "compiled" takes the same step as one compiled function,
    on CUDA as one graph, where the run is long enough to earn back the 10 to 30 s of compiling; or
    a step of your own, called as `train_step` is. `precision`: "bfloat16" for the matrix products
    (sums and log-probabilities stay float32), "tf32" on CUDA, or "auto".

    Under torchrun each batch is shared among the processes. Raises TypeError and ValueError as
    `VAE.posterior`, ValueError for grey pixels under a Bernoulli decoder, a training that diverges
    (the model then has its last good weights) or nothing to compile with, MemoryError with the
    batch size that would fit, CheckpointError for a file that is damaged or of another run.

    >>> fit(models.dense((4,), 2), torch.zeros(8, 4), epochs=1, progress=False).steps
    1
    """
    check_data(vae, x, binarise)
    if validation is not None:
        check_data(vae, validation, binarise, "validation")
    epochs = count("epochs", epochs)
    lr_at = as_schedule("lr", lr)
    beta_at = as_schedule("beta", beta)
    device = choose_device(device)
    settings: dict[str, Any] = {"seed": seed, "batch_size": batch_size, "binarise": binarise}
    with ExitStack() as stack:  # what is put on it is done at the end, also after an error
        stack.enter_context(training_mode(vae, device))
        speed = Speed(engine, precision, vae, train_step)
        optimiser = torch.optim.Adam(vae.parameters(), lr=speed.as_input(lr_at(0)), fused=True)
        schedules = {"lr": lr_at, "beta": beta_at}
        settings |= speed.settings
        run = TrainingRun(vae, optimiser, x, checkpoint, schedules, settings, validation)
        steps = epochs * run.steps_per_epoch
        silent = progress is False or run.rank > 0  # of several processes, the first one reports
        stack.enter_context(speed.prepared(run, steps, silent))
        # β is a tensor of one number, as a compiled step reads it again from the same place.
        beta_now = torch.zeros((), dtype=x.dtype, device=device)

        def draw_and_step(index: Tensor) -> None:
            x_m, eps = run.batches.draw(index)  # 3
            log_px_z, kl = speed.step(vae, optimiser, x_m, eps, beta_now)  # 4 to 8: train_step
            run.record(log_px_z, kl)

        step_on = speed.captured(draw_and_step, run)
        stop = stack.enter_context(StopButton(run.history.stopped))
        bar = tqdm(total=steps, initial=run.steps_done, unit="step", disable=silent)
        stack.enter_context(bar)
        while run.steps_done < steps and not stop.pressed:  # one epoch each time
            for index in run.remaining_batches():  # 2: in random order; all, unless it resumes
                set_lr(optimiser, lr_at(run.steps_done))
                beta_now.fill_(beta_at(run.steps_done))
                step_on(index)
                pause = run.step_done()
                bar.update(run.steps_done - bar.n)
                if pause or stop.pressed:
                    break
            if run.end_epoch(steps):  # False where the epoch was cut short
                bar.set_postfix(run.history.last())
                stop.report(progress, run.history)
        return run.finish(stop.pressed and run.steps_done < steps, epochs)


def face_vae(seed: int = 0) -> VAE:
    """The default model for the faces, untrained: four latent dimensions, more than needed."""
    return models.dense((32, 32), **FACE_MODEL, seed=seed)


def fit_faces(
    vae: VAE, x: Tensor, seed: int = 0, epochs: int = 48, batch_size: int = 32, **options: Any
) -> History:
    """`fit` with the default settings for the faces: small batches, β from above, lr down to 0.

    Any other argument of `fit` may be given, and then replaces the default.
    """
    steps = epochs * math.ceil(len(x) / batch_size)
    options.setdefault("lr", lambda step: cosine_decay(step, steps, 1.5e-3))
    options.setdefault("beta", lambda step: annealing_from_above(step, steps))
    return fit(vae, x, epochs, batch_size, seed=seed, **options)


def check_data(vae: VAE, x: object, binarise: bool, name: str = "x") -> None:
    """Refuse data that is not for this model; in chunks, as it may be larger than memory."""
    if not isinstance(vae, VAE):
        raise TypeError(f"vae must be a vaelib VAE, not {type(vae).__name__}")
    if not any(p.requires_grad and not p.is_inference() for p in vae.parameters()):
        raise ValueError("vae cannot be trained: it is frozen, or made in torch.inference_mode()")
    floats(name, x, ("N", *vae.shape))
    assert isinstance(x, Tensor)  # known by now, but not to the type checker
    if len(x) == 0:
        raise ValueError(f"{name} holds no examples; expected at least one")
    bernoulli = isinstance(vae.decoder, BernoulliDecoder)
    check_pixels = unit_interval if binarise else binary
    for chunk in chunks(x):
        vae.check_data(name, chunk.to(vae.device))
        if bernoulli:
            check_pixels(name, chunk)
    if binarise and not bernoulli:
        raise ValueError("binarise=True goes with a Bernoulli decoder; this decoder is Gaussian")


def as_schedule(name: str, value: Schedule) -> Callable[[int], float]:
    """The schedule as a function of the step, also for a number; it refuses values below 0."""
    fixed = 0.0 if callable(value) else number(name, value)

    def at(step: int) -> float:
        given = fixed
        if callable(value):
            given = number(f"{name} at step {step}", value(step))
        if given < 0:
            raise ValueError(f"{name} is {given} at step {step}; expected a finite number ≥ 0")
        return given

    return at


def choose_device(device: str | torch.device) -> torch.device:
    """The device asked for; "auto" is CUDA where there is one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, dtype=torch.float64, device=chosen).item()  # in which `fit` sums
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f'device "{device}" cannot be used here ({reason}); try "auto"') from None
    return chosen


def set_lr(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """The learning rate of the next step, also where a compiled step reads it as a tensor."""
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr
