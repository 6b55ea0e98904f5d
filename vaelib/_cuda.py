"""What a GPU needs: a step launched whole, and words for a batch that its memory does not hold."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from vaelib._objective import Terms

Step = Callable[[Tensor, Tensor, Tensor, int], None]


class Captured:
    """The step of a small model as one CUDA graph: its some hundred kernels are one launch.

    The first three whole batches are ordinary steps on the stream that the capture will use, as
    PyTorch's notes on CUDA graphs ask for. A batch of another size is always an ordinary step.
    """

    def __init__(self, step: Step, batch_size: int) -> None:
        self.step, self.batch_size, self.seen = step, batch_size, 0
        self.stream, self.graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        self.inputs: tuple[Tensor, ...] = ()

    def __call__(self, x: Tensor, eps: Tensor, beta: Tensor, size: int) -> None:
        if size != self.batch_size:
            self.step(x, eps, beta, size)
        elif self.seen < 3:
            self.seen += 1
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                self.step(x, eps, beta, size)
            torch.cuda.current_stream().wait_stream(self.stream)
        else:
            if not self.inputs:
                self.inputs = (x.clone(), eps.clone(), beta.clone())
                with torch.cuda.graph(self.graph, stream=self.stream):
                    self.step(*self.inputs, size)  # recorded, not run
            for its, given in zip(self.inputs, (x, eps, beta), strict=True):
                its.copy_(given)
            self.graph.replay()


@contextmanager
def memory_explained(terms: Terms, size: int, rank: int, world: int) -> Iterator[None]:
    """Turn "out of memory" for a batch of `size` into MemoryError with one that does fit: tried."""
    try:
        yield
        return
    except RuntimeError as error:
        if not _is_of_memory(error):
            raise
        reason, fits = str(error).splitlines()[0], size // 2
        traceback.clear_frames(error.__traceback__)  # they hold what the batch has taken so far
    while fits and not _fits(terms, len(range(rank, fits, world))):
        fits //= 2
    advice = f"batch_size={fits} fits" if fits else "nor does one example: try a smaller model"
    raise MemoryError(f"a batch of {size} does not fit in memory ({reason}); {advice}") from None


def _fits(terms: Terms, size: int) -> bool:
    for parameter in terms.parameters():
        parameter.grad = None
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    try:
        terms.rehearse(size)
    except RuntimeError as error:
        if not _is_of_memory(error):
            raise
        return False
    return True


def _is_of_memory(error: BaseException) -> bool:
    # On a CPU it is a plain RuntimeError.
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def adam(vae: nn.Module, lr: float, captured: bool) -> torch.optim.Optimizer:
    """Adam, all weights in one go; `captured` keeps its numbers where a graph finds them."""
    device = next(vae.parameters()).device
    rate = torch.tensor(lr, device=device) if captured else lr
    return torch.optim.Adam(vae.parameters(), lr=rate, fused=True, capturable=captured)


def set_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """The learning rate of the next step, also where a graph holds its place in memory."""
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr
