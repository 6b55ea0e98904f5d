"""The same training step, faster: compiled whole, on CUDA one graph, products in lower precision.

`training.fit(engine="compiled", precision="bfloat16")` uses it. The bound is that of `bounds` and
the networks are those of `models`; here are only Adam, the compiler, the graph and the threads.
"""

import copy
import functools
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from statistics import median
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.optim import Optimizer

from vaelib.bounds import elbo_terms
from vaelib.models import VAE
from vaelib.run import TrainingRun

Terms = tuple[Tensor, Tensor]  # log p(x|z) and KL(q(z|x) ‖ p(z)) of each example
Step = Callable[..., Terms]  # called as `training.train_step`
OnBatch = Callable[[Tensor], None]  # draws the batch of the given indices, and takes a step on it
Engine = Literal["plain", "compiled"] | Step
State = list[list[Tensor]]  # weights, Adam's two moments, and its step counts and powers
Precision = Literal["float32", "bfloat16", "tf32", "auto"]

# Floating-point operations of a run that earns the compilation back: it takes 10 to 30 s once, and
# then saves about a millisecond for each 5e8 of them.
WORTH_COMPILING = 1e13
SMALL = 3e8  # floating-point operations of a step that one thread does as fast as two
TRIAL = 3  # steps that a number of threads is tried for
REST = 20  # times as long as the trials took, until the next ones
WARM_UPS = 3  # ordinary steps before one is captured, as PyTorch's notes on CUDA graphs ask for
BETA1, BETA2, TINY = 0.9, 0.999, 1e-8  # of torch.optim.Adam
MOMENTS = ("exp_avg", "exp_avg_sq")  # where it keeps its means of the gradient and its square

# One stream for the whole process, since cuBLAS keeps a workspace for each stream it has seen.
capture_stream = functools.cache(torch.cuda.Stream)


class Speed:
    """How the steps of a run are taken: by which function, in which precision, on what threads.

    `plain_step` is `training.train_step`. Raises ValueError for an unknown engine or precision.
    """

    def __init__(self, engine: Engine, precision: Precision, vae: VAE, plain_step: Step) -> None:
        if not callable(engine) and engine not in ("plain", "compiled"):
            expected = '"plain", "compiled" or a function like train_step'
            raise ValueError(f"engine is {engine!r}; expected {expected}")
        self.vae = vae
        self.device = vae.device
        self.compiled = engine == "compiled"
        self.precision = choose_precision(precision, vae.dtype, self.device)
        self.step: Step = plain_step if isinstance(engine, str) else engine
        name = engine if isinstance(engine, str) else getattr(engine, "name", "a step of your own")
        self.settings = {"engine": name, "precision": self.precision}

    def as_input(self, value: float) -> Tensor | float:
        """A tensor for the compiled step, which reads it at each step; for others the number."""
        as_tensor = functools.partial(torch.tensor, dtype=self.vae.dtype, device=self.device)
        return as_tensor(value) if self.compiled else value

    @contextmanager
    def prepared(self, run: TrainingRun, steps: int, silent: bool) -> Iterator[None]:
        """While it lasts, the engine is ready: threads, precision, and the compiled step."""
        batch_size = min(run.batch_size, run.n_train)
        weights = sum(p.numel() for p in self.vae.parameters())
        convolutions = any(p.ndim == 4 for p in self.vae.parameters())
        # Roughly: 6 per weight and example, and a convolution uses each weight at many places.
        flops = 6.0 * weights * batch_size * (50 if convolutions else 1)
        if samples := getattr(self.step, "n_samples", None):
            run.batches.samples = (samples,)
        with ExitStack() as stack:
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            if flops < SMALL:
                torch.set_num_threads(1)
            before = torch.get_float32_matmul_precision()
            stack.callback(torch.set_float32_matmul_precision, before)
            torch.set_float32_matmul_precision("high" if self.precision == "tf32" else before)
            if self.compiled and self.precision == "float32" and self.device.type == "cpu":
                use_onednn()
            stack.enter_context(matrix_products(self.precision, self.device))
            stack.enter_context(memory_explained(run, batch_size))
            compiles = self.compiled and run.steps_done < steps
            if compiles and run.world > 1:
                raise ValueError('engine="compiled" is for one process; under torchrun use "plain"')
            if compiles and flops * steps >= WORTH_COMPILING:
                self._compile(run, batch_size, silent, stack)
            elif compiles and not silent:
                print("Not compiled: so short a run would not earn back the 10 to 30 s it takes.")
            # With other threads the sums of convolutions are rounded otherwise.
            tried = run.world == 1 and self.device.type == "cpu" and not convolutions
            if tried and torch.get_num_threads() > 1:
                threads = fastest_threads(torch.get_num_threads())
                step = self.step

                def on_threads(*arguments: Any) -> Terms:
                    torch.set_num_threads(next(threads))
                    return step(*arguments)

                self.step = on_threads
            yield

    def captured(self, one_step: OnBatch, run: TrainingRun) -> OnBatch:
        """On CUDA, the step on the batch of some indices as one graph, where it is compiled."""
        if self.device.type != "cuda" or not isinstance(self.step, CompiledStep):
            return one_step
        return CapturedStep(one_step, self.step.batch_size, run.generator)

    def _compile(self, run: TrainingRun, batch_size: int, silent: bool, stack: ExitStack) -> None:
        """From now on until the end of `stack`, the compiled step. ValueError if there is none."""
        step = CompiledStep(self.vae, run.optimiser, batch_size, self.step)
        stack.callback(step.release)
        run.after_loading = step.set_powers
        began = time.perf_counter()
        try:
            step.compile(run.optimiser)
        except RuntimeError as error:
            if is_memory_error(error):
                raise
            reason = (str(error).strip() or "no reason").splitlines()[0]
            needed = "a C++ compiler and Python's headers (Debian, Ubuntu: g++ and python3-dev)"
            message = f'compiling failed ({reason}): it needs {needed}; or use engine="plain"'
            raise ValueError(message) from error
        seconds = time.perf_counter() - began
        run.history.compile_seconds += seconds
        if not silent:
            print(f"Compiled in {seconds:.1f} s; torch caches it on disk for the next run like it.")
        self.step = step


class ElboTerms(nn.Module):
    """`bounds.elbo_terms` of a VAE as a module, whose weights can be given from outside."""

    def __init__(self, vae: VAE) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, x: Tensor, eps: Tensor) -> Terms:
        return elbo_terms(self.vae, x, eps)


class CompiledStep:
    """`training.train_step` as one compiled function: noise in, gradient, Adam, weights out.

    It is for batches of one size; another one goes to `fallback`. The weights and Adam's moments
    stay where the model and the optimiser look for them. On CUDA (`flat`) they are, while it lasts,
    views of three flat tensors, so that Adam is one kernel.
    """

    def __init__(
        self, vae: VAE, optimiser: Optimizer, batch_size: int, fallback: Step, flat: bool = False
    ) -> None:
        self.batch_size = batch_size
        self.fallback = fallback
        self.terms = ElboTerms(vae)
        self.trained = {n: p for n, p in self.terms.named_parameters() if p.requires_grad}
        self.sizes = [p.numel() for p in self.trained.values()]
        self.flat = flat or vae.device.type == "cuda"
        zeros = functools.partial(torch.zeros, dtype=torch.float32, device=vae.device)
        self.t = zeros(len(self.trained))  # steps that Adam has counted
        self.powers = zeros(2)  # β₁ᵗ and β₂ᵗ
        self.state: State = [*self._adopt(optimiser), [self.t, self.powers]]
        self.set_powers()
        # No guard is needed: what may change is the size of a batch, and `__call__` looks at it.
        options: dict[str, Any] = {"guard_filter_fn": torch.compiler.skip_all_guards_unsafe}
        options["cpp.dynamic_threads"] = True  # the number of threads is not compiled in
        self.step: Step = torch.compile(  # type: ignore[call-overload]
            self._step, dynamic=False, isolate_recompiles=True, options=options
        )

    def __call__(
        self, vae: VAE, optimiser: Optimizer, x: Tensor, eps: Tensor, beta: Tensor
    ) -> Terms:
        if len(x) == self.batch_size:
            return self.step(self.state, x, eps, beta, optimiser.param_groups[0]["lr"])
        terms = self.fallback(vae, optimiser, x, eps, beta)
        self.set_powers()
        return terms

    def compile(self, optimiser: Optimizer) -> None:
        """Compile on copies, so that nothing is trained."""
        copies = [[t.clone() for t in part] for part in self.state]
        vae = self.terms.vae
        x = torch.zeros(self.batch_size, *vae.shape, dtype=vae.dtype, device=vae.device)
        eps = x.new_zeros(self.batch_size, vae.latent_dim)
        self.step(copies, x, eps, x.new_ones(()), optimiser.param_groups[0]["lr"])

    def release(self) -> None:
        """Give each weight its own memory again."""
        for p in self.trained.values() if self.flat else ():
            p.data = p.data.clone()

    def _step(self, state: State, x: Tensor, eps: Tensor, beta: Tensor, lr: Tensor) -> Terms:
        """The gradient of −ELBO, then Adam as Kingma and Ba (2015) write it, all in place."""
        weights, first, second, (t, powers) = state

        def loss(weights: list[Tensor]) -> tuple[Tensor, Terms]:
            if self.flat:
                parts = zip(weights[0].split(self.sizes), self.trained.values(), strict=True)
                weights = [w.view(p.shape) for w, p in parts]
            named = dict(zip(self.trained, weights, strict=True))
            log_px_z, kl = functional_call(self.terms, named, (x, eps))
            return -(log_px_z - beta * kl).mean(), (log_px_z, kl)

        gradients, (_, terms) = grad_and_value(loss, has_aux=True)(weights)
        # Kept as products: a power of t would be taken again for each single weight.
        power1 = powers[0] * BETA1
        power2 = powers[1] * BETA2
        rate = lr / (1 - power1)
        scale = (1 - power2).rsqrt()
        for w, m, v, g in zip(weights, first, second, gradients, strict=True):
            m.lerp_(g, 1 - BETA1)
            v.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
            w.sub_(rate * m / (v.sqrt() * scale + TINY))
        powers.copy_(torch.stack([power1, power2]))
        t.add_(1)
        return terms

    def _adopt(self, optimiser: Optimizer) -> State:
        """Weights and Adam's two moments, in memory that model and optimiser see too."""
        parts: State = [list(self.trained.values()), [], []]
        for i, p in enumerate(self.trained.values()):
            state = optimiser.state[p]  # of a run that resumes, or empty
            self.t[i] = state.get("step", 0)
            state["step"] = self.t[i]
            for name, part in zip(MOMENTS, parts[1:], strict=True):
                part.append(state.setdefault(name, torch.zeros_like(p)))
        if self.flat:
            flats = [parameters_to_vector(part).detach() for part in parts]
            for part, flat in zip(parts, flats, strict=True):
                vector_to_parameters(flat, part)  # views of it from now on
            return [[flat] for flat in flats]
        return [[t.detach() for t in part] for part in parts]

    def set_powers(self) -> None:
        self.powers.copy_(torch.stack([BETA1 ** self.t[0], BETA2 ** self.t[0]]))


class CapturedStep:
    """A whole step of a small model as one CUDA graph: its dozens of kernels are one launch.

    The first ones are ordinary steps, on the stream of the capture; so is one on a smaller batch.
    """

    def __init__(self, step: OnBatch, batch_size: int, generator: torch.Generator) -> None:
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
        elif self.seen < WARM_UPS:
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


def choose_precision(precision: Precision, dtype: torch.dtype, device: torch.device) -> Precision:
    """The precision, or ValueError; "auto" is decided for the device."""
    if precision not in (known := get_args(Precision)):
        raise ValueError(f"precision is {precision!r}; expected one of {list(known)}")
    cpu = device.type == "cpu"
    found = torch.cpu.get_capabilities()
    fast = cpu and any(found.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    if precision == "auto":  # on a GPU, small models gain nothing
        return "bfloat16" if fast and dtype == torch.float32 else "float32"
    if precision != "float32" and dtype != torch.float32:
        raise ValueError(f'precision="{precision}" is for a float32 model; this one is {dtype}')
    if precision == "tf32" and device.type != "cuda":
        raise ValueError(f'precision="tf32" is for CUDA, not for {device}; see "bfloat16"')
    if precision == "bfloat16" and cpu and not fast:
        text = "this processor has no bfloat16 instructions, and float32 is faster on it"
        warnings.warn(text, stacklevel=4)
    return precision


def matrix_products(precision: Precision, device: torch.device) -> torch.autocast:
    """A context in which matrix products are rounded to bfloat16, if asked for; all else is not."""
    # No cache: it would hold rounded weights from before the last step.
    rounded = precision == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, rounded, cache_enabled=False)


def use_onednn() -> None:
    """Let oneDNN do float32 products, twice as fast as MKL on AMD, where it does not round them.

    The setting, "medium", permits it to round to bfloat16: it does so on processors with AMX.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    x = torch.full((128, 128), 1 + 2**-12)  # bfloat16 and TF32 make it 1
    if not torch.equal(x @ torch.eye(128), x):
        torch.set_float32_matmul_precision(before)


def fastest_threads(most: int) -> Iterator[int]:
    """The number of threads for each next step: the fastest of `most`, its half, … and 1.

    They are tried again and again, as other work comes and goes: two threads that wait for each
    other on a busy machine take up to ten times as long as one.
    """
    while True:
        began = time.perf_counter()
        seconds = {}
        for number in (most >> i for i in range(most.bit_length())):
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


@contextmanager
def memory_explained(run: TrainingRun, batch_size: int) -> Iterator[None]:
    """Turn "out of memory" into MemoryError with a batch size that fits: tried, not estimated."""
    try:
        yield
        return
    except RuntimeError as error:
        if not is_memory_error(error):
            raise
        reason = str(error).splitlines()[0]
        traceback.clear_frames(error.__traceback__)  # they hold what the batch has taken so far
    vae = copy.deepcopy(run.vae)
    run.vae.zero_grad()
    zeros = functools.partial(torch.zeros, dtype=vae.dtype, device=vae.device)
    fits = batch_size
    while fits := fits // 2:
        torch.cuda.empty_cache()
        n = len(range(run.rank, fits, run.world))  # of this process
        with suppress(RuntimeError):  # No name is given to anything, as it would stay in memory.
            elbo_terms(vae, zeros(n, *vae.shape), zeros(n, vae.latent_dim))[0].sum().backward()
            break
    advice = f"batch_size={fits} fits" if fits else "nor does one example: try a smaller model"
    message = f"a batch of {batch_size} does not fit in memory ({reason}); {advice}"
    raise MemoryError(message) from None


def is_memory_error(error: BaseException) -> bool:
    """Whether memory ran out: on a CPU, torch raises a plain RuntimeError for it."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
