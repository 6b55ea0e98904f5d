"""A training run: its history, the batches, the state from which it resumes, the stop button."""

import gc
import hashlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.optim import Optimizer

from vaelib import checkpoint, validation
from vaelib.checkpoint import CheckpointError
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

    Under torchrun every process draws the noise of the full batch and keeps its own part, so that
    the number of processes changes nothing.
    """

    def __init__(self, x: Tensor, vae: VAE, generator: torch.Generator, binarise: bool) -> None:
        self.binarise = binarise
        where = generator.device  # the noise may be drawn on another device than the model's
        self.noise: Any = {"generator": generator, "dtype": x.dtype, "device": where}
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
        x_m = send(self.x.index_select(0, send(index[mine], self.x.device)), self.device)
        if self.binarise:  # as `data.binarise`, for data that has been checked before
            u = torch.rand(len(index), *self.x.shape[1:], **self.noise)
            x_m = (send(u[mine], self.device) < x_m).to(x_m.dtype)
        self.fraction = len(x_m) / len(index)
        eps = torch.randn(*self.samples, len(index), self.latent_dim, **self.noise)
        return x_m, send(eps[..., mine, :], self.device)


@dataclass(eq=False, repr=False)
class TrainingRun:
    """The state of one run. With it, a stopped run resumes as if it had never stopped.

    Within an epoch that state is the step, the sums so far, and two states of the generator: at
    the start of the epoch (it gives the order of the examples) and now (it gives the noise).
    """

    vae: VAE
    optimiser: Optimizer
    x: Tensor
    path: str | Path | None  # of the checkpoint: a file or a folder
    schedules: dict[str, Callable[[int], float]]
    settings: dict[str, Any]

    def __post_init__(self) -> None:
        self.rank, self.world = rank_and_world()
        self.n_train = len(self.x)
        self.batch_size = validation.count("batch_size", self.settings["batch_size"])
        self.steps_per_epoch = -(-self.n_train // self.batch_size)
        # A captured step draws on the GPU; all others on the CPU, the same numbers everywhere.
        on_device = self.vae.device if self.settings["engine"] == "compiled" else "cpu"
        seed = validation.count("seed", self.settings["seed"], at_least=0)
        self.generator = torch.Generator(on_device).manual_seed(seed)
        self.batches = BatchSource(self.x, self.vae, self.generator, self.settings["binarise"])
        self.history = History()
        self.steps_done = 0
        self.sums = torch.zeros(2, dtype=torch.float64, device=self.vae.device)  # log p(x|z) and KL
        self.start_of_epoch = self.generator.get_state()
        self.seconds = 0.0
        self.clock = self.saved_at = time.monotonic()
        if self.world > 1:  # the same weights for all, and before each step one gradient
            for tensor in self.vae.state_dict().values():
                dist.broadcast(tensor, 0)
            self.optimiser.register_step_pre_hook(self._average_gradients)
        self.file = None if self.path is None else Path(self.path)
        if self.file is not None:
            if self.file.is_dir():
                self.file = self.file / checkpoint.NAME
            data = f"{tuple(self.x.shape)} {digest(self.x)}"
            self.settings = {"data": data, **self.settings, "dtype": str(self.vae.dtype)}
            if self.file.exists():
                self._resume(self.file)
            elif self.rank == 0:
                self.save()  # if it cannot be saved, say so before training, not after

    def _average_gradients(self, *_: object) -> None:
        """The full batch's gradient: the sum of each process's times its fraction of the batch."""
        gradients = [p.grad for p in self.vae.parameters() if p.grad is not None]
        vector = parameters_to_vector(gradients)
        fraction = self.batches.fraction  # 0 where a last, smaller batch has nothing for it
        vector = vector * fraction if fraction else torch.zeros_like(vector)
        dist.all_reduce(vector)
        vector_to_parameters(vector, gradients)

    def remaining_batches(self) -> tuple[Tensor, ...]:
        """The indices of each batch of this epoch that has not been trained on yet."""
        done = self.steps_done % self.steps_per_epoch
        shuffler = self.generator
        if done:  # the order was drawn at the start of the epoch; now it is drawn again
            shuffler = torch.Generator(shuffler.device)
            shuffler.set_state(self.start_of_epoch)
        else:
            self.start_of_epoch = shuffler.get_state()
        order = torch.randperm(self.n_train, generator=shuffler, device=shuffler.device)
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

        `steps` are those of the whole run. Raises ValueError for an ELBO that is not finite.
        """
        if self.vae.device.type == "cuda":
            torch.cuda.synchronize()  # what was launched is waited for once per epoch
        self.seconds += time.monotonic() - self.clock
        self.history.steps = self.steps_done
        ended = self.steps_done % self.steps_per_epoch == 0
        if ended and self.world > 1:
            dist.all_reduce(self.sums)
        if not torch.isfinite(self.sums).all():  # such weights are to replace no good ones on disk
            log_px_z, kl = self.sums.tolist()
            where = f"in epoch {len(self.history.elbo) + 1}"
            sums = f"sum of log p(x|z) {log_px_z:.3g}, of KL {kl:.3g} nats"
            advice = "try a smaller lr or a larger sigma_x"
            raise ValueError(f"the ELBO is no longer a finite number {where} ({sums}): {advice}")
        if not ended:
            return False
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

    def save(self, every: float = 0.0) -> None:
        """Save the run, unless that was done less than `every` seconds ago."""
        if self.file is None or time.monotonic() - self.saved_at < every:
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
        info: dict[str, Any] = {"config": self.vae.config, "settings": self.settings}
        history = asdict(self.history) | {"interrupted": False}
        info |= {"schedules": values, "history": history, "seconds": self.seconds}
        # Copies: the weights of a compiled step share memory, which the file's format refuses.
        checkpoint.write(self.file, {n: t.clone() for n, t in tensors.items()}, info)
        self.saved_at = time.monotonic()

    def _resume(self, file: Path) -> None:
        """Refuse a file of another model or of other settings; otherwise continue where it was."""
        tensors, info = checkpoint.read(file)
        if not {"history", "settings", "schedules"} <= info.keys():
            raise CheckpointError(f"{file} holds a model, not a run to resume")
        if difference := _difference(info["config"], self.vae.config):
            raise CheckpointError(f"{file} is for another model: {difference}")
        difference = _difference(info["settings"], self.settings)
        for name, at in self.schedules.items():
            for i, was in info["schedules"][name]:
                if at(i) != was and not difference:
                    difference = f"{name} was {was:g} at step {i}, is {at(i):g}"
        if difference:
            raise CheckpointError(f"{file} is of another run: {difference}; {ADVICE}")
        checkpoint.load_weights(self.vae, tensors, str(file))
        adam = self.optimiser.state_dict()
        for name in tensors:
            if name.startswith("optimiser."):
                _, i, key = name.split(".")
                adam["state"].setdefault(int(i), {})[key] = tensors[name]
        self.optimiser.load_state_dict(adam)
        self.generator.set_state(tensors["generator.now"])
        self.start_of_epoch = tensors["generator.start"]
        if self.rank == 0:  # the first process alone carries on the sums over all of them
            self.sums.copy_(tensors["sums"])
        self.history = History(**info["history"])
        self.steps_done = self.history.steps
        self.seconds = info["seconds"]

    def finish(self, interrupted: bool, epochs: int) -> History:
        """The history. An interrupted run is saved first, and reported."""
        self.history.interrupted = interrupted
        if interrupted:
            self.save()
            where = "in the model (with checkpoint=FILE, fit could resume from here)"
            if self.file:
                where = f"saved in {self.file}: call fit again with the same arguments to resume"
            done = f"{self.steps_done} steps, {len(self.history.elbo)} full epochs of {epochs}"
            print(f"Interrupted after {done}; everything trained so far is {where}.")
        return self.history


class StopButton(ExitStack):
    """While it lasts, Ctrl-C (or the stop button) sets `pressed`; a second one interrupts at once.

    A step that has begun is therefore never cut in half. Outside the main thread, and under
    torchrun, nothing is changed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pressed = False
        main = threading.current_thread() is threading.main_thread()
        if main and rank_and_world()[1] == 1:
            before = signal.signal(signal.SIGINT, self._press)
            self.callback(signal.signal, signal.SIGINT, before)  # at the end

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


@contextmanager
def process_group(backend: str) -> Iterator[None]:
    """Join the processes that torchrun started, and leave no thread behind at the end.

    A thread that is still busy while Python shuts down aborts the process, so nothing may keep the
    group alive.
    """
    import torch.distributed.nn  # noqa: F401  # imported later, it would keep the group for ever

    dist.init_process_group(backend)
    try:
        yield
    finally:
        gc.collect()  # reference cycles keep it too
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
