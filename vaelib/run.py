"""A training run: its history, the batches, the state from which it resumes, the stop button."""

import gc
import hashlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.optim import Optimizer

from vaelib import checkpoint, validation
from vaelib.models import VAE

CHUNK = 2**24  # bytes of the data that are looked at together; it may be larger than memory
ADVICE = "give the same arguments to resume it, or another checkpoint file to start a new run"


@dataclass
class History:
    """Lists of one value per epoch: means over its examples, each taken at its step, in nats.

    `elbo` is reconstruction − kl, whatever β was; `beta` and `lr` are those of the epoch's last
    step; `seconds` do not include the `compile_seconds` before the first step.
    """

    elbo: list[float] = field(default_factory=list)
    reconstruction: list[float] = field(default_factory=list)
    kl: list[float] = field(default_factory=list)
    beta: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    compile_seconds: float = 0.0
    steps: int = 0
    interrupted: bool = False

    def __repr__(self) -> str:
        last = f", ELBO {self.elbo[-1]:.1f} nats" if self.elbo else ""
        cut = ", interrupted" if self.interrupted else ""
        return f"History({len(self.elbo)} epochs, {self.steps} steps{last}{cut})"


class BatchSource:
    """x_m and ε for the indices of a batch, on the model's device.

    The noise comes from one generator, which may live on another device. Under torchrun every
    process draws the noise of the full batch and keeps its own part, so that the number of
    processes changes nothing.
    """

    def __init__(self, x: Tensor, vae: VAE, generator: torch.Generator, binarise: bool) -> None:
        self.generator = generator
        self.binarise = binarise
        self.latent_dim = vae.latent_dim
        self.samples: tuple[int, ...] = ()  # (K,) where a step wants ε of shape (K, M, D)
        self.rank, self.world = rank_and_world()
        self.fraction = 1.0  # of the last batch that this process has seen
        self.device = vae.device
        self.x = x
        try:
            self.x = x.to(self.device)
        except torch.OutOfMemoryError:  # then its batches are sent one by one
            torch.cuda.empty_cache()

    def draw(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """x_m (M, *shape) and ε (M, D), or (K, M, D) for a step with K samples."""
        mine = slice(self.rank, None, self.world)
        x_m = self.x.index_select(0, send(index[mine], self.x.device))
        x_m = send(x_m, self.device)
        if self.binarise:  # as `data.binarise`, for data that has been checked before
            u = self._random(torch.rand, (len(index), *self.x.shape[1:]))
            x_m = (send(u[mine], self.device) < x_m).to(x_m.dtype)
        self.fraction = len(x_m) / len(index)
        eps = self._random(torch.randn, (*self.samples, len(index), self.latent_dim))
        return x_m, send(eps[..., mine, :], self.device)

    def _random(self, draw: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        where = self.generator.device
        return draw(shape, generator=self.generator, dtype=self.x.dtype, device=where)


class TrainingRun:
    """The state of one run. With it, a stopped run resumes as if it had never stopped.

    Within an epoch that state is the step, the sums so far, and two states of the generator: at
    the start of the epoch (it gives the order of the examples) and now (it gives the noise).
    """

    def __init__(
        self,
        vae: VAE,
        optimiser: Optimizer,
        x: Tensor,
        path: str | Path | None,
        schedules: dict[str, Callable[[int], float]],
        settings: dict[str, Any],
    ) -> None:
        self.vae = vae
        self.optimiser = optimiser
        self.schedules = schedules
        self.rank, self.world = rank_and_world()
        self.n_train = len(x)
        self.batch_size = validation.count("batch_size", settings["batch_size"])
        self.steps_per_epoch = -(-self.n_train // self.batch_size)
        # A captured step draws on the GPU; all others on the CPU, the same numbers everywhere.
        on_device = vae.device if settings["engine"] == "compiled" else "cpu"
        seed = validation.count("seed", settings["seed"], at_least=0)
        self.generator = torch.Generator(on_device).manual_seed(seed)
        self.batches = BatchSource(x, vae, self.generator, settings["binarise"])
        self.history = History()
        self.sums = torch.zeros(2, dtype=torch.float64, device=vae.device)  # log p(x|z) and KL
        self.start_of_epoch = self.generator.get_state()
        self.seconds = 0.0
        self.clock = self.saved_at = time.monotonic()
        train_as_one(vae, optimiser, self.batches)
        self.path = None if path is None else Path(path)
        if self.path is not None:
            if self.path.is_dir():
                self.path = self.path / checkpoint.NAME
            self.settings = {"data": f"{tuple(x.shape)} {digest(x)}", **settings}
            self.settings["dtype"] = str(vae.dtype)
            if self.path.exists():
                self._resume()
            elif self.rank == 0:
                self.save()  # if it cannot be saved, say so before training, not after

    @property
    def steps_done(self) -> int:
        return self.history.steps

    @steps_done.setter
    def steps_done(self, steps: int) -> None:
        self.history.steps = steps

    def remaining_batches(self) -> tuple[Tensor, ...]:
        """The indices of each batch of this epoch that has not been trained on yet."""
        done = self.steps_done % self.steps_per_epoch
        now = self.generator.get_state()
        if done:
            self.generator.set_state(self.start_of_epoch)
        self.start_of_epoch = self.generator.get_state()
        generator = self.generator
        order = torch.randperm(self.n_train, generator=generator, device=generator.device)
        if done:
            self.generator.set_state(now)
        self.clock = time.monotonic()
        return order.split(self.batch_size)[done:]

    def record(self, log_px_z: Tensor, kl: Tensor) -> None:
        """Add log p(x|z), (M,) or (K, M), and KL, (M,), to the sums of the epoch."""
        if log_px_z.ndim > 1:
            log_px_z = log_px_z.mean(0)
        # In place, where a CUDA graph finds it again.
        self.sums += torch.stack([log_px_z.sum(), kl.sum()])

    def end_epoch(self, steps: int) -> bool:
        """Enter the epoch's means into the history and save; False if its end is not reached.

        `steps` are those of the whole run. Raises as `check_finite`.
        """
        if self.vae.device.type == "cuda":
            torch.cuda.synchronize()  # what was launched is waited for once per epoch
        self.seconds += time.monotonic() - self.clock
        if self.steps_done % self.steps_per_epoch:
            return False
        if self.world > 1:
            dist.all_reduce(self.sums)
        self.check_finite()
        reconstruction, kl = (self.sums / self.n_train).tolist()
        values = {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}
        values |= {name: at(self.steps_done - 1) for name, at in self.schedules.items()}
        for name, value in (values | {"seconds": self.seconds}).items():
            getattr(self.history, name).append(value)
        self.sums.zero_()
        self.seconds = 0.0
        if self.rank == 0:
            self.save(every=0.0 if self.steps_done == steps else 1.0)
        return True

    def check_finite(self) -> None:
        """Refuse weights that have diverged, so that they replace no good ones on disk."""
        if not torch.isfinite(self.sums).all():
            log_px_z, kl = self.sums.tolist()
            raise ValueError(
                f"the ELBO is no longer a finite number in epoch {len(self.history.elbo) + 1} "
                f"(sum of log p(x|z) {log_px_z:.3g}, of KL {kl:.3g} nats): try a smaller lr or a "
                "larger sigma_x"
            )

    def save(self, every: float = 0.0) -> None:
        """Save the run, unless that was done less than `every` seconds ago."""
        if self.path is None or time.monotonic() - self.saved_at < every:
            return
        tensors = {f"model.{name}": t for name, t in self.vae.state_dict().items()}
        for i, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{i}.{name}": t for name, t in moments.items()}
        tensors |= {"sums": self.sums, "generator.start": self.start_of_epoch}
        tensors["generator.now"] = self.generator.get_state()
        # A schedule is a function: in the file, the values that it had stand for it.
        steps = [*range(0, self.steps_done, max(1, self.steps_done // 100))]
        steps += [self.steps_done - 1] if steps else []
        values = {n: [[i, at(i)] for i in steps] for n, at in self.schedules.items()}
        info = {
            "config": self.vae.config,
            "settings": self.settings,
            "schedules": values,
            "history": asdict(self.history) | {"interrupted": False},
            "seconds": self.seconds,
        }
        # Copies: the weights of a compiled step share memory, which the file's format refuses.
        checkpoint.write(self.path, {n: t.clone() for n, t in tensors.items()}, info)
        self.saved_at = time.monotonic()

    def _resume(self) -> None:
        assert self.path is not None
        tensors, info = checkpoint.read(self.path)
        self._check_same_run(info)
        checkpoint.load_weights(self.vae, tensors, str(self.path))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, t in tensors.items():
            if name.startswith("optimiser."):
                _, i, key = name.split(".")
                moments.setdefault(int(i), {})[key] = t
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        self.generator.set_state(tensors["generator.now"])
        self.start_of_epoch = tensors["generator.start"]
        self.sums.copy_(tensors["sums"])
        if self.rank > 0:  # the first process alone carries on the sums over all of them
            self.sums.zero_()
        self.history = History(**info["history"])
        self.seconds = info["seconds"]

    def _check_same_run(self, info: dict[str, Any]) -> None:
        """Refuse a checkpoint of another model or of other settings, and name the difference."""
        if not {"history", "settings", "schedules"} <= info.keys():
            raise checkpoint.CheckpointError(f"{self.path} holds a model, not a run to resume")
        if difference := _difference(info["config"], self.vae.config):
            raise checkpoint.CheckpointError(f"{self.path} is for another model: {difference}")
        difference = _difference(info["settings"], self.settings)
        for name, at in self.schedules.items():
            other = [(i, was) for i, was in info["schedules"][name] if at(i) != was]
            if other and not difference:
                i, was = other[0]
                difference = f"{name} was {was:g} at step {i}, is {at(i):g}"
        if difference:
            message = f"{self.path} is of another run: {difference}; {ADVICE}"
            raise checkpoint.CheckpointError(message)

    def finish(self, interrupted: bool, epochs: int) -> History:
        """The history. An interrupted run is saved first, and reported."""
        self.history.interrupted = interrupted
        if interrupted:
            self.check_finite()
            self.save()
            where = "in the model (with checkpoint=FILE, fit could resume from here)"
            if self.path:
                where = f"saved in {self.path}: call fit again with the same arguments to resume"
            done = f"{self.steps_done} steps, {len(self.history.elbo)} full epochs of {epochs}"
            print(f"Interrupted after {done}; everything trained so far is {where}.")
        return self.history


class StopButton:
    """While it lasts, Ctrl-C (or the stop button) sets `pressed`; a second one interrupts at once.

    A step that has begun is therefore never cut in half. Outside the main thread, and under
    torchrun, nothing is changed.
    """

    def __init__(self) -> None:
        self.pressed = False
        main = threading.current_thread() is threading.main_thread()
        self.enabled = main and rank_and_world()[1] == 1

    def __enter__(self) -> "StopButton":
        if self.enabled:
            self.before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *_: object) -> None:
        if self.enabled:
            signal.signal(signal.SIGINT, self.before)

    def _press(self, *_: object) -> None:
        self.pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def report(self, progress: object, history: History) -> None:
        """Call the caller's function, if it is one; interrupting it presses the button too."""
        if callable(progress) and rank_and_world()[0] == 0:
            try:
                progress(history)
            except KeyboardInterrupt:
                self.pressed = True


def rank_and_world() -> tuple[int, int]:
    """Which of how many processes this is: (0, 1) unless torchrun started several."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def train_as_one(vae: VAE, optimiser: Optimizer, batches: BatchSource) -> None:
    """Under torchrun: the same weights for all, and before each step the full batch's gradient.

    The gradient of the mean over a batch is the sum over the processes of each one's gradient times
    the fraction of the batch that it has seen; of a last, smaller batch that may be nothing.
    """
    if batches.world == 1:
        return
    for tensor in vae.state_dict().values():
        dist.broadcast(tensor, 0)

    def average_gradients(*_: object) -> None:
        gradients = [p.grad for p in vae.parameters() if p.grad is not None]
        vector = parameters_to_vector(gradients)
        vector = vector * batches.fraction if batches.fraction else torch.zeros_like(vector)
        dist.all_reduce(vector)
        vector_to_parameters(vector, gradients)

    optimiser.register_step_pre_hook(average_gradients)


@contextmanager
def process_group(backend: str) -> Iterator[None]:
    """Join the processes that torchrun started, and leave no thread behind at the end.

    A thread that is still busy while Python shuts down aborts the process after its work is done.
    So nothing may keep the group alive: neither default arguments that took it when PyTorch's
    modules were imported after it was made, nor reference cycles.
    """
    import torch.distributed.nn  # noqa: F401

    dist.init_process_group(backend)
    try:
        yield
    finally:
        gc.collect()
        dist.destroy_process_group()


def send(values: Tensor, device: torch.device) -> Tensor:
    """The values on the device; a GPU is not waited for, as it would be by a plain `to`."""
    return values.to(device, non_blocking=device.type == "cuda" and values.device.type == "cpu")


def chunks(x: Tensor) -> tuple[Tensor, ...]:
    """x in chunks of a few rows, for data in a file that may be larger than memory."""
    row = x.element_size() * x[:1].numel()
    return x.split(max(1, CHUNK // max(1, row)))


def digest(x: Tensor) -> str:
    """A fingerprint of the data: the same data has the same one, wherever it lies."""
    sha = hashlib.sha256()
    for chunk in chunks(x):
        sha.update(chunk.detach().cpu().contiguous().numpy().data)
    return sha.hexdigest()[:16]


def _difference(given: Any, wanted: Any) -> str:
    """The first few entries in which two settings differ, in words; "" where they agree.

    The seed of a model's first weights makes no difference: the file's weights replace them.
    """
    if not isinstance(given, dict) or not isinstance(wanted, dict):
        return "" if given == wanted else f"made as {given}, not as {wanted}"
    ignored = {"seed"} if "maker" in wanted else set()
    names = [n for n in given | wanted if given.get(n) != wanted.get(n) and n not in ignored]
    return "; ".join(f"{n} was {given.get(n)}, is {wanted.get(n)}" for n in names[:3])
