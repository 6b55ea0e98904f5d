"""How many of PyTorch's threads to work with."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import torch
from torch import nn

SMALL = 3e8  # floating-point operations of a step
TRIAL = 5  # steps that a number of threads is tried for
REST = 20  # times as long as a trial took, until the next


@contextmanager
def few_threads(work: float) -> Iterator[None]:
    """One thread while a step's `work` (floating-point operations) is small, torch's number else.

    Below about 3e8 the second thread saves little when the machine is quiet, and when it is busy
    the two waiting for each other cost up to ten times.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1 if work < SMALL else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def thread_numbers(vae: nn.Module, fixed: bool) -> Iterator[int]:
    """The number of threads for each next step: the fastest of 1, 2, 4, … up to torch's own.

    It is tried out again and again, which takes a twentieth of the time, since other work on the
    machine comes and goes: two threads that share one free core wait for each other. `fixed` keeps
    torch's number, as do convolutions, whose sums are rounded otherwise with other threads.
    """
    most = torch.get_num_threads()
    if (
        fixed
        or most == 1
        or any(isinstance(m, nn.Conv2d | nn.ConvTranspose2d) for m in vae.modules())
    ):
        while True:
            yield most
    while True:
        began, seconds = time.perf_counter(), {}
        for threads in [*(2**i for i in range(most.bit_length()) if 2**i < most), most]:
            yield threads  # not counted: the first step with other threads has to start them
            times = [time.perf_counter()]
            for _ in range(TRIAL):
                yield threads
                times.append(time.perf_counter())
            seconds[threads] = median(b - a for a, b in zip(times, times[1:], strict=False))
        best, now = min(seconds, key=seconds.__getitem__), time.perf_counter()
        while time.perf_counter() < now + REST * (now - began):
            yield best
