"""Training a VAE: the lecture's pseudo-code with a progress bar, a device, and a way to go on.

Source: slides "Combining all the ingredients", "Practical implementation" and "KL annealing".
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm.auto import tqdm

from vaelib import validation, models
from vaelib._arguments import (
    Schedule,
    check_data,
    choose_device,
    choose_speed,
    operations,
    schedule,
)
from vaelib._cuda import Captured, Step, adam, memory_explained, set_rate
from vaelib._history import History
from vaelib._mapped import Rows, send
from vaelib._objective import Objective, Precision, Terms
from vaelib._products import matrix_products
from vaelib._run import Interrupt, Run
from vaelib._threads import few_threads, thread_numbers
from vaelib.models import VAE
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
    *,
    objective: Objective = "elbo",
    k: int = 1,
    average: float = 0.0,
    precision: Precision = "float32",
    compile: bool | Literal["always"] = False,
) -> History:
    """Maximise the mean over x of log p(x|z) − β KL(q(z|x) ‖ p(z)), z ~ q(z|x), with Adam.

    x: (N, *shape), in memory or in a file mapped into it. `lr` and `beta` are numbers or functions
    of the step 0, 1, 2, … (see `vaelib.schedules`). `device`: "auto" takes CUDA where there is one;
    the model comes back to where it was. `progress`: a bar, nothing, or a function called with the
    History after each epoch besides the bar. `binarise` draws 0/1 pixels anew for each batch
    (dynamic binarisation).

    What is maximised: `objective` "elbo", with `k` draws of z; "iwae", log (1/k) Σ_k w_k with
    log w = log p(x|z) − β [log q(z|x) − log p(z)]; "dreg", the same bound with the doubly
    reparameterised gradient. `average` = 0.999, say, gives back the mean of the weights over the
    last 1,000 steps or so. What makes it faster, with other roundings: `precision` "bfloat16" for
    the matrix products (sums and log-probabilities stay float32), "tf32" on CUDA, or "auto";
    `compile` through torch.compile, on CUDA as one graph, where the run is long enough to earn
    back the 10 to 25 s that this takes once ("always": even where it is not).

    With `checkpoint` (a file) the run is kept as it goes; a stopped one goes on when `fit` is
    called again with the same arguments, on a CPU to the very same weights. Ctrl-C or the stop
    button ends the run after the step at hand and keeps everything trained. Under torch.distributed
    each batch is shared among the processes. Raises TypeError and ValueError as `VAE.posterior`,
    ValueError for grey pixels under a Bernoulli decoder, an ELBO that is no longer a number or
    nothing to compile with, MemoryError with the batch size that would fit, CheckpointError for a
    checkpoint that is damaged or of another run.

    >>> fit(models.dense((4,), 2), torch.zeros(8, 4), epochs=1, progress=False).steps
    1
    """
    check_data(vae, x, binarise)
    epochs, batch_size = validation.count("epochs", epochs), validation.count("batch_size", batch_size)
    seed, batches = validation.count("seed", seed, at_least=0), -(-len(x) // batch_size)
    schedules = {"beta": schedule("beta", beta), "lr": schedule("lr", lr)}
    beta_at, lr_at = schedules.values()
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    device, generator = choose_device(device), torch.Generator().manual_seed(seed)
    k, precision = choose_speed(objective, k, precision, compile, vae.dtype, device)
    settings: dict[str, Any] = {"seed": seed, "batch_size": batch_size, "binarise": binarise}
    settings |= {"dtype": str(vae.dtype), "objective": objective, "k": k, "precision": precision}
    settings["average"] = validation.share("average", average)

    with ExitStack() as stack:
        stack.callback(vae.to, vae.device)
        if device.type == "cuda":
            stack.enter_context(torch.cuda.device(device))
        terms = Terms(vae.to(device), objective, k, precision == "bfloat16")
        captured = bool(compile) and device.type == "cuda" and world == 1
        optimiser = adam(vae, lr_at(0), captured)
        run = Run(vae, optimiser, generator, checkpoint, settings, schedules, x, rank)
        step, rows = run.history.steps, Rows(x, device)
        beta_now = torch.zeros((), dtype=x.dtype, device=device)
        hidden, whole = progress is False or rank > 0, min(batch_size, len(x))
        work = operations(vae, batch_size) * k
        stack.enter_context(few_threads(work))
        threads = thread_numbers(vae, fixed=bool(compile) or world > 1 or device.type != "cpu")
        stack.enter_context(matrix_products(vae, precision, 0 if compile else whole))
        stack.enter_context(memory_explained(terms, whole, rank, world))
        if compile and not captured and step < epochs * batches:
            share, work = len(range(rank, whole, world)), work * epochs * batches
            always, talk = compile == "always", not hidden
            run.history.compile_seconds = terms.compile_for(share, work, always, talk)
        net: nn.Module = DistributedDataParallel(terms) if world > 1 else terms
        interrupt = stack.enter_context(Interrupt()) if world == 1 else Interrupt()
        bar = tqdm(total=epochs * batches, initial=step, unit="step", disable=hidden)
        stack.enter_context(bar)

        def draw(index: Tensor) -> tuple[Tensor, Tensor]:
            """x and ε of one batch. All processes draw the same and take their share of it."""
            x_m = rows[index]
            if binarise:  # as `data.binarise`, but the data has been checked before
                u = torch.rand(x_m.shape, generator=generator, dtype=x.dtype)
                x_m = (send(u, device) < x_m).to(x.dtype)
            shape = (*terms.draws, len(index), vae.latent_dim)
            eps = torch.randn(shape, generator=generator, dtype=x.dtype)
            return x_m[rank::world], send(eps[..., rank::world, :], device)

        def take_step(x_m: Tensor, eps: Tensor, beta: Tensor, size: int) -> None:
            """One step of the pseudo-code, with this process's share of a batch of `size`."""
            log_px_z, kl = net(x_m, eps)
            bound_m = terms.bound(log_px_z - beta * kl)  # the ELBO itself, or log (1/K) Σ_k w_k
            # The mean over the batch; DistributedDataParallel averages over the processes.
            loss = -bound_m.sum() / size * world
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            run.count(log_px_z, kl, bound_m)

        take: Step = Captured(take_step, whole) if captured else take_step
        while step < epochs * batches and not interrupt.asked:
            started = time.perf_counter()
            for index in run.order(len(x), batch_size, batches):
                torch.set_num_threads(next(threads))
                set_rate(optimiser, lr_at(step))
                take(*draw(index), beta_now.fill_(beta_at(step)), len(index))
                run.average(step)
                step = run.history.steps = step + 1
                bar.update()
                if interrupt.asked:
                    break
            if device.type == "cuda":  # what was launched is now waited for, once an epoch
                torch.cuda.synchronize()
            run.seconds += time.perf_counter() - started
            if step % batches:
                break
            run.end_epoch(len(x), beta_at(step - 1), lr_at(step - 1))
            bar.set_postfix(elbo=f"{run.history.elbo[-1]:.1f}", kl=f"{run.history.kl[-1]:.2f}")
            if rank == 0:
                run.save(every=0.0 if step == epochs * batches else 1.0)
            if callable(progress) and rank == 0:
                try:
                    progress(run.history)
                except KeyboardInterrupt:
                    interrupt.asked = True
        return run.finish(interrupt.asked and step < epochs * batches, epochs)


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
