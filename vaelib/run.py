"""A training run: its history, the batches, the state from which it resumes, the stop button."""

import copy
import gc
import hashlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.optim import Optimizer

from vaelib import checkpoint, validation
from vaelib.bounds import elbo_terms
from vaelib.checkpoint import CheckpointError
from vaelib.models import VAE, GaussianDecoder, check_weights

PAUSE = 60.0  # seconds after which a long epoch pauses to be looked at and saved
HELD_OUT = 7_000_003  # seed of the validation's noise, the same for every run
CHUNK = 2**24  # bytes of the data that are looked at together; it may be larger than memory
State = tuple[dict[str, Tensor], dict[str, Any]]  # tensors, and what JSON can hold
ADVICE = "give the same arguments to resume it, or another checkpoint file to start a new run"


@dataclass
class History:
    """Lists of one value per epoch: means over its examples, each taken at its step, in nats.

    `elbo` is reconstruction − kl, whatever β was; `beta` and `lr` are those of the epoch's last
    step; `seconds` do not include the `compile_seconds` before the first step. `validation` is the
    ELBO of the validation data after the epoch, `best_epoch` (from 1; 0 without such data) where
    it is highest. `stopped`: the function given as `progress` has ended the run.
    """

    elbo: list[float] = field(default_factory=list)
    reconstruction: list[float] = field(default_factory=list)
    kl: list[float] = field(default_factory=list)
    beta: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    compile_seconds: float = 0.0
    steps: int = 0
    best_epoch: int = 0
    interrupted: bool = False
    stopped: bool = False

    def __repr__(self) -> str:
        last = f", ELBO {self.elbo[-1]:.1f} nats" if self.elbo else ""
        cut = ", interrupted" if self.interrupted else ""
        return f"History({len(self.elbo)} epochs, {self.steps} steps{last}{cut})"

    def last(self) -> dict[str, str]:
        """The numbers of the last epoch, for the bar."""
        shown = {"elbo": f"{self.elbo[-1]:.1f}", "kl": f"{self.kl[-1]:.2f}"}
        return shown | ({"validation": f"{self.validation[-1]:.1f}"} if self.validation else {})


class EarlyStopping:
    """`fit(validation=…, progress=EarlyStopping(5))` stops after 5 epochs that were no better."""

    def __init__(self, patience: int) -> None:
        self.patience = validation.count("patience", patience)

    def __call__(self, history: History) -> bool:
        """Whether the run is to continue."""
        if not history.validation:
            raise ValueError("EarlyStopping needs data to stop by: fit(validation=…)")
        return len(history.validation) - history.best_epoch < self.patience


class BatchSource:
    """x_m and ε for the indices of a batch, on the model's device.

    Under torchrun every process draws the noise of the full batch and keeps its own part, so that
    the number of processes changes nothing.
    """

    def __init__(self, x: Tensor, vae: VAE, generator: torch.Generator, binarise: bool) -> None:
        self.binarise = binarise
        # The noise may be drawn on another device than the model's.
        self.noise: Any = {"generator": generator, "dtype": x.dtype, "device": generator.device}
        self.latent_dim = vae.latent_dim
        self.samples: tuple[int, ...] = ()  # (K,) where a step wants ε of shape (K, M, D)
        self.rank, self.world = rank_and_world()
        self.fraction = 1.0  # of the last batch that this process has seen
        self.device = vae.device
        self.x = x.detach()
        try:
            self.x = self.x.to(self.device)
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
    held_out: Tensor | None = None  # the validation data

    def __post_init__(self) -> None:
        self.rank, self.world = rank_and_world()
        self.n_train = len(self.x)
        self.batch_size = validation.count("batch_size", self.settings["batch_size"])
        self.steps_per_epoch = -(-self.n_train // self.batch_size)
        # A captured step draws on the GPU; all others on the CPU, the same numbers everywhere.
        on_device = self.vae.device if self.settings["engine"] == "compiled" else "cpu"
        self.seed = validation.count("seed", self.settings["seed"], at_least=0)
        self.generator = torch.Generator(on_device).manual_seed(self.seed)
        binarise = self.settings["binarise"]
        self.batches = BatchSource(self.x, self.vae, self.generator, binarise)
        refuse_single_example(self.vae, self.n_train, self.batch_size, self.world)
        if self.held_out is not None:
            self.validation = BatchSource(self.held_out, self.vae, torch.Generator(), binarise)
        self.history = History()
        self.best: dict[str, Tensor] = {}  # the weights of the best epoch
        self.snapshots: list[State] = []  # the last two states that the run can go back to
        self.suspect = 0  # up to this step the run pauses after each, to find the one that diverges
        self.after_loading: Callable[[], None] | None = None  # for an engine
        self.sums = torch.zeros(2, dtype=torch.float64, device=self.vae.device)  # log p(x|z) and KL
        self.start_of_epoch = self.generator.get_state()
        self.seconds = 0.0
        self.clock = self.saved_at = time.monotonic()
        if self.world > 1:  # the same weights for all, and before each step one gradient
            for tensor in self.vae.state_dict().values():
                dist.broadcast(tensor, 0)
            self.optimiser.register_step_pre_hook(self._average_gradients)
        self.file = None if self.path is None else checkpoint.file_of_run(self.path)
        if self.file is not None:
            self.settings = {"data": digest(self.x), **self.settings, "dtype": str(self.vae.dtype)}
            if self.held_out is not None:
                self.settings["validation"] = digest(self.held_out)
            if self.file.exists():
                self._resume(self.file)
            else:
                self.save()  # if it cannot be saved, say so before training, not after

    def _average_gradients(self, *_: object) -> None:
        """The full batch's gradient: the sum of each process's times its fraction of the batch."""
        gradients = [p.grad for p in self.vae.parameters() if p.grad is not None]
        vector = parameters_to_vector(gradients)
        fraction = self.batches.fraction  # 0 where a last, smaller batch has nothing for it
        vector = vector * fraction if fraction else torch.zeros_like(vector)
        dist.all_reduce(vector)
        vector_to_parameters(vector, gradients)

    @property
    def steps_done(self) -> int:
        return self.history.steps

    def remaining_batches(self) -> Iterator[Tensor]:
        """The indices of each batch of this epoch that has not been trained on yet."""
        if not self.snapshots:
            self.snapshots = [self._state()]
        done = self.steps_done % self.steps_per_epoch
        shuffler = self.generator
        if done:  # the order was drawn at the start of the epoch; now it is drawn again
            shuffler = torch.Generator(shuffler.device)
            shuffler.set_state(self.start_of_epoch)
        else:
            self.start_of_epoch = shuffler.get_state()
        dropout = torch.default_generator
        if self.vae.device.type == "cuda":
            dropout = torch.cuda.default_generators[self.vae.device.index]
        order = torch.randperm(self.n_train, generator=shuffler, device=shuffler.device)
        self.clock = time.monotonic()
        for index in order.split(self.batch_size)[done:]:
            # Dropout draws from the device's own generator: seeded at each step, it repeats.
            dropout.manual_seed(((self.seed + 1) * 1_000_003 + self.steps_done) % 2**63)
            yield index

    def record(self, log_px_z: Tensor, kl: Tensor) -> None:
        """Add log p(x|z), (M,) or (K, M), and KL, (M,), to the sums of the epoch."""
        if log_px_z.ndim > 1:
            log_px_z = log_px_z.mean(0)
        # In place, where a CUDA graph finds it again.
        self.sums += torch.stack([log_px_z.sum(), kl.sum()])

    def step_done(self) -> bool:
        """Count the step. True where the epoch is to pause for `end_epoch`: once a minute."""
        self.history.steps += 1
        # Several processes would have to pause at the same step.
        long = self.world == 1 and time.monotonic() - self.clock > PAUSE
        return long or self.steps_done <= self.suspect

    def end_epoch(self, steps: int) -> bool:
        """Enter the epoch's means into the history and save; False if its end is not reached.

        `steps` are those of the whole run. Where a number is not finite, the run goes back and
        pauses after each step, until it finds the one. No epoch is reported twice.
        """
        for statistics in self.vae.buffers() if self.world > 1 else ():
            dist.broadcast(statistics, 0)  # each process has seen other examples
        fault = self._fault()  # a GPU is waited for here, once per epoch
        self.seconds += time.monotonic() - self.clock
        if fault:
            self._go_back(fault)
            return False
        over = self.steps_done % self.steps_per_epoch == 0
        if over:
            self._enter_epoch()
        # A snapshot takes as long as a small step.
        new = self.steps_done - self.snapshots[-1][1]["history"]["steps"]
        if new >= 100 or self.steps_done <= self.suspect:
            self.snapshots = [self.snapshots[-1], self._state()]
        self.save(every=0.0 if self.steps_done == steps else 1.0)
        return over and self.steps_done >= self.suspect

    def _enter_epoch(self) -> None:
        """Add the means of the epoch to the history."""
        reconstruction, kl = (self._total(self.sums) / self.n_train).tolist()
        values = {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}
        values |= {name: at(self.steps_done - 1) for name, at in self.schedules.items()}
        values["seconds"] = self.seconds
        if self.held_out is not None:
            values["validation"] = self._validate(self.held_out)
            if values["validation"] > max(self.history.validation, default=-math.inf):
                self.history.best_epoch = len(self.history.elbo) + 1
                self.best = {f"best.{n}": t.clone() for n, t in self.vae.state_dict().items()}
        for name, value in values.items():
            getattr(self.history, name).append(value)
        self.sums.zero_()
        self.seconds = 0.0

    @torch.no_grad()
    def _validate(self, x: Tensor) -> float:
        """The mean ELBO of the validation data, in nats, each time with the same noise."""
        self.validation.noise["generator"].manual_seed(HELD_OUT)
        total = torch.zeros_like(self.sums[:1])
        with self.vae.in_mode(training=False):
            for index in torch.arange(len(x)).split(self.batch_size):
                log_px_z, kl = elbo_terms(self.vae, *self.validation.draw(index))
                total += (log_px_z - kl).sum()
        elbo = self._total(total).item() / len(x)
        if not math.isfinite(elbo):
            raise ValueError(f"the ELBO of the validation data is {elbo}: try a smaller lr")
        return elbo

    def _total(self, sums: Tensor) -> Tensor:
        """The sums over all processes."""
        sums = sums.clone()
        if self.world > 1:
            dist.all_reduce(sums)
        return sums

    def _fault(self) -> str:
        """What is not finite: a term of the ELBO, or the gradient and so the weights; or ""."""
        sums = zip(("log p(x|z)", "KL"), self._total(self.sums).tolist(), strict=True)
        if terms := [name for name, value in sums if not math.isfinite(value)]:
            return " and ".join(terms)
        try:
            check_weights(self.vae.state_dict())
        except ValueError:
            return "the gradient"
        return ""

    def _go_back(self, fault: str) -> None:
        """To the older snapshot, to find the step; once that is known, to the weights before it."""
        step = self.steps_done
        if step > self.suspect:
            self.suspect = step
            self._load(*self.snapshots[0])
            return
        # Where a term is not finite, the weights just before the step have no finite ELBO either.
        self._load(*self.snapshots[-1 if "gradient" in fault else 0])
        self.save()
        advice = "try a smaller lr"
        if "log p" in fault and isinstance(self.vae.decoder, GaussianDecoder):
            advice += " or a larger sigma_x"
        epoch = -(-step // self.steps_per_epoch)
        fault += f" became NaN or infinite at step {step} (epoch {epoch})"
        where = f"the model and {self.file} have" if self.file else "the model has"
        kept = f"{where} the weights of step {self.steps_done}, which are finite"
        raise ValueError(f"{fault}; {kept}; {advice}")

    def _state(self) -> State:
        """All that the run needs to continue: copies of tensors, by their names, and the rest."""
        tensors = {f"model.{name}": t for name, t in self.vae.state_dict().items()}
        for i, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{i}.{name}": t for name, t in moments.items()}
        tensors |= self.best | {"sums": self.sums, "generator.start": self.start_of_epoch}
        tensors["generator.now"] = self.generator.get_state()
        # The weights of a compiled step share memory, which the file's format refuses.
        copies = {name: t.clone() for name, t in tensors.items()}
        history = {name: copy.copy(value) for name, value in vars(self.history).items()}
        return copies, {"history": history | {"interrupted": False}, "seconds": self.seconds}

    def _load(self, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
        """Continue from that state. In place, where a compiled step finds its tensors again."""
        checkpoint.load_weights(self.vae, tensors, str(self.file))
        states = [self.optimiser.state[p] for p in self.vae.parameters()]
        for i, state in enumerate(states):
            for key in [key for key in state if f"optimiser.{i}.{key}" not in tensors]:
                del state[key]
        for name, t in tensors.items():
            if name.startswith("optimiser."):
                _, number, key = name.split(".")
                place = torch.empty_like(t, device=self.vae.device)
                states[int(number)].setdefault(key, place).copy_(t)
        self.generator.set_state(tensors["generator.now"])
        self.start_of_epoch = tensors["generator.start"]
        self.sums.copy_(tensors["sums"])
        self.best = {name: t for name, t in tensors.items() if name.startswith("best.")}
        for name, value in info["history"].items():
            setattr(self.history, name, copy.copy(value))
        self.seconds = info["seconds"]
        if self.after_loading is not None:
            self.after_loading()

    def save(self, every: float = 0.0) -> None:
        """Save the run, unless that was done less than `every` seconds ago."""
        if self.file is None or self.rank > 0 or time.monotonic() - self.saved_at < every:
            return
        tensors, info = self._state()
        # A schedule is a function: in the file, the values that it had stand for it.
        steps = [*range(0, self.steps_done, max(1, self.steps_done // 100))]
        steps += [self.steps_done - 1] if steps else []
        info["schedules"] = {n: [[i, at(i)] for i in steps] for n, at in self.schedules.items()}
        info |= {"config": self.vae.config, "settings": self.settings}
        checkpoint.write(self.file, tensors, info)
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
        self._load(tensors, info)
        if self.rank > 0:  # the first process alone carries on the sums over all of them
            self.sums.zero_()

    def finish(self, interrupted: bool, epochs: int) -> History:
        """The history. A run that was stopped or interrupted is saved first, and reported."""
        history = self.history
        history.interrupted = interrupted and not history.stopped
        if history.stopped:
            weights = "the last, as there is no validation ELBO to choose by"
            if self.best:
                best = {name.removeprefix("best."): t for name, t in self.best.items()}
                self.vae.load_state_dict(best)
                weights = f"those of epoch {history.best_epoch}, the best by the validation ELBO"
            said = f"Stopped after epoch {len(history.elbo)}; the model's weights are {weights}."
        elif interrupted:
            where = "in the model (with checkpoint=FILE, fit could resume from here)"
            if self.file:
                where = f"saved in {self.file}: call fit again with the same arguments to resume"
            done = f"{self.steps_done} steps, {len(history.elbo)} full epochs of {epochs}"
            said = f"Interrupted after {done}; everything trained so far is {where}."
        else:
            return history
        self.save()
        if self.rank == 0:
            print(said)
        return history


class StopButton(ExitStack):
    """While it lasts, Ctrl-C (or the stop button) sets `pressed`; a second one interrupts at once.

    A step that has begun is therefore never cut in half. Outside the main thread, and under
    torchrun, nothing is changed.
    """

    def __init__(self, pressed: bool = False) -> None:
        super().__init__()
        self.pressed = pressed
        main = threading.current_thread() is threading.main_thread()
        if main and rank_and_world()[1] == 1:
            before = signal.signal(signal.SIGINT, self._press)
            self.callback(signal.signal, signal.SIGINT, before)  # at the end

    def _press(self, *_: object) -> None:
        self.pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def report(self, progress: object, history: History) -> None:
        """Call the caller's function, if it is one. To interrupt it presses the button too, and so
        does its answer False."""
        if not callable(progress):
            return
        rank, world = rank_and_world()
        try:
            answer = progress(history) if rank == 0 else None
            history.stopped = isinstance(answer, bool | np.bool_) and not answer
        except KeyboardInterrupt:
            self.pressed = True
        if world > 1:
            flags = [self.pressed, history.stopped]
            dist.broadcast_object_list(flags)
            self.pressed, history.stopped = flags
        self.pressed |= history.stopped


def rank_and_world() -> tuple[int, int]:
    """Which of how many processes this is: (0, 1) unless torchrun started several."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


@contextmanager
def training_mode(vae: VAE, device: torch.device) -> Iterator[None]:
    """While it lasts the model is on the device and trains; then all is as the caller had it."""
    home = vae.device
    gpus = [device] if device.type == "cuda" else []
    grad = (torch.inference_mode(False), torch.enable_grad())
    with grad[0], grad[1], torch.random.fork_rng(gpus), vae.in_mode(training=True):
        try:
            vae.to(device)
            yield
        finally:
            vae.to(home)


def refuse_single_example(vae: VAE, n: int, batch_size: int, world: int) -> None:
    """Refuse a batch of one example where BatchNorm would take its variance."""
    if not any(hasattr(m, "running_mean") for m in vae.modules()):
        return
    sizes = range(min(batch_size, n), n + 1)
    fits = next((size for size in sizes if (n % size or size) // world > 1), None)
    if fits != sizes[0]:
        advice = f"batch_size={fits} works" if fits else "expected more examples"
        given = f"x holds {n} examples: batch_size={batch_size} leaves a batch of one"
        raise ValueError(f"{given}, and BatchNorm takes a variance; {advice}")


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
    """Shape and fingerprint of data: the same for the same data, wherever it lies."""
    sha = hashlib.sha256()
    for chunk in chunks(x):
        sha.update(chunk.detach().cpu().contiguous().numpy().data)
    return f"{tuple(x.shape)} {sha.hexdigest()[:16]}"


def _difference(given: Any, wanted: Any) -> str:
    """The first few entries in which two settings differ, in words; "" where they agree.

    The seed of a model's first weights makes no difference: the file's weights replace them.
    """
    if not isinstance(given, dict) or not isinstance(wanted, dict):
        return "" if given == wanted else f"made as {given}, not as {wanted}"
    ignored = {"seed"} if "maker" in wanted else set()
    names = [n for n in given | wanted if given.get(n) != wanted.get(n) and n not in ignored]
    return "; ".join(f"{n} was {given.get(n)}, is {wanted.get(n)}" for n in names[:3])
