"""torch.compile for the training loop: is it there, is it worth its seconds, what went wrong."""

import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

# Floating-point operations of a run that earns the compilation back: it takes 10 to 25 s once, and
# then saves about a millisecond for each 5e8 of them.
EARNS = 1e13
TOO_SHORT = (
    "so short a run would not earn back the 10 to 25 s that compiling takes the first time "
    '(compile="always" does it all the same).'
)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, compiled for the shapes of its first call. Torch keeps the code on disk."""
    # Each run counts its compilations for itself, or the ninth model of a notebook would get none.
    options: dict[str, Any] = {"dynamic": False, "isolate_recompiles": True}
    return torch.compile(function, **options)


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


@contextmanager
def explained(device: torch.device) -> Iterator[None]:
    """Raise ValueError, in words, where there is nothing to compile with or it fails."""
    if device.type == "cpu" and (lack := missing()):
        raise ValueError(f"compile=True needs {lack}, or train without")
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), "no reason given")
        raise ValueError(f"torch.compile failed ({reason}): train with compile=False") from error
