"""The same training step, faster: compiled whole, on CUDA one graph, products in lower precision.

`training.fit(engine="compiled", precision="bfloat16")` uses it. The formula is that of `bounds`
and the networks are those of `models`: here stand only Adam, the compiler and the graph.
"""

import functools
import os
import shutil
import sys
import sysconfig
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value

from vaelib import bounds
from vaelib.models import VAE
from vaelib.run import TrainingRun

Step = Callable[[VAE, torch.optim.Optimizer, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
Engine = Literal["plain", "compiled"] | Step
Precision = Literal["float32", "bfloat16", "tf32", "auto"]

# Floating-point operations of a run that earns the compilation back: it takes 10 to 30 s once, and
# then saves about a millisecond for each 5e8 of them.
WORTH_COMPILING = 1e13
SMALL = 3e8  # floating-point operations of a step that one thread does as fast as two
TRIAL = 5  # steps that a number of threads is tried for
REST = 20  # times as long as the trials took, until the next ones
BETAS = (0.9, 0.999)  # Adam's, and its ε: those of torch.optim.Adam
TINY = 1e-8


class Speed:
    """How the steps of a run are taken: by which function, in which precision, on what threads.

    `plain_step` is `training.train_step`. Raises ValueError for an unknown engine or precision.
    """

    def __init__(self, engine: Engine, precision: Precision, vae: VAE, plain_step: Step) -> None:
        if not callable(engine) and engine not in ("plain", "compiled"):
            raise ValueError(
                f'engine is {engine!r}; expected "plain", "compiled" or a function like train_step'
            )
        self.vae = vae
        self.device = vae.device
        self.compiled = engine == "compiled"
        self.precision = choose_precision(precision, vae.dtype, self.device)
        self.step: Step = engine if callable(engine) else plain_step
        name = getattr(engine, "name", "a step of your own") if callable(engine) else engine
        self.settings = {"engine": name, "precision": self.precision}

    def number(self, value: float) -> Tensor | float:
        """The value as the engine reads it: where it is compiled, from a place in memory."""
        return torch.tensor(value, device=self.device) if self.compiled else value

    @contextmanager
    def up(self, run: TrainingRun, steps: int, silent: bool) -> Iterator[None]:
        """While it lasts, the engine is ready: threads, precision, compiled step."""
        batch_size = min(run.batch_size, run.n_train)
        work = flops(self.vae, batch_size)
        if samples := getattr(self.step, "n_samples", None):
            run.batches.samples = (samples,)
        with ExitStack() as stack:
            stack.enter_context(threads(1 if work < SMALL else torch.get_num_threads()))
            stack.enter_context(matrix_products(self.precision, self.device))
            stack.enter_context(memory_explained(run, batch_size))
            if self.compiled and run.step < steps:
                if run.world > 1:
                    raise ValueError('engine="compiled" is for one process; use "plain" here')
                if work * steps >= WORTH_COMPILING:
                    step = compile_step(self.vae, run, batch_size, self.step, silent)
                    stack.callback(step.release)
                    self.step = step
                elif not silent:
                    print("Not compiled: so short a run would not earn back the time it takes.")
            if self._may_change_threads(run):
                self.step = on_fastest_threads(self.step, torch.get_num_threads())
            yield

    def _may_change_threads(self, run: TrainingRun) -> bool:
        # Not with convolutions, whose sums are rounded otherwise with other threads.
        convolutions = (nn.Conv2d, nn.ConvTranspose2d)
        dense = not any(isinstance(m, convolutions) for m in self.vae.modules())
        one_process = run.world == 1 and self.device.type == "cpu"
        return dense and one_process and torch.get_num_threads() > 1

    def capture(
        self, one_step: Callable[[Tensor], None], run: TrainingRun
    ) -> Callable[[Tensor], None]:
        """On CUDA, the step on the batch of some indices as one graph, where it is compiled."""
        if self.device.type != "cuda" or not isinstance(self.step, CompiledStep):
            return one_step
        return CapturedStep(one_step, self.step.batch_size, run.generator)


class ElboTerms(nn.Module):
    """`bounds.elbo_terms` of a VAE as a module, whose weights can be given from outside."""

    def __init__(self, vae: VAE) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, x: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        return bounds.elbo_terms(self.vae, x, eps)


class CompiledStep:
    """`training.train_step` as one compiled function: noise in, gradient, Adam, weights out.

    It is for batches of one size; another one goes to `fallback`. On CUDA (`flat`) the weights and
    Adam's moments are, while it lasts, views of three flat tensors, so that Adam is one kernel.
    Either way they stay where the model and the optimiser look for them.
    """

    def __init__(
        self,
        vae: VAE,
        optimiser: torch.optim.Optimizer,
        batch_size: int,
        fallback: Step,
        flat: bool | None = None,
    ) -> None:
        self.batch_size = batch_size
        self.fallback = fallback
        self.terms = ElboTerms(vae)
        trained = {n: p for n, p in self.terms.named_parameters() if p.requires_grad}
        self.names = list(trained)
        self.parameters = list(trained.values())
        self.flat = vae.device.type == "cuda" if flat is None else flat
        self.t = torch.zeros(len(trained), device=vae.device)  # steps, as Adam counts them
        self.state = self._adopt(optimiser)
        self.powers = torch.zeros(2, device=vae.device)  # β₁ᵗ and β₂ᵗ
        self._set_powers()
        # Nothing that the compiler would guard against can change here: `__call__` looks at the
        # one thing that can, the size of the batch.
        options: dict[str, Any] = {"guard_filter_fn": torch.compiler.skip_all_guards_unsafe}
        options["cpp.dynamic_threads"] = True  # the number of threads is not compiled in
        self.step: Callable[..., tuple[Tensor, Tensor]] = torch.compile(  # type: ignore[call-overload]
            self._step, dynamic=False, isolate_recompiles=True, options=options
        )

    def __call__(
        self, vae: VAE, optimiser: torch.optim.Optimizer, x: Tensor, eps: Tensor, beta: Tensor
    ) -> tuple[Tensor, Tensor]:
        if len(x) == self.batch_size:
            return self.step(*self.state, self.t, self.powers, x, eps, beta, _lr(optimiser))
        terms = self.fallback(vae, optimiser, x, eps, beta)
        self._set_powers()
        return terms

    def compile(self, optimiser: torch.optim.Optimizer) -> float:
        """Compile on copies, so that nothing is trained; the seconds it took."""
        started = time.perf_counter()
        copies = [[t.clone() for t in part] for part in (*self.state, [self.t, self.powers])]
        vae = self.terms.vae
        x = self.t.new_zeros((self.batch_size, *vae.shape), dtype=vae.dtype)
        eps = x.new_zeros(self.batch_size, vae.latent_dim)
        self.step(*copies[:3], *copies[3], x, eps, x.new_ones(()), _lr(optimiser))
        return time.perf_counter() - started

    def release(self) -> None:
        """Give each weight its own memory again."""
        for p in self.parameters:
            p.data = p.data.clone()

    def _step(
        self,
        weights: list[Tensor],
        first: list[Tensor],
        second: list[Tensor],
        t: Tensor,
        powers: Tensor,
        x: Tensor,
        eps: Tensor,
        beta: Tensor,
        lr: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The gradient of −ELBO and Adam as Kingma and Ba (2015) write it, all in place."""
        gradients, (_, terms) = grad_and_value(self._loss, has_aux=True)(weights, x, eps, beta)
        beta1, beta2 = BETAS
        power1 = powers[0] * beta1
        power2 = powers[1] * beta2
        rate = lr / (1 - power1)
        spread = (1 - power2).rsqrt()
        for w, m, v, g in zip(weights, first, second, gradients, strict=True):
            m.lerp_(g, 1 - beta1)
            v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
            w.sub_(rate * m / (v.sqrt() * spread + TINY))
        powers.copy_(torch.stack([power1, power2]))
        t.add_(1)
        return terms

    def _loss(
        self, weights: list[Tensor], x: Tensor, eps: Tensor, beta: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        if self.flat:
            parts = weights[0].split([p.numel() for p in self.parameters])
            weights = [w.view(p.shape) for w, p in zip(parts, self.parameters, strict=True)]
        named = dict(zip(self.names, weights, strict=True))
        log_px_z, kl = functional_call(self.terms, named, (x, eps))
        return -(log_px_z - beta * kl).mean(), (log_px_z, kl)

    def _adopt(self, optimiser: torch.optim.Optimizer) -> tuple[list[Tensor], ...]:
        """Weights and Adam's two moments, and the same memory for model and optimiser."""
        moments = [optimiser.state[p] for p in self.parameters]  # of a run that resumes, or empty
        for i, (p, known) in enumerate(zip(self.parameters, moments, strict=True)):
            known.setdefault("step", torch.zeros(()))
            known.setdefault("exp_avg", torch.zeros_like(p, memory_format=torch.contiguous_format))
            known.setdefault("exp_avg_sq", torch.zeros_like(known["exp_avg"]))
            self.t[i] = known["step"]
            known["step"] = self.t[i]
        weights = [p.detach() for p in self.parameters]
        first = [known["exp_avg"] for known in moments]
        second = [known["exp_avg_sq"] for known in moments]
        if not self.flat:
            return weights, first, second
        flats = [torch.cat([t.flatten() for t in part]) for part in (weights, first, second)]
        sizes = [p.numel() for p in self.parameters]
        views = zip(*(f.split(sizes) for f in flats), self.parameters, moments, strict=True)
        for w, m, v, p, known in views:
            p.data = w.view(p.shape)
            known["exp_avg"] = m.view(p.shape)
            known["exp_avg_sq"] = v.view(p.shape)
        return tuple([f] for f in flats)

    def _set_powers(self) -> None:
        t = self.t[0]
        self.powers.copy_(torch.stack([BETAS[0] ** t, BETAS[1] ** t]))


def _lr(optimiser: torch.optim.Optimizer) -> Tensor:
    return optimiser.param_groups[0]["lr"]


class CapturedStep:
    """A whole step of a small model as one CUDA graph: its dozens of kernels are one launch.

    `step` draws the batch of the given indices and trains on it. The first three full batches are
    ordinary steps on the stream that the capture will use, as PyTorch's notes on CUDA graphs ask
    for; a batch of another size is always an ordinary step.
    """

    WARM_UPS = 3

    def __init__(
        self, step: Callable[[Tensor], None], batch_size: int, generator: torch.Generator
    ) -> None:
        self.step = step
        self.batch_size = batch_size
        self.seen = 0
        self.index = torch.empty(0)
        self.stream = capture_stream(generator.device)
        self.graph = torch.cuda.CUDAGraph()
        self.graph.register_generator_state(generator)

    def __call__(self, index: Tensor) -> None:
        if len(index) != self.batch_size:
            self.step(index)
        elif self.seen < self.WARM_UPS:
            self.seen += 1
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                self.step(index)
            torch.cuda.current_stream().wait_stream(self.stream)
        else:
            if not len(self.index):
                self.index = index.clone()
                with torch.cuda.graph(self.graph, stream=self.stream):
                    self.step(self.index)  # recorded, not run
            self.index.copy_(index)
            self.graph.replay()


@functools.cache
def capture_stream(device: torch.device) -> torch.cuda.Stream:
    """One for the whole process, since cuBLAS keeps a workspace for each stream it has seen."""
    return torch.cuda.Stream(device)


def compile_step(
    vae: VAE, run: TrainingRun, batch_size: int, fallback: Step, silent: bool
) -> CompiledStep:
    """The compiled step. Raises ValueError where there is no compiler, or where it fails."""
    if vae.device.type == "cpu" and (lack := missing()):
        raise ValueError(f'engine="compiled" needs {lack}, or train with engine="plain"')
    step = CompiledStep(vae, run.optimiser, batch_size, fallback)
    try:
        seconds = step.compile(run.optimiser)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        step.release()
        reason = next((line for line in str(error).splitlines() if line.strip()), "no reason given")
        raise ValueError(f'compiling failed ({reason}): train with engine="plain"') from error
    run.history.compile_seconds += seconds
    if not silent:
        print(f"Compiled in {seconds:.1f} s; torch caches it on disk for the next run like it.")
    return step


def missing() -> str | None:
    """What a compilation for the CPU lacks, and what to do; None where it lacks nothing."""
    own = "clang++" if sys.platform == "darwin" else "cl" if os.name == "nt" else "g++"
    name = os.environ.get("CXX", own)
    if shutil.which(name) is None:
        return (
            f"a C++ compiler, and there is no {name} here: install one (on Debian or Ubuntu: "
            "apt install g++), or name yours in CXX"
        )
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.exists():
        return (
            f"Python's headers, and there is no {header}: install them (on Debian or Ubuntu: "
            "apt install python3-dev)"
        )
    return None


def choose_precision(precision: Precision, dtype: torch.dtype, device: torch.device) -> Precision:
    """The precision, checked; "auto" is decided for the device.

    Raises ValueError for another word, for a model that is not float32, and for TF32 on a CPU.
    """
    if precision not in get_args(Precision):
        known = list(get_args(Precision))
        raise ValueError(f"precision is {precision!r}; expected one of {known}")
    if precision == "auto":
        fast = dtype == torch.float32 and has_bfloat16(device)
        return "bfloat16" if fast else "float32"
    if precision != "float32" and dtype != torch.float32:
        raise ValueError(f'precision="{precision}" is for a float32 model; this one is {dtype}')
    if precision == "tf32" and device.type != "cuda":
        raise ValueError(f'precision="tf32" is for CUDA, not for {device}; see "bfloat16"')
    if precision == "bfloat16" and device.type == "cpu" and not has_bfloat16(device):
        warnings.warn(
            'this processor has no bfloat16 instructions: precision="float32" is faster here',
            stacklevel=3,
        )
    return precision


def has_bfloat16(device: torch.device) -> bool:
    """Has the processor instructions for it? (On a GPU small models gain nothing.)"""
    found = torch.cpu.get_capabilities()
    return device.type == "cpu" and any(found.get(n) for n in ("avx512_bf16", "amx_bf16", "bf16"))


@contextmanager
def matrix_products(precision: Precision, device: torch.device) -> Iterator[None]:
    """While it lasts, matrix products are rounded as asked for; everything else is not."""
    before = torch.get_float32_matmul_precision()
    if precision == "tf32":
        torch.set_float32_matmul_precision("high")
    # No cache: it would hold rounded weights from before the last step.
    rounded = torch.autocast(
        device.type, torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False
    )
    try:
        with rounded:
            yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def threads(number: int) -> Iterator[None]:
    """While it lasts, torch computes on so many threads, and afterwards on as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def on_fastest_threads(step: Step, most: int) -> Step:
    """The step, each time on the number of threads that is the fastest at present.

    It is measured again and again, as other work on the machine comes and goes: two threads that
    wait for each other on a busy machine take up to ten times as long as one.
    """
    numbers = fastest_threads(most)

    def on_threads(*arguments: Any) -> tuple[Tensor, Tensor]:
        torch.set_num_threads(next(numbers))
        return step(*arguments)

    return on_threads


def fastest_threads(most: int) -> Iterator[int]:
    """The number of threads for each next step: the fastest of 1, 2, 4, … up to `most`.

    Five steps are tried with each number, and then the fastest is used for twenty times as long.
    """
    numbers = [2**i for i in range(most.bit_length()) if 2**i < most] + [most]
    while True:
        began = time.perf_counter()
        seconds = {}
        for number in numbers:
            yield number  # not counted: the first step with other threads has to start them
            times = [time.perf_counter()]
            for _ in range(TRIAL):
                yield number
                times.append(time.perf_counter())
            seconds[number] = median(b - a for a, b in pairwise(times))
        best = min(seconds, key=seconds.__getitem__)
        now = time.perf_counter()
        while time.perf_counter() < now + REST * (now - began):
            yield best


def flops(vae: VAE, batch_size: int) -> float:
    """Floating-point operations of one step, roughly: 6 per weight and example."""
    weights = sum(p.numel() for p in vae.parameters())
    reuse = 50 if any(isinstance(m, nn.Conv2d) for m in vae.modules()) else 1  # of each weight
    return 6.0 * weights * batch_size * reuse


@contextmanager
def memory_explained(run: TrainingRun, batch_size: int) -> Iterator[None]:
    """Turn "out of memory" into MemoryError with a batch size that fits: tried, not estimated."""
    try:
        yield
        return
    except RuntimeError as error:
        if not _is_memory_error(error):
            raise
        reason = str(error).splitlines()[0]
        traceback.clear_frames(error.__traceback__)  # they hold what the batch has taken so far
    fits = batch_size // 2
    while fits and not _fits(run.vae, len(range(run.rank, fits, run.world))):
        fits //= 2
    advice = f"batch_size={fits} fits" if fits else "nor does one example: try a smaller model"
    raise MemoryError(
        f"a batch of {batch_size} does not fit in memory ({reason}); {advice}"
    ) from None


def _fits(vae: VAE, batch_size: int) -> bool:
    """Whether a forward and a backward pass work; they leave no gradient and no statistics."""
    vae.zero_grad()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    like = next(vae.parameters())
    buffers = [(b, b.clone()) for b in vae.buffers()]
    x = like.new_zeros(batch_size, *vae.shape)
    try:
        log_px_z, kl = bounds.elbo_terms(vae, x, like.new_zeros(batch_size, vae.latent_dim))
        (log_px_z - kl).sum().backward()
    except RuntimeError as error:
        if not _is_memory_error(error):
            raise
        return False
    finally:
        vae.zero_grad()
        for buffer, before in buffers:
            buffer.copy_(before)
    return True


def _is_memory_error(error: BaseException) -> bool:
    # On a CPU it is a plain RuntimeError.
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
