"""Data in a file mapped into memory: read in parts, and let go of what has been read.

The system takes pages of the file back when memory is short, but slowly, and counts them as ours
until then. Letting go costs no reading: the pages stay in the system's own cache while there is
room.
"""

import ctypes
import mmap
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

PART = 2**24  # bytes looked at in one go
SMALL = 2**28  # bytes of data below which nothing is gained
NEIGHBOURS = 2**21  # bytes that may come with a row: the kernel maps the pages around it too


def parts(x: Tensor) -> Iterator[Tensor]:
    """x in parts of some rows; of a mapped file, each is let go when the next is asked for."""
    if x.numel() == 0:
        yield x
        return
    mapped, row = is_mapped(x), x.element_size() * x.numel() // len(x)
    for part in x.split(max(1, PART // max(1, row))):
        yield part
        if mapped:
            _let_go(x)


class Rows:
    """The rows of x on a device, by index; x itself stays in its file, or where there is room."""

    def __init__(self, x: Tensor, device: torch.device) -> None:
        self.device, self.mapped = device, is_mapped(x)
        self.x = x
        if not self.mapped:
            try:
                self.x = x.to(device)
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
        row = x.element_size() * x.numel() // max(1, len(x))
        self.at_a_time = max(1, SMALL // (row + NEIGHBOURS)) if self.mapped else len(x)

    def __getitem__(self, index: Tensor) -> Tensor:
        found = []
        for piece in send(index, self.x.device).split(self.at_a_time):
            found.append(send(self.x.index_select(0, piece), self.device))
            if self.mapped:
                _let_go(self.x)
        return found[0] if len(found) == 1 else torch.cat(found)


def send(values: Tensor, device: torch.device) -> Tensor:
    """The values on the device; a GPU is not waited for, as a plain `to` would do."""
    return values.to(device, non_blocking=device.type == "cuda" and values.device.type == "cpu")


def is_mapped(x: Tensor) -> bool:
    """Whether x lies in a mapped file whose pages can be let go of without losing anything.

    Not those of a private mapping that was written to: what was written is in memory alone.
    """
    if not sys.platform.startswith("linux") or x.device.type != "cpu" or x.nbytes < SMALL:
        return False
    first, last, inside, private = *_span(x), False, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            start, end = (int(address, 16) for address in words[0].split("-"))
            inside = start <= first and last <= end and words[4] != "0"
            private = inside and words[1][3] == "p"
            if inside and not private:
                return True
        elif inside and words[0] == "Anonymous:":
            return int(words[1]) == 0
    return False


def _span(x: Tensor) -> tuple[int, int]:
    """The first and the last address of x's numbers."""
    reach = sum((n - 1) * s for n, s in zip(x.shape, x.stride(), strict=True))
    return x.data_ptr(), x.data_ptr() + (reach + 1) * x.element_size()


def _let_go(x: Tensor) -> None:
    """Take x's pages out of this process; they stay in the file and the system's cache."""
    first, last = _span(x)
    start = -(-first // mmap.PAGESIZE) * mmap.PAGESIZE  # what is before x on its page stays
    if last > start:
        madvise = ctypes.CDLL(None).madvise
        madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        madvise(start, last - start, mmap.MADV_DONTNEED)
