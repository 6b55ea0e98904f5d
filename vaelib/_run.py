"""What surrounds the training loop: threads, the stop button, the state a run goes on from."""

import gc
import hashlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from vaelib import checkpoint
from vaelib._history import Average, History
from vaelib._mapped import parts
from vaelib.models import VAE

ANEW = "give the same arguments to go on, or another checkpoint file to start anew"


class Run:
    """The state of one run: with it, a stopped run goes on as if it had never stopped.

    Within an epoch that state is the step, the sums so far, and the generator as it was at the
    epoch's start (it gives the order of the examples) and as it is now (it gives the noise).
    """

    def __init__(
        self,
        vae: VAE,
        optimiser: torch.optim.Optimizer,
        generator: torch.Generator,
        path: str | Path | None,
        settings: dict[str, Any],
        schedules: dict[str, Callable[[int], float]],
        x: Tensor,
        rank: int = 0,
    ) -> None:
        self.schedules = schedules
        self.vae, self.optimiser, self.generator, self.rank = vae, optimiser, generator, rank
        self.history = History()
        # of log p(x|z), KL and the bound in this epoch
        self.sums = torch.zeros(3, dtype=torch.float64, device=vae.device)
        self.averaged = Average(vae, settings["average"]) if settings["average"] else None
        self.seconds, self.saved_at = 0.0, time.monotonic()
        self.at_start = generator.get_state()
        self.path = None if path is None else Path(path)
        if self.path is not None:
            if self.path.is_dir():
                self.path = self.path / checkpoint.NAME
            digest = hashlib.sha256()
            for part in parts(x):
                digest.update(part.detach().cpu().contiguous().numpy().data)
            self.settings = {"data": f"{tuple(x.shape)} {digest.hexdigest()[:16]}", **settings}
            if self.path.exists():
                self._resume()
            elif rank == 0:
                self.save()  # if it cannot be kept, say so before training, not after

    def order(self, n: int, batch_size: int, batches: int) -> tuple[Tensor, ...]:
        """The batches of the epoch at hand that are still to come."""
        done = self.history.steps % batches
        now = self.generator.get_state()
        if done:
            self.generator.set_state(self.at_start)
        self.at_start = self.generator.get_state()
        order = torch.randperm(n, generator=self.generator).split(batch_size)
        if done:
            self.generator.set_state(now)
        return order[done:]

    def count(self, *terms: Tensor) -> None:
        """Add log p(x|z), the KL and the bound of a batch, (M,) or (K, M) each, to the sums."""
        means = [t.detach().mean(0) if t.ndim > 1 else t.detach() for t in terms]
        self.sums += torch.stack([t.sum() for t in means])

    def average(self, step: int) -> None:
        """Take the weights after that step into their average, if there is to be one."""
        if self.averaged:
            self.averaged.update(self.vae, step)

    def end_epoch(self, n: int, beta: float, lr: float) -> None:
        """Enter the epoch's means into the history. Raises as `check_finite`."""
        if dist.is_initialized() and dist.get_world_size() > 1:
            dist.all_reduce(self.sums)
        self.check_finite()
        reconstruction, kl, bound = (self.sums / n).tolist()
        h = self.history
        h.elbo.append(reconstruction - kl)
        h.reconstruction.append(reconstruction)
        h.kl.append(kl)
        h.bound.append(bound)
        h.beta.append(beta)
        h.lr.append(lr)
        h.seconds.append(self.seconds)
        self.sums.zero_()  # in place: a CUDA graph adds to it where it is
        self.seconds = 0.0

    def check_finite(self) -> None:
        """Refuse weights that have run away, so that they replace no good ones on disk."""
        if not torch.isfinite(self.sums).all():
            log_px_z, kl, _ = self.sums.tolist()
            raise ValueError(
                f"the ELBO is no longer a finite number in epoch {len(self.history.elbo) + 1} "
                f"(sum of log p(x|z) {log_px_z:.3g}, of KL {kl:.3g} nats): try a smaller lr or a "
                "larger sigma_x"
            )

    def save(self, every: float = 0.0) -> None:
        """Keep the run on disk, unless that was done less than `every` seconds ago."""
        if self.path is None or time.monotonic() - self.saved_at < every:
            return
        weights = self.vae.state_dict()
        tensors = {f"model.{name}": t for name, t in weights.items()}
        if self.averaged:  # the file is of the model that `fit` gives back
            tensors = {f"model.{name}": t for name, t in (weights | self.averaged.means).items()}
            tensors |= {f"last.{name}": weights[name] for name in self.averaged.means}
        for i, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{i}.{name}": t for name, t in moments.items()}
        tensors |= {"sums": self.sums, "generator.start": self.at_start}
        tensors["generator.now"] = self.generator.get_state()
        history = asdict(self.history) | {"interrupted": False}
        # A schedule is a function: its values so far stand for it in the file.
        steps = [*range(0, self.history.steps, max(1, self.history.steps // 100))]
        steps += [self.history.steps - 1] if steps else []
        taken = {n: [[i, at(i)] for i in steps] for n, at in self.schedules.items()}
        info: dict[str, Any] = {"config": self.vae.config, "settings": self.settings}
        info |= {"schedules": taken, "history": history, "seconds": self.seconds}
        checkpoint.write(self.path, tensors, info)
        self.saved_at = time.monotonic()

    def _resume(self) -> None:
        assert self.path is not None
        tensors, info = checkpoint.read(self.path)
        if not {"history", "settings", "schedules"} <= info.keys():
            raise checkpoint.CheckpointError(f"{self.path} holds a model, not a run to go on with")
        wanted = _without_seed(self.vae.config)
        if (given := _without_seed(info["config"])) != wanted:
            raise checkpoint.CheckpointError(
                f"{self.path} is for another model: {_difference(given, wanted)}"
            )
        difference = _difference(info["settings"], self.settings)
        for name, at in self.schedules.items():
            other = [(i, was) for i, was in info["schedules"][name] if at(i) != was]
            if other and not difference:
                i, was = other[0]
                difference = f"{name} was {was:g} at step {i}, is {at(i):g}"
        if difference:
            raise checkpoint.CheckpointError(f"{self.path} is of another run: {difference}; {ANEW}")
        checkpoint.load_weights(self.vae, tensors, str(self.path))
        if self.averaged:
            self.averaged = Average(self.vae, self.averaged.decay)
            last = {n[5:]: t for n, t in tensors.items() if n.startswith("last.")}
            self.vae.load_state_dict(self.vae.state_dict() | last)
        moments: dict[int, dict[str, Tensor]] = {}
        for name, t in tensors.items():
            if name.startswith("optimiser."):
                _, i, key = name.split(".")
                moments.setdefault(int(i), {})[key] = t
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        self.generator.set_state(tensors["generator.now"])
        self.at_start = tensors["generator.start"]
        self.sums.copy_(tensors["sums"])
        self.history, self.seconds = History(**info["history"]), info["seconds"]
        if self.rank > 0:  # the sums over all processes are the first one's to carry on
            self.sums.zero_()

    def finish(self, interrupted: bool, epochs: int) -> History:
        """Keep an interrupted run, say so, and leave in the model what the run is for."""
        self.history.interrupted = interrupted
        if interrupted:
            self.check_finite()
            self.save()
            kept = (
                f"kept in {self.path}: call fit again with the same arguments to go on"
                if self.path
                else "in the model (with checkpoint=FILE, fit could go on from here)"
            )
            print(
                f"Interrupted after {self.history.steps} steps, {len(self.history.elbo)} whole "
                f"epochs of {epochs}; everything trained so far is {kept}."
            )
        if self.averaged:
            self.vae.load_state_dict(self.vae.state_dict() | self.averaged.means)
        return self.history


class Interrupt:
    """While it lasts, Ctrl-C (or the stop button) only sets `asked`; a second one interrupts.

    A step that has begun is so never cut in half. Outside the main thread nothing is changed.
    """

    asked = False

    def __enter__(self) -> "Interrupt":
        self.main = threading.current_thread() is threading.main_thread()
        if self.main:
            self.before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        if self.main:
            signal.signal(signal.SIGINT, self.before)

    def _ask(self, *_: object) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def process_group(backend: str) -> Iterator[None]:
    """Join the processes that torchrun started, and leave them with no thread of theirs behind.

    One still busy while Python shuts down aborts the process after all its work is done. So nothing
    may keep the group alive: neither default arguments that took it when PyTorch's modules were
    imported after it was made, nor DistributedDataParallel's reference cycles.
    """
    import torch.distributed.nn  # noqa: F401

    dist.init_process_group(backend)
    try:
        yield
    finally:
        gc.collect()
        dist.destroy_process_group()


def _without_seed(config: Any) -> Any:
    return {k: v for k, v in config.items() if k != "seed"} if isinstance(config, dict) else config


def _difference(given: Any, wanted: Any) -> str:
    """The first few entries in which two settings differ, in words; "" where they agree."""
    if not isinstance(given, dict) or not isinstance(wanted, dict):
        return "" if given == wanted else f"made as {given}, not as {wanted}"
    names = [n for n in given | wanted if given.get(n) != wanted.get(n)]
    return "; ".join(f"{n} was {given.get(n)}, is {wanted.get(n)}" for n in names[:3])
