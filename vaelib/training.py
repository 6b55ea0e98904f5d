"""Training a VAE: the lecture's pseudo-code with a progress bar, a device, and a way to go on.

Source: slides "Combining all the ingredients", "Practical implementation" and "KL annealing".
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm.auto import tqdm

from vaelib import _require, models
from vaelib import data as datasets
from vaelib._run import History, Interrupt, Run
from vaelib._threads import few_threads
from vaelib.divergences import kl_to_standard_normal_per_dim
from vaelib.models import VAE
from vaelib.networks import BernoulliDecoder
from vaelib.schedules import (
    annealing_from_above,
    constant,
    cosine_decay,
    cyclical_annealing,
    exponential_annealing,
    linear_annealing,
)

__all__ = [
    "History",
    "annealing_from_above",
    "constant",
    "cosine_decay",
    "cyclical_annealing",
    "exponential_annealing",
    "face_vae",
    "fit",
    "fit_faces",
    "linear_annealing",
]

Schedule = float | Callable[[int], float]

FACE_MODEL: dict[str, Any] = {
    "latent_dim": 4,
    "hidden": (128, 128),
    "sigma_x": 0.12,
    "activation": "silu",
}


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
) -> History:
    """Maximise the mean over x of log p(x|z) − β KL(q(z|x) ‖ p(z)), z ~ q(z|x), with Adam.

    x: (N, *shape). `lr` and `beta` are numbers or functions of the step 0, 1, 2, … (see
    `vaelib.schedules`). `device`: "auto" takes CUDA where there is one; the model comes back to
    where it was. `progress`: a bar, nothing, or a function called with the History after each epoch
    besides the bar. `binarise` draws 0/1 pixels anew for each batch (dynamic binarisation).

    With `checkpoint` (a file) the run is kept as it goes; a stopped one goes on when `fit` is
    called again with the same arguments, on a CPU to the very same weights. Ctrl-C or the stop
    button ends the run after the step at hand and keeps everything trained. Under torch.distributed
    each batch is shared among the processes. Raises TypeError and ValueError as `VAE.posterior`,
    ValueError for grey pixels under a Bernoulli decoder or an ELBO that is no longer a number,
    CheckpointError for a checkpoint that is damaged or of another run.

    >>> fit(models.dense((4,), 2), torch.zeros(8, 4), epochs=1, progress=False).steps
    1
    """
    _check_data(vae, x, binarise)
    epochs, batch_size = _require.count("epochs", epochs), _require.count("batch_size", batch_size)
    beta_at, lr_at = _schedule("beta", beta), _schedule("lr", lr)
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    home, device, batches = vae.device, _device(device), -(-len(x) // batch_size)
    x, terms = x.to(device), _Terms(vae.to(device))
    optimiser = torch.optim.Adam(vae.parameters(), lr=lr_at(0), fused=True)
    seed = _require.count("seed", seed, at_least=0)
    generator = torch.Generator().manual_seed(seed)
    settings: dict[str, Any] = {"seed": seed, "batch_size": batch_size, "binarise": binarise}
    settings["dtype"] = str(vae.dtype)
    schedules = {"beta": beta_at, "lr": lr_at}
    run = Run(vae, optimiser, generator, checkpoint, settings, schedules, x, rank)
    step = run.history.steps

    def draw(index: Tensor) -> tuple[Tensor, Tensor]:
        """x and ε of one batch. All processes draw the same and take their share of it."""
        x_m = x[index.to(device)]
        if binarise:
            x_m = datasets.binarise(x_m, generator)
        eps = torch.randn(len(index), vae.latent_dim, generator=generator, dtype=x.dtype)
        return x_m[rank::world], eps[rank::world].to(device)

    with ExitStack() as stack:
        stack.callback(vae.to, home)
        stack.enter_context(few_threads(_work(vae, batch_size)))
        interrupt = stack.enter_context(Interrupt()) if world == 1 else Interrupt()
        hidden = progress is False or rank > 0
        bar = stack.enter_context(
            tqdm(total=epochs * batches, initial=step, unit="step", disable=hidden)
        )
        net: nn.Module = DistributedDataParallel(terms) if world > 1 else terms
        run.sums = run.sums.to(device)
        while step < epochs * batches and not interrupt.asked:
            started = time.perf_counter()
            for index in run.order(len(x), batch_size, batches):
                x_m, eps = draw(index)
                log_px_z, kl = net(x_m, eps)
                elbo_m = log_px_z - beta_at(step) * kl
                # The mean over the batch; DistributedDataParallel averages over the processes.
                loss = -elbo_m.sum() / len(index) * world
                for group in optimiser.param_groups:
                    group["lr"] = lr_at(step)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                run.sums += torch.stack([log_px_z.detach().sum(), kl.detach().sum()])
                step = run.history.steps = step + 1
                bar.update()
                if interrupt.asked:
                    break
            run.seconds += time.perf_counter() - started
            if step % batches:
                break
            if world > 1:
                dist.all_reduce(run.sums)
            run.end_epoch(len(x), beta_at(step - 1), lr_at(step - 1))
            bar.set_postfix(elbo=f"{run.history.elbo[-1]:.1f}", kl=f"{run.history.kl[-1]:.2f}")
            if rank == 0:
                run.save(every=0.0 if step == epochs * batches else 1.0)
            if callable(progress) and rank == 0:
                try:
                    progress(run.history)
                except KeyboardInterrupt:
                    interrupt.asked = True
    return _finish(run, interrupt.asked and step < epochs * batches, epochs)


def face_vae(seed: int = 0) -> VAE:
    """The default model for the faces: four latent dimensions, of which two find the factors."""
    return models.dense((32, 32), **FACE_MODEL, seed=seed)


def fit_faces(
    vae: VAE, x: Tensor, seed: int = 0, epochs: int = 48, batch_size: int = 32, **options: Any
) -> History:
    """`fit` with the default settings for the faces: small batches, and β from above.

    Any of `fit`'s arguments may be given otherwise.
    """
    steps = epochs * -(-len(x) // batch_size)
    options.setdefault("lr", lambda step: cosine_decay(step, steps, 1.5e-3))
    options.setdefault("beta", lambda step: annealing_from_above(step, steps))
    return fit(vae, x, epochs, batch_size, seed=seed, **options)


class _Terms(nn.Module):
    """(log p(x|z), KL), (M,) each, with z = μ + σ ⊙ ε: encoder and decoder for one batch.

    The data has been checked before, so nothing here checks it again or waits for the device.
    """

    def __init__(self, vae: VAE) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, x: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        q = self.vae.encoder(x)
        z = q.mu + q.sigma * eps
        p_x = self.vae.decoder(z)
        return p_x.log_prob_unchecked(x), kl_to_standard_normal_per_dim(q.mu, q.log_sigma).sum(-1)


def _finish(run: Run, interrupted: bool, epochs: int) -> History:
    run.history.interrupted = interrupted
    if interrupted:
        run.check_finite()
        run.save()
        kept = (
            f"kept in {run.path}: call fit again with the same arguments to go on"
            if run.path
            else "in the model (with checkpoint=FILE, fit could go on from here)"
        )
        print(
            f"Interrupted after {run.history.steps} steps, {len(run.history.elbo)} whole epochs of "
            f"{epochs}; everything trained so far is {kept}."
        )
    return run.history


def _check_data(vae: VAE, x: object, binarise: bool) -> None:
    if not isinstance(vae, VAE):
        raise TypeError(f"vae must be a vaelib VAE, not {type(vae).__name__}")
    _require.floats("x", x, ("N", *vae.shape))
    assert isinstance(x, Tensor)
    vae.check_data("x", x.to(vae.device))
    if len(x) == 0:
        raise ValueError("x holds no examples; expected at least one")
    if isinstance(vae.decoder, BernoulliDecoder):
        (_require.unit_interval if binarise else _require.binary)("x", x)
    elif binarise:
        raise ValueError("binarise=True goes with a Bernoulli decoder; this decoder is Gaussian")


def _schedule(name: str, value: Schedule) -> Callable[[int], float]:
    """The function of the step that a number or a function stands for; its values are checked."""

    def at(step: int) -> float:
        given = _require.number(f"{name} at step {step}", value(step)) if callable(value) else fixed
        if given < 0:
            raise ValueError(f"{name} is {given} at step {step}; expected a finite number ≥ 0")
        return given

    fixed = 0.0 if callable(value) else _require.number(name, value)
    return at


def _device(device: str | torch.device) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f'device "{device}" cannot be used here ({reason}); try "auto"') from None
    return chosen


def _work(vae: VAE, batch_size: int) -> float:
    """Floating-point operations of one step, roughly: 6 for each weight and example."""
    weights = sum(p.numel() for p in vae.parameters())
    spread = 50 if any(isinstance(m, nn.Conv2d) for m in vae.modules()) else 1  # reuse of weights
    return 6.0 * weights * batch_size * spread
