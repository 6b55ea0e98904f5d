"""How many of PyTorch's threads to work with."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def few_threads(work: float) -> Iterator[None]:
    """One thread while a step's `work` (floating-point operations) is small, torch's number else.

    Below about 3e8 the second thread saves little when the machine is quiet, and when it is busy
    the two waiting for each other cost up to ten times.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1 if work < 3e8 else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
